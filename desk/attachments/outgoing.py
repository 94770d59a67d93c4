"""The files of a reply that is about to leave, with their bytes."""

from __future__ import annotations

from sqlalchemy import select

from desk.attachments.threads import files_of_deliveries
from desk.conversation import LIVE_CHANNELS
from desk.db.leases import Claim
from desk.db.unit_of_work import Database
from desk.files import DownloadGrant, FileLinks, attachment_disposition
from desk.models import Attachment, Connection, Delivery
from desk.ports import OutgoingFile, Storage


async def outgoing_files(
    database: Database, storage: Storage, links: FileLinks | None, held: Claim
) -> tuple[OutgoingFile, ...]:
    """Of a claimed delivery. No transaction may be open. Raises NotFoundError, ServiceUnavailableError."""
    async with database.transaction(held.scope) as session:
        channel = await session.execute(
            select(Connection.channel)
            .join(Delivery, Delivery.connection_id == Connection.id)
            .where(Delivery.id == held.row_id)
        )
        if channel.scalar_one_or_none() in LIVE_CHANNELS:
            return ()
        rows = (await files_of_deliveries(session, [held.row_id])).get(held.row_id, ())
    return tuple(
        [
            OutgoingFile(
                row.id,
                row.name,
                row.media_type,
                row.sha256,
                await storage.get(row.storage_key),
                _address(links, row),
            )
            for row in rows
        ]
    )


def _address(links: FileLinks | None, row: Attachment) -> str:
    if links is None:
        return ""
    return links.to_fetch(DownloadGrant(row.storage_key, row.media_type, attachment_disposition(row.name)))
