"""Replies as JSON of the tenant's choosing, and what their answers mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.rest.mapped.calling import Caller
from connectors.rest.mapped.expressions import Expression
from connectors.rest.mapped.settings import MappedSettings
from connectors.rest.mapped.templates import address_of, body_of
from desk.calls import Answer, CallError, NotReachedError, RefusedCallError
from desk.errors import InvalidInputError
from desk.ports import ConnectionDetails, OutgoingReply, SendOutcome


def values_of(reply: OutgoingReply) -> dict[str, Any]:
    """What placeholders stand for. The same on every attempt, but for the addresses of files."""
    to: Mapping[str, Any] = reply.recipient
    return {
        "delivery_id": str(reply.delivery_id),
        "desk_ticket_id": str(reply.ticket_id),
        "ticket_id": reply.external_ticket_id or str(to.get("ticket_id") or ""),
        "message_id": str(to.get("message_id") or ""),
        "subject": reply.subject,
        "body": reply.body,
        "status": reply.ticket_status,
        "customer_id": str(to.get("customer_id") or ""),
        "customer_email": str(to.get("email") or ""),
        "customer_name": str(to.get("name") or ""),
        "approved_at": reply.approved_at.isoformat(),
        "automatic": reply.is_automatic,
        "attachments": [
            {
                "name": file.name,
                "media_type": file.media_type,
                "size": len(file.content),
                "sha256": file.sha256,
                "url": file.address,
            }
            for file in reply.files
        ],
    }


async def send(
    caller: Caller, settings: MappedSettings, connection: ConnectionDetails, reply: OutgoingReply
) -> SendOutcome:
    template, values = settings.addresses["reply_url"], values_of(reply)
    if not template:
        return SendOutcome("sent", "no address for replies is set: the reply waits in the ticket to be fetched")
    try:
        url, body = address_of(template, values), body_of(settings.reply_template, values)
        headers = {
            "content-type": "application/json",
            "idempotency-key": str(reply.delivery_id),
            **caller.signature(settings, str(reply.delivery_id), body),
        }
        answer = await caller.ask(settings, connection, settings.reply_method, url, content=body, headers=headers)
    except InvalidInputError as error:
        return SendOutcome("failed", error.detail)
    except RefusedCallError as error:
        return SendOutcome("failed", error.detail)
    except NotReachedError as error:
        return SendOutcome("retry", error.detail, retry_after_seconds=error.retry_after)
    except CallError as error:
        return _unclear(settings, error.detail)
    return _outcome(settings, answer)


def _outcome(settings: MappedSettings, answer: Answer) -> SendOutcome:
    status, words = answer.status, answer.words()
    if answer.is_success:
        return _taken(settings, answer)
    if 300 <= status < 400:
        return SendOutcome("failed", f"{words}: redirects are not followed; enter the final address")
    if status in settings.retry_statuses or (status == 503 and answer.retry_after is not None):
        return SendOutcome("retry", words, retry_after_seconds=answer.retry_after)
    return _unclear(settings, words) if status >= 500 else SendOutcome("failed", words)


def _taken(settings: MappedSettings, answer: Answer) -> SendOutcome:
    """A 2xx counts unless the answer has to say more."""
    when = settings.found_at["sent_when"]
    detail = f"HTTP {answer.status}"
    try:
        told = answer.data()
        if when and not when.is_true(told):
            return _unclear(settings, f"{answer.words()}: '{when.written}' is not true of the answer")
        return SendOutcome("sent", detail, _name(settings.found_at["reply_id"], told))
    except (CallError, InvalidInputError) as error:
        if when:
            return _unclear(settings, f"{detail}: {error.detail}")
        return SendOutcome("sent", detail)


def _unclear(settings: MappedSettings, detail: str) -> SendOutcome:
    if settings.is_idempotent:
        return SendOutcome("retry", f"{detail}; sent again with the same Idempotency-Key")
    return SendOutcome("uncertain", detail)


def _name(expression: Expression, told: Any) -> str | None:
    return expression.text(told)[:200] or None


async def look_up(
    caller: Caller, settings: MappedSettings, connection: ConnectionDetails, reply: OutgoingReply
) -> SendOutcome:
    """Only a clear yes or no counts: the expression must find something that is true or false."""
    template = settings.addresses["lookup_url"]
    if not template:
        if settings.is_idempotent and settings.addresses["reply_url"]:
            return SendOutcome("retry", "sent again with the same Idempotency-Key")
        return SendOutcome("uncertain", "this connection has no address to look it up")
    try:
        url = address_of(template, values_of(reply))
        headers = caller.signature(settings, str(reply.delivery_id), b"")
        return _looked_up(settings, await caller.ask(settings, connection, "GET", url, headers=headers))
    except (CallError, InvalidInputError) as error:
        return SendOutcome("uncertain", f"could not be looked up: {error.detail}")


def _looked_up(settings: MappedSettings, answer: Answer) -> SendOutcome:
    """Raises UnclearAnswerError, InvalidInputError."""
    told, found = answer.data(), settings.found_at["lookup_found"]
    value = found.value(told) if answer.status == 200 else None
    if value is None:
        return SendOutcome("uncertain", f"the look-up gave no clear answer ({answer.words()})")
    if value:
        return SendOutcome("sent", "the other system has it", _name(settings.found_at["lookup_id"], told))
    return SendOutcome("retry", "the other system does not have it")
