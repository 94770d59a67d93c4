"""A worker's way through an uploaded ticket history."""

from __future__ import annotations

import io
from collections.abc import Iterable
from itertools import islice
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.leases import Claim, database_time, finish, hold
from desk.db.unit_of_work import Database, announce
from desk.errors import ConflictError, InvalidInputError
from desk.history.backtests import ask_for_backtest
from desk.history.imports import KIND
from desk.models import HistoryImport
from desk.models.history import MOST_REFUSED_KEPT
from desk.ports import Embedder, Storage
from learning.backtest.history import HistoryTicket, RefusedLine, tickets_in
from learning.history_import import HistoryImporter, ImportCounts


class HistoryJob:
    """Fulfils `desk.ports.HistoryReader`."""

    def __init__(self, database: Database, storage: Storage, embedder: Embedder) -> None:
        self._database = database
        self._storage = storage
        self._importer = HistoryImporter(database, embedder)

    async def take_in(self, tenant_id: UUID, import_id: UUID, fence: int) -> None:
        held = Claim(KIND, import_id, tenant_id, fence)
        async with self._database.transaction(held.scope) as session:
            row = await hold(session, HistoryImport, held)
            name, key, begin_at = row.file_name, row.storage_key, row.done
        raw = await self._storage.get(key)
        try:
            total, refused = _looked_through(name, raw)
        except InvalidInputError as error:
            await self._close(held, error.detail)
        else:
            await self._take_in(held, islice(_tickets(name, raw), begin_at, None), total, refused)
        await self._storage.delete(key)

    async def _take_in(
        self, held: Claim, tickets: Iterable[HistoryTicket], total: int, refused: list[RefusedLine]
    ) -> None:
        async with self._database.transaction(held.scope) as session:
            row = await hold(session, HistoryImport, held)
            row.total, row.refused_lines = total, len(refused)
            row.refused = [{"line": one.line, "reason": one.reason} for one in refused[:MOST_REFUSED_KEPT]]
            await announce(session, held.tenant_id, "history")

        async def noted(session: AsyncSession, brought: ImportCounts, taken: int) -> None:
            row = await hold(session, HistoryImport, held)
            row.done += taken
            row.tickets += brought.tickets
            row.known += brought.known
            row.messages += brought.messages
            row.examples += brought.examples
            await announce(session, held.tenant_id, "history")

        await self._importer.run(held.tenant_id, tickets, lambda: None, noted)
        await self._close(held, "" if total else "There is no ticket in it that can be used.")

    async def _close(self, held: Claim, reason: str) -> None:
        async with self._database.transaction(held.scope) as session:
            row = await hold(session, HistoryImport, held)
            row.state, row.reason = "failed" if reason else "done", reason
            row.finished_at = await database_time(session)
            finish(row)
            wanted, asked_by = row.then_backtest and not reason, row.asked_by
            await announce(session, held.tenant_id, "history")
        if wanted:
            try:
                async with self._database.transaction(held.scope) as session:
                    await ask_for_backtest(session, asked_by)
            except ConflictError:
                return  # one that is under way already shows these tickets or can be asked for again after it


def _looked_through(name: str, raw: bytes) -> tuple[int, list[RefusedLine]]:
    """How many tickets can be used, and the lines that cannot. Raises InvalidInputError."""
    refused: list[RefusedLine] = []
    return sum(1 for _ in tickets_in(name, io.BytesIO(raw), refused.append)), refused


def _tickets(name: str, raw: bytes) -> Iterable[HistoryTicket]:
    return tickets_in(name, io.BytesIO(raw), lambda _: None)
