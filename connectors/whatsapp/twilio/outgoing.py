"""One part of a reply as Twilio takes it (POST Messages.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from connectors.whatsapp.templates import chosen_template, values_of
from connectors.whatsapp.texts import split
from connectors.whatsapp.twilio.incoming import PART, part_name
from connectors.whatsapp.twilio.settings import TwilioSettings
from desk.errors import InvalidInputError
from desk.ports import OutgoingReply

LONGEST_TEXT = 1_600
LARGEST_FILE, LARGEST_IMAGE = 16_000_000, 5_000_000


def parts(reply: OutgoingReply) -> tuple[OutgoingReply, ...]:
    """The text, cut, then every file as a message of its own (WhatsApp takes one each); a template is one message."""
    if chosen_template(reply.recipient) is not None:
        return (replace(reply, part=0, files=()),)
    texts = [replace(reply, body=text, files=()) for text in split(reply.body, LONGEST_TEXT) if text]
    files = [replace(reply, body="", files=(file,)) for file in reply.files]
    return tuple(replace(each, part=at) for at, each in enumerate([*texts, *files])) or (reply,)


def message(reply: OutgoingReply, settings: TwilioSettings) -> dict[str, Any]:
    """The arguments of `messages.create`. Raises InvalidInputError."""
    to = address_of(reply.recipient)
    sender = {"messaging_service_sid": settings.messaging_service} if settings.messaging_service else {}
    said: dict[str, Any] = {"to": to, "from_": settings.sender, **sender}
    if callback := _callback(reply, settings):
        said["status_callback"] = callback
    template = chosen_template(reply.recipient)
    if template is not None:
        values = values_of(template)
        variables = {"content_variables": json.dumps(values)} if values else {}
        return {**said, "content_sid": str(template["key"]), **variables}
    if reply.files:
        file = reply.files[0]
        most = LARGEST_IMAGE if file.media_type.startswith("image/") else LARGEST_FILE
        if len(file.content) > most:
            msg = f"{file.name} is larger than the {most // 1_000_000} MB WhatsApp takes"
            raise InvalidInputError(msg)
        if not file.address:
            msg = f"{file.name} has no address at which Twilio could fetch it"
            raise InvalidInputError(msg)
        return {**said, "media_url": [file.address]}
    return {**said, "body": reply.body}


def address_of(recipient: Mapping[str, Any]) -> str:
    """A number or a business-scoped id, with its prefix."""
    address = recipient.get("whatsapp")
    if not isinstance(address, str) or not address.startswith("whatsapp:") or not address[9:].lstrip("+"):
        msg = "this conversation has no WhatsApp number to answer"
        raise InvalidInputError(msg)
    if len(address) > 160 or any(ord(letter) <= 32 for letter in address):
        msg = "the number to answer is not one"
        raise InvalidInputError(msg)
    return address


def _callback(reply: OutgoingReply, settings: TwilioSettings) -> str:
    """Where Twilio says what becomes of it, under our own name for the part. Twilio refuses a message with an address
    it can never reach, so a desk that has no public one goes without."""
    host = urlsplit(reply.webhook_address).hostname or ""
    if not host or (settings.is_real and (host in {"localhost", "127.0.0.1", "::1"} or "_" in host)):
        return ""
    return f"{reply.webhook_address}?{PART}={part_name(reply.delivery_id, reply.part)}"
