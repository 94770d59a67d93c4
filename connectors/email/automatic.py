"""Mail that a machine wrote or that went to many: it is shown, and never answered by machine (RFC 3834, RFC 2919)."""

from __future__ import annotations

from email.message import EmailMessage

from connectors.email.addresses import LOOP_HEADER, is_own_address
from connectors.email.headers import addresses, text
from connectors.email.settings import EmailSettings

_BULK = frozenset({"bulk", "list", "junk"})
_LIST_HEADERS = ("List-Id", "List-Unsubscribe", "List-Post", "Mailing-List")
_REPLY_HEADERS = ("X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Auto-Reply-From", "X-Mail-Autoreply")
_MACHINES = (
    "mailer-daemon", "postmaster", "no-reply", "noreply", "no_reply", "donotreply", "do-not-reply", "bounce", "bounces",
)  # fmt: skip


def machine_reason(mail: EmailMessage, settings: EmailSettings) -> str:
    """Why it must never be answered by machine; "" for a person's mail."""
    suppressed = {word.strip().lower() for word in text(mail, "X-Auto-Response-Suppress").split(",")}
    signs = (
        (is_reply_by_machine(mail), "an automatic reply"),
        (_word(mail, "Auto-Submitted") not in {"", "no"}, "sent by a machine"),
        (_word(mail, "Precedence") in _BULK, "sent to many"),
        (any(text(mail, name) for name in _LIST_HEADERS), "sent to a list"),
        (bool(text(mail, LOOP_HEADER)), "sent by a desk"),
        (bool(suppressed & {"all", "autoreply", "oof", "dr"}), "asks for no automatic reply"),
        (text(mail, "Return-Path").replace(" ", "") == "<>", "has no return address"),
    )
    return next((reason for found, reason in signs if found), "") or _senders_reason(mail, settings)


def _senders_reason(mail: EmailMessage, settings: EmailSettings) -> str:
    for _, address in addresses(mail, "From"):
        if address.rpartition("@")[0].partition("+")[0] in _MACHINES:
            return "sent by an address that nobody reads"
        if is_own_address(address, settings):
            return "sent from the desk's own address"
    return ""


def is_reply_by_machine(mail: EmailMessage) -> bool:
    """A notice of absence or of receipt, which needs no work at all."""
    if _word(mail, "Auto-Submitted") in {"auto-replied", "auto-notified"} or _word(mail, "Precedence") == "auto_reply":
        return True
    return any(text(mail, name) and _word(mail, name) != "no" for name in _REPLY_HEADERS)


def _word(mail: EmailMessage, name: str) -> str:
    return text(mail, name).partition(";")[0].strip().lower()
