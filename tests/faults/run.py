"""One run: a desk, its other sides, the plan carried out, time to settle, and the verdict."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.connectors.email.servers import DOVECOT
from tests.faults.counterparts.counterpart import Counterpart
from tests.faults.counterparts.mail import Mail
from tests.faults.counterparts.rest import Rest
from tests.faults.counterparts.whatsapp import Meta, Twilio
from tests.faults.counterparts.whmcs import Whmcs
from tests.faults.counterparts.widget import Widget
from tests.faults.desk import Desk
from tests.faults.guards import GUARDS
from tests.faults.journal import Journal, Mishaps
from tests.faults.people import People
from tests.faults.plan import FAQS, Plan, PlannedTicket
from tests.faults.verdict import Breach, Evidence, judge

_SIDES: dict[str, type[Counterpart]] = {
    "email": Mail, "whatsapp_meta": Meta, "whatsapp_twilio": Twilio, "whmcs": Whmcs, "widget": Widget,
}  # fmt: skip
CHANNELS = ("rest", "rest blind", *(name for name in _SIDES if DOVECOT or name != "email"))
_AT_ONCE = 24
_LATER_SECONDS = 2.0
UNSETTLED = """
    SELECT 'inbox rows to be read' AS what, count(*) AS number FROM inbox WHERE state = 'received'
    UNION ALL SELECT 'drafts being written', count(*) FROM drafts WHERE state = 'writing' AND due_at IS NOT NULL
    UNION ALL SELECT 'replies on their way', count(*) FROM deliveries WHERE state IN ('pending', 'sending')
    UNION ALL SELECT 'tickets that wait for an answer', count(*) FROM tickets
      WHERE waiting_since IS NOT NULL AND status = 'open'
"""


@dataclass
class Result:
    plan: Plan
    without: Sequence[str]
    breaches: list[Breach]
    figures: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def passed(self) -> bool:
        return not self.breaches


async def carry_out(
    plan: Plan,
    folder: Path,
    *,
    without: Sequence[str] = (),
    settle_seconds: float = 240,
    server: Path | None = None,
) -> Result:
    """`without`: guards to take out first. Ends every process it has started."""
    begun = time.monotonic()
    desk = Desk(folder, without, webs=1 if without else 2, server=server)
    journal = Journal(folder / "journal.jsonl")
    try:
        await desk.start()
        for name in without:
            for statement in GUARDS[name].statements:
                await desk.execute(statement)
        await desk.start_processes()
        async with _world(desk, plan, journal) as world:
            ready = time.monotonic()
            await world.run()
            ran = time.monotonic()
            unsettled = await world.settle(settle_seconds)
            settled = time.monotonic()
            breaches, seen = await judge(Evidence(desk, plan, journal, world.sides, world.people, unsettled))
            seconds = {"starting": ready - begun, "delivering": ran - ready, "settling": settled - ran}
            return Result(plan, without, breaches, {**world.figures(), **seen, "seconds": seconds})
    finally:
        await desk.close()
        journal.close()


@dataclass
class World:
    desk: Desk
    plan: Plan
    sides: Mapping[str, Counterpart]
    people: list[People]
    _working: asyncio.Task[None] | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Every message delivered as often as planned, every blow dealt."""
        gate = asyncio.Semaphore(_AT_ONCE)
        self._working = asyncio.create_task(self._work())
        async with asyncio.TaskGroup() as group:
            for ticket in self.plan.tickets:
                group.create_task(self._tell(ticket, gate, group))
            group.create_task(self._befall())

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            for people in self.people:
                group.create_task(people.work(self._stopping))
            group.create_task(self._shorten_waits())

    async def _tell(self, ticket: PlannedTicket, gate: asyncio.Semaphore, group: asyncio.TaskGroup) -> None:
        side = self.sides[ticket.channel]
        await asyncio.sleep(ticket.begins)
        for position, message in enumerate(ticket.messages):
            await asyncio.sleep(message.pause)
            async with gate:
                await side.write(ticket, position)
                at_once = [side.deliver_until_taken(ticket, position)]
                if position or ticket.channel != "widget":
                    at_once += [side.deliver_until_taken(ticket, position) for at in message.copies if at == 0]
                await asyncio.gather(*at_once)
            for at in message.copies:
                if at > 0 or (position == 0 and ticket.channel == "widget"):
                    group.create_task(self._again(ticket, position, at, gate))

    async def _again(self, ticket: PlannedTicket, position: int, after: float, gate: asyncio.Semaphore) -> None:
        await asyncio.sleep(after)
        async with gate:
            await self.sides[ticket.channel].deliver_until_taken(ticket, position)

    async def _befall(self) -> None:
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for blow in self.plan.blows:
                await asyncio.sleep(max(0.0, blow.at - (time.monotonic() - begun)))
                group.create_task(self.desk.befall(blow.kind, blow.which))

    async def _shorten_waits(self) -> None:
        """Long waits for the next try become short ones. Leases, and the waits that keep a second try apart from a
        first one that is still under way, stay as they are."""
        while not self._stopping.is_set():
            self.desk.tend()
            for table in ("deliveries", "inbox", "drafts", "connection_watches", "customer_fact_sheets"):
                await self.desk.attempt(
                    f"UPDATE {table} SET due_at = now() WHERE due_at > now() + interval '25 seconds'"
                    " AND lease_until IS NULL AND random() < 0.5"
                )
            await asyncio.sleep(_LATER_SECONDS)

    async def settle(self, seconds: float) -> list[str]:
        """What is still not done when the time is over."""
        deadline = time.monotonic() + seconds
        for side in self.sides.values():
            await side.settled()
        quiet = 0
        left: list[str] = []
        while time.monotonic() < deadline and quiet < 2:
            await asyncio.sleep(1)
            rows = await self.desk.rows(UNSETTLED)
            left = [f"{row.number} {row.what}" for row in rows if row.number]
            quiet = 0 if left else quiet + 1
        await self.stop()
        return left

    async def stop(self) -> None:
        self._stopping.set()
        if self._working is not None:
            await asyncio.gather(self._working, return_exceptions=True)

    def figures(self) -> dict[str, Any]:
        told = [side.told for side in self.sides.values()]
        statuses, approvals, blows = Counter[int](), Counter[int](), Counter[str]()
        for each in told:
            statuses.update(each.statuses)
        for people in self.people:
            approvals.update(people.statuses)
        blows.update(kind for _, _, kind in self.desk.blows)
        mishaps = Counter[str]()
        for side in self.sides.values():
            mishaps.update({name or "none": number for name, number in side.mishaps.used.items()})
        return {
            "messages": self.plan.messages,
            "tickets": len(self.plan.tickets),
            "deliveries": sum(each.deliveries for each in told),
            "answers to deliveries": {str(code): number for code, number in sorted(statuses.items())},
            "answers to approvals": {str(code): number for code, number in sorted(approvals.items())},
            "blows": dict(blows),
            "mishaps": dict(mishaps),
        }


@asynccontextmanager
async def _world(desk: Desk, plan: Plan, journal: Journal) -> AsyncGenerator[World]:
    channels = {ticket.channel for ticket in plan.tickets}
    first, second = await desk.tenant("Full"), await desk.tenant("Blind")
    mishaps = {channel: Mishaps(plan.mishaps[channel]) for channel in channels}
    every: dict[str, Counterpart] = {}
    for channel in sorted(channels):
        api = second if channel == "rest blind" else first
        if channel in {"rest", "rest blind"}:
            every[channel] = Rest(desk, api, journal, mishaps[channel], channel)
        else:
            every[channel] = _SIDES[channel](desk, api, journal, mishaps[channel])
    opened: list[Counterpart] = []
    try:
        for side in every.values():
            opened.append(side)
            await side.open()
        for api in (first, second):
            await _teach(api)
        by_address = {ticket.customer: ticket for ticket in plan.tickets}
        world = World(desk, plan, every, [People(desk, first, by_address), People(desk, second, by_address)])
        try:
            yield world
        finally:
            await world.stop()
    finally:
        for side in opened:
            await side.close()
        await first.aclose()
        await second.aclose()


async def _teach(api: httpx.AsyncClient) -> None:
    """FAQs that go out by themselves on every channel, and a document that drafts are written from."""
    for question, answer in FAQS:
        asked = {"question": question, "answer": answer, "state": "published"}
        (await api.post("/api/v1/faqs", json=asked)).raise_for_status()
    text = (
        "# Trouble\n\nCertificates, mailboxes, databases, domains and jobs are looked after by our team day and night."
    )
    (await api.post("/api/v1/documents", json={"title": "Trouble", "text": text})).raise_for_status()
    listed = (await api.get("/api/v1/connections")).json()["items"]
    rules = {"mode": "off", "threshold": 75, "daily_cap": 100_000, "ticket_cap": 50, "delay_seconds": 0}
    channels = [{"channel": each["channel"], **rules, "faq_send": True} for each in listed]
    (await api.put("/api/v1/policy", json={"channels": channels})).raise_for_status()
