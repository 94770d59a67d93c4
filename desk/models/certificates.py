"""What may be sent under which certificate, and how far each group of drafts is from its next one."""

from __future__ import annotations

from datetime import datetime

from advanced_alchemy.types import DateTimeUTC
from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from desk.models.base import TenantRow, one_of


class CertificationGroup(TenantRow):
    """The drafts that are certified together, and what has been spent on looking at their labels."""

    __tablename__ = "certification_groups"
    constraints = (UniqueConstraint("tenant_id", "name", name="uq_certification_groups_name"),)

    name: Mapped[str] = mapped_column(Text)
    """`all`, `channel:email`, `intent:dns` (`desk.policy.groups`)."""
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """Channels whose drafts are counted."""
    since: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True))
    """Drafts written before then count no more."""
    looks_before: Mapped[int] = mapped_column(default=0)
    """Looks spent under terms, or on labels, that no longer hold; they are never given back."""
    looks_spent: Mapped[int] = mapped_column(default=0)
    labels_seen: Mapped[int] = mapped_column(default=0)
    risk: Mapped[float]
    confidence: Mapped[float]


class SendingCertificate(TenantRow):
    """A threshold above which drafts of a group may go out; never changed, only ended (design section 7)."""

    __tablename__ = "certificates"
    constraints = (
        one_of("state", "active", "replaced", "revoked"),
        Index(
            "uq_certificates_active", "tenant_id", "group_name", unique=True, postgresql_where=text("state = 'active'")
        ),
    )

    group_name: Mapped[str] = mapped_column(Text)
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text))
    state: Mapped[str] = mapped_column(Text, default="active")
    threshold: Mapped[float]
    """Lowest calibrated probability, in [0, 1], that may be sent."""
    risk: Mapped[float]
    confidence: Mapped[float]
    bound: Mapped[float]
    labels: Mapped[int]
    errors: Mapped[int]
    look: Mapped[int]
    ended_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    ended_because: Mapped[str] = mapped_column(Text, default="")


__all__ = ["CertificationGroup", "SendingCertificate"]
