"""The stream that tells open pages what changed: ids only, a few together, never more than a handful a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.response import ServerSentEvent, ServerSentEventMessage

from desk.accounts.identity import Actor, Permission
from desk.errors import InvalidInputError
from desk.installation import Installation
from desk.live import PASSING, LiveEvent
from desk.web.permissions import needs

GATHER_SECONDS = 0.15
"""What comes within this time is told at once, so that a burst costs each page one refresh."""
KEEP_ALIVE_SECONDS = 15.0


@get("/live", opt={**needs(Permission.SIGNED_IN), "uncompressed": True}, include_in_schema=False)
async def live(
    request: Request[Any, Any, Any], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
) -> ServerSentEvent:
    """`age` in the address: for how many seconds the page has been open without a stream."""
    return ServerSentEvent(changes(installation, actor, _age(request)), headers={"X-Accel-Buffering": "no"})


def _age(request: Request[Any, Any, Any]) -> float | None:
    asked = str(request.query_params.get("age", ""))
    try:
        return max(0.0, float(asked)) if asked else None
    except ValueError as error:
        msg = "age is a number of seconds"
        raise InvalidInputError(msg) from error


async def changes(
    installation: Installation, actor: Actor, age: float | None = None
) -> AsyncGenerator[ServerSentEventMessage]:
    async with installation.live.page(actor.tenant_id, age) as queue:
        yield ServerSentEventMessage(event="ready", data="1")
        while True:
            try:
                first = await asyncio.wait_for(queue.get(), KEEP_ALIVE_SECONDS)
            except TimeoutError:
                yield ServerSentEventMessage(comment="still here")
                continue
            await asyncio.sleep(GATHER_SECONDS)
            gathered = [first]
            with suppress(asyncio.QueueEmpty):
                while True:
                    gathered.append(queue.get_nowait())
            for message in messages_for(gathered):
                yield message


def messages_for(events: list[LiveEvent]) -> list[ServerSentEventMessage]:
    """One message for each thing that changed, whatever number of events spoke of it."""
    if any(event.kind == "refresh" for event in events):
        return [ServerSentEventMessage(event="refresh", data="1")]
    changed = [event for event in events if event.kind not in PASSING]
    tickets = dict.fromkeys(event.ids["ticket"] for event in changed if "ticket" in event.ids)
    typing = dict.fromkeys(
        event.ids["ticket"] for event in events if event.kind == "typing" and event.ids["by"] == "visitor"
    )
    documents = any(event.kind == "document" for event in events)
    faqs = any(event.kind == "faq" for event in events)
    certificates = any(event.kind == "certificate" for event in events)
    sending = any(event.kind == "sending" for event in events)
    histories = any(event.kind == "history" for event in events)
    told = [ServerSentEventMessage(event="queue", data="1")] if tickets else []
    told += [ServerSentEventMessage(event="ticket", data=ticket) for ticket in tickets]
    told += [ServerSentEventMessage(event="typing", data=ticket) for ticket in typing]
    told += [ServerSentEventMessage(event="document", data="1")] if documents else []
    told += [ServerSentEventMessage(event="history", data="1")] if histories else []
    told += [ServerSentEventMessage(event="certificate", data="1")] if certificates else []
    told += [ServerSentEventMessage(event="sending", data="1")] if sending else []
    websites = any(event.kind == "website" for event in events)
    told += [ServerSentEventMessage(event="website", data="1")] if websites else []
    return told + ([ServerSentEventMessage(event="faq", data="1")] if faqs else [])
