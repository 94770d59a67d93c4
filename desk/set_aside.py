"""Learned answers whose documents have changed: out of search until somebody has looked at them."""

from __future__ import annotations

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.index_log import remove_items
from desk.models import Correction, Document, DocumentVersion, Example
from desk.ports import Learned

_ROWS: tuple[tuple[Learned, type[Example | Correction]], ...] = (("example", Example), ("correction", Correction))


async def set_aside_outdated(session: AsyncSession) -> int:
    """Of the session's tenant: active ones that cite a document which has a newer version than they knew, or which is
    gone. Returns how many."""
    done = 0
    for source, row in _ROWS:
        known_at = func.greatest(row.created_at, func.coalesce(row.looked_at, row.created_at))
        changed = (
            select(Document.title)
            .outerjoin(
                DocumentVersion,
                (DocumentVersion.document_id == Document.id) & (DocumentVersion.number == Document.current_version),
            )
            .where(
                Document.id == func.any(row.document_ids),
                (Document.is_deleted & (Document.updated_at > known_at))
                | ((DocumentVersion.number > 1) & (DocumentVersion.created_at > known_at)),
            )
            .limit(1)
            .correlate(row)
            .scalar_subquery()
        )
        found = await session.execute(
            select(row.id, changed).where(row.state == "active", changed.is_not(None)).with_for_update()
        )
        outdated = [(item_id, title) for item_id, title in found]
        for item_id, title in outdated:
            await session.execute(
                update(row)
                .where(row.id == item_id)
                .values(
                    state="set_aside", state_reason=f"It rests on “{title}”, which has changed. Does it still hold?"
                )
            )
        await remove_items(session, source, [item_id for item_id, _ in outdated])
        done += len(outdated)
    return done
