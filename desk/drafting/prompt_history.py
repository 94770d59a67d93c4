"""Looking at prompt versions: the list of them, and what changed between two."""

from __future__ import annotations

import difflib
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.drafting.prompts import get_prompt, text_of
from desk.models import PromptVersion
from desk.paging import Page, read_page


async def list_prompts(session: AsyncSession, *, limit: int, offset: int) -> Page[PromptVersion]:
    """The tenant's own and the global ones: the active one first, then by name, newest version first."""
    statement = select(PromptVersion).order_by(
        PromptVersion.is_active.desc(), PromptVersion.name, PromptVersion.number.desc(), PromptVersion.id
    )
    rows, total = await read_page(session, statement, limit=limit, offset=offset)
    return Page([row[0] for row in rows], total, limit, offset)


async def compare_prompts(session: AsyncSession, before_id: UUID, after_id: UUID) -> dict[str, list[str]]:
    """For each field that differs, the lines of a unified diff. Raises NotFoundError."""
    before: dict[str, Any] = asdict(text_of(await get_prompt(session, before_id)))
    after: dict[str, Any] = asdict(text_of(await get_prompt(session, after_id)))
    return {
        field: list(
            difflib.unified_diff(str(before[field]).splitlines(), str(after[field]).splitlines(), lineterm="", n=2)
        )[2:]
        for field in before
        if before[field] != after[field]
    }
