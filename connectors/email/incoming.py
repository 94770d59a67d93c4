"""From the bytes of a mail to what it says (RFC 5322, 2045 to 2047, 2231). Pure.

Strangers write mail: every header may be broken, every charset wrong, every part nested without end. What can be read
is read; only a mail without a sender, or one that cannot be taken apart at all, is refused, and stays visible.
"""

from __future__ import annotations

import email
import hashlib
import re
from dataclasses import dataclass, field
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import default
from typing import cast
from uuid import UUID

from connectors.email.addresses import LOOP_HEADER, is_own_address, loop_mark, ticket_of
from connectors.email.automatic import is_reply_by_machine, machine_reason
from connectors.email.headers import addresses, decode_bytes, message_ids, own_id, sent_at, text, texts
from connectors.email.reports import is_report, read_report
from connectors.email.settings import EmailSettings, read_settings
from desk.errors import UnreadableMessageError
from desk.html_text import clean_html, text_of_html
from desk.ports import (
    ConnectionDetails,
    Ignored,
    Inbound,
    InboundFile,
    InboundMessage,
    RawMessage,
    Sender,
)
from desk.quoting import cut

DEEPEST = 20
MOST_PARTS = 200
MOST_FILES = 50
LONGEST_TEXT = 200_000
"""Characters of the text that are looked at."""
_BROKEN = (LookupError, ValueError, AttributeError, TypeError, MessageError)
"""What the standard library raises for mail that breaks its assumptions."""
_UNSAFE_NAME = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|\u200b-\u200f\u202a-\u202e\u2066-\u2069]+")


def raw_message(raw: bytes) -> RawMessage:
    """Named by its Message-ID and a hash of everything below the header, because ids are missing, reused, and the same
    for copies that came another way; kept in order for each sender."""
    header, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    message_id, sender = _named(_parsed(header + b"\n\n"))
    digest = hashlib.sha256(body if message_id else raw).hexdigest()[:40]
    name = message_id if len(message_id) <= 400 else hashlib.sha256(message_id.encode()).hexdigest()
    return RawMessage(f"{name}:{digest}", raw, sender)


def _named(mail: EmailMessage | None) -> tuple[str, str]:
    """Message-ID and sender, as far as they can be read: a broken mail must not hold up those behind it."""
    if mail is None:
        return "", ""
    try:
        senders = addresses(mail, "From")
        return own_id(mail), senders[0][1][:300] if senders else ""
    except _BROKEN:
        return "", ""


def parse_mail(raw: bytes, connection: ConnectionDetails) -> Inbound:
    """Raises UnreadableMessageError."""
    settings = read_settings(connection.settings)
    mail = _parsed(raw)
    if mail is None:
        msg = "this mail cannot be taken apart"
        raise UnreadableMessageError(msg)
    try:
        return _read(mail, settings, connection)
    except RecursionError as error:
        msg = "this mail is nested without end"
        raise UnreadableMessageError(msg) from error
    except _BROKEN as error:
        # What the standard library raises for mail that breaks its assumptions; the bytes are kept.
        msg = f"this mail is broken in a way the desk cannot read ({type(error).__name__})"
        raise UnreadableMessageError(msg) from error


def _parsed(raw: bytes) -> EmailMessage | None:
    try:
        return email.message_from_bytes(raw, policy=default)
    except (*_BROKEN, RecursionError):
        return None


def _read(mail: EmailMessage, settings: EmailSettings, connection: ConnectionDetails) -> Inbound:
    key = own_id(mail)
    senders = addresses(mail, "From")
    if (
        senders
        and is_own_address(senders[0][1], settings)
        and loop_mark(settings, connection.connection_id) in texts(mail, LOOP_HEADER)
    ):
        return Ignored("the desk's own mail, come back", key)
    if is_report(mail) and not senders:
        senders = [("", "mailer-daemon@localhost")]
    if not senders:
        msg = "this mail names no sender"
        raise UnreadableMessageError(msg)
    message = _message(mail, settings, connection, key, senders[0])
    if is_report(mail):
        return read_report(mail, message) or message
    return message


def _message(
    mail: EmailMessage,
    settings: EmailSettings,
    connection: ConnectionDetails,
    key: str,
    written_by: tuple[str, str],
) -> InboundMessage:
    sender = _sender(mail, settings, written_by)
    content = _content(mail)
    words = content.plain if content.plain.strip() else text_of_html(content.html)
    parted = cut(words[:LONGEST_TEXT])
    references = message_ids(mail, "In-Reply-To", "References")
    return InboundMessage(
        key=key,
        sender=sender,
        subject=text(mail, "Subject"),
        body=_left_out(mail) or parted.new,
        quoted=parted.quoted,
        html=clean_html(content.html),
        answers=references,
        ticket_id=_proven_ticket(mail, settings, connection),
        automatic="a delivery report" if is_report(mail) else machine_reason(mail, settings),
        is_reply_by_machine=is_reply_by_machine(mail) or is_report(mail),
        recipient={
            "email": sender.address,
            "name": sender.name,
            "message_id": key,
            "references": list(reversed(references)),
            "subject": text(mail, "Subject")[:500],
        },
        files=tuple(content.files),
        sent_at=sent_at(mail),
    )


def _sender(mail: EmailMessage, settings: EmailSettings, written_by: tuple[str, str]) -> Sender:
    """Whoever an answer goes to is who the mail counts as written by. So a false From brings nobody another's answers,
    and a false Reply-To only sends an answer to the one in whose name it then is."""
    name, address = written_by
    reply_to = [each for each in addresses(mail, "Reply-To") if not is_own_address(each[1], settings)]
    if reply_to and reply_to[0][1] != address:
        return Sender(address=reply_to[0][1], name=reply_to[0][0] or name)
    return Sender(address=address, name=name, verified=_authenticated(mail, settings))


def _authenticated(mail: EmailMessage, settings: EmailSettings) -> bool | None:
    """The DMARC verdict of the own mail server (RFC 8601): only its header, and only the topmost, is believed."""
    if not settings.trusted_authserv:
        return None
    for value in texts(mail, "Authentication-Results"):
        server, _, results = value.partition(";")
        if server.split()[:1] != [settings.trusted_authserv]:
            continue
        verdict = re.search(r"\bdmarc\s*=\s*(\w+)", results, re.IGNORECASE)
        return {"pass": True, "fail": False}.get(verdict[1].lower()) if verdict else None
    return None


def _proven_ticket(mail: EmailMessage, settings: EmailSettings, connection: ConnectionDetails) -> UUID | None:
    for name in ("To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To"):
        for _, address in addresses(mail, name):
            ticket_id = ticket_of(address, settings, connection.connection_id)
            if ticket_id is not None:
                return ticket_id
    return None


def _left_out(mail: EmailMessage) -> str:
    size = text(mail, "X-Desk-Left-Out")
    if not size.isdigit():
        return ""
    return f"(This mail has {int(size) / 1_000_000:.0f} MB. Its text and files were left in the mailbox.)"


@dataclass
class _Content:
    plain: str = ""
    html: str = ""
    files: list[InboundFile] = field(default_factory=list[InboundFile])
    parts: int = 0


def _content(mail: EmailMessage) -> _Content:
    content = _Content()
    _collect(mail, content, 0)
    return content


def _collect(part: EmailMessage, content: _Content, depth: int) -> None:
    content.parts += 1
    if depth > DEEPEST or content.parts > MOST_PARTS:
        return
    kind = part.get_content_type()
    if part.is_multipart() and kind != "message/rfc822":
        for child in _children(part):
            _collect(child, content, depth + 1)
        return
    if kind.startswith("multipart/"):
        # It says that it has parts and has none: what is there is its text.
        kind = "text/plain"
    is_file = part.get_content_disposition() == "attachment" or bool(_file_name(part))
    if kind in {"text/plain", "text/html"} and not is_file:
        words = decode_bytes(_bytes_of(part), _charset(part))
        if kind == "text/plain":
            content.plain = f"{content.plain}\n\n{words}" if content.plain.strip() else words
        else:
            content.html += words
    elif kind not in {"message/delivery-status", "text/rfc822-headers"} and len(content.files) < MOST_FILES:
        content.files.append(
            InboundFile(
                _file_name(part) or ("message.eml" if kind == "message/rfc822" else "file"),
                kind,
                _bytes_of(part),
                text(part, "Content-ID").strip("<> "),
            )
        )


def _children(part: EmailMessage) -> list[EmailMessage]:
    return cast("list[EmailMessage]", part.get_payload()) if part.is_multipart() else []


def _bytes_of(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822":
        return b"".join(bytes(child) for child in _children(part))
    try:
        payload = part.get_payload(decode=True)
    except (LookupError, ValueError):
        return str(part.get_payload()).encode("utf-8", "replace")
    return payload if isinstance(payload, bytes) else b""


def _charset(part: EmailMessage) -> str:
    try:
        return part.get_content_charset() or ""
    except (LookupError, UnicodeError, ValueError, AttributeError):
        return ""


def _file_name(part: EmailMessage) -> str:
    """Without folders, control characters and what turns the reading direction around to hide an ending."""
    try:
        name = part.get_filename() or ""
    except (LookupError, UnicodeError, ValueError, AttributeError, TypeError):
        name = "file"
    return _UNSAFE_NAME.sub("_", name.rpartition("/")[2].rpartition("\\")[2]).strip(" .")[:200]
