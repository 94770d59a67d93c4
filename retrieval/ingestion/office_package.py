"""Office documents are ZIP archives of XML: checked before a library opens them."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from typing import Final
from xml.parsers import expat

from desk.errors import RefusedDocumentError

from .zip_entries import Budget, ZipEntries

_STRICT: Final = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
"""ISO/IEC 29500 Strict names the same elements by other addresses, which the libraries do not know."""
_STRICT_MARK: Final = b"http://purl.oclc.org/ooxml/"
_MAXIMUM_DEPTH = 400
"""Elements inside each other; real documents stay below 100, and readers call themselves for each level."""
_LOOKED_AT = 256
_MOST_XML_BYTES = 100 * 1024 * 1024
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".emf", ".wmf", ".wdp", ".svgz", ".bin", ".mp4")


def checked_package(raw: bytes) -> io.BytesIO:
    """The same package with every XML part looked through, in the Transitional form.

    Raises RefusedDocumentError for encrypted, damaged and oversized packages, and for XML that declares entities or
    document types or is nested without end.
    """
    entries = ZipEntries(raw, Budget())
    rewritten: dict[str, bytes] = {}
    xml_bytes = 0
    for entry in entries.files:
        if entry.filename.lower().endswith(_PICTURES) and entry.file_size > _LOOKED_AT:
            continue
        part = entries.read(entry)
        if b"<" not in part[:_LOOKED_AT]:
            continue
        xml_bytes += len(part)
        if xml_bytes > _MOST_XML_BYTES:
            raise RefusedDocumentError("The document is too large: it unpacks to more than 100 MB of XML. Split it.")
        _check_xml(part)
        if _STRICT_MARK in part:
            rewritten[entry.filename] = _STRICT.sub(_transitional, part)
    return _with_parts(raw, rewritten) if rewritten else io.BytesIO(raw)


def _with_parts(raw: bytes, rewritten: dict[str, bytes]) -> io.BytesIO:
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(result, "w") as target:
        for entry in source.infolist():
            target.writestr(entry, rewritten.get(entry.filename) or source.read(entry))
    result.seek(0)
    return result


def _transitional(match: re.Match[bytes]) -> bytes:
    name = match[1]
    return b"http://schemas.openxmlformats.org/" + name + b"/2006/"


@dataclass(slots=True)
class _Depth:
    value: int = 0

    def enter(self, _name: str, _attributes: dict[str, str]) -> None:
        self.value += 1
        if self.value > _MAXIMUM_DEPTH:
            raise RefusedDocumentError(
                f"The document is refused: its elements are nested more than {_MAXIMUM_DEPTH} deep."
            )

    def leave(self, _name: str) -> None:
        self.value -= 1


def _refuse_document_type(*_: object) -> None:
    raise RefusedDocumentError(
        "The document is refused: its XML declares a document type or entities, which no office program writes and "
        "which can be used to fill a machine or to read its files."
    )


def _check_xml(part: bytes) -> None:
    """Raises RefusedDocumentError. A part that is no XML is left to the library: it may not need it."""
    parser, depth = expat.ParserCreate(), _Depth()
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.EntityDeclHandler = _refuse_document_type
    parser.StartElementHandler = depth.enter
    parser.EndElementHandler = depth.leave
    try:
        parser.Parse(part, True)
    except (expat.ExpatError, ValueError, LookupError):
        if b"<!" in part and (b"DOCTYPE" in part.upper() or b"ENTITY" in part.upper()):
            _refuse_document_type()
