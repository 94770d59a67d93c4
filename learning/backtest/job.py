"""A worker's replay of a tenant's imported tickets: read and embedded here, replayed in a process of its own.

Nothing is sent and nothing but the account is stored. Documents are left out, because nobody knows any more what they
said when a ticket came.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import msgspec
import numpy as np
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.leases import Claim, LostLeaseError, database_time, finish, hold
from desk.db.unit_of_work import Database, announce
from desk.history.backtests import KIND, tell_progress
from desk.models import Backtest, Customer, Embedding, Example, Message, Ticket
from desk.ports import Embedder, Vectors
from learning.backtest.child import ReplayedMessage, ReplayedTicket, ReplayRequest, ReplayTold
from learning.backtest.replay import FIRST_TICKETS
from retrieval.intents import hosting_categories, texts_of
from retrieval.query import clean_question, question_text

_EMBEDDED_TOGETHER = 128
_READ_TOGETHER = 500
_LONGEST_LINE = 64 * 1024 * 1024
_TELL_SECONDS = 1.0
_MODULE = "learning.backtest.child"


class ReplayJob:
    """Fulfils `desk.ports.HistoryReplayer`."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder

    async def replay(self, tenant_id: UUID, backtest_id: UUID, fence: int) -> None:
        held = Claim(KIND, backtest_id, tenant_id, fence)
        async with self._database.transaction(held.scope) as session:
            row = await hold(session, Backtest, held)
            most, risk, confidence = row.most_tickets, row.risk, row.confidence
            tickets = await _newest_tickets(session, most)
            known = await _known_vectors(session, [UUID(one.id) for one in tickets], self._embedder.model)
        vectors = await self._embed(held, tickets, known)
        categories = await self._embedder.embed(texts_of(hosting_categories()))
        request = ReplayRequest(
            tickets=tickets,
            dimension=self._embedder.dimension,
            vectors=_bytes(vectors),
            intents=_bytes(categories),
            risk=risk,
            confidence=confidence,
        )
        over = await self._in_child(held, msgspec.msgpack.encode(request))
        async with self._database.transaction(held.scope) as session:
            row = await hold(session, Backtest, held)
            row.state = "failed" if over.account is None else "done"
            row.account, row.stage, row.finished_at = over.account, "", await database_time(session)
            row.reason = _TOO_FEW if over.account is None else ""
            finish(row)
            await announce(session, held.tenant_id, "history")

    async def _embed(self, held: Claim, tickets: Sequence[ReplayedTicket], known: dict[str, bytes]) -> Vectors:
        """One row per ticket; a vector depends on its own text alone, so what the import made is used again."""
        texts = [clean_question(one.subject, one.body) for one in tickets]
        rows = {text: np.frombuffer(known[text], dtype="<f4") for text in texts if text in known}
        missing = [text for text in dict.fromkeys(texts) if text not in rows]
        for at in range(0, len(missing), _EMBEDDED_TOGETHER):
            await self._tell(held, ReplayTold("embed", at, len(missing)))
            part = missing[at : at + _EMBEDDED_TOGETHER]
            rows |= zip(part, await self._embedder.embed(part), strict=True)
        if not texts:
            return np.empty((0, self._embedder.dimension), dtype=np.float32)
        return np.stack([rows[text] for text in texts])

    async def _in_child(self, held: Claim, request: bytes) -> ReplayTold:
        """Raises LostLeaseError when the replay was stopped; the child is gone in every case."""
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            _MODULE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={
                "PATH": os.environ.get("PATH", ""),
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "OPENBLAS_NUM_THREADS": "1",
                "OMP_NUM_THREADS": "1",
            },
            limit=_LONGEST_LINE,
        )
        try:
            return await self._listen(held, child, request)
        finally:
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    child.kill()
                await child.wait()

    async def _listen(self, held: Claim, child: asyncio.subprocess.Process, request: bytes) -> ReplayTold:
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the replaying process has no pipes")
        child.stdin.write(request)
        child.stdin.write_eof()
        last, told = ReplayTold("replay"), 0.0
        reading = asyncio.ensure_future(child.stdout.readline())
        try:
            while True:
                await asyncio.wait({reading}, timeout=_TELL_SECONDS)
                if reading.done():
                    line = reading.result()
                    if not line:
                        status = await child.wait()
                        raise RuntimeError(f"the replaying process ended without an answer, status {status}")
                    last = msgspec.json.decode(line, type=ReplayTold)
                    if last.is_over:
                        return last
                    reading = asyncio.ensure_future(child.stdout.readline())
                if time.monotonic() - told > _TELL_SECONDS:
                    told = time.monotonic()
                    await self._tell(held, last)
        finally:
            reading.cancel()

    async def _tell(self, held: Claim, at: ReplayTold) -> None:
        async with self._database.transaction(held.scope) as session:
            if not await tell_progress(session, held.row_id, held.fence, at.stage, at.done, at.total):
                raise LostLeaseError(f"{held.kind} {held.row_id} was stopped or claimed again")


_TOO_FEW = (
    f"There is nothing to compare yet: the first {FIRST_TICKETS} tickets are only learned from, and a draft needs a "
    "reply that was really sent to be measured against."
)


async def _newest_tickets(session: AsyncSession, most: int) -> list[ReplayedTicket]:
    """Imported ones, oldest first."""
    rows = await session.execute(
        select(Ticket, Customer.name, Customer.email)
        .join(Customer, Customer.id == Ticket.customer_id)
        .where(Ticket.is_history)
        .order_by(Ticket.created_at.desc(), Ticket.id.desc())
        .limit(most)
    )
    found = list(reversed(rows.all()))
    messages: dict[UUID, list[Message]] = {}
    for at in range(0, len(found), _READ_TOGETHER):
        ids = [row[0].id for row in found[at : at + _READ_TOGETHER]]
        said = await session.execute(
            select(Message)
            .where(Message.ticket_id.in_(ids), Message.author.in_(("customer", "agent")))
            .order_by(Message.ticket_id, Message.seq)
        )
        for message in said.scalars():
            messages.setdefault(message.ticket_id, []).append(message)
    return [_replayed(ticket, name, email or "", messages.get(ticket.id, [])) for ticket, name, email in found]


def _replayed(ticket: Ticket, name: str, email: str, messages: Sequence[Message]) -> ReplayedTicket:
    opening = messages[0].body if messages and messages[0].author == "customer" else ""
    return ReplayedTicket(
        id=str(ticket.id),
        created_at=ticket.created_at,
        subject=ticket.subject,
        body=opening,
        channel=ticket.channel,
        department=ticket.department or "",
        customer_name=name,
        customer_email=email,
        messages=[
            ReplayedMessage(one.author == "agent", one.body, one.sent_at) for one in messages[1 if opening else 0 :]
        ],
    )


async def _known_vectors(session: AsyncSession, ticket_ids: Sequence[UUID], model: str) -> dict[str, bytes]:
    """Of the questions of imported answers, by the text that was embedded."""
    known: dict[str, bytes] = {}
    for at in range(0, len(ticket_ids), _READ_TOGETHER):
        rows = await session.execute(
            select(Example.question, Embedding.vector)
            .join(Embedding, (Embedding.item_id == Example.id) & (Embedding.source == "example"))
            .where(Example.ticket_id.in_(ticket_ids[at : at + _READ_TOGETHER]), Embedding.model == model)
        )
        known |= {question_text(question): vector for question, vector in rows}
    return known


def _bytes(rows: Vectors) -> bytes:
    return np.ascontiguousarray(rows, dtype="<f4").tobytes()
