"""Gaps in the knowledge, proposals, and passages that disagree, as the pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from desk.conflicts import PairView, PassageSide
from desk.gaps.listing import GapLine, GapView, HumanReply
from desk.models import KnowledgeProposal
from desk.upkeep import RebuildState
from ui.presenting.learned import Link
from ui.presenting.texts import Piece, failed_marks, marked
from ui.presenting.trial import ShownCheck, shown_checks
from ui.presenting.words import Chip, Choices, counted

GAP_STATES: Choices = (
    ("open", "Open"),
    ("snoozed", "Snoozed"),
    ("dismissed", "Dismissed"),
    ("answered", "Answered"),
)
PAIR_STATES: Choices = (("open", "To decide"), ("decided", "Decided"))
PAIR_KINDS: Choices = (("contradiction", "Contradictions"), ("duplicate", "Duplicates"))
SNOOZES: Choices = (("7", "For a week"), ("30", "For 30 days"), ("90", "For 90 days"))
_SIGNALS = {
    "failed": "no draft could be written",
    "very_low": "too little evidence",
    "kept_back": "draft kept back",
    "handed_over": "chat handed over",
    "authored": "reply written from scratch",
    "rejected": "draft rejected",
}
_PROPOSALS = {
    "proposed": Chip("Proposal waits", "fair"),
    "accepted": Chip("Accepted", "good"),
    "declined": Chip("Declined", "line"),
    "replaced": Chip("Replaced", "line"),
}
_DECISIONS = {"kept_first": "The first was kept", "kept_second": "The second was kept", "both_right": "Both are right"}
_DIFFERENCES = {"duration": "duration or limit", "number": "number or limit", "amount": "price"}


@dataclass(frozen=True, slots=True)
class ShownGap:
    id: UUID
    title: str
    state: str
    chip: Chip
    asked_words: str
    answered_words: str
    signals: str
    proposal: Chip | None
    moment: datetime
    snoozed_until: datetime | None
    decided_by: str


@dataclass(frozen=True, slots=True)
class ShownReply:
    text: str
    author: str
    ticket: Link
    moment: datetime


@dataclass(frozen=True, slots=True)
class ShownQuestion:
    text: str
    signals: str
    ticket: Link
    moment: datetime


@dataclass(frozen=True, slots=True)
class ShownProposal:
    id: UUID
    form: str
    headline: str
    reason: str
    evidence: str
    target: Link | None
    title: str
    body: str
    pieces: list[Piece]
    checks: Sequence[ShownCheck]
    chip: Chip
    is_open: bool
    updates: bool
    result: Link | None
    made_by: str
    writer: str
    moment: datetime


@dataclass(frozen=True, slots=True)
class ShownSide:
    title: str
    place: str
    pieces: list[Piece]
    link: Link
    kind: str
    is_own: bool
    is_searched: bool
    moment: datetime


@dataclass(frozen=True, slots=True)
class ShownPair:
    id: UUID
    chip: Chip
    differences: Sequence[str]
    first: ShownSide
    second: ShownSide
    decision: str
    decided_by: str
    moment: datetime | None


@dataclass(frozen=True, slots=True)
class ShownRebuild:
    words: str
    percent: int
    is_running: bool
    tone: str


def shown_gap(line: GapLine) -> ShownGap:
    words = dict(GAP_STATES)
    tones = {"open": "fair", "answered": "good"}
    return ShownGap(
        id=line.gap.id,
        title=line.gap.title,
        state=line.state,
        chip=Chip(words[line.state], tones.get(line.state, "line")),
        asked_words=f"asked in {counted(line.tickets, 'ticket', 'tickets')}",
        answered_words=f"{line.answered} answered by a person" if line.answered else "not answered by a person yet",
        signals=_signal_words(line.signals),
        proposal=_PROPOSALS.get(line.proposal),
        moment=line.last_at,
        snoozed_until=line.gap.snoozed_until if line.state == "snoozed" else None,
        decided_by=line.gap.decided_by if line.state != "open" else "",
    )


def _signal_words(signals: dict[str, int]) -> str:
    return ", ".join(f"{_SIGNALS.get(name, name)} ({number})" for name, number in signals.items())


def shown_questions(view: GapView) -> list[ShownQuestion]:
    return [
        ShownQuestion(
            one.question,
            ", ".join(_SIGNALS.get(name, name) for name in one.signals),
            _ticket(one.ticket_id, one.ticket_number),
            one.asked_at,
        )
        for one in view.questions
    ]


def shown_reply(reply: HumanReply) -> ShownReply:
    return ShownReply(reply.text, reply.author, _ticket(reply.ticket_id, reply.ticket_number), reply.answered_at)


def _ticket(ticket_id: UUID, number: int) -> Link:
    return Link(f"#{number}", f"/tickets/{ticket_id}?view=all")


def shown_proposal(row: KnowledgeProposal) -> ShownProposal:
    form = "FAQ" if row.form == "faq" else "article"
    target = None
    if row.target_id is not None:
        address = f"/faqs/{row.target_id}" if row.target_kind == "faq" else f"/knowledge/{row.target_id}"
        target = Link(row.target_title, address)
    headlines = {
        "create": f"Create: a new {form}",
        "update": f"Update: the {'FAQ' if row.target_kind == 'faq' else 'document'}",
        "nothing": "Nothing to do",
    }
    result = None
    if row.result_id is not None:
        address = f"/faqs/{row.result_id}" if row.form == "faq" else f"/knowledge/{row.result_id}"
        result = Link(f"Open the {form}", address)
    return ShownProposal(
        id=row.id,
        form=form,
        headline=headlines[row.action],
        reason=row.reason,
        evidence=f"from the replies to {counted(row.evidence, 'ticket', 'tickets')}",
        target=target,
        title=row.title,
        body=row.body,
        pieces=marked(row.body, failed_marks(row.checks)),
        checks=[check for check in shown_checks(row.checks) if not check.passed],
        chip=_PROPOSALS[row.state],
        is_open=row.state == "proposed",
        updates=row.action == "update",
        result=result,
        made_by=row.made_by,
        writer=f"written by {row.model}" if row.model else "taken from the replies",
        moment=row.created_at,
    )


def shown_pair(view: PairView) -> ShownPair:
    pair = view.pair
    chip = Chip("Contradiction", "bad") if pair.kind == "contradiction" else Chip("Duplicate", "fair")
    firsts = [(*one["first_span"], _kind(one)) for one in view.differences]
    seconds = [(*one["second_span"], _kind(one)) for one in view.differences]
    return ShownPair(
        id=pair.id,
        chip=chip,
        differences=[
            f"{_kind(one)}: {one['first'] or 'nothing'} / {one['second'] or 'nothing'}" for one in view.differences
        ],
        first=_side(view.first, firsts),
        second=_side(view.second, seconds),
        decision=_DECISIONS.get(pair.decision, ""),
        decided_by=pair.decided_by,
        moment=pair.decided_at,
    )


def _kind(difference: dict[str, str]) -> str:
    return _DIFFERENCES.get(difference["kind"], difference["kind"])


def _side(side: PassageSide, marks: list[tuple[int, int, str]]) -> ShownSide:
    if side.kind == "faq":
        link = Link("Open the FAQ", f"/faqs/{side.item_id}")
    else:
        start, end = side.span or (0, 0)
        address = f"/knowledge/{side.parent_id}?version={side.version}&from={start}&to={end}#passage"
        link = Link("Open the document here", address)
    return ShownSide(
        title=side.title,
        place=" / ".join(side.heading_path),
        pieces=marked(side.text, marks),
        link=link,
        kind="FAQ" if side.kind == "faq" else "Document" if side.is_own else "Global document",
        is_own=side.is_own,
        is_searched=side.is_searched,
        moment=side.changed_at,
    )


def shown_rebuild(state: RebuildState) -> ShownRebuild | None:
    """None when there is nothing to say."""
    if state.is_running:
        done = counted(state.documents_done, "document", "documents")
        words = "embedding what was learned" if state.state == "embedding" else f"{done} read"
        return ShownRebuild(f"Everything is being read anew: {words}", state.percent, is_running=True, tone="")
    if state.state == "failed":
        return ShownRebuild(f"Rebuilding stopped: {state.error}", 0, is_running=False, tone="bad")
    return None
