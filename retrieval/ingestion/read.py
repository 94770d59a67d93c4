"""`read_file`: bytes, name and declared type in; a document, the files of an archive, or FAQs out. Or a refusal.

Everything that brings bytes in (an upload, a page that was fetched) comes through here, inside the reading child.
"""

from __future__ import annotations

import msgspec

from .archive import ArchivePart, unpack
from .document import ParsedDocument
from .parse import load_formats, parse_as
from .recognise import Recognised, recognise


class ReadResult(msgspec.Struct):
    """Exactly one of the three is given."""

    document: ParsedDocument | None = None
    parts: list[ArchivePart] | None = None
    """Of an archive; each is to be read by itself."""
    is_faq_file: bool = False
    remarks: list[str] = []
    """What was left out and why, for the person who added the file."""


def read_file(name: str, raw: bytes, media_type: str = "") -> ReadResult:
    """Raises RefusedDocumentError with a sentence for the person who added the file."""
    found = recognise(name, raw, media_type)
    if found is Recognised.ARCHIVE:
        parts, remarks = unpack(raw)
        return ReadResult(parts=parts, remarks=remarks)
    if found is Recognised.FAQS:
        return ReadResult(is_faq_file=True)
    document = parse_as(found, name, raw)
    return ReadResult(document=document, remarks=list(document.remarks))


def load_readers() -> None:
    """Import what the formats need, so that a forked child has it all."""
    load_formats()
