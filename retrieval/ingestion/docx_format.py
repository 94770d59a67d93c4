"""Word documents: body text with headings, lists, tables, notes, text boxes, equations and the numbers of charts.

Tracked insertions are read, deletions are not, as the document would be printed. Comments, page headers and page
footers are left out.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from docx.opc.exceptions import PackageNotFoundError
from docx.package import Package

from desk.errors import RefusedDocumentError

from .document import DocumentBuilder, Metadata
from .docx_numbering import Numbering
from .docx_text import Inline, ParagraphReader
from .office_package import checked_package
from .office_xml import XMLError, attribute, chart, child, children, is_on, local_name, path, root_of, value

_HEADING_NAME = re.compile(r"(?:heading|\u00fcberschrift|titre|t\u00edtulo|titolo|kop)\s*(\d)", re.IGNORECASE)
_CODE_NAME = re.compile(r"code|listing|preformatted|source|verbatim|macro text", re.IGNORECASE)
_CONTAINERS: Final = frozenset({"sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag", "body"})
_MOST_LEVELS = 6
_DEEPEST_STYLES = 12


@dataclass(frozen=True, slots=True)
class _Style:
    name: str
    based_on: str
    outline: int | None
    number_id: str | None
    number_level: int


def read_docx(raw: bytes, builder: DocumentBuilder) -> Metadata:
    """Raises RefusedDocumentError."""
    stream = checked_package(raw)
    try:
        package = Package.open(stream)
        main = package.main_document_part
        reader = _DocumentReader(main, builder)
    except (KeyError, ValueError, AttributeError, PackageNotFoundError, zipfile.BadZipFile, XMLError) as error:
        raise RefusedDocumentError("The Word file is damaged or incomplete. Save it anew and add it again.") from error
    reader.read()
    return Metadata(reader.title or _core_title(package))


def _core_title(package: Any) -> str:
    try:
        return str(package.core_properties.title or "").strip()
    except (KeyError, ValueError, AttributeError, XMLError):
        return ""  # the document itself was read; its properties are broken, and its name serves as well


class _DocumentReader:
    def __init__(self, main: Any, builder: DocumentBuilder) -> None:
        self._main, self._builder = main, builder
        self._body = child(root_of(main), "body")
        if self._body is None:
            raise KeyError("body")
        related = {relation.reltype.rpartition("/")[2]: relation for relation in main.rels.values()}
        self._styles = _styles(_related_root(related.get("styles")))
        self._numbering = Numbering(_related_root(related.get("numbering")))
        notes = {
            kind: {attribute(note, "id") or "": note for note in children(root, kind)}
            for kind in ("footnote", "endnote")
            if (root := _related_root(related.get(f"{kind}s"))) is not None
        }
        self._paragraphs = ParagraphReader(main, notes)
        self._code: list[str] = []
        self.title = ""

    def read(self) -> None:
        self._blocks(self._body)
        self._end_code()

    def _blocks(self, container: Any) -> None:
        for element in container:
            name = local_name(element)
            if name == "p":
                self._paragraph(element)
            elif name == "tbl":
                self._end_code()
                self._table(element)
            elif name in _CONTAINERS:
                self._blocks(element)
            elif name == "AlternateContent":
                for form in element[:1]:
                    self._blocks(form)

    def _paragraph(self, element: Any) -> None:
        inline = self._paragraphs.read(element)
        properties = child(element, "pPr")
        style = self._style(value(path(properties, "pStyle")) or "")
        text = inline.text.strip("\n")
        if style is not None and _CODE_NAME.search(style.name):
            self._code.append(inline.text)
        else:
            self._end_code()
            if text.strip():
                self._write(text.strip(), properties, style)
        self._beside(inline)

    def _write(self, text: str, properties: Any | None, style: _Style | None) -> None:
        level = self._heading_level(properties, style)
        marker = self._marker(properties, style)
        if style is not None and style.name.lower() == "title":
            self.title = self.title or " ".join(text.split())
            level = 1
        if level:
            self._builder.heading(min(level, _MOST_LEVELS), f"{marker} {text}" if marker and marker != "-" else text)
        elif marker is not None:
            indent = "  " * self._number_level(properties, style)
            self._builder.list_item(f"{indent}{marker or '-'} {text}")
        else:
            self._builder.paragraph(text)

    def _beside(self, inline: Inline) -> None:
        """What hangs on a paragraph: boxes, charts and notes, after it."""
        for box in inline.boxes:
            self._blocks(box)
        for part in inline.charts:
            title, rows = chart(root_of(part))
            self._builder.paragraph(title)
            self._builder.table(rows)
        for label, note in inline.notes:
            told = " ".join(self._paragraphs.read(each).text.strip() for each in children(note, "p"))
            self._builder.paragraph(f"[{label}] {told.strip()}")

    def _end_code(self) -> None:
        if self._code:
            self._builder.code("\n".join(self._code))
            self._code = []

    # Styles and numbering

    def _style(self, style_id: str) -> _Style | None:
        return self._styles.get(style_id)

    def _chain(self, style: _Style | None) -> Iterator[_Style]:
        for _ in range(_DEEPEST_STYLES):
            if style is None:
                return
            yield style
            style = self._style(style.based_on)

    def _heading_level(self, properties: Any | None, style: _Style | None) -> int:
        own = value(path(properties, "outlineLvl"))
        if own is not None and own.isdigit():
            return int(own) + 1 if int(own) < _MOST_LEVELS else 0
        for each in self._chain(style):
            if named := _HEADING_NAME.match(each.name):
                return max(1, int(named[1]))
            if each.outline is not None:
                return each.outline + 1 if each.outline < _MOST_LEVELS else 0
        return 0

    def _number(self, properties: Any | None, style: _Style | None) -> tuple[str, int] | None:
        own = path(properties, "numPr")
        number_id, level = value(path(own, "numId")), value(path(own, "ilvl"))
        for each in self._chain(style):
            if number_id is None and each.number_id is not None:
                number_id = each.number_id
                level = level or str(each.number_level)
        if number_id in {None, "0"}:
            return None
        return str(number_id), int(level) if level and level.isdigit() else 0

    def _number_level(self, properties: Any | None, style: _Style | None) -> int:
        number = self._number(properties, style)
        return number[1] if number else 0

    def _marker(self, properties: Any | None, style: _Style | None) -> str | None:
        number = self._number(properties, style)
        if number is not None:
            return self._numbering.next_marker(*number)
        bulleted = any(each.name.lower().startswith("list bullet") for each in self._chain(style))
        return "-" if bulleted else None

    # Tables

    def _table(self, table: Any) -> None:
        rows = list(_rows(table))
        cells = [cell for row in rows for cell in _cells(row)]
        if len(cells) == 1:
            self._blocks(cells[0])  # a frame around text
            return
        filled: list[list[str]] = []
        beside: list[Inline] = []
        for row in rows:
            texts: list[str] = []
            for cell in _cells(row):
                properties = child(cell, "tcPr")
                merged = path(properties, "vMerge")
                continues = merged is not None and (value(merged) or "continue") == "continue"
                above = filled[-1] if filled else []
                text = above[len(texts)] if continues and len(texts) < len(above) else self._cell(cell, beside)
                width = value(path(properties, "gridSpan")) or "1"
                texts += [text] * (min(int(width), 50) if width.isdigit() else 1)
            filled.append(texts)
        self._builder.table(filled)
        for inline in beside:
            self._beside(inline)

    def _cell(self, cell: Any, beside: list[Inline]) -> str:
        parts: list[str] = []
        for element in _flattened(cell):
            if local_name(element) == "p":
                inline = self._paragraphs.read(element)
                beside.append(inline)
                properties = child(element, "pPr")
                marker = self._marker(properties, self._style(value(path(properties, "pStyle")) or ""))
                text = inline.text.strip()
                parts.append(f"{marker} {text}" if marker and text else text)
            else:
                rows = ([self._cell(inner, beside) for inner in _cells(row)] for row in _rows(element))
                parts.append("; ".join(", ".join(row) for row in rows))
        return "; ".join(part for part in parts if part)


def _flattened(container: Any) -> Iterator[Any]:
    """Paragraphs and tables, whatever stands around them."""
    for element in container:
        name = local_name(element)
        if name in {"p", "tbl"}:
            yield element
        elif name in _CONTAINERS:
            yield from _flattened(element)


def _rows(table: Any) -> Iterator[Any]:
    for element in table:
        name = local_name(element)
        if name == "tr":
            if not is_on(path(child(element, "trPr"), "del")):
                yield element
        elif name in _CONTAINERS:
            yield from _rows(element)


def _cells(row: Any) -> Iterator[Any]:
    for element in row:
        name = local_name(element)
        if name == "tc":
            yield element
        elif name in _CONTAINERS:
            yield from _cells(element)


def _related_root(relation: Any | None) -> Any | None:
    if relation is None or relation.is_external:
        return None
    return root_of(relation.target_part)


def _styles(root: Any | None) -> dict[str, _Style]:
    found: dict[str, _Style] = {}
    for each in [] if root is None else children(root, "style"):
        properties = child(each, "pPr")
        outline = value(path(properties, "outlineLvl"))
        level = value(path(properties, "numPr", "ilvl")) or "0"
        found[attribute(each, "styleId") or ""] = _Style(
            name=value(child(each, "name")) or "",
            based_on=value(child(each, "basedOn")) or "",
            outline=int(outline) if outline and outline.isdigit() else None,
            number_id=value(path(properties, "numPr", "numId")),
            number_level=int(level) if level.isdigit() else 0,
        )
    return found
