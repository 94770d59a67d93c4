"""What a source proposes to the merge."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Candidate:
    item_id: UUID
    score: float
    """Fused similarity in [0, 1]."""
    dense: float
    """Cosine to the query, in [-1, 1]."""
    lexical: float
    """Lexical similarity in [0, 1]."""
