"""What a folder and a bucket have in common: reading, looking and deleting through obstore, with the port's errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from desk.errors import NotFoundError, ServiceUnavailableError
from desk.ports import StoredHead

_PART = 256 * 1024
"""Bytes handed on at once when an object is streamed."""


class ObjectReader:
    """The reading half of `desk.ports.Storage` over one obstore store."""

    def __init__(self, store: LocalStore | S3Store) -> None:
        self._store = store

    async def get(self, key: str) -> bytes:
        with port_errors():
            return (await (await obstore.get_async(self._store, key)).bytes_async()).to_bytes()

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        with port_errors():
            found = await obstore.get_async(self._store, key)
            async for part in found.stream(min_chunk_size=_PART):
                yield bytes(part)

    async def head(self, key: str) -> StoredHead | None:
        try:
            with port_errors():
                found = await obstore.head_async(self._store, key)
        except NotFoundError:
            return None
        return StoredHead(found["size"], found["last_modified"])

    async def delete(self, key: str) -> None:
        try:
            with port_errors():
                await obstore.delete_async(self._store, key)
        except NotFoundError:
            return

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        with port_errors():
            async for some in obstore.list(self._store, prefix):  # pyright: ignore[reportUnknownMemberType] - of its Arrow overloads
                for found in some:
                    yield found["path"]


@contextmanager
def port_errors() -> Generator[None]:
    """The store's errors in the port's words; whatever is not "there is no such object" may pass with time."""
    try:
        yield
    except FileNotFoundError as error:
        msg = "the file is no longer there"
        raise NotFoundError(msg) from error
    except (BaseError, OSError) as error:
        msg = f"the storage cannot be used now: {type(error).__name__}"
        raise ServiceUnavailableError(msg) from error
