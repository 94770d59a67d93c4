"""The egress guard for httpx2, the HTTP library inside the openai SDK; `desk.egress` holds the rules."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from functools import cache

import httpx2

from desk.egress import CONNECT_SECONDS, Caps, EgressRules, Target, capped, query_hider

NEEDED_HEADERS = frozenset(
    {"accept", "accept-encoding", "authorization", "content-length", "content-type", "host", "user-agent"}
)

"""All a provider is sent. The SDKs add facts about this machine and what they find in the environment
(organisation, project, headers of one's own), which a tenant's address has no business to learn."""


class _CappedStream(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response, caps: Caps, deadline: float) -> None:
        self._response = response
        self._caps = caps
        self._deadline = deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._response.headers.get("content-encoding", "identity") != "identity":
            msg = "the answer is compressed although that was not asked for"
            raise httpx2.DecodingError(msg)
        stream = self._response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)  # noqa: S101 - what an async transport returns
        async for chunk in capped(stream, self._caps, self._deadline, httpx2.ReadError, httpx2.ReadTimeout):
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


@cache
def _trusted_authorities() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


class GuardedTransport(httpx2.AsyncBaseTransport):
    """What `desk.egress.GuardedTransport` is for httpx, in the types of httpx2."""

    def __init__(self, rules: EgressRules, caps: Caps) -> None:
        self._rules = rules
        self._caps = caps
        self._by_name: dict[tuple[str, str, int], httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        deadline = asyncio.get_running_loop().time() + self._caps.seconds
        url = request.url
        target = self._rules.check_parts(url.scheme, url.raw_host.decode("ascii"), url.port, url.userinfo)
        addresses = await self._resolve(target, request)
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._connect(target, addresses, request)
        except TimeoutError as error:
            msg = f"no answer within {self._caps.seconds:g} s"
            raise httpx2.ReadTimeout(msg, request=request) from error
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_CappedStream(response, self._caps, deadline),
            extensions=response.extensions,
        )

    async def _resolve(self, target: Target, request: httpx2.Request) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._rules.addresses(target)
        except OSError as error:
            msg = f"{target.host} could not be resolved"
            raise httpx2.ConnectError(msg, request=request) from error

    async def _connect(self, target: Target, addresses: tuple[str, ...], request: httpx2.Request) -> httpx2.Response:
        name = (target.scheme, target.host, target.port)
        if name not in self._by_name:
            self._by_name[name] = httpx2.AsyncHTTPTransport(verify=_trusted_authorities(), trust_env=False)
        last = len(addresses) - 1
        for position, address in enumerate(addresses):
            try:
                return await self._by_name[name].handle_async_request(_pinned(request, target, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if position == last:
                    raise
        msg = f"{target.host} has no address"
        raise httpx2.ConnectError(msg, request=request)

    async def aclose(self) -> None:
        for inner in self._by_name.values():
            await inner.aclose()


def _pinned(request: httpx2.Request, target: Target, address: str) -> httpx2.Request:
    headers = httpx2.Headers([one for one in request.headers.multi_items() if one[0] in NEEDED_HEADERS])
    headers["accept-encoding"] = "identity"
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": target.host},
    )


def guarded_client(rules: EgressRules, caps: Caps) -> httpx2.AsyncClient:
    """An httpx2 client behind the guard, for one provider. The caller closes it."""
    return httpx2.AsyncClient(
        transport=GuardedTransport(rules, caps),
        timeout=httpx2.Timeout(caps.seconds, connect=min(CONNECT_SECONDS, caps.seconds)),
        follow_redirects=False,
        trust_env=False,
    )


logging.getLogger("httpx2").addFilter(query_hider(httpx2.URL))
