"""What HubSpot posts: signed by the app's client secret, several events a call, in any order and more than once.

Source: "Validating requests from HubSpot" (version 3), "Webhooks API". What happened is read from the API afterwards.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from connectors.crm.hubspot.account import THREAD
from connectors.crm.hubspot.settings import HubSpotSettings
from connectors.crm.tickets import hint, notice
from desk.calls import objects, text
from desk.errors import FalseSignatureError, InvalidInputError
from desk.ports import RawMessage, WebhookAnswer, WebhookRequest
from desk.secret import Secret

WINDOW_MILLISECONDS = 300_000
MOST_EVENTS = 1_000
_DECODED = {
    "%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$", "%27": "'", "%28": "(", "%29": ")",
    "%2A": "*", "%2C": ",", "%3B": ";",
}  # fmt: skip
"""What HubSpot decodes in an address before it signs it."""


def accept(request: WebhookRequest, settings: HubSpotSettings, now: datetime) -> WebhookAnswer:
    """Raises FalseSignatureError, InvalidInputError."""
    if request.method != "POST":
        return WebhookAnswer(body=b"HubSpot posts here.")
    _check(request, settings.client_secret, now)
    try:
        found: Any = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        msg = "the body is no JSON"
        raise InvalidInputError(msg) from error
    if not isinstance(found, list) or len(cast("list[Any]", found)) > MOST_EVENTS:
        msg = "the body is no list of events"
        raise InvalidInputError(msg)
    events = [each for each in objects(cast("list[Any]", found)) if text(each, "portalId") == settings.portal]
    return WebhookAnswer(tuple(message for event in events for message in _messages(event)), status=200)


def _check(request: WebhookRequest, secret: Secret, now: datetime) -> None:
    """Only version 3 counts: the older ones, which may stand beside it, cover no time."""
    given, stamp = (request.headers.get(name, "") for name in ("x-hubspot-signature-v3", "x-hubspot-request-timestamp"))
    if not secret:
        msg = "no client secret is stored, so that calls of HubSpot cannot be told from others"
        raise FalseSignatureError(msg)
    if not stamp.isdecimal() or abs(int(stamp) - now.timestamp() * 1000) > WINDOW_MILLISECONDS:
        msg = "X-HubSpot-Request-Timestamp is missing, or more than five minutes away"
        raise FalseSignatureError(msg)
    wanted = signature(secret, request.method, request.url, request.body, stamp)
    if not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace")):
        msg = "X-HubSpot-Signature-v3 is not what the stored client secret makes of this call"
        raise FalseSignatureError(msg)


def signature(secret: Secret, method: str, url: str, body: bytes, stamp: str) -> str:
    address = url
    for encoded, letter in _DECODED.items():
        address = address.replace(encoded, letter).replace(encoded.lower(), letter)
    signed = method.encode() + address.encode() + body + stamp.encode()
    return base64.b64encode(hmac.new(secret.reveal().encode(), signed, hashlib.sha256).digest()).decode()


def _messages(event: Mapping[str, Any]) -> list[RawMessage]:
    """An event id alone is not unique."""
    kind, subject = text(event, "subscriptionType"), text(event, "objectId")
    name = ":".join(text(event, each) for each in ("subscriptionId", "eventId", "objectId", "occurredAt"))
    if kind == "contact.privacyDeletion":
        words = (
            f"HubSpot has deleted the contact {subject} for good because that person asked for it: find the customer "
            "here and delete them too"
        )
        return [notice(name, words)]
    if kind.startswith("conversation."):
        return [hint(name, f"{THREAD}{subject}")]
    if kind == "ticket.merge":
        merged: Any = event.get("mergedObjectIds")
        ids = [str(each) for each in cast("list[Any]", merged)] if isinstance(merged, list) else []
        return [hint(f"{name}:{each}", each) for each in (*ids, text(event, "primaryObjectId") or subject)]
    return [hint(name, subject)] if kind.startswith("ticket.") and subject else []
