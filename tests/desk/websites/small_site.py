"""A website on loopback that a test writes, changes and takes pages away from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from tests.loopback_server import serving

AROUND = """<html><head><title>{title}</title>{head}</head><body>
<nav><a href="/">Home</a></nav>
<div id="onetrust-consent-sdk">We value your cookies. Accept all of them.</div>
<div class="cookie-banner">Cookies again.</div>
<main><h1>{title}</h1><p>{words}</p>{more}</main>
<footer>All rights reserved.</footer></body></html>"""


@dataclass
class Served:
    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    pause: float = 0.0
    """Seconds between single bytes of the body."""


@dataclass
class Asked:
    path: str
    headers: dict[str, str]
    at: float


class SmallSite:
    """Answers what is in `pages` by path; everything else is 404."""

    def __init__(self) -> None:
        self.pages: dict[str, Served] = {}
        self.asked: list[Asked] = []
        self.port = 0
        self._asked = asyncio.Condition()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def at(self, path: str) -> str:
        return f"{self.origin}{path}"

    def write(self, path: str, title: str, words: str, *, links: str = "", head: str = "", **headers: str) -> None:
        """An HTML page; `links` are paths, parted by blanks."""
        more = "".join(f'<p>See <a href="{link}">more about it</a></p>' for link in links.split())
        body = AROUND.format(title=title, words=words, more=more, head=head).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = Served(body, headers={"content-type": "text/html; charset=utf-8", **given})

    def put(self, path: str, body: bytes | str, content_type: str, **more: object) -> None:
        raw = body.encode() if isinstance(body, str) else body
        self.pages[path] = Served(raw, headers={"content-type": content_type}, **more)  # type: ignore[arg-type]

    def send_on(self, path: str, where: str, status: int = 302) -> None:
        self.pages[path] = Served(b"", status, {"location": where})

    async def wait_for(self, path: str) -> None:
        """Until somebody has asked for it."""
        async with self._asked:
            await self._asked.wait_for(lambda: path in self.paths())

    def paths(self) -> list[str]:
        return [each.path for each in self.asked]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            path = head[0].split(" ")[1]
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            async with self._asked:
                self.asked.append(Asked(path, headers, monotonic()))
                self._asked.notify_all()
            served = self.pages.get(path, Served(b"not here", 404))
            etag = served.headers.get("etag")
            if etag is not None and headers.get("if-none-match") == etag:
                served = Served(b"", 304, {"etag": etag})
            lines = [f"HTTP/1.1 {served.status} Whatever", *(f"{n}: {v}" for n, v in served.headers.items())]
            if served.status != 304:
                lines.append(f"content-length: {len(served.body)}")
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            for piece in [served.body[i : i + 1] for i in range(len(served.body))] if served.pause else [served.body]:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(served.pause)


@asynccontextmanager
async def small_site() -> AsyncIterator[SmallSite]:
    site = SmallSite()
    async with serving(site.handle) as port:
        site.port = port
        yield site
