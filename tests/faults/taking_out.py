"""How each guard is taken out of a process: a function of the desk is replaced by one without it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

_STALLED_SECONDS = 3600.0


def put(place: str, made: Callable[[Any], Any]) -> None:
    """`module:name`, or `module:class.name`, becomes what `made` makes of it."""
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for each in outer:
        owner = getattr(owner, each)
    setattr(owner, name, made(getattr(owner, name)))


def answering(value: object) -> Callable[[Any], Any]:
    """A coroutine that finds nothing, or always the same."""

    async def answer(*_: object, **__: object) -> object:
        return value

    return lambda _: answer


def always(value: object) -> Callable[[Any], Any]:
    """The same for what is no coroutine."""

    def answer(*_: object) -> object:
        return value

    return lambda _: answer


def nothing() -> None:
    """Where the guard is one of the database or of a setting."""


def external_ids() -> None:
    """Each ticket and message of the API is taken for a new one."""

    def made(taken_in: Any) -> Any:
        async def take_in(session: Any, connection_id: Any, external_id: str, payload: Any) -> Any:
            return await taken_in(session, connection_id, f"{external_id}:{uuid4()}", payload)

        return take_in

    put("desk.intake:take_in", made)


def inbox() -> None:
    """Each raw message is taken for a new one."""

    def made(received: Any) -> Any:
        async def receive(session: Any, connection: Any, messages: Sequence[Any]) -> int:
            fresh = [replace(each, external_id=f"{each.external_id[:400]}:{uuid4()}") for each in messages]
            return await received(session, connection, fresh)

        return receive

    for module in ("hooks", "reading", "watching"):
        put(f"desk.inbound.{module}:receive", made)


def copies() -> None:
    put("desk.inbound.filing:_known_copy", answering(None))


def widget_ids() -> None:
    put("desk.widget.conversations:_taken_before", answering(None))


def order() -> None:
    put("desk.inbound.reading:_has_earlier", answering(False))


def commit() -> None:
    """A transaction is confirmed when it is written, and on the disk a moment later."""

    def made(connected: Any) -> Any:
        def connect(cls: Any, url: Any, **more: Any) -> Any:
            del cls
            database = connected(url, **more)
            event: Any = importlib.import_module("sqlalchemy").event

            def begin(connection: Any, _: object) -> None:
                cursor = connection.cursor()
                cursor.execute("SET SESSION synchronous_commit = off")
                cursor.close()
                connection.commit()

            event.listen(database.engine.sync_engine, "connect", begin)
            return database

        return classmethod(connect)

    put("desk.db.unit_of_work:Database.connect", made)


def uncertain() -> None:
    """A reply that was being sent when its worker ended is taken for one that was not."""

    def made(_: Any) -> Any:
        delivery: Any = importlib.import_module("desk.delivery")

        async def work(self: Any, held: Any) -> None:
            files = await delivery.outgoing_files(self._database, self._storage, self._files, held)
            step = await self._begin(held, files)
            if step is not None:
                outgoing, channel, _ = step
                await self._record(held, await channel.send(outgoing))

        return work

    put("desk.delivery:DeliveryDesk.work", made)


def lost_answers() -> None:
    """No answer is taken for a no."""

    def made(recorded: Any) -> Any:
        async def record(self: Any, held: Any, outcome: Any) -> None:
            if outcome.result == "uncertain":
                outcome = replace(outcome, result="retry", retry_after_seconds=1.0)
            await recorded(self, held, outcome)

        return record

    put("desk.delivery:DeliveryDesk._record", made)


def lease() -> None:
    """Every lease is over as soon as it begins, so that others take what somebody works on."""

    def claiming(claimed: Any) -> Any:
        async def claim(database: Any, kind: str, most: int, _: float) -> Any:
            return await claimed(database, kind, most, -1.0)

        return claim

    put("desk.jobs:claim", claiming)
    put("desk.jobs:extend", answering(None))


def renewal() -> None:
    put("desk.jobs:extend", answering(None))


def fence() -> None:
    def made(_: Any) -> Any:
        lost: Any = importlib.import_module("desk.db.leases").LostLeaseError

        async def hold(session: Any, row_type: Any, held: Any) -> Any:
            row = await session.get(row_type, held.row_id, with_for_update=True, populate_existing=True)
            if row is None:
                raise lost(f"{held.kind} {held.row_id} is gone")
            return row

        return hold

    for module in ("db.leases", "conversation", "giving_up", "parts", "inbound.reading", "inbound.watching"):
        put(f"desk.{module}:hold", made)


def ended() -> None:
    """How a call has ended is recorded whatever the reply is by then."""

    def made(_: Any) -> Any:
        delivery: Any = importlib.import_module("desk.delivery")

        async def record(self: Any, held: Any, outcome: Any) -> None:
            async with self._database.transaction(held.scope) as session:
                row, ticket = await delivery.hold_with_ticket(session, delivery.Delivery, held)
                row.provider_id = outcome.provider_id or row.provider_id
                if outcome.result == "retry":
                    row.state = "pending"
                    await delivery.due_in(session, row, 1)
                    return
                await delivery._end(session, row, ticket, outcome.result, outcome.detail)

        return record

    put("desk.delivery:DeliveryDesk._record", made)


def newer_message() -> None:
    def made(_: Any) -> Any:
        review: Any = importlib.import_module("desk.review")

        def check_ready(draft: Any, *_: object) -> None:
            if draft.state not in {"ready", "stale"}:
                raise review.ConflictError(review._gone(draft.state))

        return check_ready

    put("desk.review:_check_ready", made)


def first_approval() -> None:
    put("desk.review:_check_ready", always(None))
    put("desk.review:_being_answered", answering(False))


def own_mail() -> None:
    put("connectors.email.incoming:is_own_address", always(False))


def own_replies() -> None:
    put("desk.inbound.filing:known_from_remote", answering(None))


def words_over_there() -> None:
    """What was written over there without an answer is not looked for."""

    def made(_: Any) -> Any:
        outcome: Any = importlib.import_module("desk.ports").SendOutcome

        async def find_reply(_self: Any, _reply: Any, _ticket: str, _known: Any, why: str) -> Any:
            return outcome("retry" if why else "sent", why, retry_after_seconds=1.0)

        return find_reply

    put("connectors.whmcs.sending:Sending.find_reply", made)


def polling() -> None:
    """Work is done when somebody says that there is some, and else not for an hour."""

    def made(begun: Any) -> Any:
        def begin(self: Any, *given: Any, **more: Any) -> None:
            begun(self, *given, **{**more, "poll_seconds": _STALLED_SECONDS})

        return begin

    put("desk.jobs:WorkLoop.__init__", made)
