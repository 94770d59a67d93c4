"""Delivery reports (RFC 3464): what became of a mail that was sent."""

from __future__ import annotations

import email
from email.message import EmailMessage
from email.policy import default
from typing import Literal, cast

from connectors.email.headers import message_ids, own_id, text, texts
from desk.ports import DeliveryReport, InboundMessage

_ACTIONS: dict[str, Literal["delivered", "delayed", "failed"]] = {
    "failed": "failed",
    "delayed": "delayed",
    "delivered": "delivered",
    "relayed": "delivered",
    "expanded": "delivered",
}


def is_report(mail: EmailMessage) -> bool:
    return mail.get_content_type() == "multipart/report" or any(
        part.get_content_type() == "message/delivery-status" for part in _parts(mail)
    )


def read_report(mail: EmailMessage, original: InboundMessage) -> DeliveryReport | None:
    """None when it says nothing that can be matched to a mail of ours."""
    fields = [part for part in _parts(mail) if part.get_content_type() == "message/delivery-status"]
    about = _original_ids(mail)
    if not fields or not about:
        return None
    for group in cast("list[EmailMessage]", fields[0].get_payload()) if fields[0].is_multipart() else []:
        action = _ACTIONS.get(text(group, "Action").lower())
        recipient = text(group, "Final-Recipient") or text(group, "Original-Recipient")
        if action is None or not recipient:
            continue
        status, said = text(group, "Status"), text(group, "Diagnostic-Code").partition(";")[2].strip()
        detail = " ".join(part for part in (status.partition("(")[0].strip(), said) if part) or action
        address = recipient.rpartition(";")[2].strip().strip("<>")
        return DeliveryReport(about, address, action, detail[:500], original)
    return None


def _original_ids(mail: EmailMessage) -> tuple[str, ...]:
    """The Message-ID of the mail it speaks of, from the copy or the headers that come with it."""
    found: list[str] = []
    for part in _parts(mail):
        if part.get_content_type() == "message/rfc822" and part.is_multipart():
            found.append(own_id(cast("list[EmailMessage]", part.get_payload())[0]))
        elif part.get_content_type() == "text/rfc822-headers":
            raw = part.get_payload(decode=True)
            if isinstance(raw, bytes):
                found.append(own_id(email.message_from_bytes(raw, policy=default)))
    found += [*message_ids(mail, "In-Reply-To", "References"), *texts(mail, "X-Failed-Message-Id")]
    return tuple(dict.fromkeys(each for each in found if each))


def _parts(mail: EmailMessage) -> list[EmailMessage]:
    payload = mail.get_payload() if mail.is_multipart() else []
    return cast("list[EmailMessage]", payload)[:20]
