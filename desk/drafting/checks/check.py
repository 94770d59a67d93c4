"""What one check says of a draft."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from desk.ports import Span


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    passed: bool
    detail: str = ""
    span: Span | None = None
    """The place in the draft, where the reason has one."""

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "passed": self.passed,
            "detail": self.detail,
            "span": list(self.span) if self.span else None,
        }


def passed_or(name: str, failed: list[Check]) -> list[Check]:
    """What failed, or one check that says nothing did."""
    return failed or [Check(name, passed=True)]
