"""What Meta posts: the signature, batches taken apart, and what one item says.

Each item is kept with the contacts and metadata of its batch, so that it can be read alone.
Source: Meta, "Webhooks" of the WhatsApp Business Platform.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import msgspec

from connectors.whatsapp.meta.errors import words_of
from connectors.whatsapp.meta.settings import MetaSettings
from connectors.whatsapp.shapes import Json, as_object, as_objects, decoded
from connectors.whatsapp.texts import consent_of
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

_FILES = frozenset({"image", "audio", "video", "document", "sticker"})
_MARKS = {"sent": "sent", "delivered": "delivered", "read": "read", "played": "read", "failed": "failed"}


def accept(request: WebhookRequest, settings: MetaSettings) -> WebhookAnswer:
    """Raises FalseSignatureError, InvalidInputError."""
    if request.method == "GET":
        return _verify(request.query, settings)
    expected = hmac.new(settings.app_secret.reveal().encode(), request.body, hashlib.sha256).hexdigest()
    given = request.headers.get("x-hub-signature-256", "")
    if not hmac.compare_digest(f"sha256={expected}".encode(), given.encode("latin-1", "replace")):
        msg = "X-Hub-Signature-256 is not the signature of this body under the app secret"
        raise FalseSignatureError(msg)
    return WebhookAnswer(tuple(_items(request.body)))


def _verify(query: Mapping[str, str], settings: MetaSettings) -> WebhookAnswer:
    """Meta asks once, when the address is entered."""
    given = query.get("hub.verify_token", "").encode()
    if query.get("hub.mode") != "subscribe" or not hmac.compare_digest(given, settings.verify_token.encode()):
        msg = "the verify token is another one"
        raise FalseSignatureError(msg)
    return WebhookAnswer(body=query.get("hub.challenge", "").encode())


def _items(body: bytes) -> Iterator[RawMessage]:
    """Messages and statuses as rows of their own; anything else of the batch as one row, so that nothing is dropped."""
    told = decoded(body)
    if told is None:
        msg = "the body is no JSON object"
        raise InvalidInputError(msg)
    for entry in as_objects(told.get("entry")):
        for change in as_objects(entry.get("changes")):
            value = as_object(change.get("value"))
            around = {"field": change.get("field"), "metadata": value.get("metadata")}
            contacts, taken = as_objects(value.get("contacts")), False
            for message in as_objects(value.get("messages")):
                whole = {**around, "contacts": contacts, "message": message}
                yield _raw(str(message.get("id") or ""), whole, str(message.get("from") or ""))
                taken = True
            for status in as_objects(value.get("statuses")):
                # A status comes once for each stage; a repeated one is the same row.
                yield _raw(f"{status.get('id')}:{status.get('status')}", {**around, "status": status}, "")
                taken = True
            if not taken:
                yield _raw("", {"field": change.get("field"), "value": value}, "")


def _raw(name: str, item: Json, order_key: str) -> RawMessage:
    raw = msgspec.json.encode(item, order="sorted")
    return RawMessage(name or f"sha256:{hashlib.sha256(raw).hexdigest()}", raw, order_key)


def parse(raw: bytes, settings: MetaSettings) -> Inbound:
    """Raises UnreadableMessageError."""
    told = decoded(raw)
    if told is None:
        msg = "this is no JSON object"
        raise UnreadableMessageError(msg)
    number = str(as_object(told.get("metadata")).get("phone_number_id") or "")
    if number and number != settings.phone_number_id:
        return Ignored(f"is for the number with the id {number}; this connection is for {settings.phone_number_id}")
    if "status" in told:
        return _status(as_object(told["status"]))
    if "message" in told:
        return _message(as_object(told["message"]), as_objects(told.get("contacts")), str(told.get("field") or ""))
    if "field" in told:
        return Ignored(f"a notice of the kind '{told['field']}' without a message")
    msg = "this is neither a message nor a status of Meta's"
    raise UnreadableMessageError(msg)


def _status(status: Json) -> Inbound:
    mark = _MARKS.get(str(status.get("status")))
    if mark is None:
        return Ignored(f"a status '{status.get('status')}' that says nothing about arriving")
    errors = as_objects(status.get("errors"))
    return DeliveryMark(
        provider_id=str(status.get("id") or ""),
        mark=cast("Any", mark),
        part=part_of(str(status.get("biz_opaque_callback_data") or "")),
        detail="; ".join(words_of(each) for each in errors) or ("Meta gives no reason" if mark == "failed" else ""),
        at=_moment(status.get("timestamp")),
    )


def part_name(delivery_id: UUID, part: int) -> str:
    """Handed to Meta with a part and handed back with its statuses."""
    return f"{delivery_id}:{part}"


def part_of(name: str) -> tuple[UUID, int] | None:
    delivery, _, part = name.partition(":")
    try:
        return UUID(delivery), int(part)
    except ValueError:
        return None


def _message(message: Json, contacts: Sequence[Json], field: str) -> Inbound:
    kind, key = str(message.get("type") or ""), str(message.get("id") or "")
    if field == "smb_message_echoes":
        return Ignored("was written in the WhatsApp Business app by your own people", key)
    sender = _sender(message, contacts)
    if not key or not sender.external_id:
        msg = "this message names no sender or has no id"
        raise UnreadableMessageError(msg)
    if kind == "reaction":
        reaction = as_object(message.get("reaction"))
        return Reaction(str(reaction.get("message_id") or ""), sender.external_id, str(reaction.get("emoji") or ""))
    if kind == "system":
        told = str(as_object(message.get("system")).get("body") or "the customer's number has changed")
        return Ignored(f"a notice of WhatsApp: {told[:300]}", key)
    written = _moment(message.get("timestamp")) or _never()
    body, files = _content(kind, message)
    context = as_object(message.get("context"))
    return InboundMessage(
        key=key,
        sender=sender,
        body=body,
        subject=body.partition("\n")[0][:80] or "WhatsApp",
        answers=tuple(each for each in (str(context.get("id") or ""),) if each),
        recipient={
            "whatsapp": sender.external_id,
            "is_phone": sender.external_id.isdigit(),
            "message_id": key,
            "window_until": window_until(written),
        },
        sent_at=written,
        to_fetch=files,
        joins_newest=True,
        consent=consent_of(body),
    )


def _sender(message: Json, contacts: Sequence[Json]) -> Sender:
    """The number where there is one, else the business-scoped id; both are kept (Meta, "Business-scoped user IDs")."""
    given = str(message.get("from") or message.get("from_user_id") or "")
    mine = [each for each in contacts if given in {each.get("wa_id"), each.get("user_id")}]
    contact = next(iter(mine), contacts[0] if len(contacts) == 1 else as_object(None))
    also = [str(each or "") for each in (contact.get("wa_id"), contact.get("user_id"), message.get("from_user_id"))]
    others = tuple(dict.fromkeys(each for each in also if each and each != given))
    name = str(as_object(contact.get("profile")).get("name") or "")
    fallback = others[0] if others else ""
    shown = name or (f"+{given}" if given.isdigit() else given)
    return Sender(external_id=given or fallback, name=shown, also=others, verified=True)


def _content(kind: str, message: Json) -> tuple[str, tuple[FileReference, ...]]:
    part = as_object(message.get(kind))
    if kind in _FILES:
        name = str(part.get("filename") or f"{kind}.{_ending(str(part.get('mime_type') or ''))}")
        reference = {each: str(part.get(each) or "") for each in ("id", "mime_type", "sha256")}
        return str(part.get("caption") or ""), (FileReference(name, reference),)
    return _words(kind, part, message), ()


def _words(kind: str, part: Json, message: Json) -> str:
    match kind:
        case "text":
            return str(part.get("body") or "")
        case "button":
            return str(part.get("text") or "")
        case "interactive":
            return _interactive(part)
        case "location":
            return location_words(part.get("latitude"), part.get("longitude"), part.get("name"), part.get("address"))
        case "contacts":
            return "\n\n".join(_contact(each) for each in as_objects(message.get("contacts")))
        case _:
            errors = "; ".join(words_of(each) for each in as_objects(message.get("errors")))
            told = f" {errors}" if errors else ""
            return f"(A message of a kind the desk cannot show: {kind or 'unknown'}.{told})"


def _interactive(part: Json) -> str:
    for name in ("button_reply", "list_reply"):
        chosen = as_object(part.get(name))
        if chosen:
            words = (str(chosen.get("title") or ""), str(chosen.get("description") or ""))
            return "\n".join(each for each in words if each)
    form = as_object(part.get("nfm_reply"))
    return str(form.get("body") or form.get("response_json") or "(An answer without words.)")


def location_words(latitude: object, longitude: object, name: object, address: object) -> str:
    words = [str(each) for each in (name, address) if each]
    return "\n".join(["Location:", *words, f"{latitude}, {longitude}"])


def _contact(contact: Json) -> str:
    lines = [f"Contact: {as_object(contact.get('name')).get('formatted_name') or 'without a name'}"]
    lines += [str(each.get("phone") or each.get("wa_id") or "") for each in as_objects(contact.get("phones"))]
    lines += [str(each.get("email") or "") for each in as_objects(contact.get("emails"))]
    return "\n".join(each for each in lines if each)


def _ending(media_type: str) -> str:
    plain = media_type.partition(";")[0].strip().rpartition("/")[2]
    return {"jpeg": "jpg", "mpeg": "mp3", "plain": "txt", "quicktime": "mov"}.get(plain, plain or "bin")


def _moment(given: object) -> datetime | None:
    """Epoch seconds, as text."""
    try:
        return datetime.fromtimestamp(int(str(given)), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _never() -> datetime:
    """A message without a time opens no window: nothing is sent that WhatsApp would refuse."""
    return datetime(2009, 1, 1, tzinfo=UTC)
