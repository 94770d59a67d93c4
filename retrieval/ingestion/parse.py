"""`parse`: one file in, one document out, or a refusal that says why. Every format is one row of FORMATS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from textwrap import shorten
from typing import Final
from urllib.parse import urlsplit

from desk.errors import RefusedDocumentError

from .decoding import clean
from .document import MAXIMUM_HEADING, DocumentBuilder, Metadata, ParsedDocument
from .docx_format import read_docx
from .html_format import read_html
from .languages import detect_language
from .mail_format import read_mail
from .markdown_format import read_markdown
from .odt_format import read_odt
from .pdf_format import read_pdf
from .pptx_format import read_pptx
from .recognise import Recognised, path_of, recognise
from .text_format import read_text

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Format:
    """Who reads a kind of file, and how much of it."""

    media_type: str
    """What the document is stored under."""
    read: Callable[[bytes, DocumentBuilder], Metadata]
    """Writes blocks into the builder; raises RefusedDocumentError."""
    maximum_bytes: int


_OFFICE = "application/vnd.openxmlformats-officedocument"
FORMATS: Final = {
    Recognised.MARKDOWN: Format("text/markdown", read_markdown, 5 * _MEBIBYTE),
    Recognised.HTML: Format("text/html", read_html, 10 * _MEBIBYTE),
    Recognised.TEXT: Format("text/plain", read_text, 10 * _MEBIBYTE),
    Recognised.PDF: Format("application/pdf", read_pdf, 200 * _MEBIBYTE),
    Recognised.DOCX: Format(f"{_OFFICE}.wordprocessingml.document", read_docx, 200 * _MEBIBYTE),
    Recognised.PPTX: Format(f"{_OFFICE}.presentationml.presentation", read_pptx, 200 * _MEBIBYTE),
    Recognised.ODT: Format("application/vnd.oasis.opendocument.text", read_odt, 200 * _MEBIBYTE),
    Recognised.MAIL: Format("message/rfc822", read_mail, 50 * _MEBIBYTE),
}


def parse(name: str, raw: bytes, media_type: str = "") -> ParsedDocument:
    """The document in `raw`.

    `name` is a file name, path or URL. What the file is decides its content where that can be told, then a known
    `media_type` (as in a Content-Type header), then the ending of the name. Raises RefusedDocumentError with a
    sentence for the person who added the file.
    """
    return parse_as(recognise(name, raw, media_type), name, raw)


def parse_as(kind: Recognised, name: str, raw: bytes) -> ParsedDocument:
    """The same for a file of a known kind. Raises RefusedDocumentError."""
    form = FORMATS.get(kind)
    if form is None:
        raise RefusedDocumentError(f"A {kind.value} file is no document by itself.")
    if len(raw) > form.maximum_bytes:
        raise RefusedDocumentError(
            f"The file is too large: {len(raw) / _MEBIBYTE:.1f} MB, and {kind.value} files may have "
            f"{form.maximum_bytes // _MEBIBYTE} MB. Split it into several files."
        )
    builder = DocumentBuilder()
    metadata = form.read(raw, builder)
    if builder.is_empty:
        raise RefusedDocumentError("No text was found in the file, or nothing but navigation and pictures.")
    title = shorten(clean(metadata.title), MAXIMUM_HEADING, placeholder="\u2026")
    if not title and len(builder.top_headings) == 1:
        title = builder.top_headings[0]
    document = builder.finish(title or _title_from_name(name), "", form.media_type)
    return replace(document, language=detect_language(document.text) or metadata.language)


def load_formats() -> None:
    """Make the libraries load what they load late, so that a forked child finds it loaded."""
    for kind, sample in _SAMPLES.items():
        parse_as(kind, "sample", sample)


_SAMPLES: Final = {
    Recognised.MARKDOWN: b"# Title\n\nText\n\n| a | b |\n| - | - |\n| c | d |\n",
    Recognised.HTML: b"<html lang=en><p>Text</p></html>",
    Recognised.TEXT: b"A text that is long enough for its language to be told.",
    Recognised.MAIL: b"Subject: Title\nContent-Type: text/plain; charset=utf-8\n\nText\n",
}


def _title_from_name(name: str) -> str:
    words = clean(path_of(name).stem).replace("_", " ").replace("-", " ").split()
    title = " ".join(words) or urlsplit(name).netloc or "Untitled"
    return title[0].upper() + title[1:]
