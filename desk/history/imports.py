"""Uploaded ticket histories: kept until a worker has taken them in."""

from __future__ import annotations

import hashlib
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.identity import Actor
from desk.db.leases import due_in
from desk.db.unit_of_work import Database, announce, wake
from desk.errors import InvalidInputError, NotFoundError, TooLargeError
from desk.files import new_key
from desk.models import HistoryImport, Ticket
from desk.paging import Page, read_page
from desk.plain_text import clean_line
from desk.ports import Storage

KIND = "history_imports"
ENDINGS = (".jsonl", ".ndjson", ".csv")
_LONGEST_NAME = 300


async def upload_history(
    database: Database,
    storage: Storage,
    actor: Actor,
    file_name: str,
    raw: bytes,
    *,
    then_backtest: bool,
    maximum_bytes: int,
) -> HistoryImport:
    """Store the file; when this returns it is durable and a worker will take it in.

    A file that is still waiting is not taken twice. Raises TooLargeError, InvalidInputError,
    ServiceUnavailableError when the storage cannot take it.
    """
    name = clean_line(file_name)[:_LONGEST_NAME]
    if not name.lower().endswith(ENDINGS):
        msg = f"a ticket history is a file that ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        raise InvalidInputError(msg)
    if not raw.strip():
        msg = f"{name} is empty"
        raise InvalidInputError(msg)
    if len(raw) > maximum_bytes:
        msg = f"{name} has {len(raw) / 1e6:.1f} MB; at most {maximum_bytes / 1e6:.0f} MB are taken; split it"
        raise TooLargeError(msg)
    digest = hashlib.sha256(raw).hexdigest()
    async with database.transaction(actor.scope) as session:
        same = select(HistoryImport).where(HistoryImport.sha256 == digest, HistoryImport.state == "waiting")
        waiting = (await session.execute(same.limit(1))).scalar_one_or_none()
    if waiting is not None:
        return waiting
    # The bytes come before the row that names them; without the row they are swept away later.
    key = new_key(actor.tenant_id, "history")
    await storage.put(key, raw)
    async with database.transaction(actor.scope) as session:
        row = HistoryImport(
            id=uuid7(),
            file_name=name,
            storage_key=key,
            size=len(raw),
            sha256=digest,
            asked_by=actor.label,
            then_backtest=then_backtest,
            refused=[],
        )
        await due_in(session, row, 0)
        session.add(row)
        wake(session, KIND)
        await announce(session, actor.tenant_id, "history")
    return row


async def list_imports(session: AsyncSession, *, limit: int, offset: int) -> Page[HistoryImport]:
    """Newest first."""
    rows, total = await read_page(
        session, select(HistoryImport).order_by(HistoryImport.id.desc()), limit=limit, offset=offset
    )
    return Page([row[0] for row in rows], total, limit, offset)


async def get_import(session: AsyncSession, import_id: UUID) -> HistoryImport:
    """Raises NotFoundError."""
    row = await session.get(HistoryImport, import_id)
    if row is None:
        raise NotFoundError("There is no such import.")
    return row


async def has_history(session: AsyncSession) -> bool:
    """Whether the tenant has imported tickets, from a page or by command."""
    return bool((await session.execute(select(exists().where(Ticket.is_history)))).scalar_one())
