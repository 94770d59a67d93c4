"""What happens in one conversation, as it happens, for the visitor who looks at it.

The rows are the log: an event's id is edition and sequence of its message, and a stream that is opened again reads on
from there, whichever process it reaches. State has no id: the newest replaces the one before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select

from desk.chat.answering import hand_over_late
from desk.chat.presence import HERE
from desk.chat.sessions import public_messages
from desk.errors import DeskError
from desk.installation import Installation
from desk.live import LiveEvent
from desk.models import Customer, Message, Ticket
from desk.widget.access import VisitorClaim, Widget
from desk.widget.revealing import Part, parts_of
from desk.widget.visible import VisibleMessage, VisibleState, conversation_of, visible_messages, visible_state
from desk.widget.visitors import visitor_of

HEARTBEAT_SECONDS = 20.0
LONGEST_SECONDS = 3600.0
"""After this the browser opens it anew, with a token that has been looked at again."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a reader has come; written `edition.sequence`."""

    edition: int = 0
    seq: int = 0

    def __str__(self) -> str:
        return f"{self.edition}.{self.seq}"


def read_mark(text: str) -> Mark:
    """The beginning for anything else than a mark."""
    edition, _, seq = text.partition(".")
    if not (edition.isascii() and edition.isdigit() and seq.isascii() and seq.isdigit() and len(text) < 20):
        return Mark()
    return Mark(int(edition), int(seq))


@dataclass(frozen=True, slots=True)
class StreamEvent:
    kind: Literal["message", "part", "state", "typing", "reset", "beat"]
    data: VisibleMessage | VisibleState | Part | None = None
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class _Look:
    messages: tuple[VisibleMessage, ...]
    state: VisibleState
    ticket_id: UUID
    last_seq: int
    seconds_left: float | None
    """Until a person is promised; None when nobody waits for the machine."""


class ConversationStream:
    def __init__(
        self, installation: Installation, widget: Widget, claim: VisitorClaim, conversation_id: UUID, ticket_id: UUID
    ) -> None:
        self._installation = installation
        self._widget = widget
        self._claim = claim
        self._conversation_id = conversation_id
        self._ticket_id = ticket_id

    async def events(self, after: Mark) -> AsyncGenerator[StreamEvent]:
        """From the message after this mark on. Ends when the visitor may no longer look, after an hour, and when the
        conversation goes on in another ticket, which the stream that is opened next follows."""
        loop = asyncio.get_running_loop()
        end = loop.time() + LONGEST_SECONDS
        shown: VisibleState | None = None
        async with self._installation.live.ticket(self._ticket_id) as happened:
            while loop.time() < end:
                try:
                    look = await self._look(after.seq)
                except DeskError:
                    return
                if look.ticket_id != self._ticket_id:
                    return
                if after.seq > look.last_seq or (after.seq and after.edition != look.state.edition):
                    after = Mark(look.state.edition)
                    yield StreamEvent("reset")
                    continue
                async for event in _told(look, is_watching=shown is not None):
                    after = event.mark or after
                    yield event
                if look.state != shown:
                    shown = look.state
                    yield StreamEvent("state", shown)
                if look.seconds_left is not None and look.seconds_left <= 0:
                    await hand_over_late(self._installation.database, self._widget.scope, self._ticket_id)
                    continue
                async for beat in _until_changed(happened, _look_again_in(look)):
                    yield beat

    async def _look(self, after: int) -> _Look:
        """Raises NotFoundError or SignInRequiredError when the visitor may no longer look."""
        async with self._installation.database.transaction(self._widget.scope) as session:
            visitor = await visitor_of(session, self._widget, self._claim)
            chat, ticket_id = await conversation_of(session, visitor, self._conversation_id)
            ticket = await session.get_one(Ticket, ticket_id)
            customer = await session.get_one(Customer, ticket.customer_id)
            rows = await public_messages(session, ticket.id, after=after)
            now = self._installation.clock.now()
            state = await visible_state(session, self._widget, chat, ticket, now, has_email=bool(customer.email))
            left: float | None = None
            if state.is_waiting:
                waited = await session.execute(
                    select(func.extract("epoch", func.now() - Message.sent_at)).where(
                        Message.ticket_id == ticket.id, Message.seq == ticket.last_inbound_seq
                    )
                )
                left = self._widget.configuration.answer_seconds - float(waited.scalar_one())
            shown = await visible_messages(session, self._widget, rows)
            return _Look(shown, state, ticket_id, ticket.last_seq, left)


def _look_again_in(look: _Look) -> float | None:
    """Nobody tells that an agent's page went with its line, so that is looked at again."""
    here = HERE.total_seconds() if look.state.is_person_here else None
    times = [seconds for seconds in (look.seconds_left, here) if seconds is not None]
    return min(times, default=None)


async def _told(look: _Look, *, is_watching: bool) -> AsyncGenerator[StreamEvent]:
    """New messages; what a machine answers is revealed to somebody who was watching before it came."""
    for message in look.messages:
        if is_watching and message.author == "machine":
            async for part in parts_of(message):
                yield StreamEvent("part", part)
        yield StreamEvent("message", message, Mark(look.state.edition, message.seq))


async def _until_changed(happened: asyncio.Queue[LiveEvent], seconds_left: float | None) -> AsyncGenerator[StreamEvent]:
    """Waits until it is worth looking again; tells meanwhile that the line is alive and that a person types."""
    loop = asyncio.get_running_loop()
    deadline = None if seconds_left is None else loop.time() + seconds_left + 0.05
    while True:
        left = HEARTBEAT_SECONDS if deadline is None else min(HEARTBEAT_SECONDS, deadline - loop.time())
        try:
            event = await asyncio.wait_for(happened.get(), max(left, 0.0))
        except TimeoutError:
            if deadline is not None and loop.time() >= deadline:
                return
            yield StreamEvent("beat")
            continue
        events = [event]
        with suppress(asyncio.QueueEmpty):
            while True:
                events.append(happened.get_nowait())
        if any(each.kind == "typing" and each.ids["by"] == "person" for each in events):
            yield StreamEvent("typing")
        if any(each.kind != "typing" for each in events):
            return
