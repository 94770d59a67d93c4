"""Texts as vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""Row-major float32, shape (texts, dimension), every row of length 1."""


class Embedder(Protocol):
    @property
    def model(self) -> str:
        """Stored with every vector; two embedders with the same name must give the same vectors."""
        ...

    @property
    def dimension(self) -> int: ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row per text, in order. Raises ModelUnavailableError when a remote endpoint fails."""
        ...
