"""What a file is: by what is in it where that can be told, else by its declared type or the ending of its name."""

from __future__ import annotations

import io
import zipfile
from enum import Enum
from pathlib import PurePath
from typing import Final
from urllib.parse import unquote, urlsplit

from desk.errors import RefusedDocumentError


class Recognised(Enum):
    """Every kind of file that can be read; the value is what people call it."""

    MARKDOWN = "Markdown"
    HTML = "HTML"
    TEXT = "plain text"
    PDF = "PDF"
    DOCX = "Word"
    PPTX = "PowerPoint"
    ODT = "OpenDocument text"
    MAIL = "e-mail"
    FAQS = "CSV"
    ARCHIVE = "ZIP"


_ENDINGS: Final = {
    ".md": Recognised.MARKDOWN,
    ".markdown": Recognised.MARKDOWN,
    ".mdown": Recognised.MARKDOWN,
    ".mkd": Recognised.MARKDOWN,
    ".mdx": Recognised.MARKDOWN,
    ".html": Recognised.HTML,
    ".htm": Recognised.HTML,
    ".xhtml": Recognised.HTML,
    ".txt": Recognised.TEXT,
    ".text": Recognised.TEXT,
    ".pdf": Recognised.PDF,
    ".docx": Recognised.DOCX,
    ".docm": Recognised.DOCX,
    ".dotx": Recognised.DOCX,
    ".pptx": Recognised.PPTX,
    ".pptm": Recognised.PPTX,
    ".ppsx": Recognised.PPTX,
    ".odt": Recognised.ODT,
    ".ott": Recognised.ODT,
    ".eml": Recognised.MAIL,
    ".csv": Recognised.FAQS,
    ".zip": Recognised.ARCHIVE,
}
SUPPORTED_EXTENSIONS: Final = frozenset(_ENDINGS)

_MEDIA_TYPES: Final = {
    "text/markdown": Recognised.MARKDOWN,
    "text/x-markdown": Recognised.MARKDOWN,
    "text/html": Recognised.HTML,
    "application/xhtml+xml": Recognised.HTML,
    "text/plain": Recognised.TEXT,
    "application/pdf": Recognised.PDF,
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": Recognised.DOCX,
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": Recognised.PPTX,
    "application/vnd.oasis.opendocument.text": Recognised.ODT,
    "message/rfc822": Recognised.MAIL,
    "text/csv": Recognised.FAQS,
    "application/zip": Recognised.ARCHIVE,
    "application/x-zip-compressed": Recognised.ARCHIVE,
}

_CONTAINERS: Final = frozenset({Recognised.DOCX, Recognised.PPTX, Recognised.ODT, Recognised.ARCHIVE})
_ZIP_STARTS: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OLE_START: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_OFFICE: Final = "EncryptedPackage".encode("utf-16-le")
_PDF_START: Final = b"%PDF-"
_PDF_START_WITHIN: Final = 1024
"""PDF 32000-1, annex H.3.4.1: readers look for the header in the first 1024 bytes."""

_FOREIGN_TEXTS: Final = (
    (b"{\\rtf", "an RTF document; save it as DOCX or PDF"),
    (b"%!PS", "PostScript; save it as PDF"),
)
_FOREIGN: Final = (
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"BM", "a picture"),
    (b"II*\x00", "a picture"),
    (b"MM\x00*", "a picture"),
    (b"\x1f\x8b", "a compressed file; make a ZIP of it"),
    (b"BZh", "a compressed file; make a ZIP of it"),
    (b"\xfd7zXZ\x00", "a compressed file; make a ZIP of it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; make a ZIP of it"),
    (b"Rar!\x1a\x07", "a RAR archive; make a ZIP of it"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"SQLite format 3\x00", "a database"),
    (b"ID3", "a sound recording"),
    (b"OggS", "a sound or video recording"),
    (b"RIFF", "a sound, a video or a picture"),
)
_BINARY_WITHIN = 4096
"""Bytes: a zero among them tells a picture that begins with BM from a letter that does."""
_FOREIGN_PACKAGES: Final = (
    ("xl/", "an Excel workbook; save the sheet as CSV with a question and an answer column, or print it to PDF"),
    ("visio/", "a Visio drawing; print it to PDF"),
    ("META-INF/container.xml", "an e-book (EPUB); save it as HTML or PDF"),
    ("META-INF/MANIFEST.MF", "a Java program"),
    ("AndroidManifest.xml", "an Android program"),
)
_OFFICE_FOLDERS: Final = (("word/", Recognised.DOCX), ("ppt/", Recognised.PPTX))
_FOREIGN_OPEN_DOCUMENTS: Final = {
    "spreadsheet": "an OpenDocument spreadsheet; save it as CSV with questions and answers, or print it to PDF",
    "presentation": "an OpenDocument presentation; save it as PPTX or print it to PDF",
    "graphics": "an OpenDocument drawing; print it to PDF",
}


def recognise(name: str, raw: bytes, media_type: str = "") -> Recognised:
    """Raises RefusedDocumentError for a kind of file that cannot be read, with what it really is."""
    declared = _declared(name, media_type)
    if not raw.strip(b"\x00\t\n\r\f "):
        raise RefusedDocumentError("The file is empty.")
    if raw.startswith(_ZIP_STARTS):
        return _package(raw, declared)
    if _PDF_START in raw[:_PDF_START_WITHIN] and (declared in {None, Recognised.PDF} or raw.startswith(_PDF_START)):
        return Recognised.PDF
    if raw.startswith(_OLE_START):
        raise RefusedDocumentError(_old_office(raw))
    is_binary = b"\x00" in raw[:_BINARY_WITHIN]
    for start, what in (*_FOREIGN_TEXTS, *(_FOREIGN if is_binary else ())):
        if raw.startswith(start):
            raise RefusedDocumentError(f"The file cannot be read: it is {what}.")
    if declared is None:
        raise RefusedDocumentError(_unknown(name, media_type))
    if declared in _CONTAINERS or declared is Recognised.PDF:
        raise RefusedDocumentError(
            f"The file is damaged: its name says {declared.value}, but that is not what is in it. Save it anew."
        )
    return declared


def readable_name(name: str) -> bool:
    """Whether the ending of the name promises something that can be read."""
    return extension(name) in SUPPORTED_EXTENSIONS


def extension(name: str) -> str:
    return path_of(name).suffix.lower()


def path_of(name: str) -> PurePath:
    if name.startswith(("http://", "https://")):
        return PurePath(unquote(urlsplit(name).path))
    return PurePath(name)


def _declared(name: str, media_type: str) -> Recognised | None:
    given = media_type.partition(";")[0].strip().lower()
    return _MEDIA_TYPES.get(given) or _ENDINGS.get(extension(name))


def _package(raw: bytes, declared: Recognised | None) -> Recognised:
    """Office documents are ZIP archives; what they are stands inside."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as package:
            names = set(package.namelist())
            open_document = ""
            if "mimetype" in names and package.getinfo("mimetype").file_size < 200:
                open_document = package.read("mimetype").decode("ascii", errors="replace").strip()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError, KeyError) as error:
        kind = (declared or Recognised.ARCHIVE).value
        raise RefusedDocumentError(
            f"The {kind} file is damaged or incomplete. Save it anew and add it again."
        ) from error
    for folder, kind in _OFFICE_FOLDERS:
        if any(each.startswith(folder) for each in names):
            return kind
    if "opendocument.text" in open_document or (declared is Recognised.ODT and "content.xml" in names):
        return Recognised.ODT
    _refuse_foreign_package(names, open_document, declared)
    if declared in {Recognised.DOCX, Recognised.PPTX, Recognised.ODT}:
        raise RefusedDocumentError(
            f"The file is damaged: its name says {declared.value}, but no such document is in it. Save it anew."
        )
    return Recognised.ARCHIVE


def _refuse_foreign_package(names: set[str], open_document: str, declared: Recognised | None) -> None:
    foreign = [what for kind, what in _FOREIGN_OPEN_DOCUMENTS.items() if f"opendocument.{kind}" in open_document]
    if declared is not Recognised.ARCHIVE:
        foreign += [what for start, what in _FOREIGN_PACKAGES if any(each.startswith(start) for each in names)]
    if foreign:
        raise RefusedDocumentError(f"The file cannot be read: it is {foreign[0]}.")


def _old_office(raw: bytes) -> str:
    if _ENCRYPTED_OFFICE in raw:
        return "The file is encrypted: it needs a password. Remove the password and add it again."
    return (
        "The file cannot be read: it is an old Office document (.doc, .xls, .ppt, .msg). Save it as DOCX, PPTX or PDF."
    )


def _unknown(name: str, media_type: str) -> str:
    ending, given = extension(name), media_type.partition(";")[0].strip().lower()
    what = f"Files ending in {ending}" if ending else "Files without an ending"
    if given and not ending:
        what = f"Documents of the type {given}"
    return f"{what} cannot be read. These can: {', '.join(sorted(SUPPORTED_EXTENSIONS))}."
