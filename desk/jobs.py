"""The worker: finds due work, does it, survives what goes wrong with it.

Rows with leases are the truth. SAQ's wake-ups only shorten the wait; a poll finds what none of them announced, and a
row whose worker died becomes claimable when its lease ends.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from desk.db.leases import Claim, LostLeaseError, claim, extend
from desk.db.unit_of_work import Database
from desk.errors import DeskError
from desk.giving_up import WORK_ROWS, ended_its_workers, note_failure
from desk.heartbeat import beat

_log = structlog.get_logger(__name__)
HEARTBEAT_SECONDS = 10.0
_CLAIMS_PER_ATTEMPT = 4


@dataclass(frozen=True, slots=True)
class Duty:
    """One kind of work: the table it lies in, who does it, how much of it at once."""

    kind: str
    work: Callable[[Claim], Awaitable[None]]
    concurrency: int
    most_attempts: int = 5
    waits: bool = False
    """It mostly waits for something to happen elsewhere, and may be ended at any time."""


class WorkLoop:
    """Claims and runs the due rows of its duties until it is stopped."""

    def __init__(
        self, database: Database, duties: tuple[Duty, ...], *, lease_seconds: float, poll_seconds: float
    ) -> None:
        self._database = database
        self._duties = duties
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._woken: Mapping[str, asyncio.Event] = {duty.kind: asyncio.Event() for duty in duties}
        self._running: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    def wake(self, kind: str) -> None:
        """Look for work of this kind now instead of at the next poll."""
        if kind in self._woken:
            self._woken[kind].set()

    async def run(self) -> None:
        name = f"worker@{socket.gethostname()}:{os.getpid()}"
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat(name))
            for duty in self._duties:
                group.create_task(self._attend(duty))

    async def stop(self, grace_seconds: float) -> None:
        """Claim nothing more, let what runs finish, then cancel it; its leases end by themselves."""
        self._stopping.set()
        for event in self._woken.values():
            event.set()
        for task in self._waiting:
            task.cancel()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=grace_seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=5)

    async def _attend(self, duty: Duty) -> None:
        mine: set[asyncio.Task[None]] = set()
        event = self._woken[duty.kind]
        while not self._stopping.is_set():
            event.clear()
            free = duty.concurrency - len(mine)
            for held in await self._claim(duty, free) if free else ():
                task = asyncio.create_task(self.do(duty, held), name=f"{duty.kind}:{held.row_id}")
                mine.add(task)
                self._running.add(task)
                if duty.waits:
                    self._waiting.add(task)
                    task.add_done_callback(self._waiting.discard)
                task.add_done_callback(mine.discard)
                task.add_done_callback(self._running.discard)
                task.add_done_callback(lambda _: event.set())
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await event.wait()

    async def _claim(self, duty: Duty, most: int) -> list[Claim]:
        try:
            return await claim(self._database, duty.kind, most, self._lease_seconds)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            _log.warning("database_unreachable", kind=duty.kind, error=_first_line(error))
            return []

    async def do(self, duty: Duty, held: Claim) -> None:
        """One claimed row: its work, or what is to happen when that fails."""
        renewal = asyncio.create_task(self._keep_lease(held), name=f"lease:{held.row_id}")
        try:
            most_claims = duty.most_attempts * _CLAIMS_PER_ATTEMPT
            if held.fence > most_claims and await ended_its_workers(self._database, held, most_claims):
                # It never got as far as failing: whatever it does, it takes its worker with it.
                await note_failure(self._database, held, "it ended the worker again and again", most_attempts=0)
                return
            await duty.work(held)
        except LostLeaseError as error:
            _log.info("lease_lost", kind=held.kind, row=str(held.row_id), reason=str(error))
        except Exception as error:  # noqa: BLE001 - a defect in one piece of work must not end the worker
            _log.exception("work_failed", kind=held.kind, row=str(held.row_id))
            reason = error.detail if isinstance(error, DeskError) else f"an unexpected error: {type(error).__name__}"
            # When it was the database that went away, this fails too, and the end of the lease brings the row back.
            with suppress(LostLeaseError, SQLAlchemyError, OSError, TimeoutError):
                await note_failure(self._database, held, reason, most_attempts=duty.most_attempts)
        finally:
            renewal.cancel()
            with suppress(asyncio.CancelledError):
                await renewal

    async def _keep_lease(self, held: Claim) -> None:
        """Renew the lease while the work goes on, so that a short one is enough to notice a dead worker."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            try:
                await extend(self._database, WORK_ROWS[held.kind], held, self._lease_seconds)
            except LostLeaseError:
                return
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                _log.warning("lease_not_renewed", kind=held.kind, row=str(held.row_id), error=_first_line(error))

    async def _beat(self, name: str) -> None:
        while not self._stopping.is_set():
            try:
                await beat(self._database, name, "worker")
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                _log.warning("heartbeat_failed", error=_first_line(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._stopping.wait()


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


async def wake_job(context: dict[str, Any], *, kind: str) -> None:
    """SAQ's job: pass the wake-up on to the work loop of this process."""
    loop: WorkLoop = context["work_loop"]
    loop.wake(kind)
