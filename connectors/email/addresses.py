"""What the desk writes into its own mail to know it again: reply addresses with a signed token, ids, a loop mark."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from uuid import UUID

from connectors.email.settings import EmailSettings

LOOP_HEADER = "X-Desk-Loop"
_PROOF_BYTES = 9
_TOKEN = re.compile(r"[a-z2-7]{40}")


def reply_address(settings: EmailSettings, connection_id: UUID, ticket_id: UUID) -> str:
    """`support+<token>@example.com`: 40 letters of ticket id and proof, so that the local part stays below 64."""
    local, _, domain = settings.address.rpartition("@")
    token = base64.b32encode(ticket_id.bytes + _proof(settings, connection_id, ticket_id.bytes)).decode().lower()
    return f"{local}+{token}@{domain}"


def ticket_of(address: str, settings: EmailSettings, connection_id: UUID) -> UUID | None:
    """The ticket that a reply address names, when the desk itself has made it."""
    local = address.rpartition("@")[0].lower()
    own, separator, token = local.rpartition("+")
    if not separator or own != settings.address.rpartition("@")[0] or not _TOKEN.fullmatch(token):
        return None
    try:
        decoded = base64.b32decode(token.upper())
    except binascii.Error:
        return None
    ticket, proof = decoded[:16], decoded[16:]
    if not hmac.compare_digest(proof, _proof(settings, connection_id, ticket)):
        return None
    return UUID(bytes=ticket)


def is_own_address(address: str, settings: EmailSettings) -> bool:
    local, _, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}" == settings.address


def message_id(settings: EmailSettings, delivery_id: UUID) -> str:
    """The same on every attempt: whoever gets it twice knows it again, and it can be looked for."""
    return f"<desk.{delivery_id.hex}@{settings.domain}>"


def loop_mark(settings: EmailSettings, connection_id: UUID) -> str:
    """Marks what this connection sends, so that it knows its own mail when it comes back."""
    return _proof(settings, connection_id, b"loop").hex()


def _proof(settings: EmailSettings, connection_id: UUID, words: bytes) -> bytes:
    key = settings.reply_key.reveal().encode()
    return hmac.new(key, connection_id.bytes + words, hashlib.sha256).digest()[:_PROOF_BYTES]
