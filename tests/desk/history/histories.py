"""Small ticket histories, and a worker for them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from desk.accounts.identity import Actor
from desk.db.leases import claim_these
from desk.db.tenancy import Scope
from desk.history.backtests import ask_for_backtest, get_backtest
from desk.history.imports import get_import, upload_history
from desk.installation import Installation
from desk.models import Backtest, HistoryImport

START = datetime(2024, 1, 1, tzinfo=UTC)
TOPICS = {
    "folders are empty after the update": "Right click the folder, choose Properties and then Repair Folder.",
    "cannot send mail, the password is refused": "Your provider needs an app password; make one on its security page.",
    "how do I change the sort order": "Click the column header twice, then choose View, Sort by, Unthreaded.",
    "the spam filter deletes wanted mail": "Open the junk settings of the account and mark the sender as trusted.",
}


def ticket(at: int, body: str, reply: str, *, answered_after: timedelta = timedelta(minutes=5)) -> dict[str, Any]:
    created = START + timedelta(hours=at)
    return {
        "id": f"t-{at}",
        "created_at": created.isoformat(),
        "subject": "",
        "body": body,
        "messages": [{"from": "agent", "at": (created + answered_after).isoformat(), "body": reply}],
    }


def steady(count: int) -> list[dict[str, Any]]:
    topics = list(TOPICS.items())
    return [ticket(at, f"{topics[at % 4][0]}, please help, case {at}", topics[at % 4][1]) for at in range(count)]


def jsonl(tickets: list[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(one) for one in tickets).encode()


async def imported(
    installation: Installation, actor: Actor, raw: bytes, *, name: str = "old-desk.jsonl", then_backtest: bool = False
) -> HistoryImport:
    """Uploaded, and taken in by a worker."""
    row = await upload_history(
        installation.database,
        installation.storage,
        actor,
        name,
        raw,
        then_backtest=then_backtest,
        maximum_bytes=1_000_000,
    )
    await take_in(installation, row)
    async with installation.database.transaction(actor.scope) as session:
        return await get_import(session, row.id)


async def take_in(installation: Installation, row: HistoryImport) -> None:
    async with installation.database.transaction(Scope(row.tenant_id)) as session:
        (held,) = await claim_these(session, HistoryImport, [row.id], 60)
    await installation.history_reader.take_in(held.tenant_id, held.row_id, held.fence)


async def replayed(installation: Installation, actor: Actor) -> Backtest:
    """Asked for, and done by a worker."""
    async with installation.database.transaction(actor.scope) as session:
        row = await ask_for_backtest(session, actor.label)
        (held,) = await claim_these(session, Backtest, [row.id], 60)
    await installation.history_replayer.replay(held.tenant_id, held.row_id, held.fence)
    async with installation.database.transaction(actor.scope) as session:
        return await get_backtest(session, row.id)
