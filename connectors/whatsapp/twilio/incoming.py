"""What Twilio posts, and what its list of messages says: the signature, messages, status callbacks.

A message comes as the form Twilio posts or, when the call was missed, as the JSON of its list; both are kept as they
came under the message's SID. Sources: Twilio, "Webhooks security", "Track the message status".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import msgspec
from twilio.request_validator import RequestValidator

from connectors.whatsapp.shapes import as_object, decoded
from connectors.whatsapp.texts import consent_of
from connectors.whatsapp.twilio.errors import words_of
from connectors.whatsapp.twilio.settings import TwilioSettings
from connectors.whatsapp.window import window_until
from desk.errors import FalseSignatureError, InvalidInputError, UnreadableMessageError
from desk.ports import (
    DeliveryMark,
    FileReference,
    Ignored,
    Inbound,
    InboundMessage,
    RawMessage,
    Reaction,
    Sender,
    WebhookAnswer,
    WebhookRequest,
)

MOST_FILES = 10
PART = "part"
"""Of the status callback's address: our own name for the part, which comes back with it."""
RETRY_RULES = "#rc=3&rp=all"
"""Twilio's connection overrides: without them a call that failed is not repeated."""
_MARKS = {
    "queued": "accepted",
    "accepted": "accepted",
    "scheduled": "accepted",
    "sending": "accepted",
    "sent": "sent",
    "delivered": "delivered",
    "partially_delivered": "delivered",
    "read": "read",
    "failed": "failed",
    "undelivered": "failed",
    "canceled": "failed",
}


class _Form(dict[str, list[str]]):
    """As the validator wants it: every name with all of its values."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


def accept(request: WebhookRequest, settings: TwilioSettings, received_at: datetime) -> WebhookAnswer:
    """Any text in the answer would be sent to the customer, so there is none.

    Raises FalseSignatureError, InvalidInputError.
    """
    if request.method != "POST":
        msg = "Twilio posts its messages to this address"
        raise InvalidInputError(msg)
    given = _form(request.body)
    if not _is_signed(request, given, settings):
        msg = "X-Twilio-Signature is not the signature of this call under the auth token"
        raise FalseSignatureError(msg)
    fields = {name: values[-1] for name, values in given.items()}
    sid = fields.get("MessageSid") or fields.get("SmsSid") or f"sha256:{hashlib.sha256(request.body).hexdigest()}"
    status = fields.get("MessageStatus") or fields.get("SmsStatus") or ""
    kept = {"form": fields, "part": request.query.get(PART, ""), "received_at": received_at.isoformat()}
    is_message = status in {"", "received", "receiving"}
    # A callback comes once for each stage; a repeated one is the same row.
    name = sid if is_message else f"{sid}:{status}"
    raw = RawMessage(name, msgspec.json.encode(kept, order="sorted"), fields.get("From", "") if is_message else "")
    return WebhookAnswer((raw,), body=b"<Response/>", media_type="text/xml")


def _form(body: bytes) -> _Form:
    """Blank values count in the signature, and nothing is trimmed."""
    form = _Form()
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=1_000)
    except ValueError as error:
        msg = "the body is no form"
        raise InvalidInputError(msg) from error
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    return form


def _is_signed(request: WebhookRequest, form: _Form, settings: TwilioSettings) -> bool:
    """By the token of now or the one before; with or without the port (the validator tries both) and the fragment,
    of which Twilio does not say whether it signs it."""
    signature = request.headers.get("x-twilio-signature", "")
    for token in (settings.auth_token, settings.previous_auth_token):
        for address in (request.url, f"{request.url}{RETRY_RULES}"):
            try:
                validator: Any = RequestValidator(token.reveal())
                if token and validator.validate(address, form, signature):
                    return True
            except (ValueError, TypeError, AttributeError):
                # The validator raises for addresses and bodies it has not thought of: they are not signed either.
                return False
    return False


def listed_message(message: Mapping[str, Any]) -> RawMessage:
    """A message as Twilio's list has it, under the same name as when it is posted."""
    raw = msgspec.json.encode({"listed": message}, order="sorted")
    return RawMessage(str(message["sid"]), raw, str(message.get("from") or ""))


def parse(raw: bytes, settings: TwilioSettings) -> Inbound:
    """Raises UnreadableMessageError."""
    kept = decoded(raw)
    if kept is None or not ("form" in kept or "listed" in kept):
        msg = "this is neither a call nor a message of Twilio's"
        raise UnreadableMessageError(msg)
    if "listed" in kept:
        return _listed(as_object(kept["listed"]), settings)
    form = {name: str(value) for name, value in as_object(kept["form"]).items()}
    if (account := form.get("AccountSid")) and account != settings.account_sid:
        return Ignored(f"is for the account {account}; this connection is for {settings.account_sid}")
    status = form.get("MessageStatus") or form.get("SmsStatus") or ""
    if status and status not in {"received", "receiving"}:
        return _status(form, status, str(kept.get("part") or ""))
    return _message(form, _moment(str(kept.get("received_at") or "")), settings)


def _status(form: Mapping[str, str], status: str, part: str) -> Inbound:
    mark = _MARKS.get(status)
    if mark is None:
        return Ignored(f"a status '{status}' that says nothing about arriving")
    code = int(form["ErrorCode"]) if form.get("ErrorCode", "").isdigit() else 0
    told = form.get("ErrorMessage") or form.get("ChannelStatusMessage") or ""
    return DeliveryMark(
        provider_id=form.get("MessageSid") or form.get("SmsSid") or "",
        mark=cast("Any", mark),
        part=part_of(part),
        detail=words_of(code, told) if mark == "failed" else "",
    )


def part_name(delivery_id: UUID, part: int) -> str:
    return f"{delivery_id}.{part}"


def part_of(name: str) -> tuple[UUID, int] | None:
    delivery, _, part = name.partition(".")
    try:
        return UUID(delivery), int(part)
    except ValueError:
        return None


def _message(form: Mapping[str, str], received_at: datetime, settings: TwilioSettings) -> Inbound:
    key, sender = form.get("MessageSid") or form.get("SmsSid") or "", form.get("From", "")
    if not key or not sender:
        msg = "this message names no sender or has no SID"
        raise UnreadableMessageError(msg)
    if sender == settings.sender:
        return Ignored("was sent by this number itself", key)
    if form.get("MessageType") == "reaction":
        return Reaction(
            form.get("OriginalRepliedMessageSid", ""), sender, form.get("Body", "") or form.get("Emoji", "")
        )
    count = min(int(form["NumMedia"]) if form.get("NumMedia", "").isdigit() else 0, MOST_FILES)
    files = tuple(
        FileReference(
            f"{_file_kind(form.get(f'MediaContentType{at}', ''))}",
            {"url": form.get(f"MediaUrl{at}", ""), "type": form.get(f"MediaContentType{at}", "")},
        )
        for at in range(count)
    )
    body = _body(form)
    others = (form.get("ExternalUserId", ""), form.get("ParentExternalUserId", ""))
    return _inbound(
        key, sender, body, received_at, files, name=form.get("ProfileName", ""), also=others,
        answers=form.get("OriginalRepliedMessageSid", ""),
    )  # fmt: skip


def _inbound(
    key: str,
    sender: str,
    body: str,
    written: datetime,
    files: tuple[FileReference, ...],
    *,
    name: str = "",
    also: tuple[str, ...] = (),
    answers: str = "",
) -> InboundMessage:
    return InboundMessage(
        key=key,
        sender=Sender(
            external_id=sender,
            name=name or sender.removeprefix("whatsapp:"),
            also=tuple(dict.fromkeys(each for each in also if each and each != sender)),
            verified=True,
        ),
        body=body,
        subject=body.partition("\n")[0][:80] or "WhatsApp",
        answers=(answers,) if answers else (),
        recipient={"whatsapp": sender, "window_until": window_until(written)},
        sent_at=written,
        to_fetch=files,
        joins_newest=True,
        consent=consent_of(body),
    )


def _body(form: Mapping[str, str]) -> str:
    body = form.get("Body", "")
    if form.get("Latitude") and form.get("Longitude"):
        place = (form.get("Label", ""), form.get("Address", ""), f"{form['Latitude']}, {form['Longitude']}")
        return "\n".join(["Location:", *(each for each in (body, *place) if each)])
    return body or form.get("ButtonText", "")


def _listed(message: Mapping[str, Any], settings: TwilioSettings) -> Inbound:
    """The list says nothing of buttons, places and answers to messages; text and files are whole."""
    key, sender = str(message.get("sid") or ""), str(message.get("from") or "")
    if not key or not sender:
        msg = "this message names no sender or has no SID"
        raise UnreadableMessageError(msg)
    if sender == settings.sender:
        return Ignored("was sent by this number itself", key)
    count = int(str(message.get("num_media") or "0"))
    files = tuple(FileReference("file", {"message": key, "at": at}) for at in range(min(count, MOST_FILES)))
    return _inbound(key, sender, str(message.get("body") or ""), _moment(str(message.get("date_sent") or "")), files)


def _file_kind(media_type: str) -> str:
    first, _, second = media_type.partition(";")[0].strip().partition("/")
    ending = {"jpeg": "jpg", "mpeg": "mp3", "plain": "txt", "quicktime": "mov", "vcard": "vcf"}.get(second, second)
    return f"{first or 'file'}.{ending}" if second.isalnum() else first or "file"


def _moment(given: str) -> datetime:
    """ISO 8601 or RFC 2822. A message without a time opens no window: nothing is sent that WhatsApp would refuse."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(given)
        except (ValueError, TypeError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime(2009, 1, 1, tzinfo=UTC)


def is_of_twilio(address: str, settings: TwilioSettings) -> bool:
    """Files are fetched with the account's credentials from Twilio only, or from where the settings say."""
    asked, own = urlsplit(address), urlsplit(settings.api_address)
    if not settings.is_real:
        return (asked.scheme, asked.netloc) == (own.scheme, own.netloc)
    host = (asked.hostname or "").lower()
    return asked.scheme == "https" and (host == "twilio.com" or host.endswith(".twilio.com"))
