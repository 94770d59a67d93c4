"""Tenants, people and the keys by which they come in."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from advanced_alchemy.extensions.litestar.store import StoreModelMixin
from advanced_alchemy.types import GUID, DateTimeUTC
from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.db.crypto import encrypted_text
from desk.models.base import Row, TenantRow, one_of


class Tenant(Row):
    """One customer of the installation. Row-level security shows a transaction its own tenant only."""

    __tablename__ = "tenants"

    name: Mapped[str] = mapped_column(Text)
    slug: Mapped[str] = mapped_column(String(80), unique=True)


class TenantSettings(TenantRow):
    """Everything a tenant may tune; the document's shape is `desk.accounts.preferences.Preferences`."""

    __tablename__ = "tenant_settings"
    constraints = (UniqueConstraint("tenant_id", name="uq_tenant_settings_tenant_id"),)

    preferences: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    sending_stopped: Mapped[bool] = mapped_column(default=False)
    """The kill switch, read in the transaction that marks a delivery as sending."""
    next_ticket_number: Mapped[int] = mapped_column(default=1)
    drafts_changed_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    """Since when drafts are made as they are now, by prompt, weights, scoring and models; drafts written before then
    are no labels for a certificate. None for as long as the tenant exists."""
    review_salt: Mapped[UUID] = mapped_column(GUID(), server_default=text("gen_random_uuid()"))
    """Random and shown to nobody: without it no one can tell which drafts are drawn for blind review."""
    models_seen: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    """The installation's own models when the clock last looked: `writing` and `searching`."""


class User(Row):
    """A person who signs in; the address is unique over the installation."""

    __tablename__ = "users"
    __table_args__ = (Index("uq_users_email", text("lower(email)"), unique=True),)

    email: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text, default="")
    password_hash: Mapped[str] = mapped_column(Text)
    is_operator: Mapped[bool] = mapped_column(default=False)
    is_active: Mapped[bool] = mapped_column(default=True)
    token_generation: Mapped[int] = mapped_column(default=0)
    """Raised to end every session and token of the person at once."""


class Membership(TenantRow):
    __tablename__ = "memberships"
    constraints = (
        UniqueConstraint("tenant_id", "user_id", name="uq_memberships_user"),
        ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE", name="fk_memberships_user_id"),
        one_of("role", "agent", "admin", "owner"),
    )

    user_id: Mapped[UUID] = mapped_column(GUID(), index=True)
    role: Mapped[str] = mapped_column(String(20))
    news_seen_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    """Certificates granted and ended until then are no news to this person any more."""


class ApiKey(TenantRow):
    """256 random bits of which only the SHA-256 is kept."""

    __tablename__ = "api_keys"

    name: Mapped[str] = mapped_column(Text)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    key_start: Mapped[str] = mapped_column(String(12))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    created_by: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    last_used_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    revoked_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)


class RevokedToken(Row):
    """A bearer token given back before it expired."""

    __tablename__ = "revoked_tokens"

    token_id: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True))


class StoredSession(StoreModelMixin):
    """Server-side sessions of the web desk, by the SHA-256 of the id in the cookie."""

    __tablename__ = "sessions"
    access = "installation"


class ModelProvider(TenantRow):
    """A tenant's own language-model provider; lower positions are asked first."""

    __tablename__ = "model_providers"
    constraints = (UniqueConstraint("tenant_id", "position", name="uq_model_providers_position"),)

    position: Mapped[int]
    name: Mapped[str] = mapped_column(Text)
    base_url: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    api_key: Mapped[str] = mapped_column(encrypted_text())
    is_active: Mapped[bool] = mapped_column(default=True)


__all__ = [
    "ApiKey",
    "Membership",
    "ModelProvider",
    "RevokedToken",
    "StoredSession",
    "Tenant",
    "TenantSettings",
    "User",
]
