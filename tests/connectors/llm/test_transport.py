"""The guard inside the openai SDK's own HTTP library keeps the same promises as the one in desk.egress."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Sequence
from pathlib import Path

import httpx2
import pytest

from connectors.llm import transport
from desk.egress import Caps, EgressRules
from tests.loopback_server import certificate_for, serving

LOOPBACK = EgressRules(frozenset({"127.0.0.1"}))


def ok(body: bytes, *headers: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", f"content-length: {len(body)}", *headers, "", ""]).encode() + body


class Answering:
    def __init__(self, answer: bytes, pause: float = 0.0) -> None:
        self.answer = answer
        self.pause = pause
        self.received: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received.append(await reader.readuntil(b"\r\n\r\n"))
        for start in range(0, len(self.answer), 10 if self.pause else len(self.answer)):
            writer.write(self.answer[start : start + 10] if self.pause else self.answer)
            await writer.drain()
            await asyncio.sleep(self.pause)


async def to_loopback(_host: str, _port: int) -> Sequence[str]:
    return ["::1", "127.0.0.1"]


async def test_tls_is_for_the_name_and_the_second_address_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, trusted = certificate_for("models.example", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    transport._trusted_authorities.cache_clear()
    rules = EgressRules(frozenset({"models.example", "other.example"}), to_loopback)
    server = Answering(ok(b"hello"))
    try:
        async with serving(server, tls=tls) as port, transport.guarded_client(rules, Caps(5)) as client:
            sent = {"authorization": "Bearer k", "x-stainless-os": "Linux"}
            assert (await client.get(f"https://models.example:{port}/v1", headers=sent)).text == "hello"
            with pytest.raises(httpx2.ConnectError):
                await client.get(f"https://other.example:{port}/v1")
    finally:
        transport._trusted_authorities.cache_clear()
    head = server.received[0].lower()
    assert f"host: models.example:{port}".encode() in head
    assert b"authorization: bearer k" in head
    assert b"x-stainless" not in head


@pytest.mark.parametrize(
    ("answer", "pause", "error"),
    [
        (ok(b"x" * 20_000), 0, httpx2.ReadError),
        (ok(b"x" * 5_000), 0.02, httpx2.ReadTimeout),
        (ok(gzip.compress(b"0" * 1_000_000), "content-encoding: gzip"), 0, httpx2.DecodingError),
    ],
)
async def test_answers_are_cut_by_size_time_and_compression(
    answer: bytes, pause: float, error: type[Exception]
) -> None:
    caps = Caps(0.4, response_bytes=10_000)
    async with serving(Answering(answer, pause)) as port, transport.guarded_client(LOOPBACK, caps) as client:
        with pytest.raises(error):
            await client.get(f"http://127.0.0.1:{port}/")


async def test_query_strings_stay_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving(Answering(ok(b"hello"))) as port, transport.guarded_client(LOOPBACK, Caps(2)) as client:
        await client.get(f"http://127.0.0.1:{port}/v1?token=verysecret")
    assert "/v1" in caplog.text
    assert "verysecret" not in caplog.text
