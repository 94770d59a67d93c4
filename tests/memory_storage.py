"""A storage in memory, for tests that are about something else, and for losing files on purpose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from desk.errors import NotFoundError, ServiceUnavailableError
from desk.ports import StoredHead


class MemoryStorage:
    """Fulfils `desk.ports.Storage`."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.is_down = False
        self.age = timedelta()
        """How long ago everything was stored."""

    async def put(self, key: str, content: bytes) -> None:
        self._check()
        self.objects[key] = content

    async def get(self, key: str) -> bytes:
        self._check()
        if key not in self.objects:
            msg = "the file is no longer there"
            raise NotFoundError(msg)
        return self.objects[key]

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        yield await self.get(key)

    async def head(self, key: str) -> StoredHead | None:
        self._check()
        content = self.objects.get(key)
        return None if content is None else StoredHead(len(content), datetime.now(UTC) - self.age)

    async def delete(self, key: str) -> None:
        self._check()
        self.objects.pop(key, None)

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        for key in list(self.objects):
            if key.startswith(f"{prefix}/"):
                yield key

    def upload_address(self, key: str, content_type: str, size: int, seconds: int) -> None:
        del key, content_type, size, seconds

    def download_address(self, key: str, content_type: str, disposition: str, seconds: int) -> None:
        del key, content_type, disposition, seconds

    def describe(self) -> str:
        return "memory"

    def _check(self) -> None:
        if self.is_down:
            msg = "the storage cannot be used now"
            raise ServiceUnavailableError(msg)
