"""HTML of strangers, made fit to be shown in the desk: a strict list of tags, no styles, no pictures from elsewhere.

nh3's own defaults keep pictures, which tell their sender that a mail was read.
"""

from __future__ import annotations

import re

import nh3
from selectolax.lexbor import LexborHTMLParser, LexborNode

LARGEST_HTML = 1_000_000
"""Characters. Longer HTML is shown as its text only."""
_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "cite", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2",
    "h3", "h4", "h5", "h6", "hr", "i", "ins", "li", "ol", "p", "pre", "q", "s", "small", "span", "strong", "sub", "sup",
    "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href"}, "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}}
_DROPPED_WHOLE = {"script", "style", "title", "head", "noscript", "template", "svg", "math", "iframe", "object"}
_BLOCKS = {
    "address", "article", "blockquote", "body", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "header",
    "footer", "hr", "li", "main", "ol", "p", "pre", "section", "table", "tr", "ul",
}  # fmt: skip
_PARAGRAPHS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre"}
_SPACE = re.compile(r"[ \t\n\r\f]+")
_MANY_LINES = re.compile(r"\n{3,}")
_DEEPEST = 200
_QUOTE_CLASSES = ("gmail_quote", "yahoo_quoted", "moz-cite-prefix", "protonmail_quote")


def clean_html(html: str) -> str:
    """Safe to put into a page as it is; "" when there is nothing left, or too much came."""
    if len(html) > LARGEST_HTML:
        return ""
    cleaned = nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags={"script", "style", "title"},
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )
    return cleaned.strip()


def text_of_html(html: str) -> str:
    """The words with their paragraphs; what the HTML marks as quoted gets `>` in front, as in plain text."""
    tree = LexborHTMLParser(html[: 4 * LARGEST_HTML])
    if tree.body is None:
        return ""
    written = _Writer()
    _write(tree.body, written, 0)
    lines = [line.rstrip() for line in "".join(written.parts).split("\n")]
    return _MANY_LINES.sub("\n\n", "\n".join(lines)).strip()


class _Writer:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self.quotes = 0
        self.at_line_start = True

    def text(self, words: str) -> None:
        if self.at_line_start:
            words = words.lstrip()
            if words and self.quotes:
                self.parts.append("> " * self.quotes)
        if words:
            self.parts.append(words)
            self.at_line_start = False

    def line_end(self) -> None:
        self.parts.append("\n")
        self.at_line_start = True

    def block(self) -> None:
        if not self.at_line_start:
            self.line_end()


def _write(node: LexborNode, written: _Writer, depth: int) -> None:
    for child in node.iter(include_text=True):
        tag = child.tag or ""
        if tag == "-text":
            # lexbor gives text nodes this name
            written.text(_SPACE.sub(" ", child.text_content or ""))
        elif tag == "br":
            written.line_end()
        elif tag not in _DROPPED_WHOLE and not _is_hidden(child):
            _write_element(child, tag, written, depth)


def _write_element(node: LexborNode, tag: str, written: _Writer, depth: int) -> None:
    if depth >= _DEEPEST:
        written.text(_SPACE.sub(" ", node.text(deep=True)))
        return
    quoted = tag == "blockquote" or any(name in (node.attributes.get("class") or "") for name in _QUOTE_CLASSES[:2])
    if tag in _BLOCKS:
        written.block()
    written.quotes += quoted
    if tag == "li":
        written.text("- ")
    _write(node, written, depth + 1)
    if tag == "a":
        _write_address(node, written)
    if tag in {"td", "th"}:
        written.text(" ")
    if tag in _BLOCKS:
        written.block()
    written.quotes -= quoted
    if tag in _PARAGRAPHS:
        written.line_end()


def _write_address(node: LexborNode, written: _Writer) -> None:
    """A link's address stands behind its words, so that what was linked is not lost in plain text."""
    address = (node.attributes.get("href") or "").strip()
    words = node.text(deep=True).strip()
    if address.startswith(("http://", "https://")) and address.rstrip("/") not in words and words not in address:
        written.text(f" <{address}>")


def _is_hidden(node: LexborNode) -> bool:
    """Preheaders and other words that the sender shows to machines only."""
    style = (node.attributes.get("style") or "").replace(" ", "").lower()
    return "display:none" in style or "hidden" in node.attributes
