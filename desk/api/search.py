"""Searching the sources as a draft would."""

from __future__ import annotations

from typing import Annotated, Any, get_args
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from desk.accounts.identity import Actor, Permission
from desk.accounts.preferences import load_preferences
from desk.api.fields import Answer
from desk.drafting.record import confidence_json
from desk.errors import InvalidInputError
from desk.installation import Installation
from desk.plain_text import clean_line
from desk.ports import Hit, Question, SourceKind
from desk.web.permissions import needs

LONGEST_QUERY = 10_000
MOST_HITS = 50
DRAFT_SOURCES: tuple[SourceKind, ...] = ("global_kb", "tenant_kb", "example", "correction")
"""What a draft is written from."""
SOURCES: tuple[SourceKind, ...] = get_args(SourceKind)


class HitAnswer(Answer):
    kind: str
    id: UUID
    parent_id: UUID
    title: str
    text: str
    score: float
    weighted_score: float
    dense: float
    lexical: float
    version: int
    url: str | None
    span: tuple[int, int] | None
    heading_path: list[str]
    question: str
    avoid: str
    notes: str


class SearchAnswer(Answer):
    items: list[HitAnswer]
    total: int
    limit: int
    offset: int
    intent: dict[str, Any]
    confidence: dict[str, Any]
    timings_ms: dict[str, float]


@get("/search", opt=needs(Permission.SIGNED_IN), tags=["search"])
async def search(
    actor: NamedDependency[Actor],
    installation: NamedDependency[Installation],
    q: FromQuery[str],
    k: Annotated[int, QueryParameter(ge=1, le=MOST_HITS, description="Most hits.")] = 8,
    sources: Annotated[
        str | None, QueryParameter(description="Comma separated: global_kb, tenant_kb, example, correction.")
    ] = None,
) -> SearchAnswer:
    """What a draft for this question would be given."""
    words = clean_line(q)
    if not words or len(words) > LONGEST_QUERY:
        msg = f"q must have 1 to {LONGEST_QUERY:,} characters"
        raise InvalidInputError(msg)
    async with installation.database.transaction(actor.scope) as session:
        preferences = await load_preferences(session)
    question = Question(
        tenant_id=actor.tenant_id,
        subject="",
        text=words,
        weights=preferences.weights,
        confidence=preferences.confidence,
        top_k=k,
        sources=_sources(sources) if sources is not None else DRAFT_SOURCES,
    )
    evidence = await installation.retriever.gather(question)
    return SearchAnswer(
        items=[_hit(hit) for hit in evidence.hits],
        total=len(evidence.hits),
        limit=k,
        offset=0,
        intent={"label": evidence.intent.label, "certainty": round(evidence.intent.certainty, 4)},
        confidence=confidence_json(evidence.confidence),
        timings_ms=dict(evidence.timings_ms),
    )


def _sources(listed: str) -> tuple[SourceKind, ...]:
    wanted = {name.strip() for name in listed.split(",") if name.strip()}
    unknown = sorted(wanted - set(SOURCES))
    if unknown or not wanted:
        msg = f"sources are among {', '.join(SOURCES)}"
        raise InvalidInputError(msg)
    return tuple(source for source in SOURCES if source in wanted)


def _hit(hit: Hit) -> HitAnswer:
    return HitAnswer(
        kind=hit.kind,
        id=hit.item_id,
        parent_id=hit.parent_id,
        title=hit.title,
        text=hit.text,
        score=round(hit.score, 4),
        weighted_score=round(hit.weighted_score, 4),
        dense=round(hit.dense, 4),
        lexical=round(hit.lexical, 4),
        version=hit.version,
        url=hit.url,
        span=hit.span,
        heading_path=list(hit.heading_path),
        question=hit.question,
        avoid=hit.avoid,
        notes=hit.notes,
    )
