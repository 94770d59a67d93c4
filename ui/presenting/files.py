"""Files of messages: shown where they are pictures, saved where they are anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from desk.attachments.sniffing import is_picture
from desk.models import Attachment, PictureDescription


@dataclass(frozen=True, slots=True)
class ShownFile:
    id: UUID
    name: str
    size: str
    address: str
    is_picture: bool
    refused: str
    """Why it was not taken in; empty for a file that is there."""
    description: str = ""
    """What a model says a picture shows, or why it says nothing."""


def shown_files(
    rows: Sequence[Attachment], descriptions: Mapping[UUID, PictureDescription] | None = None
) -> list[ShownFile]:
    return [
        ShownFile(
            id=row.id,
            name=row.name,
            size=_size(row.size),
            address=f"/api/v1/attachments/{row.id}/content",
            is_picture=is_picture(row.media_type),
            refused="" if row.state == "ready" else row.reason,
            description=_description((descriptions or {}).get(row.id)),
        )
        for row in rows
        if row.state != "uploading"
    ]


def _description(row: PictureDescription | None) -> str:
    if row is None:
        return ""
    if row.state == "done":
        return row.text
    return "Being described" if row.state == "waiting" else f"Not described: {row.reason or row.last_error}"


def _size(size: int) -> str:
    if size < 1_000:
        return f"{size} bytes"
    return f"{size / 1_000:.0f} KB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
