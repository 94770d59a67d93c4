"""Documents with their versions and chunks, what was learned, the vectors of all of it, and the index log."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from advanced_alchemy.types import GUID, DateTimeUTC
from sqlalchemy import BigInteger, Index, Integer, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.models.base import Access, TenantRow, Work, belongs_to, due_index, may_belong_to, one_of

SOURCE_KINDS = ("knowledge", "example", "correction", "faq")


class Document(TenantRow):
    """An article. Of the global tenant: global KB; otherwise tenant KB."""

    __tablename__ = "documents"
    access: ClassVar[Access] = "tenant_and_global"
    constraints = (
        Index("uq_documents_origin", "tenant_id", "origin", unique=True, postgresql_where=text("NOT is_deleted")),
        may_belong_to("documents", "part_of_id", name="documents"),
        Index("ix_documents_part_of_id", "tenant_id", "part_of_id", postgresql_where=text("part_of_id IS NOT NULL")),
    )

    title: Mapped[str] = mapped_column(Text)
    category: Mapped[str] = mapped_column(Text, default="")
    origin: Mapped[str] = mapped_column(Text)
    """File path, URL or `text:<id>`: a second upload of the same origin is a new version."""
    url: Mapped[str | None] = mapped_column(Text, default=None)
    current_version: Mapped[int] = mapped_column(default=0)
    """Number of the version that is searched; 0 until one is indexed."""
    is_deleted: Mapped[bool] = mapped_column(default=False)
    part_of_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    """The archive it came in."""
    set_aside: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Why it is kept but not searched, such as a web page that is gone; empty for all others."""


class DocumentVersion(TenantRow, Work):
    """One upload of a document, durable before it is acknowledged, indexed afterwards."""

    __tablename__ = "document_versions"
    access: ClassVar[Access] = "tenant_and_global"
    constraints = (
        UniqueConstraint("tenant_id", "document_id", "number", name="uq_document_versions_number"),
        UniqueConstraint("storage_key", name="uq_document_versions_storage_key"),
        belongs_to("documents", "document_id", name="document_versions"),
        one_of("state", "waiting", "indexed", "refused"),
        due_index("document_versions"),
    )

    document_id: Mapped[UUID] = mapped_column(GUID())
    number: Mapped[int]
    file_name: Mapped[str] = mapped_column(Text)
    raw: Mapped[bytes | None] = mapped_column(LargeBinary, default=None)
    """The original, of versions from before there was a storage; of later ones it lies under `storage_key`."""
    storage_key: Mapped[str | None] = mapped_column(Text, default=None)
    size: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Bytes of the original."""
    sha256: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text, default="")
    language: Mapped[str] = mapped_column(String(10), default="")
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    reason: Mapped[str] = mapped_column(Text, default="")
    """Why it was refused, in words for the person who uploaded it."""
    remarks: Mapped[str] = mapped_column(Text, default="", server_default="")
    """What was left out of an indexed one and why, a line each."""
    pages: Mapped[list[int]] = mapped_column(ARRAY(Integer), default=list, server_default="{}")
    """Where each page or slide begins in the text; empty for formats without pages."""
    stage: Mapped[str] = mapped_column(String(10), default="", server_default="")
    """What is being done with a waiting one: reading or embedding; empty before and after."""
    progress: Mapped[int] = mapped_column(default=0, server_default="0")
    """Percent of its passages that are embedded."""


class Chunk(TenantRow):
    __tablename__ = "chunks"
    access: ClassVar[Access] = "tenant_and_global"
    constraints = (
        UniqueConstraint("tenant_id", "version_id", "ordinal", name="uq_chunks_ordinal"),
        belongs_to("documents", "document_id", name="chunks"),
        belongs_to("document_versions", "version_id", name="chunks"),
        Index("ix_chunks_document_id", "tenant_id", "document_id"),
    )

    document_id: Mapped[UUID] = mapped_column(GUID())
    version_id: Mapped[UUID] = mapped_column(GUID())
    version: Mapped[int]
    ordinal: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    span_start: Mapped[int]
    span_end: Mapped[int]
    heading_path: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    context: Mapped[str] = mapped_column(Text, default="")
    """Title and headings that stand above the text when it is embedded."""
    tokens: Mapped[int]
    is_set_aside: Mapped[bool] = mapped_column(default=False, server_default="false")
    """Not searched, because somebody kept another passage instead of it (`desk.conflicts`)."""


class Example(TenantRow):
    """An approved answer to a question, with where it came from."""

    __tablename__ = "examples"
    constraints = (
        one_of("origin", "approved", "authored", "imported"),
        one_of("state", "active", "set_aside", "retired"),
        UniqueConstraint("tenant_id", "review_id", name="uq_examples_review_id"),
        UniqueConstraint("tenant_id", "external_id", name="uq_examples_external_id"),
        Index("ix_examples_created_at", "tenant_id", "created_at"),
    )

    question: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
    origin: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10), default="active")
    state_reason: Mapped[str] = mapped_column(Text, default="")
    language: Mapped[str] = mapped_column(String(10), default="")
    intent: Mapped[str | None] = mapped_column(String(60), default=None)
    ticket_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    draft_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    review_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    external_id: Mapped[str | None] = mapped_column(Text, default=None)
    author: Mapped[str] = mapped_column(Text, default="")
    customer_name: Mapped[str] = mapped_column(Text, default="")
    """Whose ticket it was: never to appear in another customer's draft."""
    document_ids: Mapped[list[UUID]] = mapped_column(ARRAY(GUID()), default=list)
    answered_at: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True))
    times: Mapped[int] = mapped_column(default=1, server_default="1")
    """How often it was approved: what repeats an earlier answer is counted there."""
    looked_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    """When somebody said that it still holds although a document it rests on has changed."""


class Correction(TenantRow, Work):
    """What a draft said that must not be said again, and what to say instead. Due: to be noted by a model."""

    __tablename__ = "corrections"
    constraints = (
        one_of("state", "active", "set_aside", "retired"),
        UniqueConstraint("tenant_id", "review_id", name="uq_corrections_review_id"),
        Index("ix_corrections_created_at", "tenant_id", "created_at"),
        due_index("corrections"),
    )

    question: Mapped[str] = mapped_column(Text)
    avoid: Mapped[str] = mapped_column(Text)
    instead: Mapped[str] = mapped_column(Text)
    notes: Mapped[str] = mapped_column(Text, default="")
    changes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    state: Mapped[str] = mapped_column(String(10), default="active")
    state_reason: Mapped[str] = mapped_column(Text, default="")
    language: Mapped[str] = mapped_column(String(10), default="")
    ticket_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    draft_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    review_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    author: Mapped[str] = mapped_column(Text, default="")
    customer_name: Mapped[str] = mapped_column(Text, default="")
    document_ids: Mapped[list[UUID]] = mapped_column(ARRAY(GUID()), default=list)
    looked_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    """As of an example."""
    model_note: Mapped[str] = mapped_column(Text, default="", server_default="")
    """What the edit teaches in a language model's words: for people only."""
    model_note_by: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Which model that was."""


class Embedding(TenantRow):
    """The vector of one searchable item under one model; float32, little-endian, length 1."""

    __tablename__ = "embeddings"
    access: ClassVar[Access] = "tenant_and_global"
    constraints = (
        UniqueConstraint("tenant_id", "source", "item_id", "model", name="uq_embeddings_item"),
        one_of("source", *SOURCE_KINDS),
    )

    source: Mapped[str] = mapped_column(String(12))
    item_id: Mapped[UUID] = mapped_column(GUID())
    model: Mapped[str] = mapped_column(Text)
    dimension: Mapped[int]
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class IndexCounter(TenantRow):
    """The per-tenant sequence of the index log. Its row lock makes commits appear in sequence order."""

    __tablename__ = "index_counters"
    access: ClassVar[Access] = "tenant_and_global"
    constraints = (UniqueConstraint("tenant_id", name="uq_index_counters_tenant_id"),)

    value: Mapped[int] = mapped_column(BigInteger, default=0)


class IndexLogEntry(TenantRow):
    """One change of a searchable item, written in the transaction that made it; every process follows it."""

    __tablename__ = "index_log"
    access: ClassVar[Access] = "tenant_and_global"
    constraints = (
        UniqueConstraint("tenant_id", "sequence", name="uq_index_log_sequence"),
        one_of("source", *SOURCE_KINDS),
        one_of("operation", "upsert", "remove"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(String(12))
    item_id: Mapped[UUID] = mapped_column(GUID())
    operation: Mapped[str] = mapped_column(String(8))


__all__ = [
    "SOURCE_KINDS",
    "Chunk",
    "Correction",
    "Document",
    "DocumentVersion",
    "Embedding",
    "Example",
    "IndexCounter",
    "IndexLogEntry",
]
