"""What is known of customers beyond one channel: addresses that are proved, and who was found to be one person."""

from __future__ import annotations

from uuid import UUID

from advanced_alchemy.types import GUID
from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.models.base import TenantRow, belongs_to, one_of


class CustomerProof(TenantRow):
    """An address or number that a channel has proved to be this customer's."""

    __tablename__ = "customer_proofs"
    constraints = (
        belongs_to("customers", "customer_id", name="customer_proofs"),
        one_of("kind", "email", "phone"),
        UniqueConstraint("tenant_id", "customer_id", "kind", "value", name="uq_customer_proofs_value"),
        Index("ix_customer_proofs_value", "tenant_id", "kind", "value"),
    )

    customer_id: Mapped[UUID] = mapped_column(GUID())
    kind: Mapped[str] = mapped_column(String(10))
    value: Mapped[str] = mapped_column(Text)
    """Folded: addresses in lower case, numbers as + and digits."""
    channel: Mapped[str] = mapped_column(String(30))
    """Where it was proved first."""


class CustomerMerge(TenantRow):
    """Who said that two customers are one person, or are not; never deleted while either is there."""

    __tablename__ = "customer_merges"
    constraints = (
        belongs_to("customers", "customer_id", name="customer_merges"),
        belongs_to("customers", "into_id", name="customer_merges"),
        one_of("state", "merged", "separated", "refused"),
        Index("ix_customer_merges_customer_id", "tenant_id", "customer_id"),
        Index("ix_customer_merges_into_id", "tenant_id", "into_id"),
    )

    customer_id: Mapped[UUID] = mapped_column(GUID())
    into_id: Mapped[UUID] = mapped_column(GUID())
    state: Mapped[str] = mapped_column(String(10))
    proof: Mapped[str] = mapped_column(Text, default="")
    """The address that both had proved."""
    actor: Mapped[str] = mapped_column(Text)
    separated_by: Mapped[str] = mapped_column(Text, default="")


__all__ = ["CustomerMerge", "CustomerProof"]
