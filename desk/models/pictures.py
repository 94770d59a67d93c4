"""What a model that can see says of a picture in a message."""

from __future__ import annotations

from uuid import UUID

from advanced_alchemy.types import GUID
from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.models.base import TenantRow, Work, belongs_to, due_index, one_of

DESCRIPTION_STATES = ("waiting", "done", "failed")


class PictureDescription(TenantRow, Work):
    """Of one attachment, and gone with it. Words of a machine about something a stranger sent."""

    __tablename__ = "picture_descriptions"
    constraints = (
        belongs_to("attachments", "attachment_id", name="picture_descriptions"),
        UniqueConstraint("tenant_id", "attachment_id", name="uq_picture_descriptions_attachment_id"),
        one_of("state", *DESCRIPTION_STATES),
        Index("ix_picture_descriptions_sha256", "tenant_id", "sha256"),
        due_index("picture_descriptions"),
    )

    attachment_id: Mapped[UUID] = mapped_column(GUID())
    sha256: Mapped[str] = mapped_column(String(64))
    """Of the picture: the same one is described once."""
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    text: Mapped[str] = mapped_column(Text, default="")
    model: Mapped[str] = mapped_column(Text, default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    """Why there is none."""


__all__ = ["DESCRIPTION_STATES", "PictureDescription"]
