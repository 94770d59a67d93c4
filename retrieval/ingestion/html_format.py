"""HTML: the words of the page in reading order, without its furniture."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from desk.errors import RefusedDocumentError

from . import html_table
from .decoding import clean, decode
from .document import DocumentBuilder, Metadata
from .html_elements import (
    BLOCKS,
    CODE,
    HEADINGS,
    LISTS,
    NESTING,
    STRUCK,
    children_reversed,
    is_boilerplate,
    is_link_menu,
)
from .inline_text import InlineText

_DECLARED_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w:.-]{1,40})""", re.I)
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_MAXIMUM_DEPTH = 1000
_SECTIONING = frozenset({"article", "main", "section"})
_MAXIMUM_INDENT = 8
"""List levels; deeper ones are indented no further."""
_MAXIMUM_TABLE_DEPTH = 4
"""Tables inside tables beyond this are read as running text without asking what they are for."""


def read_html(raw: bytes, builder: DocumentBuilder) -> Metadata:
    return read_markup(html_text(raw), builder, drop_link_menus=True)


def html_text(raw: bytes) -> str:
    """The markup, decoded as it says itself. Raises RefusedDocumentError when it is no text."""
    found = _DECLARED_CHARSET.search(raw[:4096])
    return clean(decode(raw, found.group(1).decode("ascii") if found else ""))


def read_markup(markup: str, builder: DocumentBuilder, *, drop_link_menus: bool = False) -> Metadata:
    """`drop_link_menus`: for whole pages; where a person wrote nothing but an article, its link lists are meant."""
    _refuse_endless_nesting(markup)
    tree = LexborHTMLParser(markup)
    if tree.body is not None:
        _PageReader(builder, drop_link_menus=drop_link_menus).read(_content(tree, tree.body))
    head_title = tree.css_first("head title")
    title = " ".join(clean(head_title.text()).split()) if head_title else ""
    if len(builder.top_headings) == 1 and builder.top_headings[0].casefold() in title.casefold():
        title = builder.top_headings[0]  # "Duck" rather than "Duck - Encyclopedia"
    root = tree.root
    language = (root.attributes.get("lang") or "") if root else ""
    return Metadata(title, language.split("-")[0].lower())


def _refuse_endless_nesting(markup: str) -> None:
    """The parser's time grows with the depth of every element: 3 s at 40,000, hours at a few million."""
    depth = 0
    for end, name in _TAG.findall(markup):
        if name.lower() in NESTING:
            depth = max(0, depth - 1) if end else depth + 1
            if depth > _MAXIMUM_DEPTH:
                raise RefusedDocumentError(
                    f"The page is broken: its elements are nested more than {_MAXIMUM_DEPTH:,} deep."
                )


def _content(tree: LexborHTMLParser, body: LexborNode) -> LexborNode:
    """The one main element or the one article where the page marks it, else the body."""
    for selector in ("main, [role=main]", "article"):
        marked = tree.css(selector)
        if len(marked) == 1 and marked[0].text().strip():
            return marked[0]
    return body


@dataclass(slots=True)
class _OpenList:
    next_number: int | None
    """None where items are not numbered."""
    marker: str = ""
    """Of the item whose first line is still to come."""
    width: int = 2


class _PageReader:
    def __init__(self, builder: DocumentBuilder, *, drop_link_menus: bool) -> None:
        self._builder = builder
        self._drop_link_menus = drop_link_menus
        self._inline = InlineText()
        self._lists: list[_OpenList] = []
        self._heading = 0
        self._sectioning = 0
        self._tables = 0

    def read(self, root: LexborNode) -> None:
        stack = [(root, False)]
        while stack:
            node, leaving = stack.pop()
            if leaving:
                self._leave(node.tag or "")
            elif node.is_text_node:
                self._inline.add(node.text_content or "")
            elif not node.is_comment_node and not self._is_furniture(node) and self._enter(node):
                stack.append((node, True))
                stack.extend((child, False) for child in children_reversed(node))
        self._flush()

    def _is_furniture(self, node: LexborNode) -> bool:
        if node.tag in {"header", "footer"} and not self._sectioning:
            return node.tag == "footer" or node.css_first("h1, h2") is None
        if self._drop_link_menus and node.tag in {"ul", "ol"} and not self._lists and is_link_menu(node):
            return True
        return is_boilerplate(node)

    def _enter(self, node: LexborNode) -> bool:
        """Whether to go on with what is inside."""
        tag = node.tag or ""
        if tag == "br":
            self._inline.line_break()
        elif tag == "img":
            self._inline.picture(node.attributes.get("alt") or "")
        elif tag in STRUCK:
            self._inline.strike(opening=True)
        elif tag == "a":
            self._inline.open_link("" if self._heading else node.attributes.get("href") or "")
        elif tag in CODE:
            self._code(node)
            return False
        elif tag == "table":
            return self._table(node)
        elif tag in HEADINGS:
            self._flush()
            self._heading = HEADINGS[tag]
        elif tag in BLOCKS:
            self._flush()
            self._open_block(node, tag)
        return tag not in {"br", "img"}

    def _open_block(self, node: LexborNode, tag: str) -> None:
        if tag in LISTS:
            start = node.attributes.get("start") or "1"
            first = int(start) if start.isascii() and start.isdigit() and len(start) < 10 else 1
            self._lists.append(_OpenList(first if tag == "ol" else None))
        elif tag in {"li", "dt"} and self._lists:
            level = self._lists[-1]
            level.marker = "-" if level.next_number is None else f"{level.next_number}."
            level.width = len(level.marker) + 1
            if level.next_number is not None:
                level.next_number += 1
        elif tag in _SECTIONING:
            self._sectioning += 1

    def _leave(self, tag: str) -> None:
        if tag == "a":
            self._inline.close_link()
        elif tag in STRUCK:
            self._inline.strike(opening=False)
        elif tag in BLOCKS or tag in HEADINGS:
            self._flush()
            if tag in HEADINGS:
                self._heading = 0
            elif tag == "table":
                self._tables -= 1
            elif tag in LISTS:
                self._lists.pop()
            elif tag in _SECTIONING:
                self._sectioning -= 1

    def _flush(self) -> None:
        text = self._inline.take()
        if not text:
            return
        if self._lists:
            self._list_item(text)
        elif self._heading:
            self._builder.heading(self._heading, text)
        else:
            self._builder.paragraph(text)

    def _list_item(self, text: str) -> None:
        """The first line carries the marker, further ones stand under its text."""
        level = self._lists[-1]
        for outer in self._lists[-1 - _MAXIMUM_INDENT : -1]:
            outer.marker = ""
        indent = sum(outer.width for outer in self._lists[: min(len(self._lists) - 1, _MAXIMUM_INDENT)])
        first = f"{level.marker} ".rjust(level.width) if level.marker else " " * level.width
        level.marker = ""
        lines = text.split("\n")
        rest = "".join(f"\n{' ' * (indent + level.width)}{line}" for line in lines[1:] if line)
        self._builder.list_item(" " * indent + first + lines[0] + rest)

    def _code(self, node: LexborNode) -> None:
        self._flush()
        fragments: list[str] = []
        stack = children_reversed(node)
        while stack:
            inner = stack.pop()
            if inner.is_text_node:
                fragments.append(inner.text_content or "")
            elif inner.tag == "br":
                fragments.append("\n")
            elif not inner.is_comment_node:
                stack.extend(children_reversed(inner))
        code = textwrap.dedent("".join(fragments))
        if self._lists and self._lists[-1].marker and code.strip():
            self._list_item("")
        self._builder.code(code)

    def _table(self, node: LexborNode) -> bool:
        self._flush()
        if self._tables >= _MAXIMUM_TABLE_DEPTH or html_table.is_layout(node):
            self._tables += 1
            return True
        self._builder.paragraph(html_table.caption(node))
        self._builder.table(html_table.rows(node))
        return False
