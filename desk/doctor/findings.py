"""What a check found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import psycopg
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import SQLAlchemyError

from desk.errors import DeskError

Outcome = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    outcome: Outcome
    detail: str
    """What was found, and what to do where it is not ok."""

    @property
    def ok(self) -> bool:
        """Whether the desk works; a warning is no failure."""
        return self.outcome != "fail"


def judged(name: str, problems: list[str], well: str, *, outcome: Outcome = "fail") -> Finding:
    """`well` when there are no problems."""
    return Finding(name, outcome, "; ".join(problems)) if problems else Finding(name, "ok", well)


async def guarded(name: str, check: Callable[[], Awaitable[Finding]]) -> Finding:
    """A check that cannot be made has failed."""
    try:
        return await check()
    except DeskError as error:
        return Finding(name, "fail", error.detail)
    except (SQLAlchemyError, OSError, TimeoutError, psycopg.Error, PoolTimeout) as error:
        first_line = str(error).splitlines()[0] if str(error) else ""
        return Finding(name, "fail", f"could not be checked: {type(error).__name__} {first_line}".rstrip())
