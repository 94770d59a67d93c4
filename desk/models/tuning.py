"""Prompt versions, what a channel may send by itself, and the processes at work."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from advanced_alchemy.types import GUID, DateTimeUTC
from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.models.base import Access, Row, TenantRow, one_of


class PromptVersion(TenantRow):
    """One immutable version of a prompt; editing makes the next version (design section 5).

    `context_template` holds `{context}`; `task_template` may hold `{subject}`, `{content}`, `{department}`.
    """

    __tablename__ = "prompt_versions"
    access: ClassVar[Access] = "tenant_and_global"
    constraints = (
        UniqueConstraint("tenant_id", "name", "number", name="uq_prompt_versions_number"),
        Index("uq_prompt_versions_active", "tenant_id", unique=True, postgresql_where=text("is_active")),
    )

    name: Mapped[str] = mapped_column(Text)
    number: Mapped[int]
    system_prompt: Mapped[str] = mapped_column(Text)
    context_template: Mapped[str] = mapped_column(Text)
    task_template: Mapped[str] = mapped_column(Text)
    temperature: Mapped[float] = mapped_column(default=0.3)
    max_tokens: Mapped[int] = mapped_column(default=1000)
    is_active: Mapped[bool] = mapped_column(default=False)
    copied_from: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    created_by: Mapped[str] = mapped_column(Text, default="desk")


class ChannelPolicy(TenantRow):
    """What may be sent without a person on one channel (design section 7)."""

    __tablename__ = "channel_policies"
    constraints = (
        UniqueConstraint("tenant_id", "channel", name="uq_channel_policies_channel"),
        one_of("mode", "off", "threshold", "certified"),
    )

    channel: Mapped[str] = mapped_column(String(30))
    mode: Mapped[str] = mapped_column(String(12), default="off")
    threshold: Mapped[float] = mapped_column(default=75.0)
    daily_cap: Mapped[int] = mapped_column(default=100)
    ticket_cap: Mapped[int] = mapped_column(default=3)
    delay_seconds: Mapped[int] = mapped_column(default=60)
    faq_send: Mapped[bool] = mapped_column(default=False)
    """Whether the answer of a FAQ that surely fits goes out without a person (design section 5)."""
    quiet_from: Mapped[str | None] = mapped_column(String(5), default=None)
    """Local time, HH:MM, from which until `quiet_until` nothing is sent by machine; both or neither."""
    quiet_until: Mapped[str | None] = mapped_column(String(5), default=None)
    time_zone: Mapped[str] = mapped_column(Text, default="UTC")
    """IANA name of the zone the quiet hours are in."""


class ProcessHeartbeat(Row):
    """A worker or web process that is alive; by these `/health` knows whether anybody drafts."""

    __tablename__ = "process_heartbeats"
    __table_args__ = (UniqueConstraint("name", name="uq_process_heartbeats_name"),)

    name: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(String(12))
    seen_at: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True))


__all__ = ["ChannelPolicy", "ProcessHeartbeat", "PromptVersion"]
