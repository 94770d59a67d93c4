"""The one guard for outgoing connections whose address a tenant chose.

https only, no userinfo, port 443, one way to write an address; the name is resolved once, every address it
has must be public, and the connection goes to an address that was checked while TLS and the Host header keep
the name (so an answer that changes between check and connect changes nothing). No redirects, no cookies, no
proxy of the environment, no compressed answers, and a cap on bytes and seconds.

An operator may allow single hosts, for a model or a callback inside the own network.
Source: OWASP "Server Side Request Forgery Prevention"; IANA special-purpose address registries.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
import re
import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from urllib.parse import urlsplit

import httpx

from desk.errors import RefusedAddressError

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host name and port to every address the name has, as text. Raises OSError when there is none."""

CONNECT_SECONDS = 5.0
MAX_RESPONSE_BYTES = 4_000_000

_HOST_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?")
_NUMBER_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")

_REFUSED_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, cloud metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved and broadcast
    )
)
# Only 2000::/3 is global unicast: loopback, IPv4-mapped, NAT64, ULA, link-local and multicast lie outside.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them: it carries an IPv4 address
        "2001:db8::/32",
        "2002::/16",  # 6to4: carries an IPv4 address
        "3fff::/20",
    )
)


async def system_resolver(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL points, after its wording was checked."""

    scheme: str
    host: str
    """Lower case, ASCII (IDNA), without brackets or a final dot."""
    port: int
    allowed: bool
    """On the operator's list: http and private addresses are fine."""


@dataclass(frozen=True, slots=True)
class EgressRules:
    """What the operator allows beyond public https.

    `allowed_hosts` entries are `host` (every port) or `host:port`; an IPv6 address stands in brackets.
    """

    allowed_hosts: frozenset[str] = frozenset()
    resolver: Resolver = system_resolver

    def check_url(self, url: str) -> Target:
        """Check the wording of a URL, as when it is saved. Resolves nothing.

        Raises RefusedAddressError with the reason.
        """
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, UnicodeError) as error:
            msg = f"This is not a usable URL: {error}"
            raise RefusedAddressError(msg) from error
        return self.check_parts(parsed.scheme, parsed.raw_host.decode("ascii"), parsed.port, parsed.userinfo)

    def check_parts(self, scheme: str, raw_host: str, port: int | None, userinfo: bytes) -> Target:
        """Check a URL some client library has already taken apart, so that nobody parses it differently."""
        host = raw_host.lower().strip("[]").removesuffix(".")
        if scheme not in ("http", "https"):
            msg = "Only https addresses are allowed."
            raise RefusedAddressError(msg)
        if userinfo:
            msg = "A URL with a user name or password in it is not allowed."
            raise RefusedAddressError(msg)
        _check_notation(host)
        wanted_port = port if port is not None else (443 if scheme == "https" else 80)
        allowed = self._allows(host, wanted_port)
        if not allowed and scheme != "https":
            msg = f"{host} must be reached by https; the operator can allow it by name."
            raise RefusedAddressError(msg)
        if not allowed and wanted_port != 443:
            msg = f"Port {wanted_port} of {host} is not allowed; the operator can allow it by name and port."
            raise RefusedAddressError(msg)
        if not allowed and _literal(host) is not None and not is_public(host):
            msg = f"{host} is not a public address."
            raise RefusedAddressError(msg)
        return Target(scheme, host, wanted_port, allowed)

    def check_server(self, host: str, port: int, ports: Collection[int]) -> Target:
        """Check a server that is reached by another protocol than HTTP, such as a mail server. Resolves nothing.

        `ports` are those of the protocol. Raises RefusedAddressError with the reason.
        """
        name = host.strip().lower().strip("[]").removesuffix(".")
        _check_notation(name)
        allowed = self._allows(name, port)
        if not allowed and port not in ports:
            listed = ", ".join(map(str, sorted(ports)))
            msg = f"Port {port} of {name} is not allowed; use {listed}, or let the operator allow it by name and port."
            raise RefusedAddressError(msg)
        if not allowed and _literal(name) is not None and not is_public(name):
            msg = f"{name} is not a public address."
            raise RefusedAddressError(msg)
        return Target("", name, port, allowed)

    async def addresses(self, target: Target) -> tuple[str, ...]:
        """Resolve once and check every address.

        Raises RefusedAddressError when a single one is not public, OSError when the name has none.
        """
        literal = _literal(target.host)
        found = (str(literal),) if literal else tuple(await self.resolver(target.host, target.port))
        if not found:
            msg = f"{target.host} has no address"
            raise OSError(msg)
        for address in found:
            if not target.allowed and not is_public(address):
                msg = f"{target.host} points to {address}, which is not a public address."
                raise RefusedAddressError(msg)
        return found

    def _allows(self, host: str, port: int) -> bool:
        written = f"[{host}]" if ":" in host else host
        entries = {entry.lower() for entry in self.allowed_hosts}
        return written in entries or f"{written}:{port}" in entries


def is_public(address: str) -> bool:
    """Whether an address, as text, is one that the whole internet reaches."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return parsed.is_global and not any(parsed in network for network in _REFUSED_V4)
    if parsed.scope_id is not None or parsed not in _GLOBAL_V6:
        return False
    return parsed.is_global and not any(parsed in network for network in _REFUSED_V6)


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _check_notation(host: str) -> None:
    """Refuse addresses written so that two programs read them differently (octal, hex, one number, zones)."""
    if not host:
        msg = "The URL names no host."
        raise RefusedAddressError(msg)
    literal = _literal(host)
    if literal is not None:
        if "%" in host or (isinstance(literal, ipaddress.IPv6Address) and "." in host):
            msg = f"{host} is an unusual way to write an address."
            raise RefusedAddressError(msg)
        return
    if not _HOST_NAME.fullmatch(host) or any(not 0 < len(label) <= 63 for label in host.split(".")):
        msg = f"{host} is not a host name."
        raise RefusedAddressError(msg)
    if _NUMBER_LABEL.fullmatch(host.rsplit(".", 1)[-1]):
        msg = f"{host} is an unusual way to write an address."
        raise RefusedAddressError(msg)


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits of one exchange, from resolving the name to the last byte of the answer."""

    seconds: float
    response_bytes: int = MAX_RESPONSE_BYTES


async def capped(
    chunks: AsyncIterable[bytes],
    caps: Caps,
    deadline: float,
    too_large: Callable[[str], Exception],
    too_slow: Callable[[str], Exception],
) -> AsyncIterator[bytes]:
    """Pass a response on until it exceeds the byte cap or the deadline (event loop seconds)."""
    received = 0
    iterator = aiter(chunks)
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                chunk = await anext(iterator)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise too_slow(f"no complete answer within {caps.seconds:g} s") from error
        received += len(chunk)
        if received > caps.response_bytes:
            raise too_large(f"the answer is longer than {caps.response_bytes} bytes")
        yield chunk


class _CappedStream(httpx.AsyncByteStream):
    def __init__(self, response: httpx.Response, caps: Caps, deadline: float) -> None:
        self._response = response
        self._caps = caps
        self._deadline = deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._response.headers.get("content-encoding", "identity") != "identity":
            msg = "the answer is compressed although that was not asked for"
            raise httpx.DecodingError(msg)
        stream = self._response.stream
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 - what an async transport returns
        async for chunk in capped(stream, self._caps, self._deadline, httpx.ReadError, httpx.ReadTimeout):
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


@cache
def _trusted_authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context()


class GuardedTransport(httpx.AsyncBaseTransport):
    """httpx transport that connects only where `EgressRules` let it.

    Raises RefusedAddressError, and httpx's own errors for everything the network does. Connections are kept
    per name: two names that share an address never share a TLS connection.
    """

    def __init__(self, rules: EgressRules, caps: Caps, headers: frozenset[str] | None = None) -> None:
        self._rules = rules
        self._caps = caps
        self._headers = headers
        self._by_name: dict[tuple[str, str, int], httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        deadline = asyncio.get_running_loop().time() + self._caps.seconds
        url = request.url
        target = self._rules.check_parts(url.scheme, url.raw_host.decode("ascii"), url.port, url.userinfo)
        addresses = await self._resolve(target, request)
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._connect(target, addresses, request)
        except TimeoutError as error:
            msg = f"no answer within {self._caps.seconds:g} s"
            raise httpx.ReadTimeout(msg, request=request) from error
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_CappedStream(response, self._caps, deadline),
            extensions=response.extensions,
        )

    async def _resolve(self, target: Target, request: httpx.Request) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._rules.addresses(target)
        except OSError as error:  # TimeoutError is one
            msg = f"{target.host} could not be resolved"
            raise httpx.ConnectError(msg, request=request) from error

    async def _connect(self, target: Target, addresses: tuple[str, ...], request: httpx.Request) -> httpx.Response:
        """Try the addresses in the resolver's order; only a connection that was never made moves on."""
        inner = self._inner(target)
        last = len(addresses) - 1
        for position, address in enumerate(addresses):
            try:
                return await inner.handle_async_request(_pinned(request, target, address, self._headers))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if position == last:
                    raise
        msg = f"{target.host} has no address"
        raise httpx.ConnectError(msg, request=request)

    def _inner(self, target: Target) -> httpx.AsyncHTTPTransport:
        name = (target.scheme, target.host, target.port)
        if name not in self._by_name:
            self._by_name[name] = httpx.AsyncHTTPTransport(verify=_trusted_authorities(), trust_env=False)
        return self._by_name[name]

    async def aclose(self) -> None:
        for inner in self._by_name.values():
            await inner.aclose()


def _pinned(request: httpx.Request, target: Target, address: str, kept: frozenset[str] | None) -> httpx.Request:
    """The same request to a checked address; the Host header is already the name's, TLS keeps it too."""
    headers = httpx.Headers([one for one in request.headers.multi_items() if kept is None or one[0] in kept])
    headers["accept-encoding"] = "identity"
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": target.host},
    )


def guarded_client(rules: EgressRules, caps: Caps, headers: frozenset[str] | None = None) -> httpx.AsyncClient:
    """An httpx client behind the guard. The caller closes it and shares it between tenants never: cookies.

    `headers`: the only ones sent, in lower case; None sends all.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(rules, caps, headers),
        timeout=httpx.Timeout(caps.seconds, connect=min(CONNECT_SECONDS, caps.seconds)),
        follow_redirects=False,
        trust_env=False,
    )


def query_hider(url_type: type) -> Callable[[logging.LogRecord], bool]:
    """A logging filter: HTTP clients log whole URLs, and tenants put tokens into their query strings."""

    def hide(record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                urlsplit(str(value))._replace(query="", fragment="").geturl() if isinstance(value, url_type) else value
                for value in record.args
            )
        return True

    return hide


logging.getLogger("httpx").addFilter(query_hider(httpx.URL))


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """Read a Retry-After header, seconds or HTTP date (RFC 9110 section 10.2.3), between 0 and one hour."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value).astimezone(UTC) - now).total_seconds()
        except ValueError:
            return None
    return min(max(seconds, 0.0), 3600.0) if math.isfinite(seconds) else None
