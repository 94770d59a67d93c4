"""HTML tables as rows of cell texts."""

from __future__ import annotations

from collections.abc import Iterator

from selectolax.lexbor import LexborNode

from .html_elements import BLOCKS, CODE, HEADINGS, STRUCK, children_reversed, is_boilerplate
from .inline_text import InlineText

_MAXIMUM_REPEATED = 100
"""Characters of a cell that is repeated in every row and column it spans."""
_MAXIMUM_SPAN = 50
_ROW_GROUPS = frozenset({"thead", "tbody", "tfoot"})
_LAYOUT_CONTENT = ", ".join(("table", *HEADINGS, *CODE))


def is_layout(table: LexborNode) -> bool:
    """Whether it only places blocks on the page, so that its cells are read as running text."""
    if table.attributes.get("role") in {"presentation", "none"}:
        return True
    return table.css_first("th") is None and any(match.mem_id != table.mem_id for match in table.css(_LAYOUT_CONTENT))


def caption(table: LexborNode) -> str:
    for child in table.iter():
        if child.tag == "caption":
            return _cell_text(child)
    return ""


def rows(table: LexborNode) -> list[list[str]]:
    """A cell over several columns or rows is given in each of them: a row can stand alone."""
    result: list[list[str]] = []
    spanning: dict[int, tuple[int, str]] = {}
    for row in _row_nodes(table):
        cells: list[str] = []
        column = 0
        for cell in row.iter():
            if cell.tag not in {"td", "th"} or is_boilerplate(cell):
                continue
            column = _take_spanning(spanning, column, cells)
            text = _cell_text(cell)
            height, width = _number(cell, "rowspan"), _number(cell, "colspan")
            repeated = text if len(text) <= _MAXIMUM_REPEATED else ""
            cells += [text, *[repeated] * (width - 1)]
            if height > 1 and repeated:
                spanning |= dict.fromkeys(range(column, column + width), (height - 1, text))
            column += width
        _take_spanning(spanning, column, cells)
        result.append(cells)
    return result


def _take_spanning(spanning: dict[int, tuple[int, str]], column: int, cells: list[str]) -> int:
    while column in spanning:
        remaining, text = spanning.pop(column)
        cells.append(text)
        if remaining > 1:
            spanning[column] = (remaining - 1, text)
        column += 1
    return column


def _row_nodes(table: LexborNode) -> Iterator[LexborNode]:
    for child in table.iter():
        if child.tag == "tr":
            yield child
        elif child.tag in _ROW_GROUPS:
            yield from (row for row in child.iter() if row.tag == "tr")


def _number(cell: LexborNode, attribute: str) -> int:
    value = cell.attributes.get(attribute) or ""
    return max(1, min(int(value), _MAXIMUM_SPAN)) if value.isascii() and value.isdigit() else 1


def _cell_text(cell: LexborNode) -> str:
    inline = InlineText()
    stack = [(child, False) for child in children_reversed(cell)]
    while stack:
        node, leaving = stack.pop()
        tag = node.tag or ""
        if leaving:
            _leave(tag, inline)
        elif node.is_text_node:
            inline.add(node.text_content or "")
        elif tag == "br":
            inline.separate("; ")
        elif tag == "img":
            inline.picture(node.attributes.get("alt") or "")
        elif not node.is_comment_node and not is_boilerplate(node):
            if _enter(node, tag, inline):
                stack.append((node, True))
            stack.extend((child, False) for child in children_reversed(node))
    return inline.take(keep_pictures=True).rstrip(" ,;")


def _enter(node: LexborNode, tag: str, inline: InlineText) -> bool:
    """Whether its end has to be seen too."""
    if tag == "a":
        inline.open_link(node.attributes.get("href") or "")
    elif tag in STRUCK:
        inline.strike(opening=True)
    else:
        return tag in BLOCKS or tag in CODE or tag in HEADINGS
    return True


def _leave(tag: str, inline: InlineText) -> None:
    if tag == "a":
        inline.close_link()
    elif tag in STRUCK:
        inline.strike(opening=False)
    else:
        inline.separate(", " if tag in {"td", "th"} else "; ")
