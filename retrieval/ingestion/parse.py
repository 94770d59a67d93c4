"""`parse`: one file in, one document out, or a refusal that says why. Every format is one row of FORMATS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from textwrap import shorten
from typing import Final
from urllib.parse import unquote, urlsplit

from desk.errors import RefusedDocumentError

from .decoding import clean
from .document import MAXIMUM_HEADING, DocumentBuilder, Metadata, ParsedDocument
from .html_format import read_html
from .languages import detect_language
from .markdown_format import read_markdown
from .text_format import read_text

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file: how it is recognised and who reads it."""

    name: str
    extensions: tuple[str, ...]
    media_types: tuple[str, ...]
    """The first is what the document is stored under."""
    read: Callable[[bytes, DocumentBuilder], Metadata]
    """Writes blocks into the builder; raises RefusedDocumentError."""
    maximum_bytes: int


FORMATS: Final = (
    Format(
        "Markdown",
        (".md", ".markdown", ".mdown", ".mkd", ".mdx"),
        ("text/markdown", "text/x-markdown"),
        read_markdown,
        5 * _MEBIBYTE,
    ),
    Format(
        "HTML",
        (".html", ".htm", ".xhtml"),
        ("text/html", "application/xhtml+xml"),
        read_html,
        10 * _MEBIBYTE,
    ),
    Format("plain text", (".txt", ".text"), ("text/plain",), read_text, 10 * _MEBIBYTE),
)

_BY_EXTENSION: Final = {extension: each for each in FORMATS for extension in each.extensions}
_BY_MEDIA_TYPE: Final = {media_type: each for each in FORMATS for media_type in each.media_types}
SUPPORTED_EXTENSIONS: Final = frozenset(_BY_EXTENSION)


def parse(name: str, raw: bytes, media_type: str = "") -> ParsedDocument:
    """The document in `raw`.

    `name` is a file name, path or URL; its ending decides the format unless a known `media_type` (as in a
    Content-Type header) is given. Raises RefusedDocumentError with a sentence for the person who added the file.
    """
    form = _format_of(name, media_type)
    if not raw.strip():
        raise RefusedDocumentError("The file is empty.")
    if len(raw) > form.maximum_bytes:
        raise RefusedDocumentError(
            f"The file is too large: {len(raw) / _MEBIBYTE:.1f} MB, and {form.name} files may have "
            f"{form.maximum_bytes // _MEBIBYTE} MB. Split it into several files."
        )
    builder = DocumentBuilder()
    metadata = form.read(raw, builder)
    if builder.is_empty:
        raise RefusedDocumentError("No text was found in the file, or nothing but navigation and pictures.")
    title = shorten(clean(metadata.title), MAXIMUM_HEADING, placeholder="\u2026")
    if not title and len(builder.top_headings) == 1:
        title = builder.top_headings[0]
    document = builder.finish(title or _title_from_name(name), "", form.media_types[0])
    language = detect_language(document.text) or metadata.language
    return ParsedDocument(document.title, document.text, document.sections, language, document.media_type)


def _format_of(name: str, media_type: str) -> Format:
    given = media_type.partition(";")[0].strip().lower()
    if given in _BY_MEDIA_TYPE:
        return _BY_MEDIA_TYPE[given]
    extension = _path(name).suffix.lower()
    if extension in _BY_EXTENSION:
        return _BY_EXTENSION[extension]
    what = f"Files ending in {extension}" if extension else "Files without an ending"
    if given and not extension:
        what = f"Documents of the type {given}"
    raise RefusedDocumentError(f"{what} cannot be read. These can: {', '.join(sorted(SUPPORTED_EXTENSIONS))}.")


def _path(name: str) -> PurePath:
    if name.startswith(("http://", "https://")):
        return PurePath(unquote(urlsplit(name).path))
    return PurePath(name)


def _title_from_name(name: str) -> str:
    words = clean(_path(name).stem).replace("_", " ").replace("-", " ").split()
    title = " ".join(words) or urlsplit(name).netloc or "Untitled"
    return title[0].upper() + title[1:]
