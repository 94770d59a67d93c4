"""Prompt versions as they are listed and explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from desk.accounts.identity import Actor, Permission
from desk.drafting.prompts import ALLOWED
from desk.models import GLOBAL_TENANT_ID, PromptVersion


@dataclass(frozen=True, slots=True)
class TemplateField:
    name: str
    title: str
    words: str
    placeholders: Sequence[tuple[str, str]]
    """Each with what is put in its place."""
    rows: int


_MEANINGS = {
    "tone": "the tone from the settings, or the one asked for in the ticket",
    "context": "the numbered sources and the corrections that apply",
    "subject": "the ticket's subject",
    "content": "the conversation, oldest message first",
    "department": "the ticket's department",
}


def _field(name: str, title: str, words: str, rows: int) -> TemplateField:
    return TemplateField(name, title, words, [(f"{{{each}}}", _MEANINGS[each]) for each in sorted(ALLOWED[name])], rows)


FIELDS = (
    _field("system_prompt", "Instructions", "Who the writer is and what holds for every reply.", 12),
    _field("context_template", "Sources", "How the evidence is handed over. Must contain {context}.", 4),
    _field("task_template", "Task", "The ticket itself. Must contain {content}.", 8),
)


@dataclass(frozen=True, slots=True)
class ShownPrompt:
    id: UUID
    name: str
    number: int
    is_active: bool
    is_global: bool
    may_change: bool
    may_copy: bool
    author: str
    moment: datetime
    texts: dict[str, str]
    temperature: float
    max_tokens: int


@dataclass(frozen=True, slots=True)
class PromptGroup:
    name: str
    is_global: bool
    versions: Sequence[ShownPrompt]


def shown_prompt(row: PromptVersion, actor: Actor) -> ShownPrompt:
    is_own = row.tenant_id == actor.tenant_id
    return ShownPrompt(
        id=row.id,
        name=row.name,
        number=row.number,
        is_active=row.is_active,
        is_global=row.tenant_id == GLOBAL_TENANT_ID,
        may_change=is_own and actor.may(Permission.TUNING),
        may_copy=not is_own and actor.may(Permission.TUNING),
        author="the desk" if row.created_by == "desk" else row.created_by,
        moment=row.created_at,
        texts={field.name: getattr(row, field.name) for field in FIELDS},
        temperature=row.temperature,
        max_tokens=row.max_tokens,
    )


def grouped_prompts(rows: Sequence[PromptVersion], actor: Actor) -> list[PromptGroup]:
    """Own prompts first; inside of a prompt the newest version first."""
    groups: dict[tuple[bool, str], list[PromptVersion]] = {}
    for row in rows:
        groups.setdefault((row.tenant_id == GLOBAL_TENANT_ID, row.name), []).append(row)
    return [
        PromptGroup(
            name,
            is_global,
            [shown_prompt(row, actor) for row in sorted(versions, key=lambda version: -version.number)],
        )
        for (is_global, name), versions in sorted(groups.items())
    ]
