"""Automatic sending in words: channels, terms, how far each group is, certificates and what went out under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from desk.accounts.preferences import CertificationTerms
from desk.models import ChannelPolicy, Connection, Delivery, SendingCertificate, Ticket
from desk.plain_text import excerpt
from desk.policy.decide import FAQ_CHANNELS
from desk.policy.evidence import Simulation
from desk.policy.overview import GroupStanding
from desk.policy.rules import LIVE_DELAY_SECONDS
from ui.presenting.settings import WITHOUT_ANSWERS
from ui.presenting.words import Chip, Choices, channel_words, counted, percent

GROUPINGS: Choices = (
    ("all", "All drafts together"),
    ("channel", "Each channel on its own"),
    ("intent", "Each topic on its own"),
)
_STATES = {"active": Chip("Active", "good"), "replaced": Chip("Replaced", "line"), "revoked": Chip("Revoked", "bad")}
_DELIVERIES = {
    "pending": "on its way",
    "sending": "on its way",
    "sent": "sent",
    "uncertain": "may have been sent",
    "failed": "not sent",
}
_JUDGEMENTS = {"asked": Chip("To check", "fair"), "good": Chip("Right", "good"), "wrong": Chip("Wrong", "bad")}


@dataclass(frozen=True, slots=True)
class ShownPolicy:
    channel: str
    title: str
    mode: str
    threshold: str
    daily_cap: int
    ticket_cap: int
    delay_seconds: int
    faq_send: bool
    quiet_from: str = ""
    quiet_until: str = ""
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class ShownSimulation:
    words: str
    detail: str
    tone: str


@dataclass(frozen=True, slots=True)
class ShownTerms:
    risk: str
    confidence: str
    review_share: str
    grouping: str


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    id: UUID
    title: str
    address: str
    chip: Chip
    is_active: bool
    threshold: str
    promise: str
    evidence: str
    granted: datetime
    ended: datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class ShownGroup:
    title: str
    labels: int
    needed: int
    progress: str
    """"41 of 72 reviewed drafts"."""
    forgives: str
    outlook: str
    certificate: ShownCertificate | None


@dataclass(frozen=True, slots=True)
class ShownSent:
    number: str
    subject: str
    address: str
    text: str
    state: str
    moment: datetime | None
    chip: Chip | None


@dataclass(frozen=True, slots=True)
class ShownCheck:
    """One reply that went out by itself and is to be looked at."""

    delivery_id: UUID
    number: str
    subject: str
    address: str
    question: str
    reply: str
    channel: str
    moment: datetime | None


def channel_policies(policies: Sequence[ChannelPolicy], connections: Sequence[Connection]) -> list[ShownPolicy]:
    """One for each channel there is; one without a policy yet sends nothing by itself but, on some, FAQ answers."""
    known = {policy.channel: policy for policy in policies}
    channels = dict.fromkeys(each.channel for each in connections if each.channel not in WITHOUT_ANSWERS)
    return [_policy(channel, known.get(channel)) for channel in channels]


def _policy(channel: str, policy: ChannelPolicy | None) -> ShownPolicy:
    if policy is None:
        is_live = channel in FAQ_CHANNELS
        delay = LIVE_DELAY_SECONDS if is_live else 60
        return ShownPolicy(channel, channel_words(channel), "off", "75", 100, 3, delay, faq_send=is_live)
    has_quiet = policy.quiet_from is not None and policy.quiet_until is not None
    return ShownPolicy(
        channel,
        channel_words(channel),
        policy.mode,
        f"{policy.threshold:g}",
        policy.daily_cap,
        policy.ticket_cap,
        policy.delay_seconds,
        policy.faq_send,
        policy.quiet_from or "",
        policy.quiet_until or "",
        policy.time_zone if has_quiet else "",
    )


def shown_simulation(mode: str, found: Simulation | None, confidence: float, threshold: str = "") -> ShownSimulation:
    """What a policy would have done; `found` None for a channel that sends nothing."""
    if found is None:
        return ShownSimulation("Every draft waits for an agent.", "Choose a way to see what it would have done.", "")
    if not found.drafts:
        return ShownSimulation(
            "No draft of this channel that could have gone out has been reviewed yet.",
            "Approve, edit and reject a few; then this says what would have happened with them.",
            "",
        )
    if not found.sent:
        why = "No certificate would have been earned yet." if mode == "certified" else "None of them scored so high."
        return ShownSimulation(
            f"With this policy, none of your last {counted(found.drafts, 'draft', 'drafts')} would have gone out.",
            why,
            "",
        )
    drafts = counted(found.drafts, "draft", "drafts")
    changed = f"{found.changed:,}" if found.changed else "none"
    words = (
        f"With this policy, {found.sent:,} of your last {drafts} would have gone out; "
        f"your agents changed {changed} of those."
    )
    among = "these" if mode == "certified" else f"drafts with a score from {threshold}"
    detail = (
        f"Measured error among {among}: {percent(found.changed / found.sent)}, "
        f"and at most {percent(found.bound)} with {percent(confidence)} confidence."
    )
    tone = "bad" if found.changed / found.sent > 0.1 else "fair" if found.changed else "good"
    return ShownSimulation(words, detail, tone)


def shown_terms(terms: CertificationTerms) -> ShownTerms:
    return ShownTerms(
        f"{100 * terms.risk:g}", f"{100 * terms.confidence:g}", f"{100 * terms.review_share:g}", terms.grouping
    )


def shown_group(group: GroupStanding, intent_titles: dict[str, str], risk: float) -> ShownGroup:
    progress = group.progress
    counts = min(progress.labels, progress.needed)
    towards = " towards a lower threshold" if group.certificate is not None else ""
    return ShownGroup(
        title=group_words(group.name, intent_titles),
        labels=counts,
        needed=progress.needed,
        progress=f"{counts:,} of {progress.needed:,} reviewed drafts{towards}",
        forgives=_forgives(progress.forgiven, progress.look),
        outlook=_outlook(progress.expected_error, risk, group.labels),
        certificate=None if group.certificate is None else shown_certificate(group.certificate, intent_titles),
    )


def group_words(name: str, intent_titles: dict[str, str]) -> str:
    kind, _, value = name.partition(":")
    if kind == "channel":
        return channel_words(value)
    if kind == "intent":
        return intent_titles.get(value) or value.replace("_", " ").capitalize() or "Other"
    return "All drafts"


def _forgives(forgiven: int, look: int) -> str:
    errors = counted(forgiven, "changed draft", "changed drafts") if forgiven else "no changed draft"
    return f"The next look, the {_ordinal(look)}, forgives {errors} among them."


def _ordinal(number: int) -> str:
    known = {1: "first", 2: "second", 3: "third"}
    if number in known:
        return known[number]
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _outlook(expected: float | None, risk: float, labels: int) -> str:
    if expected is None:
        return "Nothing has been reviewed yet."
    if expected > risk:
        return (
            f"The surest drafts themselves promise {percent(expected)} changes, more than you accept. "
            "No look is spent on them before they promise less."
        )
    drafts = counted(labels, "reviewed draft", "reviewed drafts")
    return f"{drafts} in all; the surest promise {percent(expected)} changes."


def shown_certificate(row: SendingCertificate, intent_titles: dict[str, str]) -> ShownCertificate:
    return ShownCertificate(
        id=row.id,
        title=group_words(row.group_name, intent_titles),
        address=f"/sending/certificates/{row.id}",
        chip=_STATES[row.state],
        is_active=row.state == "active",
        threshold=percent(row.threshold),
        promise=f"At most {percent(row.bound)} of the replies sent under it are ones your agents would have changed, "
        f"with {percent(row.confidence)} confidence. You accept {percent(row.risk)}.",
        evidence=f"{row.labels:,} reviewed drafts, {row.errors:,} of them changed; "
        f"{_ordinal(row.look)} look; {', '.join(channel_words(channel) for channel in row.channels)}",
        granted=row.created_at,
        ended=row.ended_at,
        why=row.ended_because,
    )


def news_words(row: SendingCertificate, intent_titles: dict[str, str]) -> str:
    title = group_words(row.group_name, intent_titles)
    if row.state == "active":
        return (
            f"{title}: a certificate was granted. Drafts with a probability of {percent(row.threshold)} and more "
            "go out by themselves."
        )
    return f"{title}: the certificate has ended, because {row.ended_because}. Drafts wait for an agent."


def shown_sent(delivery: Delivery, ticket: Ticket) -> ShownSent:
    return ShownSent(
        number=f"#{ticket.number}",
        subject=ticket.subject or "No subject",
        address=f"/tickets/{ticket.id}?view=all",
        text=excerpt(delivery.body, 160),
        state=_DELIVERIES.get(delivery.state, delivery.state),
        moment=delivery.sent_at or delivery.created_at,
        chip=_JUDGEMENTS.get(delivery.judgement or ""),
    )


def shown_check(delivery: Delivery, ticket: Ticket, question: str) -> ShownCheck:
    return ShownCheck(
        delivery_id=delivery.id,
        number=f"#{ticket.number}",
        subject=ticket.subject or "No subject",
        address=f"/tickets/{ticket.id}?view=all",
        question=question,
        reply=delivery.body,
        channel=channel_words(ticket.channel),
        moment=delivery.sent_at,
    )
