"""Connections to mail servers whose names a tenant chose: only to addresses that were checked."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Collection
from functools import cache

import httpx

from connectors.email.settings import Server
from desk.egress import CONNECT_SECONDS, EgressRules
from desk.errors import ChannelError, RefusedAddressError


@cache
def trusted_authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context()


async def open_socket(rules: EgressRules, server: Server, ports: Collection[int]) -> socket.socket:
    """A connected, non-blocking socket. The addresses are tried in the resolver's order. Raises ChannelError."""
    try:
        target = rules.check_server(server.host, server.port, ports)
        async with asyncio.timeout(CONNECT_SECONDS):
            addresses = await rules.addresses(target)
    except RefusedAddressError as error:
        raise ChannelError("settings", error.detail) from error
    except OSError as error:  # TimeoutError is one
        raise ChannelError("network", f"{server.host} could not be resolved") from error
    failure = ""
    for address in addresses:
        opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        opened.setblocking(False)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(opened, (address, server.port))
        except OSError as error:  # TimeoutError is one
            opened.close()
            failure = type(error).__name__
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise ChannelError("network", f"could not connect to {server.host}:{server.port} ({failure})")
