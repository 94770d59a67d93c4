"""Files: bytes under keys, in a folder or a bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class StoredHead:
    """What the store knows of an object without reading it."""

    size: int
    """Bytes."""
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class SignedAddress:
    """Where one request may go, and the headers it has to carry for the signature to hold."""

    url: str
    method: Literal["GET", "PUT"]
    headers: Mapping[str, str]
    expires_at: datetime


class Storage(Protocol):
    """Holds bytes under keys that `desk.files.new_key` makes: `<tenant>/<what>/<random>`, never a file's name."""

    async def put(self, key: str, content: bytes) -> None:
        """Durable when this returns. Raises ServiceUnavailableError when it cannot be stored now."""
        ...

    async def get(self, key: str) -> bytes:
        """The whole object. Raises NotFoundError, ServiceUnavailableError."""
        ...

    def stream(self, key: str) -> AsyncIterator[bytes]:
        """The object in parts; the same errors, at the first part."""
        ...

    async def head(self, key: str) -> StoredHead | None:
        """None when there is no such object. Raises ServiceUnavailableError."""
        ...

    async def delete(self, key: str) -> None:
        """Gone when this returns; deleting what is not there is no error. Raises ServiceUnavailableError."""
        ...

    def keys(self, prefix: str) -> AsyncIterator[str]:
        """Every key under `prefix` (whole path segments), in no order. Raises ServiceUnavailableError."""
        ...

    def upload_address(self, key: str, content_type: str, size: int, seconds: int) -> SignedAddress | None:
        """Where a browser may put exactly `size` bytes of this type; None: only through the desk.

        The signature holds for what it names and no more: look at the object afterwards.
        """
        ...

    def download_address(self, key: str, content_type: str, disposition: str, seconds: int) -> SignedAddress | None:
        """Where the object can be had with these two headers; None: only through the desk."""
        ...

    def describe(self) -> str:
        """In words for `desk doctor`, without secrets."""
        ...
