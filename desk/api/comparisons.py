"""Corrections as regression cases, and drafts of two states of the desk side by side."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from desk.accounts.identity import Actor, Permission
from desk.api.fields import Answer, Asked, Limit, Listed, Offset
from desk.api.weights import AskedWeights
from desk.comparing.candidates import Candidate
from desk.comparing.cases import most_cases
from desk.comparing.reading import ComparisonView, list_cases, list_comparisons, view_comparison
from desk.comparing.requests import ask_for_regression, ask_for_replies, publish
from desk.installation import Installation
from desk.models import Comparison, ComparisonCase
from desk.paging import STANDARD_PAGE
from desk.web.permissions import needs


class AskedCandidate(Asked):
    """What is changed against the desk as it is now; nothing, when all is left out."""

    prompt_id: UUID | None = None
    standard_prompt: bool = False
    """The global prompt instead of the tenant's own."""
    weights: AskedWeights | None = None
    provider_id: UUID | None = None
    """A provider that is switched off, as if it were on."""
    without_documents: tuple[UUID, ...] = ()

    def to_candidate(self) -> Candidate:
        """Raises InvalidInputError."""
        return Candidate(
            prompt_id=self.prompt_id,
            standard_prompt=self.standard_prompt,
            weights=None if self.weights is None else self.weights.to_weights(),
            provider_id=self.provider_id,
            without_documents=self.without_documents,
        )


class AskedComparison(Asked):
    before: AskedCandidate
    after: AskedCandidate
    tickets: int = 20
    """Past tickets with a reply of a person, the newest first."""


class ComparisonAnswer(Answer):
    id: UUID
    kind: Literal["corrections", "replies"]
    state: Literal["waiting", "finished", "failed"]
    title: str
    asked_by: str
    available: int
    """Cases there are; `total` of them are compared."""
    created_at: datetime
    finished_at: datetime | None
    published_at: datetime | None
    published_anyway_by: str
    """Who published it although it breaks something; empty when nobody had to."""
    reason: str


class ComparisonFigures(ComparisonAnswer):
    total: int
    done: int
    broken: int
    """Drafts that say again what must not be used, where the desk as it is now does not."""
    fixed: int
    unchanged: int
    still_wrong: int
    """Of the unchanged, those that are wrong before and after."""
    closer: int
    """Of past replies: drafts closer to what was really sent than before."""
    further: int
    same: int
    similarity: list[float | None]
    """Mean likeness to what was really sent, before and after."""
    milliseconds: list[float]
    """Mean time of a draft, before and after."""
    usd: list[str]
    """Of all drafts, before and after."""


class CaseAnswer(Answer):
    ticket_id: UUID | None
    correction_id: UUID | None
    question: str
    outcome: str
    wrong: bool
    old_draft: str | None
    new_draft: str | None
    agent_said: str
    why: list[dict[str, Any]]
    """Kind, what the draft says, what was said instead, and where."""
    similarity: list[float | None]
    milliseconds: list[float]
    usd: list[str]


Outcome = Literal["broken", "fixed", "unchanged", "closer", "further", "same"]
WantedOutcome = Annotated[Outcome | None, QueryParameter(name="outcome")]


class RegressController(Controller):
    path = "/regress"
    tags = ("comparisons",)

    @post("/", status_code=202, opt=needs(Permission.TUNING))
    async def ask(
        self,
        data: JSONBody[AskedCandidate],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> ComparisonFigures:
        """Replay the corrections in the background: do drafts say again what must not be used?

        With a change: what would it break? Nothing is published.
        """
        has_model = await installation.models.for_tenant(actor.tenant_id) is not None or data.provider_id is not None
        candidate = data.to_candidate()
        async with installation.database.transaction(actor.scope) as session:
            asked = await ask_for_regression(session, actor, candidate, most=most_cases(has_model=has_model))
            return _figures(await view_comparison(session, asked.id))

    @get("/", opt=needs(Permission.SIGNED_IN))
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[ComparisonAnswer]:
        """Newest first."""
        return await _listed(actor, installation, "corrections", limit, offset)

    @get("/{comparison_id:uuid}", opt=needs(Permission.SIGNED_IN))
    async def show(
        self,
        comparison_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> ComparisonFigures:
        async with installation.database.transaction(actor.scope) as session:
            return _figures(await view_comparison(session, comparison_id))

    @get("/{comparison_id:uuid}/cases", opt=needs(Permission.SIGNED_IN))
    async def cases(
        self,
        comparison_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        outcome: WantedOutcome = None,
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[CaseAnswer]:
        """Those that are done, broken ones first."""
        return await _cases(actor, installation, comparison_id, outcome, limit, offset)

    @post("/{comparison_id:uuid}/publish", status_code=200, opt=needs(Permission.TUNING))
    async def publish(
        self,
        comparison_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> ComparisonFigures:
        """Make the change that was checked, whatever it breaks."""
        async with installation.database.transaction(actor.scope) as session:
            await publish(session, comparison_id, actor.label)
            return _figures(await view_comparison(session, comparison_id))


class ComparisonController(Controller):
    path = "/comparisons"
    tags = ("comparisons",)

    @post("/", status_code=202, opt=needs(Permission.TUNING))
    async def ask(
        self,
        data: JSONBody[AskedComparison],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> ComparisonFigures:
        """Draft past tickets in two states of the desk, in the background; which comes closer to what was sent?"""
        has_model = await installation.models.for_tenant(actor.tenant_id) is not None
        most = min(data.tickets, most_cases(has_model=has_model))
        before, after = data.before.to_candidate(), data.after.to_candidate()
        async with installation.database.transaction(actor.scope) as session:
            asked = await ask_for_replies(session, actor, before, after, most=most)
            return _figures(await view_comparison(session, asked.id))

    @get("/", opt=needs(Permission.SIGNED_IN))
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[ComparisonAnswer]:
        """Newest first."""
        return await _listed(actor, installation, "replies", limit, offset)

    @get("/{comparison_id:uuid}", opt=needs(Permission.SIGNED_IN))
    async def show(
        self,
        comparison_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> ComparisonFigures:
        async with installation.database.transaction(actor.scope) as session:
            return _figures(await view_comparison(session, comparison_id))

    @get("/{comparison_id:uuid}/cases", opt=needs(Permission.SIGNED_IN))
    async def cases(
        self,
        comparison_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        outcome: WantedOutcome = None,
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[CaseAnswer]:
        """Those that are done, the ones that came further away first."""
        return await _cases(actor, installation, comparison_id, outcome, limit, offset)


async def _listed(
    actor: Actor, installation: Installation, kind: str, limit: int, offset: int
) -> Listed[ComparisonAnswer]:
    async with installation.database.transaction(actor.scope) as session:
        page = await list_comparisons(session, kind=kind, limit=limit, offset=offset)
    return Listed([ComparisonAnswer(**_facts(row)) for row in page.items], page.total, page.limit, page.offset)


async def _cases(
    actor: Actor, installation: Installation, comparison_id: UUID, outcome: str | None, limit: int, offset: int
) -> Listed[CaseAnswer]:
    async with installation.database.transaction(actor.scope) as session:
        await view_comparison(session, comparison_id)
        page = await list_cases(session, comparison_id, outcome=outcome, limit=limit, offset=offset)
    return Listed([_case(row) for row in page.items], page.total, page.limit, page.offset)


def _facts(row: Comparison) -> dict[str, Any]:
    names = (
        "id",
        "kind",
        "state",
        "title",
        "asked_by",
        "available",
        "created_at",
        "finished_at",
        "published_at",
        "published_anyway_by",
        "reason",
    )
    return {name: getattr(row, name) for name in names}


def _figures(view: ComparisonView) -> ComparisonFigures:
    outcomes = ("broken", "fixed", "unchanged", "closer", "further", "same")
    counts: dict[str, Any] = {name: view.counts.get(name, 0) for name in outcomes}
    return ComparisonFigures(
        **_facts(view.comparison),
        **counts,
        total=view.total,
        done=view.done,
        still_wrong=view.still_wrong,
        similarity=[view.before_similarity, view.after_similarity],
        milliseconds=[round(view.before_ms, 2), round(view.after_ms, 2)],
        usd=[f"{view.before_usd:.6f}", f"{view.after_usd:.6f}"],
    )


def _case(row: ComparisonCase) -> CaseAnswer:
    return CaseAnswer(
        ticket_id=row.ticket_id,
        correction_id=row.correction_id,
        question=row.question,
        outcome=row.outcome or "",
        wrong=row.is_wrong,
        old_draft=row.before_body if row.correction_id is None or row.before_body is not None else row.avoid,
        new_draft=row.after_body,
        agent_said=row.wanted,
        why=row.reasons,
        similarity=[row.before_similarity, row.after_similarity],
        milliseconds=[row.before_ms, row.after_ms],
        usd=[f"{row.before_usd:.6f}", f"{row.after_usd:.6f}"],
    )
