"""One part of a reply as Meta takes it (POST /{phone-number-id}/messages)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.whatsapp.meta.incoming import part_name
from connectors.whatsapp.templates import chosen_template, values_of
from connectors.whatsapp.texts import split
from desk.errors import InvalidInputError
from desk.ports import OutgoingFile, OutgoingReply

LONGEST_TEXT = 4_096
_LIMITS = {
    "image": (5_000_000, frozenset({"image/jpeg", "image/png"})),
    "audio": (16_000_000, frozenset({"audio/aac", "audio/mp4", "audio/mpeg", "audio/amr", "audio/ogg"})),
    "video": (16_000_000, frozenset({"video/mp4", "video/3gpp"})),
}
LARGEST_DOCUMENT = 100_000_000


def parts(reply: OutgoingReply) -> tuple[OutgoingReply, ...]:
    """The text, cut, then every file as a message of its own; a template is one message."""
    if chosen_template(reply.recipient) is not None:
        return (replace(reply, part=0, files=()),)
    texts = [replace(reply, body=text, files=()) for text in split(reply.body, LONGEST_TEXT) if text]
    files = [replace(reply, body="", files=(file,)) for file in reply.files]
    return tuple(replace(each, part=at) for at, each in enumerate([*texts, *files])) or (reply,)


def media_kind(file: OutgoingFile) -> str:
    """How WhatsApp shows it. Raises InvalidInputError for a file it would not take."""
    for kind, (most, types) in _LIMITS.items():
        if file.media_type in types and len(file.content) <= most:
            return kind
    if len(file.content) > LARGEST_DOCUMENT:
        msg = f"{file.name} is larger than the 100 MB WhatsApp takes"
        raise InvalidInputError(msg)
    return "document"


def message(reply: OutgoingReply, media_id: str = "") -> dict[str, Any]:
    """Raises InvalidInputError."""
    said: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **_to(reply.recipient),
        "biz_opaque_callback_data": part_name(reply.delivery_id, reply.part),
    }
    template = chosen_template(reply.recipient)
    if template is not None:
        return {**said, "type": "template", "template": _template(template)}
    if reply.files:
        kind = media_kind(reply.files[0])
        named = {"filename": reply.files[0].name} if kind == "document" else {}
        return {**said, "type": kind, kind: {"id": media_id, **named}}
    return {**said, "type": "text", "text": {"body": reply.body, "preview_url": False}}


def _to(recipient: Mapping[str, Any]) -> dict[str, str]:
    """Numbers are called `to`, business-scoped ids `recipient`."""
    address = recipient.get("whatsapp")
    if not isinstance(address, str) or not 5 <= len(address) <= 140 or not address.replace(".", "").isalnum():
        msg = "this conversation has no WhatsApp number to answer"
        raise InvalidInputError(msg)
    return {"to": address} if address.isdigit() else {"recipient": address}


def _template(template: Mapping[str, Any]) -> dict[str, Any]:
    values = values_of(template)
    named = not all(name.isdigit() for name in values)
    parameters = [
        {"type": "text", **({"parameter_name": name} if named else {}), "text": value}
        for name, value in (values.items() if named else sorted(values.items(), key=lambda each: int(each[0])))
    ]
    made: dict[str, Any] = {"name": str(template["name"]), "language": {"code": str(template["language"])}}
    return {**made, "components": [{"type": "body", "parameters": parameters}]} if parameters else made
