"""Files that save building the largest graphs anew: a cache beside the database, checked before it is believed.

One file a tenant and source, in this order: the SHA-256 of all that follows as hex, the manifest as a line of JSON, the
ids (16 bytes each, by row), and the graph as usearch writes it. usearch crashes on bytes that are not whole (seen with
bits flipped in its files), so nothing of a file is used before its hash agrees.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec
import structlog

from desk.db.index_log import Source
from retrieval.vectors import VectorArena

_DIGEST = 64
_SUFFIX = ".graph"
_log = structlog.get_logger(__name__)


class Manifest(msgspec.Struct, frozen=True):
    model: str
    dimension: int
    sequence: int
    """Of the tenant's index log: the graph holds at least what was committed by then."""
    count: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    manifest: Manifest
    arena: VectorArena


@dataclass(frozen=True, slots=True)
class SnapshotState:
    """What `desk doctor` says of one file."""

    tenant_id: str
    source: str
    state: Literal["whole", "damaged"]
    manifest: Manifest | None


class Snapshots:
    """All graph files of one data folder; several processes may write there, the last one wins."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, tenant_id: UUID, source: Source) -> Path:
        return self._folder / str(tenant_id) / f"{source}{_SUFFIX}"

    def save(self, tenant_id: UUID, source: Source, arena: VectorArena, model: str, sequence: int) -> bool:
        """Put a graph in the place of the one before; False when it could not be written, and the old one is kept.

        `sequence` was read before the arena's items were.
        """
        ids, graph = arena.saved()
        manifest = msgspec.json.encode(Manifest(model, arena.dimension, sequence, len(ids)))
        parts = (manifest + b"\n", b"".join([item_id.bytes for item_id in ids]), graph)
        path = self.path(tenant_id, source)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(fresh, (_digest(parts).encode(), *parts))
            fresh.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            _log.warning("snapshot_not_written", tenant=str(tenant_id), source=source, reason=str(error))
            return False
        return True

    def load(self, tenant_id: UUID, source: Source, model: str, dimension: int) -> Snapshot | None:
        """The snapshot for this model; None without one. A damaged one is taken away: it is made anew."""
        path = self.path(tenant_id, source)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("snapshot_not_read", tenant=str(tenant_id), source=source, reason=str(error))
            return None
        read = _checked(raw)
        if read is None:
            _log.warning("snapshot_damaged", tenant=str(tenant_id), source=source)
            path.unlink(missing_ok=True)
            return None
        manifest, start = read
        if (manifest.model, manifest.dimension) != (model, dimension):
            return None
        graph = start + 16 * manifest.count
        ids = [UUID(bytes=raw[at : at + 16]) for at in range(start, graph, 16)]
        return Snapshot(manifest, VectorArena.restored(dimension, ids, memoryview(raw)[graph:]))

    def remove(self, tenant_id: UUID, source: Source) -> None:
        self.path(tenant_id, source).unlink(missing_ok=True)

    def examine(self) -> Iterator[SnapshotState]:
        """Every file, its hash computed anew; nothing is loaded or changed."""
        for path in sorted(self._folder.glob(f"*/*{_SUFFIX}")):
            read = _checked(path.read_bytes())
            yield SnapshotState(
                path.parent.name,
                path.name.removesuffix(_SUFFIX),
                "damaged" if read is None else "whole",
                None if read is None else read[0],
            )


def _checked(raw: bytes) -> tuple[Manifest, int] | None:
    """The manifest and where the ids start; None for bytes that are not exactly what was written."""
    body = memoryview(raw)[_DIGEST:]
    if hashlib.sha256(body).hexdigest().encode() != raw[:_DIGEST]:
        return None
    end = raw.index(b"\n", _DIGEST)
    return msgspec.json.decode(raw[_DIGEST:end], type=Manifest), end + 1


def _digest(parts: tuple[bytes, ...]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _write(path: Path, parts: tuple[bytes, ...]) -> None:
    with path.open("wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """So that the new name survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
