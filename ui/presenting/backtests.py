"""Replays of past tickets in words that the lead of a support team reads once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from desk.history.account import BacktestAccount, DraftBesideReply, SentAtRisk, TenantAccount
from desk.models import Backtest, HistoryImport
from ui.presenting.plots import Plot, percent, plots_of
from ui.presenting.words import SOURCE_KINDS, WRITERS, Chip, counted

_STAGES = {
    "": "Waiting for a free worker",
    "embed": "Reading the tickets",
    "replay": "Drafting each ticket from what was known before it",
    "replay without learning": "The same again with nothing learned",
    "play automatic sending": "Counting what could have gone out by itself",
}
_CHIPS = {
    "waiting": Chip("Under way", "fair"),
    "done": Chip("Done", "good"),
    "failed": Chip("Could not be done", "bad"),
    "stopped": Chip("Stopped", "line"),
}
_WHY = {
    "good": "Good: an agent could have sent it with little or no change.",
    "no_earlier_answer": "Nobody had answered anything like it before, so there was nothing to learn from.",
    "not_found": "A fitting answer had been given before, but it was not among those found for this question.",
    "not_chosen": "A fitting answer was found, but another one was chosen.",
    "changed_in_fitting": "The right answer was chosen, but fitting it to the customer changed too much.",
}
HOW_MEASURED = (
    "Every past ticket was drafted as on the day it came: only replies written before that moment were known.",
    "The first 20 tickets of a desk are learned from and not drafted.",
    "Each draft is compared with the first reply a person really sent, letter by letter (Levenshtein similarity).",
    "From 70 % alike a draft counts as good. Capitals make no difference.",
    "Automatic sending is played forward in time: a reply goes out by itself only under a certificate earned before.",
    "One in ten of the replies that could go out is given to a person all the same.",
    "Drafts were written without a language model, from approved answers alone.",
)
NOT_SAID = (
    "A draft that reads differently from the reply can still be right: two people rarely write 70 % the same words.",
    "A draft that reads alike can still be wrong in one number. In use, facts, links and promises are checked besides.",
    "What your documents and FAQs add is not in here, because nobody knows what they said when the tickets came.",
    "It says nothing about questions your customers have never asked before.",
)


@dataclass(frozen=True, slots=True)
class ShownSource:
    title: str
    text: str
    words: str
    href: str


@dataclass(frozen=True, slots=True)
class ShownDraft:
    title: str
    href: str
    tenant: str
    moment: datetime
    alike: str
    confidence: str
    writer: str
    question: str
    draft: str
    reply: str
    sources: Sequence[ShownSource]
    why: str


@dataclass(frozen=True, slots=True)
class ShownTile:
    value: str
    words: str


@dataclass(frozen=True, slots=True)
class ShownSending:
    risk: str
    sent: str
    share: str
    wrong: str


@dataclass(frozen=True, slots=True)
class ShownTenant:
    name: str
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class ShownAccount:
    headline: str
    further: str
    period: str
    tiles: Sequence[ShownTile]
    plots: Sequence[Plot]
    sending: Sequence[ShownSending]
    sending_words: str
    tenants: Sequence[ShownTenant]
    best: Sequence[ShownDraft]
    worst: Sequence[ShownDraft]
    measured: Sequence[str]
    not_said: Sequence[str]


@dataclass(frozen=True, slots=True)
class ShownReplay:
    id: UUID
    chip: Chip
    moment: datetime
    asked_by: str
    words: str
    is_waiting: bool
    percent: int | None
    """None while nobody knows how far it is."""
    has_result: bool


@dataclass(frozen=True, slots=True)
class ShownImport:
    id: UUID
    name: str
    chip: Chip
    moment: datetime
    words: str
    percent: int | None
    refused: Sequence[tuple[int, str]]
    further: str


def shown_account(
    account: BacktestAccount, *, shown: int, address: Callable[[str], str], documents: bool = False
) -> ShownAccount:
    """With `shown` of the worst drafts; `address` makes a link of a ticket's id, or nothing.

    `documents`: whether drafts could quote from documents.
    """
    figures, likeness = account.figures, account.figures["similarity"]
    drafts, good = figures["drafted"], round(likeness["share_at_least_0.70"] * figures["drafted"])
    bare = sum(one.good_without * one.drafts for one in account.over_time) / drafts
    chosen = figures["auto_send"]
    return ShownAccount(
        headline=f"Of {counted(drafts, 'ticket', 'tickets')}, Draftdesk would have drafted {good:,} "
        f"({percent(good / drafts)}) so well that an agent could have sent the draft with little or no change.",
        further=f"With nothing learned along the way it would have been {percent(bare)}. {_sent_words(account)}",
        period=f"{counted(figures['tickets'], 'ticket', 'tickets')} from {account.first_at:%Y-%m-%d} to "
        f"{account.last_at:%Y-%m-%d}"
        + (f" of {figures['tenants']} desks" if figures["tenants"] > 1 else "")
        + f", replayed in {figures['seconds']:,} seconds",
        tiles=[
            ShownTile(percent(good / drafts), "of the drafts were good"),
            ShownTile(percent(likeness["mean"]), "alike to the real reply on average"),
            ShownTile(
                percent(likeness["ceiling_share_at_least_0.70"]), "had a fitting earlier answer: the most one can reach"
            ),
            ShownTile(
                percent(chosen["coverage"]), f"could have gone out by itself at {percent(chosen['risk'])} accepted risk"
            ),
        ],
        plots=plots_of(account),
        sending=[_sending(one) for one in account.sending],
        sending_words=f"How sure the certificate has to be: {percent(chosen['confidence'])}. Wrong means that the "
        f"reply really sent was less than 70 % alike.{_less_for_more(account.sending)}",
        tenants=[_tenant(one) for one in account.tenants] if len(account.tenants) > 1 else (),
        best=[_draft(one, address) for one in account.best],
        worst=[_draft(one, address) for one in account.worst[:shown]],
        measured=[*HOW_MEASURED, *_nothing_written(account)],
        not_said=[words for words in NOT_SAID if not (documents and words.startswith("What your documents"))],
    )


def shown_replay(row: Backtest) -> ShownReplay:
    stage = _STAGES.get(row.stage, row.stage)
    known = row.state == "waiting" and row.stage != "" and row.total > 0
    words = {
        "waiting": f"{stage}: {row.done:,} of {row.total:,}" if known else stage,
        "done": "",
        "failed": row.reason,
        "stopped": "It was stopped before it had found anything.",
    }[row.state]
    if row.state == "done" and row.account is not None:
        figures = row.account["figures"]
        words = (
            f"{percent(figures['similarity']['share_at_least_0.70'])} good of "
            f"{counted(figures['drafted'], 'draft', 'drafts')}"
        )
    return ShownReplay(
        id=row.id,
        chip=_CHIPS[row.state],
        moment=row.finished_at or row.created_at,
        asked_by=row.asked_by,
        words=words,
        is_waiting=row.state == "waiting",
        percent=100 * row.done // row.total if known else None,
        has_result=row.state == "done",
    )


def shown_import(row: HistoryImport) -> ShownImport:
    if row.state == "waiting":
        words = f"{row.done:,} of {counted(row.total, 'ticket', 'tickets')}" if row.total else "Waiting to be read"
    elif row.state == "failed":
        words = row.reason
    else:
        words = (
            f"{counted(row.tickets, 'ticket', 'tickets')} taken in, {counted(row.examples, 'reply', 'replies')} learned"
        )
        words += f", {row.known:,} were there already" if row.known else ""
    left_out = counted(row.refused_lines, "line was left out", "lines were left out") if row.refused_lines else ""
    more = row.refused_lines - len(row.refused)
    return ShownImport(
        id=row.id,
        name=row.file_name,
        chip=Chip("Being taken in", "fair") if row.state == "waiting" else _CHIPS[row.state],
        moment=row.created_at,
        words=f"{words}; {left_out}" if left_out else words,
        percent=100 * row.done // row.total if row.state == "waiting" and row.total else None,
        refused=[(int(one["line"]), str(one["reason"])) for one in row.refused],
        further=f"And {more:,} more." if more > 0 else "",
    )


def _sent_words(account: BacktestAccount) -> str:
    chosen = account.figures["auto_send"]
    if not chosen["sent"]:
        return (
            f"Nothing would have gone out by itself at an accepted risk of {percent(chosen['risk'])}: "
            "there was not enough evidence for a certificate."
        )
    wrong = round(chosen["realised_error"] * chosen["sent"])
    return (
        f"At an accepted risk of {percent(chosen['risk'])}, {counted(chosen['sent'], 'reply', 'replies')} would have "
        f"gone out by themselves, {wrong:,} of them unlike what your agents wrote."
    )


def _less_for_more(sending: Sequence[SentAtRisk]) -> str:
    """Said where it would puzzle people."""
    if all(later.sent >= earlier.sent for earlier, later in pairwise(sending)):
        return ""
    return (
        " Accepting more risk can send less: the first certificate comes earlier and with a higher bar, and replies "
        "that go out by themselves teach nothing that would lower it."
    )


def _sending(one: SentAtRisk) -> ShownSending:
    wrong = f"{one.errors:,} ({percent(one.errors / one.sent)})" if one.sent else "none"
    return ShownSending(percent(one.risk), f"{one.sent:,}", percent(one.coverage), wrong)


def _tenant(one: TenantAccount) -> ShownTenant:
    figures = (one.good, one.good_without, one.ceiling, one.similarity)
    cells = [f"{one.tickets:,}", f"{one.drafts:,}", *(percent(value) if one.drafts else "" for value in figures)]
    return ShownTenant(one.name, [*cells, f"{one.auroc:.2f}" if one.drafts else "", f"{one.sent:,}", f"{one.errors:,}"])


def _nothing_written(account: BacktestAccount) -> list[str]:
    if not account.without_text:
        return []
    tickets = counted(account.without_text, "ticket", "tickets")
    return [f"For {tickets} nothing could be drafted; they count as not good and are not listed among the worst."]


def _draft(one: DraftBesideReply, address: Callable[[str], str]) -> ShownDraft:
    return ShownDraft(
        title=one.subject or one.question[:100] or "(without words)",
        href=address(one.ticket),
        tenant=one.tenant,
        moment=one.created_at,
        alike=f"{percent(one.similarity)} alike",
        confidence=f"confidence {percent(one.probability)}",
        writer=WRITERS.get(one.writer, one.writer),
        question=one.question,
        draft=one.draft,
        reply=one.reply,
        sources=[
            ShownSource(
                title=source.title,
                text=source.text,
                words=f"{SOURCE_KINDS[source.kind]}, {percent(source.score)} near{', used' if source.used else ''}",
                href=address(source.ticket) if source.ticket else "",
            )
            for source in one.sources
        ],
        why=_WHY[one.why],
    )
