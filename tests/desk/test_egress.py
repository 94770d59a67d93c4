"""What the guard for outgoing connections lets through, and what it never connects to."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import egress
from desk.egress import Caps, EgressRules, guarded_client, is_public
from desk.errors import RefusedAddressError
from tests.loopback_server import certificate_for, serving

PRIVATE = [
    "0.0.0.1", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.7",
    "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:db8::1", "2002:7f00:1::", "3fff::1",
    "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "not an address",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111"]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_the_public_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_an_ipv6_one_never_passes(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    for carrier in (number, (0xFFFF << 32) | number, (0x64FF9B << 96) | number, (0x2002 << 112) | (number << 80)):
        assert not is_public(str(ipaddress.IPv6Address(carrier)))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "//example.com/", "https:///path",
        "https://user:secret@example.com/", "https://example.com\\@127.0.0.1/", "https://example.com:8443/",
        "https://127.1/", "https://2130706433/", "https://0x7f.0.0.1/", "https://0x7f000001/",
        "https://0177.0.0.1/", "https://127.0.0.0x1/", "https://[fe80::1%25eth0]/",
        "https://[::ffff:127.0.0.1]/", "https://exa mple.com/", "https://example.com%2f.evil.example/",
        "https://127.0.0.1%00.example.com/", "https://\uff11\uff12\uff17.0.0.1/", "https://ⓛocalhost/", "https://[::1/",
        "https://a..example/", "https://" + "a" * 64 + ".example/", "https://example.com:99999/", "not a url", "",
        "https://10.0.0.1/", "https://[fd00::1]/", "https://169.254.169.254/latest/meta-data/",
    ],
)  # fmt: skip
def test_wording_that_is_refused_when_a_url_is_saved(url: str) -> None:
    with pytest.raises(RefusedAddressError) as refused:
        EgressRules().check_url(url)
    assert "secret" not in refused.value.detail


def test_a_name_outside_ascii_is_normalised_and_a_final_dot_dropped() -> None:
    target = EgressRules().check_url("https://BÜCHER.example./hook")
    assert (target.host, target.port, target.allowed) == ("xn--bcher-kva.example", 443, False)


def test_the_operators_list_is_by_host_or_by_host_and_port() -> None:
    rules = EgressRules(allowed_hosts=frozenset({"ollama.internal", "127.0.0.1:11434", "[::1]:8000"}))
    assert rules.check_url("http://ollama.internal:11434/v1").allowed
    assert rules.check_url("http://127.0.0.1:11434/v1").allowed
    assert rules.check_url("http://[::1]:8000/").allowed
    for other in ("http://127.0.0.1:11435/", "http://[::1]/", "http://ollama.internal.evil.example/"):
        with pytest.raises(RefusedAddressError):
            rules.check_url(other)


class Answers:
    """A resolver whose answer changes with every question, as a rebinding name server's does."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, _host: str, _port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


@asynccontextmanager
async def listening(answer: bytes, pause: float = 0.0) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A loopback server that sends `answer` (in single bytes when there is a pause) and keeps what it got."""
    received: list[bytes] = []

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        for piece in [answer] if not pause else [answer[i : i + 1] for i in range(len(answer))]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    async with serving(answering) as port:
        yield port, received


def ok(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.mark.parametrize(
    "answer", [["93.184.216.34", "127.0.0.1"], ["127.0.0.1"], ["::ffff:127.0.0.1"], ["fe80::1%lo"]]
)
async def test_one_private_address_among_public_ones_refuses_the_name(answer: list[str]) -> None:
    rules = EgressRules(resolver=Answers(answer))
    async with guarded_client(rules, Caps(2)) as client:
        with pytest.raises(RefusedAddressError, match="not a public address"):
            await client.get("https://mixed.example/")


async def test_the_name_is_resolved_once_and_the_connection_goes_to_the_checked_address() -> None:
    """A second look at the name would give another address: neither asked for nor connected to."""
    async with listening(ok(b"hello")) as (port, received):
        resolver = Answers(["127.0.0.1"], ["127.9.9.9"])
        rules = EgressRules(frozenset({"callback.example"}), resolver)
        async with guarded_client(rules, Caps(2)) as client:
            response = await client.get(f"http://callback.example:{port}/path?x=1")
        assert response.text == "hello"
        assert resolver.asked == 1
        assert f"host: callback.example:{port}".encode() in received[0].lower()
        assert received[0].startswith(b"GET /path?x=1 ")
        assert str(response.request.url).startswith("http://callback.example")


async def test_a_rebinding_name_is_caught_on_the_next_connection() -> None:
    resolver = Answers(["93.184.216.34"], ["127.0.0.1"])
    rules = EgressRules(resolver=resolver)
    target = rules.check_url("https://rebinding.example/")
    assert await rules.addresses(target) == ("93.184.216.34",)
    async with guarded_client(rules, Caps(2)) as client:
        with pytest.raises(RefusedAddressError):
            await client.get("https://rebinding.example/")


async def test_tls_is_for_the_name_although_the_connection_goes_to_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, trusted = certificate_for("callback.example", tmp_path)
    named: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: named.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    egress._trusted_authorities.cache_clear()

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ok(b"hello"))

    rules = EgressRules(frozenset({"callback.example", "other.example"}), Answers(["127.0.0.1"]))
    try:
        async with serving(answering, tls=tls) as port, guarded_client(rules, Caps(5)) as client:
            assert (await client.get(f"https://callback.example:{port}/")).text == "hello"
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.get(f"https://other.example:{port}/")
    finally:
        egress._trusted_authorities.cache_clear()
    assert named == ["callback.example", "other.example"]


async def test_an_address_that_refuses_is_followed_by_the_next_one() -> None:
    async with listening(ok(b"second")) as (port, _):
        rules = EgressRules(frozenset({"two.example"}), Answers(["::1", "127.0.0.1"]))
        async with guarded_client(rules, Caps(5)) as client:
            assert (await client.post(f"http://two.example:{port}/", content=b"{}")).text == "second"


async def test_redirects_are_not_followed() -> None:
    elsewhere = b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n"
    async with listening(elsewhere) as (port, received):
        rules = EgressRules(frozenset({f"127.0.0.1:{port}"}))
        async with guarded_client(rules, Caps(2)) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 302
        assert len(received) == 1


async def test_an_endless_answer_is_cut_at_the_byte_cap() -> None:
    async with listening(ok(b"x" * 200_000)) as (port, _):
        rules = EgressRules(frozenset({"127.0.0.1"}))
        async with guarded_client(rules, Caps(2, response_bytes=10_000)) as client:
            with pytest.raises(httpx.ReadError, match="10000 bytes"):
                await client.get(f"http://127.0.0.1:{port}/")


async def test_a_dripping_answer_is_cut_at_the_deadline() -> None:
    async with listening(ok(b"x" * 1000), pause=0.02) as (port, _):
        rules = EgressRules(frozenset({"127.0.0.1"}))
        started = asyncio.get_running_loop().time()
        async with guarded_client(rules, Caps(0.4)) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get(f"http://127.0.0.1:{port}/")
        assert asyncio.get_running_loop().time() - started < 2


async def test_a_compressed_answer_is_refused_unopened() -> None:
    bomb = gzip.compress(b"0" * 5_000_000)
    async with listening(ok(bomb, "content-encoding: gzip")) as (port, received):
        rules = EgressRules(frozenset({"127.0.0.1"}))
        async with guarded_client(rules, Caps(2)) as client:
            with pytest.raises(httpx.DecodingError):
                await client.get(f"http://127.0.0.1:{port}/")
        assert b"accept-encoding: identity" in received[0].lower()


async def test_an_unknown_name_is_a_connect_error() -> None:
    async def nobody(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    async with guarded_client(EgressRules(resolver=nobody), Caps(2)) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("https://nowhere.example/")


async def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(ok(b"proxy")) as (proxy_port, through_proxy), listening(ok(b"direct")) as (port, _):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy_port}")
        async with guarded_client(EgressRules(frozenset({"127.0.0.1"})), Caps(2)) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).text == "direct"
        assert through_proxy == []


async def test_query_strings_stay_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rules = EgressRules(frozenset({"127.0.0.1"}))
    async with listening(ok(b"hello")) as (port, _), guarded_client(rules, Caps(2)) as client:
        await client.get(f"http://127.0.0.1:{port}/hook?token=verysecret")
    assert "/hook" in caplog.text
    assert "verysecret" not in caplog.text
