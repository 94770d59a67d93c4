"""Files in a folder of the desk's own. Addresses for browsers are the desk's (`desk.files`), not the folder's."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import obstore
from obstore.store import LocalStore

from connectors.storage.objects import ObjectReader, port_errors


class FolderStorage(ObjectReader):
    """Fulfils `desk.ports.Storage`. The folder is made when the first file comes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._local = LocalStore(folder, automatic_cleanup=True)
        super().__init__(self._local)

    async def put(self, key: str, content: bytes) -> None:
        with port_errors():
            await obstore.put_async(self._local, key, content)
            await asyncio.to_thread(self._make_durable, key)

    def _make_durable(self, key: str) -> None:
        """obstore renames a whole file into place but leaves the disk's cache to the system; a 201 must outlive it."""
        path = self._folder / key
        _synchronise(path)
        for parent in path.parents:
            _synchronise(parent)
            if parent == self._folder:
                return

    def upload_address(self, key: str, content_type: str, size: int, seconds: int) -> None:
        del key, content_type, size, seconds

    def download_address(self, key: str, content_type: str, disposition: str, seconds: int) -> None:
        del key, content_type, disposition, seconds

    def describe(self) -> str:
        return f"the folder {self._folder}"


def _synchronise(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
