"""Uploads that are no document themselves: the files of an archive, and FAQs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from desk.accounts.identity import Actor, Permission
from desk.db.leases import Claim
from desk.db.unit_of_work import Database
from desk.errors import InvalidInputError, RefusedDocumentError, TooLargeError
from desk.faq_files import ImportReport, import_faqs
from desk.knowledge import Upload, take_in
from desk.models import GLOBAL_TENANT_ID, Document
from desk.ports import Embedder, Storage
from retrieval.ingestion.archive import ArchivePart
from retrieval.ingestion.zip_entries import MOST_BYTES

_MOST_TOLD_LINES = 20


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What is kept of such an upload: a few words to read; its contents are found by themselves."""

    text: str
    remarks: list[str]


async def take_in_parts(
    database: Database, storage: Storage, held: Claim, archive: Document, parts: Sequence[ArchivePart]
) -> TakenIn:
    """Each file becomes a document of its own, durable and due to be read. Done twice it changes nothing."""
    lines: list[str] = []
    remarks: list[str] = []
    for part in parts:
        upload = Upload(
            file_name=part.path.rpartition("/")[2],
            raw=part.raw,
            origin=f"{archive.origin}!/{part.path}",
            category=archive.category,
            part_of_id=archive.id,
        )
        try:
            await take_in(database, storage, held.scope, upload, maximum_bytes=MOST_BYTES)
        except (TooLargeError, InvalidInputError) as error:
            remarks.append(f"Left out: {part.path} ({error.detail}).")
            continue
        lines.append(f"- {part.path}")
    return TakenIn("Files in this archive, each a document of its own:\n\n" + "\n".join(lines), remarks)


async def take_in_faqs(database: Database, embedder: Embedder, held: Claim, name: str, raw: bytes) -> TakenIn:
    """Raises RefusedDocumentError when it holds no FAQs, ModelUnavailableError when they cannot be embedded now."""
    if held.tenant_id == GLOBAL_TENANT_ID:
        raise RefusedDocumentError("FAQs belong to one tenant; add the file there.")
    actor = Actor(held.tenant_id, "admin", f"file:{name}", frozenset({Permission.KNOWLEDGE}))
    try:
        report = await import_faqs(database, embedder, actor, raw)
    except InvalidInputError as error:
        raise RefusedDocumentError(f"The file holds no FAQs that can be read: {error.detail}.") from error
    if not report.created + report.changed + report.unchanged:
        why = _refused_lines(report) or ["it has a header and no line below it"]
        raise RefusedDocumentError(f"The file holds no FAQs that can be read: {'; '.join(why[:3])}.")
    counts = f"{report.created} new, {report.changed} changed, {report.unchanged} as before"
    return TakenIn(f"FAQs from this file: {counts}. They are among the FAQs.", _refused_lines(report))


def _refused_lines(report: ImportReport) -> list[str]:
    told = [f"Line {each.line} was left out: {each.reason}" for each in report.refused[:_MOST_TOLD_LINES]]
    more = len(report.refused) - len(told)
    return [*told, f"{more} more lines were left out"] if more > 0 else told
