"""OpenDocument text: headings, lists, tables, notes and text boxes. Tracked deletions are left out."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from odfdo import Document, Element

from desk.errors import RefusedDocumentError

from .document import DocumentBuilder, Metadata
from .office_package import checked_package
from .office_xml import XMLError

_BROKEN = (KeyError, ValueError, AttributeError, TypeError, OSError, zipfile.BadZipFile, XMLError)
_LEFT_OUT: Final = frozenset(
    {
        "text:tracked-changes",
        "text:table-of-content",
        "text:alphabetical-index",
        "text:ruby-text",
        "office:forms",
        "office:annotation",
        "svg:title",
        "svg:desc",
    }
)
"""Deletions, directories of the document itself, comments, descriptions of pictures."""
_MOST_REPEATED = 50
_CODE_STYLES = ("preformatted", "code", "source", "listing")
_LONGEST_ADDRESS = 200


def read_odt(raw: bytes, builder: DocumentBuilder) -> Metadata:
    """Raises RefusedDocumentError."""
    stream = checked_package(raw)
    with zipfile.ZipFile(stream) as package:
        names = package.namelist()
        manifest = package.read("META-INF/manifest.xml") if "META-INF/manifest.xml" in names else b""
    if b"encryption-data" in manifest:
        raise RefusedDocumentError(
            "The document is encrypted: it needs a password. Remove the password and add it again."
        )
    stream.seek(0)
    try:
        document = Document(stream)
        body = document.body
        title = str(document.meta.title or "").strip()
        reader = _Reader(builder, _list_styles(document))
    except _BROKEN as error:
        raise RefusedDocumentError("The OpenDocument file is damaged or incomplete. Save it anew.") from error
    reader.blocks(body.children)
    reader.end_code()
    return Metadata(reader.title or title)


@dataclass(slots=True)
class _List:
    numbered: list[bool]
    """By level."""
    next_number: int = 1


def _list_styles(document: Any) -> dict[str, list[bool]]:
    """Which levels of a list style are numbered."""
    styles: dict[str, list[bool]] = {}
    for part in ("content", "styles"):
        for style in document.get_part(part).root.get_elements("//text:list-style"):
            levels = [False] * 10
            for level in style.children:
                number = level.get_attribute("text:level")
                if level.tag == "text:list-level-style-number" and str(number).isdigit() and 0 < int(number) <= 10:
                    levels[int(number) - 1] = bool(level.get_attribute("style:num-format"))
            styles.setdefault(str(style.get_attribute("style:name")), levels)
    return styles


class _Reader:
    def __init__(self, builder: DocumentBuilder, list_styles: dict[str, list[bool]]) -> None:
        self._builder, self._list_styles = builder, list_styles
        self._beside: list[Element] = []
        self._notes: list[tuple[str, Element]] = []
        self._code: list[str] = []
        self.title = ""

    def blocks(self, elements: Iterable[Element]) -> None:
        for element in elements:
            tag = element.tag
            if tag == "text:p" and self._is_code(element):
                self._code.append(self._text(element))
                continue
            self.end_code()
            if tag == "text:h":
                level = str(element.get_attribute("text:outline-level") or "1")
                self._builder.heading(min(6, int(level) if level.isdigit() else 1), self._text(element))
            elif tag == "text:p":
                self._paragraph(element)
            elif tag == "text:list":
                self._list(element, [])
            elif tag == "table:table":
                self._table(element)
            elif tag not in _LEFT_OUT:
                self.blocks(element.children)
            self._write_beside()

    def end_code(self) -> None:
        if self._code:
            self._builder.code("\n".join(self._code))
            self._code = []

    def _is_code(self, element: Element) -> bool:
        style = str(element.get_attribute("text:style-name") or "").lower()
        return any(name in style for name in _CODE_STYLES)

    def _paragraph(self, element: Element) -> None:
        text = self._text(element)
        if str(element.get_attribute("text:style-name") or "").lower() == "title" and text.strip():
            self.title = self.title or " ".join(text.split())
            self._builder.heading(1, text)
        else:
            self._builder.paragraph(text)

    def _write_beside(self) -> None:
        """Text boxes and notes stand after the paragraph they hang on."""
        boxes, self._beside = self._beside, []
        notes, self._notes = self._notes, []
        for box in boxes:
            self.blocks(box.children)
        for label, note in notes:
            self._builder.paragraph(f"[{label}] {' '.join(self._text(each) for each in _paragraphs(note))}")

    # Lists

    def _list(self, element: Element, outer: list[_List]) -> None:
        name = str(element.get_attribute("text:style-name") or "")
        numbered = self._list_styles.get(name) or (outer[-1].numbered if outer else [False] * 10)
        levels = [*outer, _List(numbered)]
        for item in element.children:
            if item.tag in {"text:list-item", "text:list-header"}:
                self._item(item, levels)

    def _item(self, item: Element, levels: list[_List]) -> None:
        depth, level = len(levels) - 1, levels[-1]
        marker = "  "
        if item.tag == "text:list-item":
            start = str(item.get_attribute("text:start-value") or "")
            level.next_number = int(start) if start.isdigit() else level.next_number
            marker = f"{level.next_number}." if level.numbered[min(depth, 9)] else "-"
        told = False
        for inner in item.children:
            if inner.tag == "text:list":
                self._list(inner, levels)
            elif inner.tag == "text:h":
                self.blocks([inner])
            elif text := self._text(inner).strip():
                self._builder.list_item(f"{'  ' * depth}{'  ' if told else marker} {text}")
                told = True
        level.next_number += told

    # Tables

    def _table(self, table: Element) -> None:
        rows: list[list[str]] = []
        spanning: dict[int, tuple[int, str]] = {}
        for row in _table_rows(table):
            texts: list[str] = []
            for cell in row.children:
                self._cell(cell, texts, spanning)
            rows += [texts] * _repeated(row, "table:number-rows-repeated", texts)
        self._builder.table(rows)

    def _cell(self, cell: Element, texts: list[str], spanning: dict[int, tuple[int, str]]) -> None:
        """A merged cell is repeated in every row and column it spans, so that a row can stand alone."""
        column = len(texts)
        if cell.tag == "table:covered-table-cell":
            left, above = spanning.get(column, (0, ""))
            if left:
                spanning[column] = (left - 1, above)
            texts.append(above)
            return
        if cell.tag != "table:table-cell":
            return
        text = self._cell_text(cell)
        for at in range(_number(cell, "table:number-columns-spanned")):
            rows_left = _number(cell, "table:number-rows-spanned") - (at == 0)
            spanning[column + at] = (rows_left, text)
        texts += [text] * _repeated(cell, "table:number-columns-repeated", [text])

    def _cell_text(self, cell: Element) -> str:
        parts: list[str] = []
        for element in cell.children:
            if element.tag == "table:table":
                inner = ([self._cell_text(each) for each in row.children] for row in _table_rows(element))
                parts.append("; ".join(", ".join(part for part in row if part) for row in inner))
            elif element.tag == "text:list":
                parts += self._items(element)
            elif element.tag in {"text:p", "text:h"}:
                parts.append(self._text(element).strip())
            else:
                parts.append(self._cell_text(element))
        return "; ".join(part for part in parts if part)

    def _items(self, element: Element) -> list[str]:
        name = str(element.get_attribute("text:style-name") or "")
        is_numbered = self._list_styles.get(name, [False])[0]
        items = [self._cell_text(item) for item in element.children]
        return [f"{at}. {item}" if is_numbered else f"- {item}" for at, item in enumerate(items, start=1) if item]

    # Running text

    def _text(self, element: Element) -> str:
        text = element.text or ""
        for each in element.children:
            text += self._inline(each) + (each.tail or "")
        return text

    def _inline(self, element: Element) -> str:
        tag = element.tag
        if tag in {"text:s", "text:tab"}:
            return " " * _number(element, "text:c")
        if tag == "text:line-break":
            return "\n"
        if tag == "text:note":
            label = next((each.text_recursive for each in element.children if each.tag == "text:note-citation"), "*")
            self._notes.append((label.strip(), element))
            return f" [{label.strip()}]"
        if tag == "draw:text-box":
            self._beside.append(element)
            return ""
        if tag == "text:a":
            shown, address = self._text(element), str(element.get_attribute("xlink:href") or "")
            is_told = not address.startswith(("http://", "https://")) or len(address) > _LONGEST_ADDRESS
            return shown if is_told or address.rstrip("/") == shown.strip().rstrip("/") else f"{shown} ({address})"
        return "" if tag in _LEFT_OUT else self._text(element)


def _paragraphs(note: Element) -> list[Element]:
    bodies = [each for each in note.children if each.tag == "text:note-body"]
    return [paragraph for body in bodies for paragraph in body.children]


def _table_rows(table: Element) -> list[Element]:
    rows: list[Element] = []
    for each in table.children:
        if each.tag == "table:table-row":
            rows.append(each)
        elif each.tag in {"table:table-header-rows", "table:table-row-group", "table:table-rows"}:
            rows += _table_rows(each)
    return rows


def _number(element: Element, name: str) -> int:
    given = str(element.get_attribute(name) or "1")
    return max(1, min(int(given), _MOST_REPEATED)) if given.isdigit() else 1


def _repeated(element: Element, name: str, texts: list[str]) -> int:
    """How often a row or cell is repeated; a blank one fills the sheet and is given once."""
    return _number(element, name) if any(texts) else 1
