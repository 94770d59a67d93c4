"""A state of the desk that drafts can be made in: the present one, or one with something changed."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.preferences import checked_weights, load_preferences
from desk.accounts.providers import get_provider
from desk.drafting.inputs import DraftingInputs
from desk.drafting.prompts import active_prompt, get_prompt, global_prompt, text_of
from desk.errors import InvalidInputError
from desk.models import Document
from desk.policy.decide import ChannelRules
from desk.ports import Evidence, Question, Retriever, SourceWeights


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What differs from the present state; nothing does when it is empty."""

    prompt_id: UUID | None = None
    standard_prompt: bool = False
    """The global prompt instead of the tenant's own."""
    weights: SourceWeights | None = None
    provider_id: UUID | None = None
    """One of the tenant's providers that is switched off, in its place among the others."""
    without_documents: tuple[UUID, ...] = ()

    @property
    def is_present(self) -> bool:
        return self == PRESENT


PRESENT = Candidate()


async def checked(session: AsyncSession, candidate: Candidate) -> Candidate:
    """The same, if there is all that it names. Raises NotFoundError, InvalidInputError."""
    if candidate.prompt_id is not None:
        await get_prompt(session, candidate.prompt_id)
    if candidate.weights is not None:
        checked_weights(candidate.weights)
    if candidate.provider_id is not None:
        await get_provider(session, candidate.provider_id)
    known = await session.execute(
        select(Document.id).where(Document.id.in_(candidate.without_documents), ~Document.is_deleted)
    )
    if missing := set(candidate.without_documents) - set(known.scalars()):
        msg = f"there is no such document: {min(missing)}"
        raise InvalidInputError(msg)
    return candidate


async def drafting_inputs(session: AsyncSession, candidate: Candidate, *, steady: bool) -> DraftingInputs:
    """With `steady` a model is asked for its likeliest words, so that two runs differ by what was changed."""
    preferences = await load_preferences(session)
    if candidate.weights is not None:
        preferences = msgspec.structs.replace(preferences, weights=candidate.weights.normalised())
    if candidate.prompt_id is not None:
        prompt = await get_prompt(session, candidate.prompt_id)
    else:
        prompt = await (global_prompt(session) if candidate.standard_prompt else active_prompt(session))
    text = text_of(prompt)
    return DraftingInputs(
        preferences=preferences,
        prompt=replace(text, temperature=0.0) if steady else text,
        prompt_id=prompt.id,
        rules=ChannelRules(),
    )


class NarrowedRetriever:
    """Leaves out what is not to be seen: a document that may go, what a ticket's own reply had taught."""

    def __init__(self, retriever: Retriever, hidden: frozenset[UUID]) -> None:
        self._retriever = retriever
        self._hidden = hidden

    async def gather(self, question: Question) -> Evidence:
        found = await self._retriever.gather(question)
        return replace(
            found,
            hits=tuple(hit for hit in found.hits if not {hit.item_id, hit.parent_id} & self._hidden),
            neighbours=tuple(hit for hit in found.neighbours if not {hit.item_id, hit.parent_id} & self._hidden),
        )
