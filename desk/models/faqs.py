"""FAQs: answers a person has approved once for everybody, with all the ways their question is put."""

from __future__ import annotations

from uuid import UUID

from advanced_alchemy.types import GUID
from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.models.base import TenantRow, belongs_to, one_of

FAQ_STATES = ("draft", "published", "retired")


class Faq(TenantRow):
    """One question and its answer. Only a published one is searched and may answer."""

    __tablename__ = "faqs"
    constraints = (
        one_of("state", *FAQ_STATES),
        UniqueConstraint("tenant_id", "question_key", name="uq_faqs_question_key"),
        Index("ix_faqs_category", "tenant_id", "category"),
    )

    question: Mapped[str] = mapped_column(Text)
    question_key: Mapped[str] = mapped_column(Text)
    """The question without case, spacing and punctuation (`desk.plain_text.question_key`): the same one is not
    kept twice."""
    answer: Mapped[str] = mapped_column(Text)
    category: Mapped[str] = mapped_column(Text, default="")
    language: Mapped[str] = mapped_column(String(10), default="")
    state: Mapped[str] = mapped_column(String(10), default="draft")
    version: Mapped[int] = mapped_column(default=1)
    """Raised whenever question or answer change, so that a draft says which text it used."""
    created_by: Mapped[str] = mapped_column(Text, default="desk")
    changed_by: Mapped[str] = mapped_column(Text, default="desk")


class FaqPhrasing(TenantRow):
    """One way the question of a FAQ is put; the question itself is the one with ordinal 0. Each has its vector."""

    __tablename__ = "faq_phrasings"
    constraints = (
        belongs_to("faqs", "faq_id", name="faq_phrasings"),
        UniqueConstraint("tenant_id", "faq_id", "ordinal", name="uq_faq_phrasings_ordinal"),
    )

    faq_id: Mapped[UUID] = mapped_column(GUID())
    ordinal: Mapped[int]
    text: Mapped[str] = mapped_column(Text)


__all__ = ["FAQ_STATES", "Faq", "FaqPhrasing"]
