"""What a crawler asks of an HTML page beside its text: its links, its own address, and whether it may be kept."""

from __future__ import annotations

import hashlib
from typing import Final
from urllib.parse import urljoin, urlsplit

import msgspec
from selectolax.lexbor import LexborHTMLParser

from desk.errors import RefusedDocumentError

from .decoding import clean
from .html_format import html_text
from .parse import parse_as
from .recognise import Recognised

_MOST_LINKS: Final = 5_000
_LONGEST_ADDRESS: Final = 2_000
_ROBOTS_NAMES: Final = frozenset({"robots", "draftdeskbot"})


class WebPage(msgspec.Struct):
    """See `desk.ports.WebPageFacts`."""

    content_hash: str
    title: str
    links: list[str]
    canonical: str
    is_hidden: bool
    follows: bool
    refusal: str


def read_web_page(raw: bytes, address: str) -> WebPage:
    """Raises RefusedDocumentError when the bytes are no HTML at all; a page without text still has links."""
    title, text, refusal = "", "", ""
    try:
        document = parse_as(Recognised.HTML, address, raw)
        title, text = document.title, document.text
    except RefusedDocumentError as error:
        refusal = error.detail
    tree = LexborHTMLParser(html_text(raw))
    base = _base(tree, address)
    said = _robots(tree)
    return WebPage(
        content_hash=hashlib.sha256(f"{title}\n{text}".encode()).hexdigest(),
        title=title,
        links=_links(tree, base),
        canonical=_canonical(tree, base),
        is_hidden=bool(said & {"noindex", "none"}),
        follows=not said & {"nofollow", "none"},
        refusal=refusal,
    )


def _base(tree: LexborHTMLParser, address: str) -> str:
    given = tree.css_first("base[href]")
    return _joined(address, given.attributes.get("href") or "") or address if given else address


def _robots(tree: LexborHTMLParser) -> set[str]:
    said: set[str] = set()
    for meta in tree.css("meta[name][content]"):
        if (meta.attributes.get("name") or "").strip().lower() in _ROBOTS_NAMES:
            said.update(word.strip().lower() for word in (meta.attributes.get("content") or "").split(","))
    return said


def _links(tree: LexborHTMLParser, base: str) -> list[str]:
    found: dict[str, None] = {}
    for node in tree.css("a[href], area[href]"):
        if "nofollow" in (node.attributes.get("rel") or "").lower().split():
            continue
        found.setdefault(_joined(base, node.attributes.get("href") or ""))
        if len(found) > _MOST_LINKS:
            break
    refresh = tree.css_first("meta[http-equiv=refresh i][content]")
    if refresh:
        _, _, where = (refresh.attributes.get("content") or "").partition("=")
        found.setdefault(_joined(base, where.strip(" '\"")))
    return [link for link in found if link]


def _canonical(tree: LexborHTMLParser, base: str) -> str:
    node = tree.css_first("link[rel~=canonical i][href]")
    return _joined(base, node.attributes.get("href") or "") if node else ""


def _joined(base: str, reference: str) -> str:
    """The absolute address, or nothing where it is none that can be fetched."""
    try:
        whole = urljoin(base, "".join(clean(reference).split()))
        fits = len(whole) <= _LONGEST_ADDRESS and urlsplit(whole).scheme in {"http", "https"}
    except ValueError:
        return ""
    return whole if fits else ""
