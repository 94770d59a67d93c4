"""Sitemaps (sitemaps.org protocol 0.9): XML, an index of others, or a list of addresses; each may be gzipped."""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import Any, Final

import msgspec

from desk.errors import RefusedDocumentError

from .decoding import decode
from .office_xml import XMLError, child, children, local_name

_etree = import_module("lxml.etree")  # compiled and without stubs
_PARSER: Any = _etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False)
_GZIP_START: Final = b"\x1f\x8b"
_MOST_BYTES: Final = 50 * 1024 * 1024
"""Uncompressed; the protocol's own limit."""
_MOST_ADDRESSES: Final = 50_000
"""In one sitemap, likewise."""
_LONGEST_ADDRESS: Final = 2_000


class Sitemap(msgspec.Struct):
    """See `desk.ports.SitemapFacts`."""

    pages: list[str]
    sitemaps: list[str]


def read_sitemap(raw: bytes) -> Sitemap:
    """Raises RefusedDocumentError."""
    content = _unpacked(raw)
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"<":
        return Sitemap(_addresses(decode(content).splitlines()), [])
    try:
        root = _etree.fromstring(content, _PARSER)
    except (XMLError, ValueError) as error:
        raise RefusedDocumentError("The sitemap is damaged: it is no well-formed XML.") from error
    match local_name(root):
        case "urlset":
            return Sitemap(_addresses(_location(each) for each in children(root, "url")), [])
        case "sitemapindex":
            return Sitemap([], _addresses(_location(each) for each in children(root, "sitemap")))
        case other:
            raise RefusedDocumentError(f"This is no sitemap: its first element is {other[:40] or 'nameless'}.")


def _unpacked(raw: bytes) -> bytes:
    if not raw.startswith(_GZIP_START):
        return raw
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        content = unpacking.decompress(raw, _MOST_BYTES + 1)
    except zlib.error as error:
        raise RefusedDocumentError("The sitemap is damaged: it cannot be unpacked.") from error
    if len(content) > _MOST_BYTES:
        raise RefusedDocumentError(f"The sitemap is larger than {_MOST_BYTES // 1024 // 1024} MB when it is unpacked.")
    return content


def _location(entry: Any) -> str:
    found = child(entry, "loc")
    return "" if found is None else (found.text or "")


def _addresses(lines: Any) -> list[str]:
    found: dict[str, None] = {}
    for line in lines:
        address = "".join(str(line).split())
        if address.startswith(("http://", "https://")) and len(address) <= _LONGEST_ADDRESS:
            found.setdefault(address)
        if len(found) >= _MOST_ADDRESSES:
            break
    return list(found)
