"""What a writer hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from desk.ports import ModelAttempt

Writer = Literal["faq", "approved_answer", "passages", "llm"]


@dataclass(frozen=True, slots=True)
class WrittenDraft:
    body: str
    writer: Writer
    used: tuple[UUID, ...]
    """Item ids of the hits the text rests on."""
    model: str | None = None
    language: str = ""
    wants_person: bool = False
    attempts: tuple[ModelAttempt, ...] = ()
