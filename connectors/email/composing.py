"""The mail of a reply: text and the same as plain HTML, threaded, known again, no header written by a user."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from connectors.email.addresses import LOOP_HEADER, loop_mark, message_id, reply_address
from connectors.email.settings import EmailSettings
from desk.errors import InvalidInputError
from desk.ports import OutgoingReply

MOST_REFERENCES = 20
LONGEST_SUBJECT = 300
_LINK = re.compile(r"https?://[^\s<>\"']+")
_REPLY_MARK = re.compile(r"^\s*(?:re|aw|sv|antw|odp|res)\s*(?:\[\d+\])?\s*:", re.IGNORECASE)
_ID = re.compile(r"<[^<>\s]{1,398}>")


def compose(reply: OutgoingReply, settings: EmailSettings) -> bytes:
    """The same bytes on every attempt but for the Date, which is the approval's. Raises InvalidInputError."""
    if reply.connection_id is None:
        msg = "an e-mail needs a connection to be sent by"
        raise InvalidInputError(msg)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _address(settings.name, settings.address)
    mail["To"] = _address(str(reply.recipient.get("name") or ""), recipient_of(reply))
    mail["Subject"] = _subject(reply)
    mail["Date"] = format_datetime(reply.approved_at)
    mail["Message-ID"] = message_id(settings, reply.delivery_id)
    if settings.plus_addresses:
        mail["Reply-To"] = _address(settings.name, reply_address(settings, reply.connection_id, reply.ticket_id))
    answered = _one_id(str(reply.recipient.get("message_id") or ""))
    if answered:
        mail["In-Reply-To"] = answered
        mail["References"] = " ".join(_references(reply, answered))
    mail[LOOP_HEADER] = loop_mark(settings, reply.connection_id)
    if reply.is_automatic:
        mail["Auto-Submitted"] = "auto-replied"
        mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(reply.body, charset="utf-8")
    mail.add_alternative(_as_html(reply.body), subtype="html", charset="utf-8")
    for file in reply.files:
        kind, _, subtype = file.media_type.partition("/")
        mail.add_attachment(
            file.content, maintype=kind or "application", subtype=subtype or "octet-stream", filename=file.name
        )
    return mail.as_bytes()


def recipient_of(reply: OutgoingReply) -> str:
    """One address, frozen when the reply was approved. Raises InvalidInputError."""
    address = str(reply.recipient.get("email") or "").strip()
    local, _, domain = address.rpartition("@")
    if not local or not domain or any(letter in address for letter in " \r\n\t<>,;"):
        msg = "the customer has no e-mail address that a reply could go to"
        raise InvalidInputError(msg)
    try:
        return f"{local}@{domain.encode('idna').decode()}" if not domain.isascii() else address
    except UnicodeError as error:
        msg = f"{domain} is not a domain that mail can be sent to"
        raise InvalidInputError(msg) from error


def _address(name: str, address: str) -> Address:
    local, _, domain = address.rpartition("@")
    shown = " ".join("".join(letter for letter in name if letter.isprintable()).split())[:100]
    return Address(display_name=shown, username=local, domain=domain)


def _subject(reply: OutgoingReply) -> str:
    """As the customer wrote it: programs thread by it as well."""
    given = str(reply.recipient.get("subject") or "") or reply.subject
    subject = " ".join("".join(letter for letter in given if letter.isprintable()).split())[:LONGEST_SUBJECT]
    if not reply.recipient.get("message_id"):
        return subject
    return subject if _REPLY_MARK.match(subject) else f"Re: {subject}"


def _references(reply: OutgoingReply, answered: str) -> Sequence[str]:
    """RFC 5322 section 3.6.4; a long thread keeps its first and its newest."""
    given = [_one_id(str(each)) for each in reply.recipient.get("references") or ()]
    ids = list(dict.fromkeys([*(each for each in given if each), answered]))
    return ids if len(ids) <= MOST_REFERENCES else [ids[0], *ids[-(MOST_REFERENCES - 1) :]]


def _one_id(value: str) -> str:
    return found[0] if (found := _ID.search(value)) else ""


def _as_html(body: str) -> str:
    paragraphs = "".join(
        f"<p>{_linked(paragraph).replace(chr(10), '<br>')}</p>"
        for paragraph in re.split(r"\n{2,}", body.strip())
        if paragraph.strip()
    )
    return f"<!doctype html><html><body>{paragraphs}</body></html>"


def _linked(words: str) -> str:
    parts: list[str] = []
    end = 0
    for found in _LINK.finditer(words):
        address = found[0].rstrip(".,;:!?)")
        parts.append(html.escape(words[end : found.start()]))
        parts.append(f'<a href="{html.escape(address)}">{html.escape(address)}</a>')
        end = found.start() + len(address)
    return "".join(parts) + html.escape(words[end:])
