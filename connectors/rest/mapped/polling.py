"""Asking a system for news: one address with a cursor, its pages followed by the Link header (RFC 8288)."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from connectors.rest.mapped.calling import Caller
from connectors.rest.mapped.expressions import decode_json
from connectors.rest.mapped.receiving import raw_messages
from connectors.rest.mapped.settings import MappedSettings
from connectors.rest.mapped.templates import address_of
from desk.calls import Answer, CallError, NotReachedError, RefusedCallError
from desk.egress import Caps
from desk.errors import ChannelError, InvalidInputError
from desk.ports import Batch, ConnectionDetails, RawMessage

MOST_PAGES = 20
"""Of one look; the rest comes with the next one, which begins at the page that is left."""
_PAGE_CAPS = Caps(30.0, 4_000_000)
_NEXT = re.compile(r"<([^<>]*)>\s*;[^,<]*\brel\s*=\s*\"?[^\",;]*\bnext\b", re.IGNORECASE)


class PolledFeed:
    """`desk.ports.Feed`. Cursor: `at`, where the next look begins; `etag` of the last answer; `page`, what is left."""

    def __init__(self, caller: Caller, settings: MappedSettings, connection: ConnectionDetails) -> None:
        self._caller = caller
        self._settings = settings
        self._connection = connection

    async def fetch(self, cursor: Mapping[str, Any]) -> Batch:
        if not self._settings.addresses["poll_url"]:
            return Batch((), cursor)
        is_first = not cursor and not self._settings.poll_start
        at = str(cursor.get("at") or self._settings.poll_start)
        try:
            return await self._look(at, str(cursor.get("page") or ""), str(cursor.get("etag") or ""), is_first=is_first)
        except CallError as error:
            raise as_channel_error(error) from error
        except InvalidInputError as error:
            raise ChannelError("settings", error.detail) from error

    async def wait(self, seconds: float) -> None:
        if not self._settings.addresses["poll_url"]:
            await asyncio.sleep(seconds)
            return
        jitter = random.uniform(0, self._settings.poll_seconds / 10)  # noqa: S311 - spreads load, hides nothing
        await asyncio.sleep(max(0.0, min(seconds, self._settings.poll_seconds + jitter)))

    async def _look(self, at: str, page: str, etag: str, *, is_first: bool) -> Batch:
        begun = self._address(at)
        url, found, newest, tag = page or begun, list[RawMessage](), at, ""
        for number in range(MOST_PAGES):
            headers = {"if-none-match": etag} if etag and not page and number == 0 else {}
            answer = await self._caller.ask(
                self._settings, self._connection, "GET", url, headers=headers, caps=_PAGE_CAPS
            )
            if answer.status == 304:
                return Batch((), {"at": at, "etag": etag})
            told = self._told(answer)
            items = "poll_items" if self._settings.found_at["poll_items"] else "items"
            found += raw_messages(told, self._settings, items, f"poll:{hashlib.sha256(answer.content).hexdigest()}")
            newest = max(newest, self._settings.found_at["poll_cursor"].text(told), key=_order)
            tag = tag or answer.headers.get("etag", "")[:200]
            url = _next_page(answer, url, begun)
            if not url:
                break
        cursor = {"at": newest, "etag": tag, **({"page": url} if url else {})}
        return Batch(() if is_first else tuple(found), cursor, more=bool(url))

    def _address(self, at: str) -> str:
        return address_of(self._settings.addresses["poll_url"], {"cursor": at})

    def _told(self, answer: Answer) -> Any:
        if answer.is_success:
            return decode_json(answer.content) if answer.content.strip() else []
        if answer.status in (401, 403):
            raise RefusedCallError(answer.words(), status=answer.status, code="sign_in")
        if answer.status in (408, 425, 429) or answer.status >= 500:
            raise NotReachedError(answer.words(), answer.retry_after)
        raise RefusedCallError(answer.words(), status=answer.status)


def _order(cursor: str) -> tuple[int, str]:
    """Numbers by their size, times in ISO 8601 by their letters."""
    return (len(cursor), cursor) if cursor.isdecimal() else (0, cursor)


def _next_page(answer: Answer, url: str, begun: str) -> str:
    """ "" after the last page, and for one on another origin, which would be given the credentials."""
    link = _NEXT.search(answer.headers.get("link", ""))
    if link is None:
        return ""
    following = urljoin(url, link.group(1))
    same = urlsplit(following)[:2] == urlsplit(begun)[:2]
    return following if same and following != url else ""


def as_channel_error(error: CallError) -> ChannelError:
    if isinstance(error, RefusedCallError):
        return ChannelError("sign_in" if error.code == "sign_in" else "settings", error.detail)
    return ChannelError("network" if isinstance(error, NotReachedError) else "protocol", error.detail)
