"""What a tenant may tune, as one checked document with a default for everything."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from desk.errors import InvalidInputError
from desk.models import TenantSettings
from desk.policy.certification import Terms
from desk.policy.endings import end_all
from desk.policy.groups import Grouping
from desk.ports import ConfidenceSettings, SourceWeights
from desk.working_hours import WorkingHours, checked_hours

LARGEST_WEIGHT = 1e6
SMALLEST_SUM = 1e-9


class EscalationRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a ticket goes to a person whatever the score says (design section 7)."""

    chat_threshold: float = 0.6
    """On chat channels a draft below this share of 100 is handed over."""
    keywords: tuple[str, ...] = ("cancel", "refund", "billing", "legal")
    """In the customer's words; never answered by machine."""
    minimum_reply_characters: int = 10
    topics: tuple[str, ...] = ("billing",)
    """Intents that always go to a person."""


class CertificationTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an admin accepts of automatic replies (design section 7)."""

    risk: float = 0.05
    confidence: float = 0.95
    review_share: float = 0.10
    """Of what may go out, so many still go to a person."""
    grouping: Grouping = "all"

    def to_terms(self) -> Terms:
        return Terms(self.risk, self.confidence, self.review_share)


class Preferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tone: str = "friendly and professional"
    signature: str = ""
    """Put under every reply of the desk's own writer; empty for none."""
    disclaimer: str = "If this does not answer your question, tell us and a person will help you."
    handover: str = "Thank you. A person will read this and answer you here."
    """What the chat says when it has no answer to let out."""
    ask_details: str = "Hello! What can we help you with?"
    """What the chat says to somebody who has only said hello."""
    weights: SourceWeights = SourceWeights()
    confidence: ConfidenceSettings = ConfidenceSettings()
    escalation: EscalationRules = EscalationRules()
    certification: CertificationTerms = CertificationTerms()
    working_hours: WorkingHours | None = None
    """What waiting is measured against; None: every hour of every day."""
    describe_pictures: bool = False
    """Pictures that customers send are shown to the language model, which says what is on them."""
    checks_required: bool = False
    """Changes of what drafts are made of wait until the corrections were replayed with them (`desk.comparing.gate`)."""
    note_edits: bool = False
    """The language model says in a sentence what each correction teaches."""
    allowed_links: tuple[str, ...] = ()
    """Hosts that a reply sent by machine may link to."""
    setup_skipped: tuple[str, ...] = ()
    """Steps of the setup (`desk.setup`) that were left out."""
    setup_put_away: bool = False
    """The setup page is in nobody's way any more, whatever is left to do."""


def read_preferences(document: dict[str, Any]) -> Preferences:
    """Raises InvalidInputError with the place and the reason when the document does not fit."""
    try:
        preferences = msgspec.convert(document, Preferences, strict=True)
    except msgspec.ValidationError as error:
        msg = f"these settings cannot be used: {error}"
        raise InvalidInputError(msg) from error
    _check(preferences)
    return preferences


def write_preferences(preferences: Preferences) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(preferences)
    return document


def checked_weights(weights: SourceWeights) -> SourceWeights:
    """The same, if they can be normalised. Raises InvalidInputError."""
    values = asdict(weights).values()
    if any(not 0 <= value <= LARGEST_WEIGHT for value in values) or sum(values) < SMALLEST_SUM:
        msg = f"source weights must be from 0 to {LARGEST_WEIGHT:,.0f}, and at least one above zero"
        raise InvalidInputError(msg)
    return weights


def _check(preferences: Preferences) -> None:
    checked_weights(preferences.weights)
    for name, value in asdict(preferences.confidence).items():
        highest = 100.0 if name in {"high", "medium", "low"} else 1.0
        if not 0 <= value <= highest:
            msg = f"confidence.{name} must be from 0 to {highest:g}"
            raise InvalidInputError(msg)
    levels = preferences.confidence
    whole = levels.example_part + levels.kb_part + levels.intent_part + levels.correction_part
    if not SMALLEST_SUM <= whole <= 1 + SMALLEST_SUM:
        msg = "the confidence parts (example, kb, intent, correction) must add up to more than 0 and at most 1"
        raise InvalidInputError(msg)
    if not levels.low < levels.medium < levels.high:
        msg = "the confidence levels must rise: low < medium < high"
        raise InvalidInputError(msg)
    if not 0 <= preferences.escalation.chat_threshold <= 1:
        msg = "escalation.chat_threshold must be from 0 to 1"
        raise InvalidInputError(msg)
    checked_terms(preferences.certification)
    if preferences.working_hours is not None:
        checked_hours(preferences.working_hours)


def checked_terms(terms: CertificationTerms) -> CertificationTerms:
    """The same, if an admin may accept them. Raises InvalidInputError."""
    if not 0.001 <= terms.risk <= 0.5:
        msg = "certification.risk must be from 0.001 to 0.5: the share of automatic replies that may be wrong"
        raise InvalidInputError(msg)
    if not 0.5 <= terms.confidence <= 0.999:
        msg = "certification.confidence must be from 0.5 to 0.999"
        raise InvalidInputError(msg)
    if not 0.05 <= terms.review_share <= 1:
        msg = "certification.review_share must be from 0.05 to 1: without reviews nobody would notice a change"
        raise InvalidInputError(msg)
    return terms


async def load_preferences(session: AsyncSession) -> Preferences:
    """Of the session's tenant."""
    document = (await session.execute(select(TenantSettings.preferences))).scalar_one_or_none()
    return read_preferences(document or {})


async def preferences_to_change(session: AsyncSession) -> Preferences:
    """As `load_preferences`, locked: of two people who change different parts, neither undoes the other's."""
    await session.execute(select(TenantSettings.id).with_for_update())
    return await load_preferences(session)


async def save_preferences(session: AsyncSession, preferences: Preferences) -> None:
    """Certificates end where it changes what drafts rest on or how they are scored."""
    _check(preferences)
    before = await load_preferences(session)
    await session.execute(update(TenantSettings).values(preferences=write_preferences(preferences)))
    if preferences.weights != before.weights:
        await end_all(session, "the weights of the sources were changed")
    elif preferences.confidence != before.confidence:
        await end_all(session, "the way drafts are scored was changed")


async def save_weights(session: AsyncSession, weights: SourceWeights) -> SourceWeights:
    """Store the weights normalised to a sum of 1 and return them so."""
    preferences = await preferences_to_change(session)
    candidate = msgspec.structs.replace(preferences, weights=weights)
    _check(candidate)
    normalised = replace(weights.normalised())
    await save_preferences(session, msgspec.structs.replace(preferences, weights=normalised))
    return normalised
