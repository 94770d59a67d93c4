"""What strangers' web pages and sitemaps say, read where they can do no harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class WebPageFacts:
    """Of one HTML page."""

    content_hash: str
    """SHA-256 (hex) of its title and words, without what is around them: the same as long as a reader sees the same."""
    title: str
    links: Sequence[str]
    """Absolute addresses, each once, in the order of the page."""
    canonical: str
    """The address the page gives as its own; empty when it gives none."""
    is_hidden: bool
    """It asks not to be kept (robots noindex or none)."""
    follows: bool
    """Its links may be followed (no robots nofollow or none)."""
    refusal: str
    """Why there is nothing to read on it; empty when there is."""


@dataclass(frozen=True, slots=True)
class SitemapFacts:
    pages: Sequence[str]
    """Absolute addresses."""
    sitemaps: Sequence[str]
    """Of an index: the sitemaps it names."""


class WebPageReader(Protocol):
    async def read_page(self, raw: bytes, address: str) -> WebPageFacts:
        """`address` is where the page was found; its links are relative to it. Raises RefusedDocumentError."""
        ...

    async def read_sitemap(self, raw: bytes) -> SitemapFacts:
        """XML as of sitemaps.org, a list of addresses, or either of them gzipped. Raises RefusedDocumentError."""
        ...
