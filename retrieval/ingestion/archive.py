"""A ZIP archive as the files in it, archives inside archives included."""

from __future__ import annotations

import msgspec

from desk.errors import RefusedDocumentError

from .recognise import Recognised, extension, readable_name, recognise
from .zip_entries import Budget, ZipEntries, shown

_DEEPEST = 3
"""Archives inside archives, the outermost counted."""
_FURNITURE = frozenset({"__macosx", ".ds_store", "thumbs.db", "desktop.ini"})
_MOST_REMARKS = 50


class ArchivePart(msgspec.Struct):
    path: str
    raw: bytes


def unpack(raw: bytes) -> tuple[list[ArchivePart], list[str]]:
    """The files that can be read by their names or contents, and a sentence for each of the others.

    Raises RefusedDocumentError when the archive must not or cannot be read, or nothing in it can.
    """
    unpacking = _Unpacking()
    unpacking.add(raw, "", 1)
    left_out = unpacking.left_out
    if not unpacking.parts:
        why = f" Left out: {'; '.join(left_out[:5])}." if left_out else ""
        raise RefusedDocumentError(f"There is no file in the archive that can be read.{why}")
    remarks = [f"Left out: {each}." for each in left_out[:_MOST_REMARKS]]
    if len(left_out) > _MOST_REMARKS:
        remarks.append(f"Left out: {len(left_out) - _MOST_REMARKS:,} more.")
    return unpacking.parts, remarks


class _Unpacking:
    def __init__(self) -> None:
        self.parts: list[ArchivePart] = []
        self.left_out: list[str] = []
        self._budget = Budget()
        self._taken: set[str] = set()

    def add(self, raw: bytes, prefix: str, depth: int) -> None:
        if depth > _DEEPEST:
            raise RefusedDocumentError(f"The archive is refused: it holds archives nested more than {_DEEPEST} deep.")
        archive = ZipEntries(raw, self._budget)
        for entry in archive.files:
            path = prefix + entry.filename.replace("\\", "/")
            if _is_furniture(entry.filename):
                continue
            if not readable_name(path) and extension(path):
                self.left_out.append(f"{shown(path)} (files ending in {extension(path)} cannot be read)")
                continue
            self._take(path, archive.read(entry), depth)

    def _take(self, path: str, raw: bytes, depth: int) -> None:
        try:
            found = recognise(path, raw)
        except RefusedDocumentError as refusal:
            self.left_out.append(f"{shown(path)} ({refusal.detail.rstrip('.')})")
            return
        if found is Recognised.ARCHIVE:
            self.add(raw, f"{path}/", depth + 1)
        elif path in self._taken:
            self.left_out.append(f"{shown(path)} (a second file of the same name)")
        else:
            self._taken.add(path)
            self.parts.append(ArchivePart(path, raw))


def _is_furniture(path: str) -> bool:
    """What systems and editors leave behind; nobody misses it."""
    names = path.replace("\\", "/").lower().split("/")
    return any(name in _FURNITURE or name.startswith((".", "~$")) for name in names if name)
