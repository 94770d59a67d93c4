"""One page looked at: what came, what it is, and whether it says anything new. Touches no row."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from desk.egress import EgressRules, retry_after_seconds
from desk.errors import RefusedAddressError, RefusedDocumentError
from desk.ports import Clock, WebPageReader
from desk.websites.addresses import HTML, media_type_of, page_address, same_site
from desk.websites.fetching import Fetched, FetchError, PageFetcher, as_utf8
from desk.websites.robots import RobotsBook, RobotsDisallowedError

_TEXTS: Final = frozenset({"text/markdown", "text/x-markdown", "text/plain"})
_GONE: Final = frozenset({404, 410})
_LATER: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """What a crawl needs to know of its website."""

    id: UUID
    url: str
    reach: str
    below: str
    most_pages: int
    most_depth: int
    category: str
    round: int
    is_seeded: bool

    @property
    def is_site(self) -> bool:
        return self.reach == "site"


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What is known of a page before it is looked at."""

    id: UUID
    url: str
    depth: int
    tries: int
    """With the one that begins now."""
    etag: str
    last_modified: str
    content_hash: str
    document_id: UUID | None
    is_set_aside: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What came of it."""

    state: str
    """As in `desk.models.websites.PAGE_STATES`; `changed` for everything that is to be taken in."""
    reason: str = ""
    status: int | None = None
    etag: str = ""
    last_modified: str = ""
    content_hash: str = ""
    title: str = ""
    address: str = ""
    """Under which it is kept."""
    media_type: str = ""
    raw: bytes = field(default=b"", repr=False)
    links: Sequence[str] = ()
    """Found on it; as they stand there."""
    passes: bool = False
    """Worth another try in this round."""
    again_in: float | None = None
    """Seconds the server asked to wait."""
    is_silent: bool = False
    """Nobody answered at all."""


class _LeftSiteError(Exception):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


class Looker:
    """Looks at pages of one website within one piece of work."""

    def __init__(
        self,
        fetcher: PageFetcher,
        robots: RobotsBook,
        reader: WebPageReader,
        rules: EgressRules,
        clock: Clock,
        site: SiteFacts,
    ) -> None:
        self._fetcher = fetcher
        self._robots = robots
        self._reader = reader
        self._rules = rules
        self._clock = clock
        self._site = site

    async def look(self, page: PageFacts) -> Look:
        try:
            fetched = await self._fetcher.fetch(page.url, self._admit, _conditions(page))
        except RobotsDisallowedError:
            return Look("skipped", "robots.txt of the site asks not to fetch this page.")
        except _LeftSiteError as error:
            return Look("skipped", f"It leads to another site: {error.address}")
        except RefusedAddressError as error:
            return Look("refused", error.detail)
        except FetchError as error:
            return Look(
                "failed" if error.passes else "refused", error.detail, passes=error.passes, is_silent=error.is_silent
            )
        unusable = _unusable(fetched, self._clock.now())
        return unusable or await self._read(page, fetched)

    async def _admit(self, address: str) -> None:
        if self._site.is_site and not same_site(address, self._site.url):
            raise _LeftSiteError(address)
        await self._robots.admit(address, self._fetcher)

    async def _read(self, page: PageFacts, fetched: Fetched) -> Look:
        if self._site.is_site and fetched.address != page.url:
            return Look(
                "duplicate", f"It sends on to {fetched.address}", status=fetched.status, links=(fetched.address,)
            )
        content_type = fetched.headers.get("content-type", "")
        media_type = media_type_of(fetched.address, content_type)
        said = {word.strip().lower() for word in fetched.headers.get("x-robots-tag", "").split(",")}
        if not media_type:
            what = content_type.partition(";")[0].strip()[:80] or "of no known kind"
            return Look("skipped", f"It is {what}, which is not read from the web.", status=fetched.status)
        raw = as_utf8(fetched.raw, content_type) if media_type in HTML | _TEXTS else fetched.raw
        if media_type in HTML:
            return await self._read_html(fetched, media_type, raw, said)
        if said & {"noindex", "none"}:
            return _hidden(fetched)
        return _content(fetched, media_type, raw, hashlib.sha256(raw).hexdigest(), fetched.address)

    async def _read_html(self, fetched: Fetched, media_type: str, raw: bytes, said: set[str]) -> Look:
        try:
            facts = await self._reader.read_page(raw, fetched.address)
        except RefusedDocumentError as error:
            return Look("refused", error.detail, status=fetched.status)
        links = facts.links if facts.follows and not said & {"nofollow", "none"} else ()
        if facts.is_hidden or said & {"noindex", "none"}:
            return _hidden(fetched, links)
        canonical = self._canonical(facts.canonical, fetched.address)
        if canonical != fetched.address and self._site.is_site:
            reason = f"It names {canonical} as its address."
            return Look("duplicate", reason, status=fetched.status, links=(canonical, *links))
        if facts.refusal:
            return Look("refused", facts.refusal, status=fetched.status, links=links)
        return _content(fetched, media_type, raw, facts.content_hash, canonical, facts.title, links)

    def _canonical(self, given: str, address: str) -> str:
        """Its own word on its address, where that is on the same site."""
        try:
            canonical = page_address(given, self._rules) if given else address
        except RefusedAddressError:
            return address
        return canonical if same_site(canonical, address) else address


def _conditions(page: PageFacts) -> dict[str, str]:
    """Asks only for what has changed (RFC 9110 section 13.1), where what was read before is still searched."""
    if page.document_id is None or page.is_set_aside:
        return {}
    given = {"if-none-match": page.etag, "if-modified-since": page.last_modified}
    return {name: value for name, value in given.items() if value}


def _unusable(fetched: Fetched, now: datetime) -> Look | None:
    """None for an answer that has content."""
    status = fetched.status
    if status == 304:
        return Look("unchanged", status=status)
    if status in _GONE:
        return Look("gone", f"The page is gone (status {status}).", status=status)
    if status >= 500 or status in _LATER:
        wait = retry_after_seconds(fetched.headers.get("retry-after"), now)
        return Look("failed", f"The server cannot answer now (status {status}).", status, passes=True, again_in=wait)
    if status in {401, 403, 407}:
        return Look("refused", f"The page is not open to everybody (status {status}).", status=status)
    if not 200 <= status < 300:
        return Look("refused", f"The server does not give this page (status {status}).", status=status)
    return None


def _hidden(fetched: Fetched, links: Sequence[str] = ()) -> Look:
    return Look("skipped", "The page asks not to be kept (noindex).", status=fetched.status, links=links)


def _content(
    fetched: Fetched,
    media_type: str,
    raw: bytes,
    content_hash: str,
    address: str,
    title: str = "",
    links: Sequence[str] = (),
) -> Look:
    return Look(
        "changed",
        status=fetched.status,
        etag=_header(fetched, "etag"),
        last_modified=_header(fetched, "last-modified"),
        content_hash=content_hash,
        title=title,
        address=address,
        media_type=media_type,
        raw=raw,
        links=links,
    )


def _header(fetched: Fetched, name: str) -> str:
    """As it is to be sent back; what cannot be sent or is unreasonably long is forgotten."""
    value = fetched.headers.get(name, "")
    return value if len(value) <= 300 and value.isascii() and value.isprintable() else ""
