"""Calls of a system whose JSON is read by expressions: who may call, and what a call says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from connectors.rest.mapped.expressions import decode_json, read_json
from connectors.rest.mapped.settings import MappedSettings
from connectors.rest.signature import verify
from desk.errors import FalseSignatureError, InvalidInputError, NotAllowedError, UnreadableMessageError
from desk.html_text import clean_html, text_of_html
from desk.ports import (
    FileReference,
    Ignored,
    Inbound,
    InboundMessage,
    RawMessage,
    Sender,
    WebhookAnswer,
    WebhookRequest,
)

MOST_MESSAGES = 500
"""Of one call."""
MOST_FILES = 20


def accept(request: WebhookRequest, settings: MappedSettings, now: datetime) -> WebhookAnswer:
    """Raises FalseSignatureError, InvalidInputError."""
    if request.method != "POST":
        return WebhookAnswer(body=b"Messages are posted here.")
    name = _proven(request, settings, now) or hashlib.sha256(request.body).hexdigest()
    return WebhookAnswer(raw_messages(read_json(request.body), settings, "items", name), status=202)


def _proven(request: WebhookRequest, settings: MappedSettings, now: datetime) -> str:
    """The sender's own id of the call, where its signature covers one. Raises FalseSignatureError."""
    if settings.signature == "standard":
        try:
            return verify(request.headers, request.body, settings.signing_secrets, now).webhook_id
        except (InvalidInputError, NotAllowedError) as error:
            raise FalseSignatureError(error.detail) from error
    given = request.headers.get(settings.signature_header, "").strip()
    prefix = settings.signature_prefix
    if not given.startswith(prefix):
        msg = f"the header {settings.signature_header} must begin with '{prefix}'"
        raise FalseSignatureError(msg)
    shown = given.removeprefix(prefix).strip()
    if not shown or not any(
        hmac.compare_digest(wanted.encode(), shown.encode("utf-8", "replace"))
        for wanted in _wanted(request.body, settings, shown)
    ):
        msg = f"the header {settings.signature_header} does not hold what this connection's secret makes of the body"
        raise FalseSignatureError(msg)
    return ""


def _wanted(body: bytes, settings: MappedSettings, shown: str) -> list[str]:
    if settings.signature == "token":
        return [secret.reveal() for secret in settings.signing_secrets]
    made = [hmac.new(each.reveal().encode(), body, hashlib.sha256).digest() for each in settings.signing_secrets]
    if settings.signature_encoding == "base64":
        return [base64.b64encode(each).decode() for each in made]
    # Some write hexadecimal in capitals.
    return [each.hex().upper() if shown.isupper() else each.hex() for each in made]


def raw_messages(found: Any, settings: MappedSettings, items: str, name: str) -> tuple[RawMessage, ...]:
    """One for each message of a call or a page, in its order. `name` names those that have no id of their own.

    Raises InvalidInputError.
    """
    expressions = settings.found_at
    each_of = expressions[items].items(found)
    if len(each_of) > MOST_MESSAGES:
        msg = f"a call may bring {MOST_MESSAGES} messages, this one has {len(each_of):,}"
        raise InvalidInputError(msg)
    raws: list[RawMessage] = []
    for at, item in enumerate(each_of):
        raw = json.dumps(item, ensure_ascii=True, separators=(",", ":")).encode()
        try:
            own = expressions["message_id"].text(item)
            order = expressions["ticket_id"].text(item) or expressions["customer_id"].text(item)
        except InvalidInputError:
            own, order = "", ""  # it is kept, and its reading says what does not fit
        raws.append(RawMessage(f"id:{own}" if own else f"{name}:{at}" if len(each_of) > 1 else name, raw, order))
    return tuple(raws)


def parse(raw: bytes, settings: MappedSettings) -> Inbound:
    """Raises UnreadableMessageError."""
    try:
        return message_of(decode_json(raw), settings)
    except InvalidInputError as error:
        raise UnreadableMessageError(error.detail) from error


def message_of(item: Any, settings: MappedSettings) -> InboundMessage | Ignored:
    """Raises InvalidInputError."""
    at = settings.found_at
    if at["skip"].is_true(item):
        return Ignored(f"left out: {at['skip'].written}")
    written = at["body"].text(item)
    files = _files(at["attachments"].value(item))
    if not written and not files:
        msg = f"{at['body'].label}: '{at['body'].written}' finds nothing"
        raise InvalidInputError(msg)
    sender = Sender(
        address=at["customer_email"].text(item),
        external_id=at["customer_id"].text(item),
        name=at["customer_name"].text(item),
    )
    key, ticket_id = at["message_id"].text(item), at["ticket_id"].text(item)
    if not sender.address and not sender.external_id and not ticket_id:
        msg = "nothing says who wrote it: no id and no address of the customer, and no id of the ticket"
        raise InvalidInputError(msg)
    if not sender.address and not sender.external_id:
        sender = Sender(external_id=f"ticket:{ticket_id}", name=sender.name)
    is_html = settings.body_kind == "html"
    author = at["author"].text(item).casefold()
    return InboundMessage(
        key=key,
        sender=sender,
        body=text_of_html(written) if is_html else written,
        html=clean_html(written) if is_html else "",
        subject=at["subject"].text(item),
        external_ticket_id=ticket_id,
        recipient={
            "message_id": key,
            "ticket_id": ticket_id,
            "customer_id": sender.external_id,
            "email": sender.address,
            "name": sender.name,
        },
        sent_at=_moment(at["sent_at"].text(item)),
        to_fetch=files,
        author="agent" if author == "agent" else "note" if author == "note" else "customer",
        joins_newest=not ticket_id,
    )


def _files(found: Any) -> tuple[FileReference, ...]:
    """Raises InvalidInputError."""
    listed = cast("list[Any]", found) if isinstance(found, list) else [] if found is None else [found]
    files: list[FileReference] = []
    for each in listed[:MOST_FILES]:
        told = cast("Mapping[str, Any]", each) if isinstance(each, dict) else {"url": each}
        address = told.get("url")
        if not isinstance(address, str) or not address:
            msg = "a file must be an address, or an object with url and name"
            raise InvalidInputError(msg)
        name = told.get("name") or told.get("filename") or unquote(urlsplit(address).path.rsplit("/", 1)[-1])
        files.append(FileReference(str(name)[:200] or "file", {"url": address}))
    return tuple(files)


def _moment(written: str) -> datetime | None:
    """ISO 8601, Unix seconds or milliseconds, or the form of mail headers; None for anything else."""
    try:
        if written.replace(".", "", 1).isdecimal():
            seconds = float(written)
            return datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC)
        read = datetime.fromisoformat(written)
    except (ValueError, OverflowError, OSError):
        try:
            read = parsedate_to_datetime(written)
        except (ValueError, TypeError, IndexError):
            return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
