"""Standard Webhooks signatures (standard-webhooks specification 1.0), with the clock as an argument.

HMAC-SHA256 over `id.timestamp.body`, written `v1,<base64>`. The `standardwebhooks` package reads the system
clock, takes keys of any length and raises a different error for every malformed part; the tests hold this module
against it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from desk.errors import InvalidInputError, NotAllowedError
from desk.secret import Secret

PREFIX = "whsec_"
TOLERANCE = timedelta(minutes=5)
_ID = re.compile(r"[\x21-\x7e]{1,256}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_MOST_SIGNATURES = 16


@dataclass(frozen=True, slots=True)
class VerifiedWebhook:
    webhook_id: str
    """The same on every delivery of one event: what duplicates are known by."""
    sent_at: datetime
    """Of this attempt."""


def decode_secret(secret: Secret) -> bytes:
    """The key inside `whsec_<base64>`: 24 to 64 bytes.

    Raises InvalidInputError without quoting the secret.
    """
    text = secret.reveal()
    if not text.startswith(PREFIX):
        msg = f"A signing secret starts with {PREFIX}."
        raise InvalidInputError(msg)
    encoded = text.removeprefix(PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        msg = f"The part of the signing secret after {PREFIX} is not base64."
        raise InvalidInputError(msg) from None
    if not 24 <= len(key) <= 64:
        msg = f"A signing secret holds 24 to 64 bytes, this one {len(key)}."
        raise InvalidInputError(msg)
    return key


def sign(webhook_id: str, timestamp: int, body: bytes, secrets: Sequence[Secret]) -> str:
    """The value of `webhook-signature`: one signature per active secret, newest first.

    `timestamp` in Unix seconds. Raises InvalidInputError for a secret that is none.
    """
    keys = [decode_secret(secret) for secret in secrets]
    return " ".join(f"v1,{base64.b64encode(_mac(webhook_id, timestamp, body, key)).decode()}" for key in keys)


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[Secret], now: datetime) -> VerifiedWebhook:
    """Check an incoming webhook against any of the active secrets (two while one is being replaced).

    Raises InvalidInputError when a header is missing or malformed, NotAllowedError when the signature is wrong
    or the timestamp more than five minutes away from `now`, in either direction.
    """
    keys = [decode_secret(secret) for secret in secrets]
    if not keys:
        msg = "No signing secret is set for this connection, so nothing can be accepted."
        raise NotAllowedError(msg)
    lowered = {name.lower(): value for name, value in headers.items()}
    webhook_id = _header(lowered, "webhook-id")
    if not _ID.fullmatch(webhook_id):
        msg = "The webhook-id header must be 1 to 256 printable characters."
        raise InvalidInputError(msg)
    timestamp = _header(lowered, "webhook-timestamp")
    if not _TIMESTAMP.fullmatch(timestamp) or int(timestamp) > 253402300799:  # the last second of the year 9999
        msg = "The webhook-timestamp header must be whole Unix seconds."
        raise InvalidInputError(msg)
    offered = _signatures(_header(lowered, "webhook-signature"))
    sent_at = datetime.fromtimestamp(int(timestamp), UTC)
    if not any(
        hmac.compare_digest(_mac(webhook_id, int(timestamp), body, key), signature)
        for key in keys
        for signature in offered
    ):
        msg = "No signature matches: check the signing secret and that the body is signed as it is sent."
        raise NotAllowedError(msg)
    if abs(sent_at - now) > TOLERANCE:
        when = "old" if sent_at < now else "far in the future"
        msg = f"The webhook is too {when} (webhook-timestamp {timestamp}): check the sender's clock."
        raise NotAllowedError(msg)
    return VerifiedWebhook(webhook_id, sent_at)


def _mac(webhook_id: str, timestamp: int, body: bytes, key: bytes) -> bytes:
    return hmac.new(key, f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    if not value:
        msg = f"The {name} header is missing."
        raise InvalidInputError(msg)
    return value


def _signatures(header: str) -> list[bytes]:
    """The v1 signatures of a space-separated list; other versions are skipped, as the specification asks."""
    entries = header.split()
    if len(entries) > _MOST_SIGNATURES:
        msg = f"The webhook-signature header lists more than {_MOST_SIGNATURES} signatures."
        raise InvalidInputError(msg)
    found: list[bytes] = []
    for entry in entries:
        version, comma, encoded = entry.partition(",")
        if not comma:
            msg = "The webhook-signature header must list entries like v1,<base64>."
            raise InvalidInputError(msg)
        if version != "v1":
            continue
        try:
            found.append(base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            msg = "A signature in the webhook-signature header is not base64."
            raise InvalidInputError(msg) from None
    return found
