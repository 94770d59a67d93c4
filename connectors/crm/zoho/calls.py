"""What Zoho Desk posts: a list of events beside a token that says who calls and covers nothing of what is said.

So a call is a hint, and what happened is read from the API. Source: Zoho Desk "Webhook documentation".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import jwt

from connectors.crm.tickets import hint
from connectors.crm.zoho.settings import ZohoSettings
from desk.calls import as_object, objects, text
from desk.errors import FalseSignatureError, InvalidInputError
from desk.ports import RawMessage, WebhookAnswer, WebhookRequest

MOST_EVENTS = 1_000


def accept(request: WebhookRequest, settings: ZohoSettings) -> WebhookAnswer:
    """Raises FalseSignatureError, InvalidInputError."""
    if request.method != "POST" or request.body.strip() in {b"", b"[]", b"{}"}:
        # Zoho tries an address when it is entered; nothing is said by that.
        return WebhookAnswer(body=b"Zoho Desk posts here.")
    _check(request.headers.get("x-zdesk-jwt", ""), settings)
    try:
        found: Any = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        msg = "the body is no JSON"
        raise InvalidInputError(msg) from error
    if not isinstance(found, list) or len(cast("list[Any]", found)) > MOST_EVENTS:
        msg = "the body is no list of events"
        raise InvalidInputError(msg)
    events = objects(cast("list[Any]", found))
    return WebhookAnswer(tuple(filter(None, (_message(event, settings) for event in events))))


def _check(token: str, settings: ZohoSettings) -> None:
    try:
        name = jwt.get_unverified_header(token).get("kid")
        keys = jwt.PyJWKSet.from_json(settings.keys).keys if settings.keys else []
        key = next((each for each in keys if each.key_id == name), None)
        if key is None:
            msg = "this connection does not know the key that the call is signed with yet"
            raise FalseSignatureError(msg)
        claims = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            issuer=f"orgId:{settings.org}",
            options={"require": ["exp", "iss", "aud"], "verify_aud": False},
        )
    except jwt.PyJWTError as error:
        msg = f"X-ZDesk-JWT is not what Zoho Desk signs for this organisation ({type(error).__name__})"
        raise FalseSignatureError(msg) from error
    if not str(claims["aud"]).startswith("webhookId:"):
        msg = "X-ZDesk-JWT is meant for something else than a webhook"
        raise FalseSignatureError(msg)


def _message(event: Mapping[str, Any], settings: ZohoSettings) -> RawMessage | None:
    kind, payload = text(event, "eventType"), as_object(event.get("payload"))
    if text(event, "orgId") not in {"", settings.org} or not kind.startswith("Ticket_"):
        return None
    own = kind in {"Ticket_Add", "Ticket_Update", "Ticket_Delete"}
    ticket_id = text(payload, "id") if own else text(payload, "ticketId")
    if not ticket_id:
        return None
    return hint(":".join((kind, text(payload, "id"), text(event, "eventTime"))), ticket_id)
