"""A desk that may reach loopback, and a receiver there that says what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from desk.db.roles import DatabaseAddress
from desk.installation import Installation
from desk.settings import load_settings
from desk.wiring import build
from tests.database import ENCRYPTION_KEY, SECRET_KEY
from tests.loopback_server import serving


@pytest.fixture
def installation(fresh_address: DatabaseAddress, tmp_path: Path) -> Installation:
    settings = load_settings(
        {
            "DESK_DATA_DIR": str(tmp_path),
            "DESK_SECRET_KEY": SECRET_KEY.reveal(),
            "DESK_ENCRYPTION_KEYS": ENCRYPTION_KEY.reveal(),
            "DESK_DEBOUNCE_SECONDS": "0",
            "DESK_PUBLIC_URL": "http://desk.test",
            "DESK_EGRESS_ALLOWED_HOSTS": "127.0.0.1",
        }
    )
    return build(settings, fresh_address)


class Receiver:
    """Answers `statuses` in turn, the last of them again and again, with a few words."""

    def __init__(self) -> None:
        self.statuses: list[int] = [204]
        self.headers: list[str] = []
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.received.append((headers, body))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        words = b"" if status == 204 else b"what came of it\x00"
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(words)}", "connection: close", *self.headers, "", ""]
        writer.write("\r\n".join(lines).encode() + words)


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    one = Receiver()
    async with serving(one.serve) as port:
        one.url = f"http://127.0.0.1:{port}/desk"
        yield one
