"""The decision on a finished draft: send it, suggest it, or show the evidence as notes only (design section 7).

Pure: everything it looks at is handed in and stored with the decision.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from desk.accounts.preferences import EscalationRules
from desk.conversation import LIVE_CHANNELS, MESSENGERS
from desk.drafting.checks import Check
from desk.plain_text import fold
from desk.policy.groups import Grouping, group_of
from desk.ports import Confidence

CHAT_CHANNELS = LIVE_CHANNELS | MESSENGERS
FAQ_CHANNELS = frozenset({"widget", "chat"})
"""Where FAQ answers go out by themselves until an admin says otherwise (design section 5)."""


@dataclass(frozen=True, slots=True)
class HeldCertificate:
    """An active certificate that covers the channel."""

    id: UUID
    group: str
    threshold: float
    """Lowest calibrated probability, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """The channel's policy and what has been sent under it already."""

    mode: Literal["off", "threshold", "certified"] = "off"
    threshold: float = 75.0
    """Of the plain score, 0 to 100, in mode `threshold`."""
    grouping: Grouping = "all"
    certificates: tuple[HeldCertificate, ...] = ()
    daily_cap: int = 100
    ticket_cap: int = 3
    delay_seconds: int = 60
    faq_send: bool = False
    sent_today: int = 0
    sent_on_ticket: int = 0
    stopped: bool = False
    quiet: bool = False
    """In the channel's quiet hours, when nothing is sent by machine."""
    review_salt: str = field(default="", repr=False)
    """Of the draw for blind review; empty where nothing is stored, and in every record."""


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    decision: Literal["send", "suggest", "notes"]
    reasons: tuple[str, ...]
    """Codes, the most important first; empty only for `send`."""
    escalate: str | None = None
    """Reason code when a person has to look whatever the agent's queue says."""
    certificate: UUID | None = None
    """Under which it is sent."""
    could_be_sent: bool = False
    """Every guard was passed, so that only mode, score and limits stand between the draft and the customer: what a
    person makes of it is a label for the certificate."""

    def to_json(self) -> dict[str, Any]:
        certificate = None if self.certificate is None else str(self.certificate)
        return {"decision": self.decision, "reasons": list(self.reasons), "certificate": certificate}


REASON_TEXTS = {
    "policy_off": "Automatic sending is off for this channel.",
    "faq_off": "Sending FAQ answers by itself is off for this channel.",
    "faq_uncertain": "The question is close to an FAQ but not surely the same.",
    "below_threshold": "The score is below the channel's threshold.",
    "not_certified": "There is no certificate for drafts like this yet.",
    "person_decides": "A person decides about this draft.",
    "check_failed": "A check on the draft failed.",
    "keyword": "The customer used a word that always goes to a person.",
    "topic": "This topic always goes to a person.",
    "too_short": "The reply is too short to be sent by itself.",
    "low_confidence": "The score is below what this channel needs.",
    "daily_cap": "The daily limit of automatic replies is reached.",
    "ticket_cap": "This ticket had its share of automatic replies.",
    "quiet_hours": "These are the channel's quiet hours.",
    "stopped": "Automatic sending is stopped.",
    "automatic_mail": "The message was sent by a machine or to many: machines do not answer each other.",
    "hour_cap": "This customer had the automatic replies of this hour.",
    "model_says_person": "The writer asked for a person.",
    "very_low": "There is too little evidence for a proposal.",
    "draft_failed": "No draft could be written.",
    "customer_asked": "The customer asked for a person.",
    "agent_asked": "An agent asked for another person.",
    "opted_out": "This person has told the channel to stop.",
    "window_closed": "The 24 hours in which this channel takes free text are over.",
    "connection_deleted": "The connection this came by was deleted.",
    "answered": "There was a reply to this message already.",
    "with_person": "A person has this conversation.",
    "no_quick_answer": "The answer did not come while the customer waited.",
}


def escalating_keyword(customer_words: str, keywords: Sequence[str]) -> str | None:
    """The first keyword in the customer's words, as a word or the beginning of one (`refund` in `refunded`)."""
    words = fold(customer_words)
    for keyword in keywords:
        if keyword.strip() and re.search(rf"(?<!\w){re.escape(fold(keyword.strip()))}", words):
            return keyword
    return None


def decide(  # noqa: PLR0913 - keyword only: everything the decision looks at
    *,
    body: str,
    customer_words: str,
    intent: str,
    confidence: Confidence,
    presentation: str,
    checks: Sequence[Check],
    channel: str,
    rules: ChannelRules,
    escalation: EscalationRules,
    wants_person: bool = False,
    faq_certain: bool | None = None,
    blind_review: bool = False,
) -> PolicyDecision:
    """Guards hold in every mode; the score only ever decides among drafts that passed them all.

    `faq_certain` is None for a draft that is no FAQ's answer. One that is was approved by a person, so the channel's
    FAQ switch decides in the place of mode and threshold. `blind_review` keeps what a certificate would let out for
    a person, who is not told why; on live channels it goes out all the same and is looked at afterwards.
    """
    escalate = _escalation(customer_words, intent, confidence, channel, escalation)
    reasons: list[str] = [escalate] if escalate else []
    failed_check = any(not check.passed for check in checks)
    if failed_check:
        reasons.append("check_failed")
    if len(body.strip()) < escalation.minimum_reply_characters:
        reasons.append("too_short")
    if wants_person:
        reasons.append("model_says_person")
    if presentation == "notes":
        reasons.append("very_low")
    if presentation == "notes" or failed_check:
        return PolicyDecision("notes", tuple(reasons), escalate)
    could_be_sent = not reasons and faq_certain is None
    certificate = _certificate(rules, channel, intent) if faq_certain is None else None
    if faq_certain is not None:
        reasons += _faq_switch(rules, certain=faq_certain)
    elif rules.mode == "certified":
        reasons += _certified(certificate, confidence, waits=blind_review and channel not in CHAT_CHANNELS)
    else:
        reasons += _mode(confidence, rules)
    reasons += _limits(rules)
    decision: Literal["send", "suggest"] = "suggest" if reasons else "send"
    return PolicyDecision(
        decision,
        tuple(dict.fromkeys(reasons)),
        escalate,
        certificate=certificate.id if certificate is not None and decision == "send" else None,
        could_be_sent=could_be_sent,
    )


def why_never_sent(customer_words: str, rules: ChannelRules, escalation: EscalationRules) -> str | None:
    """Why no reply that is written for these words can go out by itself, whatever it will say; None where one might.

    A reason code as `decide` would give it. FAQ answers are not written, and have a switch of their own.
    """
    if escalating_keyword(customer_words, escalation.keywords) is not None:
        return "keyword"
    if rules.mode == "off":
        return "policy_off"
    if rules.mode == "certified" and not rules.certificates:
        return "not_certified"
    return next(iter(_limits(rules)), None)


def leave_to_person(decided: PolicyDecision, why: str = "with_person") -> PolicyDecision:
    """The same, but never sent by machine."""
    return replace(
        decided,
        decision="suggest" if decided.decision == "send" else decided.decision,
        certificate=None,
        reasons=tuple(dict.fromkeys((why, *decided.reasons))),
    )


def _escalation(
    customer_words: str, intent: str, confidence: Confidence, channel: str, rules: EscalationRules
) -> str | None:
    if escalating_keyword(customer_words, rules.keywords) is not None:
        return "keyword"
    if intent in rules.topics:
        return "topic"
    if channel in CHAT_CHANNELS and confidence.score < 100 * rules.chat_threshold:
        return "low_confidence"
    return None


def _mode(confidence: Confidence, rules: ChannelRules) -> list[str]:
    if rules.mode == "off":
        return ["policy_off"]
    return ["below_threshold"] if confidence.score < rules.threshold else []


def _certificate(rules: ChannelRules, channel: str, intent: str) -> HeldCertificate | None:
    if rules.mode != "certified":
        return None
    name = group_of(rules.grouping, channel, intent)
    return next((held for held in rules.certificates if held.group == name), None)


def _certified(certificate: HeldCertificate | None, confidence: Confidence, *, waits: bool) -> list[str]:
    """A draft kept for blind review and one that is not sure enough look the same to whoever reviews it."""
    if certificate is None:
        return ["not_certified"]
    calibrated = confidence.calibrated
    return ["person_decides"] if waits or calibrated is None or calibrated < certificate.threshold else []


def _faq_switch(rules: ChannelRules, *, certain: bool) -> list[str]:
    if not certain:
        return ["faq_uncertain"]
    return [] if rules.faq_send else ["faq_off"]


def _limits(rules: ChannelRules) -> list[str]:
    reasons: list[str] = []
    if rules.stopped:
        reasons.append("stopped")
    if rules.quiet:
        reasons.append("quiet_hours")
    if rules.sent_today >= rules.daily_cap:
        reasons.append("daily_cap")
    if rules.sent_on_ticket >= rules.ticket_cap:
        reasons.append("ticket_cap")
    return reasons
