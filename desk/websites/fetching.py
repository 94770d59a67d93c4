"""One page fetched through the guard: every hop of a redirect is checked, paced and asked of robots.txt anew."""

from __future__ import annotations

import codecs
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

import httpx

from desk.egress import Caps, EgressRules, guarded_client
from desk.errors import DeskError, RefusedAddressError
from desk.websites.addresses import page_address

ROBOT: Final = "DraftdeskBot"
MOST_HOPS: Final = 5
"""RFC 9309 asks robots.txt to be looked for over at least five."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CHARSET: Final = re.compile(r"""charset\s*=\s*["']?\s*([\w:.-]{1,40})""", re.I)
_CHARSETS: Final = re.compile(
    r"windows-125\d|cp125\d|iso-8859-\d{1,2}|latin-?1|koi8-[ru]|shift[_-]jis|sjis|euc-(?:jp|kr)|gb2312|gbk|gb18030|big5"
    r"|utf-16(?:[lb]e)?",
    re.I,
)
"""Python knows codecs that are no character sets; a stranger must not choose those."""


@dataclass(frozen=True, slots=True)
class Fetched:
    address: str
    """Where it was in the end."""
    status: int
    headers: Mapping[str, str]
    """With lower-case names."""
    raw: bytes


class FetchError(DeskError):
    """Nothing came that could be used; `passes` when it is worth another try later."""

    status = 502
    title = "Page not fetched"

    def __init__(self, detail: str, *, passes: bool, is_silent: bool = False) -> None:
        super().__init__(detail)
        self.passes = passes
        self.is_silent = is_silent
        """Nobody answered at all."""


Allowed = Callable[[str], Awaitable[None]]
"""Called with every address before it is asked; raises what must end the fetch."""


class PageFetcher:
    """Fetches for one tenant and one piece of work; close it afterwards, for it keeps cookies as browsers do."""

    def __init__(self, rules: EgressRules, *, most_bytes: int, seconds: float, robot_page: str) -> None:
        self._rules = rules
        self._most_bytes = most_bytes
        self._client = guarded_client(rules, Caps(seconds, most_bytes + 1))
        self._headers = {
            "user-agent": f"Mozilla/5.0 (compatible; {ROBOT}/1.0; +{robot_page})",
            "accept": "text/html,application/xhtml+xml,application/pdf,text/plain;q=0.9,*/*;q=0.5",
        }

    async def close(self) -> None:
        await self._client.aclose()

    async def fetch(self, address: str, allowed: Allowed, headers: Mapping[str, str] | None = None) -> Fetched:
        """Whatever status the last hop has. Raises FetchError, RefusedAddressError, and what `allowed` raises."""
        current = address
        for _ in range(MOST_HOPS + 1):
            await allowed(current)
            answer = await self._ask(current, headers or {})
            where = answer.headers.get("location", "")
            if answer.status not in _REDIRECTS or not where:
                return answer
            try:
                current = page_address(urljoin(current, where), self._rules)
            except (RefusedAddressError, ValueError) as error:
                told = error.detail if isinstance(error, RefusedAddressError) else "It is not a usable address."
                msg = f"The page sends on to where the desk may not go: {told}"
                raise RefusedAddressError(msg) from error
        msg = f"The page sends on more than {MOST_HOPS} times."
        raise FetchError(msg, passes=False)

    async def _ask(self, address: str, headers: Mapping[str, str]) -> Fetched:
        try:
            async with self._client.stream("GET", address, headers={**self._headers, **headers}) as response:
                raw = b"" if response.status_code in _REDIRECTS | {304} else await self._body(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise FetchError(f"The server cannot be reached: {_words(error)}.", passes=True, is_silent=True) from error
        except httpx.TimeoutException as error:
            raise FetchError("The server takes too long to answer.", passes=True, is_silent=True) from error
        except httpx.DecodingError as error:
            raise FetchError("The server sends compressed data although it was asked not to.", passes=False) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FetchError(f"The connection broke off: {_words(error)}.", passes=True) from error
        return Fetched(address, response.status_code, dict(response.headers), raw)

    async def _body(self, response: httpx.Response) -> bytes:
        promised = response.headers.get("content-length", "0")
        received = bytearray()
        if not promised.isdigit() or int(promised) <= self._most_bytes:
            async for part in response.aiter_raw():
                received += part
                if len(received) > self._most_bytes:
                    break
            else:
                return bytes(received)
        msg = f"It is larger than {self._most_bytes / 1024 / 1024:.0f} MB."
        raise FetchError(msg, passes=False)


def _words(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".") or type(error).__name__


def as_utf8(raw: bytes, content_type: str) -> bytes:
    """Text as it is kept, for the header that names its character set is not kept with it.

    Bytes that are UTF-8, carry a mark of their own, or are not what the header says stay as they came.
    """
    named = _CHARSET.search(content_type)
    if named is None or not _CHARSETS.fullmatch(named.group(1)) or raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        try:
            charset = named.group(1).lower()
            # Browsers read Latin-1 as Windows-1252 (WHATWG Encoding, section 4.2).
            charset = "cp1252" if charset in {"iso-8859-1", "latin1", "latin-1"} else charset
            return codecs.BOM_UTF8 + raw.decode(charset).encode()
        except (LookupError, UnicodeDecodeError):
            return raw
    return raw
