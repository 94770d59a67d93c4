"""What the knowledge lacks and where it disagrees with itself: gaps, proposals, conflicts, rebuilding."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from desk.accounts.identity import Actor, Permission
from desk.api.fields import Answer, Asked, Limit, Listed, Offset
from desk.conflicts import Choice, PairView, PassageSide, decide_pair, list_pairs, reopen_pair
from desk.gaps.listing import GapLine, GapView, dismiss_gap, gap_view, list_gaps, reopen_gap, snooze_gap
from desk.gaps.proposals import Acceptance, accept, decline, get_proposal, propose
from desk.installation import Installation
from desk.models import KnowledgeProposal
from desk.paging import STANDARD_PAGE
from desk.upkeep import RebuildState, ask_for_rebuild, rebuild_state
from desk.web.permissions import needs


class AskedSnooze(Asked):
    days: int


class AskedProposal(Asked):
    form: Literal["article", "faq"]


class AskedAcceptance(Asked):
    title: str | None = None
    """Without it the proposal's own."""
    body: str | None = None
    as_new: bool = False
    """Create it whatever the proposal says."""
    category: str = ""


class AskedDecision(Asked):
    keep: Choice
    """first, second, or both."""


class GapLineAnswer(Answer):
    id: UUID
    title: str
    state: str
    snoozed_until: datetime | None
    tickets: int
    answered: int
    rank: float
    last_at: datetime
    signals: dict[str, int]
    proposal: str


class GapQuestionAnswer(Answer):
    question: str
    ticket_id: UUID
    ticket_number: int
    signals: list[str]
    asked_at: datetime


class HumanReplyAnswer(Answer):
    ticket_id: UUID
    ticket_number: int
    text: str
    author: str
    answered_at: datetime


class ProposalAnswer(Answer):
    id: UUID
    gap_id: UUID
    form: str
    action: str
    """create, update, or nothing."""
    target_kind: str
    target_id: UUID | None
    target_title: str
    reason: str
    title: str
    body: str
    language: str
    phrasings: list[str]
    evidence: int
    """Tickets whose replies by people it rests on."""
    checks: list[dict[str, Any]]
    writer: str
    model: str | None
    state: str
    made_by: str
    decided_by: str
    decided_at: datetime | None
    result_id: UUID | None
    """The document or FAQ it became."""
    created_at: datetime


class GapAnswer(GapLineAnswer):
    questions: list[GapQuestionAnswer]
    replies: list[HumanReplyAnswer]
    proposals: list[ProposalAnswer]


class SideAnswer(Answer):
    kind: str
    id: UUID
    parent_id: UUID
    title: str
    heading_path: list[str]
    text: str
    version: int
    span: tuple[int, int] | None
    searched: bool
    own: bool


class PairAnswer(Answer):
    id: UUID
    kind: str
    """duplicate or contradiction."""
    similarity: float
    differences: list[dict[str, Any]]
    first: SideAnswer
    second: SideAnswer
    decision: str
    decided_by: str
    decided_at: datetime | None


class RebuildAnswer(Answer):
    id: UUID | None
    state: str
    """none, reading, embedding, done, or failed."""
    percent: int
    documents_waiting: int
    documents_done: int
    asked_by: str
    asked_at: datetime | None
    finished_at: datetime | None
    error: str


class GapController(Controller):
    path = "/knowledge/gaps"
    tags = ("knowledge",)

    @get("/", opt=needs(Permission.TICKETS))
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        gap_state: Annotated[str, QueryParameter(name="state")] = "open",
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[GapLineAnswer]:
        """Questions that no source answered, those asked most often and most lately first."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_gaps(session, state=gap_state, limit=limit, offset=offset)
        return Listed([GapLineAnswer(**_line(one)) for one in page.items], page.total, page.limit, page.offset)

    @get("/{gap_id:uuid}", opt=needs(Permission.TICKETS))
    async def show(
        self, gap_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> GapAnswer:
        return await _gap(installation, actor, gap_id)

    @post("/{gap_id:uuid}/dismiss", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def dismiss(
        self, gap_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> GapAnswer:
        await dismiss_gap(installation.database, actor, gap_id)
        return await _gap(installation, actor, gap_id)

    @post("/{gap_id:uuid}/snooze", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def snooze(
        self,
        gap_id: FromPath[UUID],
        data: JSONBody[AskedSnooze],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> GapAnswer:
        await snooze_gap(installation.database, actor, gap_id, data.days)
        return await _gap(installation, actor, gap_id)

    @post("/{gap_id:uuid}/reopen", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def reopen(
        self, gap_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> GapAnswer:
        await reopen_gap(installation.database, actor, gap_id)
        return await _gap(installation, actor, gap_id)

    @post("/{gap_id:uuid}/proposals", status_code=201, opt=needs(Permission.KNOWLEDGE))
    async def propose(
        self,
        gap_id: FromPath[UUID],
        data: JSONBody[AskedProposal],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> ProposalAnswer:
        """A text made from what people replied; nothing is published."""
        return _proposal(await propose(installation, actor, gap_id, data.form))


class ProposalController(Controller):
    path = "/knowledge/proposals"
    tags = ("knowledge",)
    opt = needs(Permission.KNOWLEDGE)

    @get("/{proposal_id:uuid}")
    async def show(
        self, proposal_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> ProposalAnswer:
        async with installation.database.transaction(actor.scope) as session:
            return _proposal(await get_proposal(session, proposal_id))

    @post("/{proposal_id:uuid}/accept", status_code=200)
    async def accept(
        self,
        proposal_id: FromPath[UUID],
        data: JSONBody[AskedAcceptance],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> ProposalAnswer:
        """Publish it, as it is or as given. 400 while it holds what belongs to a customer."""
        async with installation.database.transaction(actor.scope) as session:
            proposal = await get_proposal(session, proposal_id)
        wanted = Acceptance(
            proposal.title if data.title is None else data.title,
            proposal.body if data.body is None else data.body,
            data.as_new,
            data.category,
        )
        return _proposal(await accept(installation, actor, proposal_id, wanted))

    @post("/{proposal_id:uuid}/decline", status_code=200)
    async def decline(
        self, proposal_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> ProposalAnswer:
        return _proposal(await decline(installation.database, actor, proposal_id))


class PassagePairController(Controller):
    path = "/knowledge/conflicts"
    tags = ("knowledge",)

    @get("/", opt=needs(Permission.SIGNED_IN))
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        pair_state: Annotated[str, QueryParameter(name="state")] = "open",
        kind: FromQuery[str | None] = None,
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[PairAnswer]:
        """Passages that disagree or say the same, side by side."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_pairs(session, state=pair_state, kind=kind, limit=limit, offset=offset)
        return Listed([_pair(one) for one in page.items], page.total, page.limit, page.offset)

    @post("/{pair_id:uuid}/decide", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def decide(
        self,
        pair_id: FromPath[UUID],
        data: JSONBody[AskedDecision],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> PairAnswer:
        """Keep one, and the other is searched no longer; or keep both. 409 when somebody else was first."""
        return _pair(await decide_pair(installation.database, installation.embedder, actor, pair_id, data.keep))

    @post("/{pair_id:uuid}/reopen", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def reopen(
        self, pair_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> PairAnswer:
        """Take the decision back; both are searched again."""
        view = await reopen_pair(installation.database, installation.embedder, installation.upkeep, actor, pair_id)
        return _pair(view)


class IndexController(Controller):
    path = "/indexes"
    tags = ("knowledge",)

    @post("/rebuild", status_code=202, opt=needs(Permission.KNOWLEDGE))
    async def rebuild(
        self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> RebuildAnswer:
        """Read every document anew and embed everything anew, in the background; what is searched stays until the
        new is ready. One that is under way goes on."""
        return _rebuild(await ask_for_rebuild(installation.database, actor))

    @get("/rebuild", opt=needs(Permission.SIGNED_IN))
    async def state(self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]) -> RebuildAnswer:
        """How far the last one is."""
        async with installation.database.transaction(actor.scope) as session:
            return _rebuild(await rebuild_state(session))


async def _gap(installation: Installation, actor: Actor, gap_id: UUID) -> GapAnswer:
    async with installation.database.transaction(actor.scope) as session:
        view: GapView = await gap_view(session, gap_id)
    return GapAnswer(
        **_line(view.line),
        questions=[
            GapQuestionAnswer(one.question, one.ticket_id, one.ticket_number, [*one.signals], one.asked_at)
            for one in view.questions
        ],
        replies=[
            HumanReplyAnswer(one.ticket_id, one.ticket_number, one.text, one.author, one.answered_at)
            for one in view.replies
        ],
        proposals=[_proposal(one) for one in view.proposals],
    )


def _line(line: GapLine) -> dict[str, Any]:
    return {
        "id": line.gap.id,
        "title": line.gap.title,
        "state": line.state,
        "snoozed_until": line.gap.snoozed_until if line.state == "snoozed" else None,
        "tickets": line.tickets,
        "answered": line.answered,
        "rank": line.rank,
        "last_at": line.last_at,
        "signals": line.signals,
        "proposal": line.proposal,
    }


def _proposal(row: KnowledgeProposal) -> ProposalAnswer:
    return ProposalAnswer(**{name: getattr(row, name) for name in ProposalAnswer.__struct_fields__})


def _pair(view: PairView) -> PairAnswer:
    pair = view.pair
    return PairAnswer(
        id=pair.id,
        kind=pair.kind,
        similarity=pair.similarity,
        differences=view.differences,
        first=_side(view.first),
        second=_side(view.second),
        decision=pair.decision,
        decided_by=pair.decided_by,
        decided_at=pair.decided_at,
    )


def _side(side: PassageSide) -> SideAnswer:
    return SideAnswer(
        kind=side.kind,
        id=side.item_id,
        parent_id=side.parent_id,
        title=side.title,
        heading_path=[*side.heading_path],
        text=side.text,
        version=side.version,
        span=side.span,
        searched=side.is_searched,
        own=side.is_own,
    )


def _rebuild(state: RebuildState) -> RebuildAnswer:
    return RebuildAnswer(**{name: getattr(state, name) for name in RebuildAnswer.__struct_fields__})
