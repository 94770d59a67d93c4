"""ZIP archives from strangers: what they may hold, and how much they may grow."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import Final

from desk.errors import RefusedDocumentError

_MEBIBYTE = 1024 * 1024
MOST_ENTRIES: Final = 2_000
MOST_BYTES: Final = 200 * _MEBIBYTE
"""Unpacked, all entries together, nested archives included."""
MOST_RATIO: Final = 200
"""Unpacked over packed size, of a file that is large unpacked; text rarely comes to 20."""
_RATIO_FROM_BYTES = 4 * _MEBIBYTE
_LONGEST_PATH = 512
_DEEPEST_PATH = 20
_PART = 1 << 16
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, KeyError, IndexError)


class Budget:
    """Bytes and entries that may still be unpacked, shared by archives inside archives."""

    def __init__(self, most_bytes: int = MOST_BYTES, most_entries: int = MOST_ENTRIES) -> None:
        self._bytes, self._entries = most_bytes, most_entries
        self._most_bytes, self._most_entries = most_bytes, most_entries

    def spend_bytes(self, count: int) -> None:
        self._bytes -= count
        if self._bytes < 0:
            raise RefusedDocumentError(
                f"The file is too large unpacked: more than {self._most_bytes // _MEBIBYTE} MB. Split it."
            )

    def spend_entries(self, count: int) -> None:
        self._entries -= count
        if self._entries < 0:
            raise RefusedDocumentError(f"The file has too many entries: at most {self._most_entries:,} are read.")


class ZipEntries:
    """An archive that was checked as a whole. Raises RefusedDocumentError when it must not or cannot be read."""

    def __init__(self, raw: bytes, budget: Budget) -> None:
        self._budget = budget
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(raw))
        except (*_DAMAGED, NotImplementedError) as error:
            raise RefusedDocumentError("The archive is damaged or incomplete. Pack it anew.") from error
        entries = self._archive.infolist()
        budget.spend_entries(len(entries))
        self.files = [entry for entry in entries if not entry.is_dir()]
        for entry in self.files:
            _check(entry)

    def read(self, entry: zipfile.ZipInfo) -> bytes:
        """What is declared is not believed: bytes are counted as they come out."""
        parts: list[bytes] = []
        size = 0
        try:
            with self._archive.open(entry) as stream:
                while part := stream.read(_PART):
                    size += len(part)
                    self._budget.spend_bytes(len(part))
                    if size > _RATIO_FROM_BYTES and size > MOST_RATIO * max(1, entry.compress_size):
                        raise RefusedDocumentError(_bomb(entry.filename))
                    parts.append(part)
        except NotImplementedError as error:
            raise RefusedDocumentError(f"The archive is packed in a way that cannot be read ({error}).") from error
        except RuntimeError as error:
            raise RefusedDocumentError(_ENCRYPTED) from error
        except _DAMAGED as error:
            raise RefusedDocumentError(
                f"The archive is damaged: {shown(entry.filename)} cannot be unpacked."
            ) from error
        return b"".join(parts)


_ENCRYPTED = "The archive is encrypted: it needs a password. Pack it without one and add it again."


def shown(path: str) -> str:
    """A path from an archive, fit to stand in a sentence."""
    return "".join(character if character.isprintable() else "?" for character in path[-120:])


def _bomb(path: str) -> str:
    return (
        f"The archive is refused: {shown(path)} grows more than {MOST_RATIO} times when it is unpacked, "
        "as only archives do that are meant to fill a machine."
    )


def _check(entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & 0x1:
        raise RefusedDocumentError(_ENCRYPTED)
    if entry.file_size > _RATIO_FROM_BYTES and entry.file_size > MOST_RATIO * max(1, entry.compress_size):
        raise RefusedDocumentError(_bomb(entry.filename))
    path = entry.filename.replace("\\", "/")
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or (parts and parts[0].endswith(":")) or "\x00" in path:
        raise RefusedDocumentError(f"The archive is refused: it holds a path that leads out of it ({shown(path)}).")
    if len(path) > _LONGEST_PATH or len(parts) > _DEEPEST_PATH:
        raise RefusedDocumentError(f"The archive is refused: it holds a path that is too long ({shown(path)}).")
