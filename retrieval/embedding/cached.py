"""A cache in front of an embedder that also joins concurrent questions into one batch."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.ports import Embedder, Vectors

BULK_TEXTS = 64
"""A call with more unknown texts than this is an ingestion: it goes to the inner embedder by itself, so that
no question waits behind it, and it is not kept, so that it does not push the questions out."""

Row = NDArray[np.float32]


@dataclass(slots=True, eq=False)
class _Batch:
    """Texts of one model waiting for, or in, one call of the inner embedder."""

    model: str
    texts: dict[str, None]
    started: bool = False


_Work = asyncio.Task[dict[str, Row]]


class CachedEmbedder:
    """Fulfils `desk.ports.Embedder` with the vectors of `inner`; for use on one event loop at a time.

    Keeps the last `capacity` texts by exact text and model. One batch runs at a time: texts that arrive
    meanwhile are joined into the next. An error of a batch is raised to all who waited for that batch, and
    nothing of it is kept.
    """

    def __init__(self, inner: Embedder, capacity: int) -> None:
        if capacity < 1:
            msg = f"the cache needs room for at least one text, not {capacity}"
            raise ValueError(msg)
        self._inner = inner
        self._capacity = capacity
        self._rows: OrderedDict[tuple[str, str], Row] = OrderedDict()
        self._queue: list[tuple[_Batch, _Work]] = []

    @property
    def model(self) -> str:
        return self._inner.model

    @property
    def dimension(self) -> int:
        return self._inner.dimension

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row per text, in order, in an array of the caller's own; errors are the inner embedder's."""
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        model = self.model
        rows = self._kept(model, texts)
        unknown = dict.fromkeys(text for text in texts if text not in rows)
        if len(unknown) > BULK_TEXTS:
            rows.update(_by_text(unknown, await self._inner.embed(list(unknown))))
        elif unknown:
            # Shielded: a caller who gives up must not cancel what others wait for.
            waits = [asyncio.shield(work) for work in self._join(model, unknown)]
            for answered in await asyncio.gather(*waits):
                rows.update(answered)
        if self.model != model:
            return await self.embed(texts)
        return np.stack([rows[text] for text in texts])

    def _kept(self, model: str, texts: Iterable[str]) -> dict[str, Row]:
        kept: dict[str, Row] = {}
        for text in texts:
            row = self._rows.get((model, text))
            if row is not None:
                self._rows.move_to_end((model, text))
                kept[text] = row
        return kept

    def _join(self, model: str, unknown: dict[str, None]) -> list[_Work]:
        """The work that will together answer `unknown`: what already has a text in hand, and a next batch."""
        self._queue = [(batch, work) for batch, work in self._queue if not work.done()]
        joined: list[_Work] = []
        left = dict(unknown)
        for batch, work in self._queue:
            shared = left.keys() & batch.texts.keys() if batch.model == model else set[str]()
            if shared:
                joined.append(work)
                left = {text: None for text in left if text not in shared}
        if left:
            batch, work = self._open(model)
            batch.texts.update(left)
            if work not in joined:
                joined.append(work)
        return joined

    def _open(self, model: str) -> tuple[_Batch, _Work]:
        """The last batch of the queue while texts may still be added to it, else a new one behind it."""
        before: _Work | None = None
        if self._queue:
            batch, before = self._queue[-1]
            if batch.model == model and not batch.started:
                return batch, before
        batch = _Batch(model, {})
        work = asyncio.create_task(self._run(batch, before))
        self._queue.append((batch, work))
        return batch, work

    async def _run(self, batch: _Batch, before: _Work | None) -> dict[str, Row]:
        if before is not None:
            await asyncio.wait([before])
        batch.started = True
        answered = _by_text(batch.texts, await self._inner.embed(list(batch.texts)))
        if self.model == batch.model:
            for text, row in answered.items():
                self._rows[batch.model, text] = row
            while len(self._rows) > self._capacity:
                self._rows.popitem(last=False)
        return answered


def _by_text(texts: Iterable[str], vectors: Vectors) -> dict[str, Row]:
    # Copies, so that one kept row does not hold a whole batch in memory.
    return {text: row.copy() for text, row in zip(texts, vectors, strict=True)}
