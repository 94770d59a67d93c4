"""What tickets are told apart into: the default intents until somebody changes one, then the tenant's own."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk import events
from desk.accounts.identity import Actor
from desk.conversation import lock_ticket, written_subject
from desk.db.unit_of_work import Database, announce
from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.models import Intent, IntentLabel, Message, TenantSettings, Ticket
from desk.plain_text import clean_line
from desk.ports import NO_INTENT, IntentDescription

MOST_INTENTS = 60
MOST_KEYWORDS = 200
MOST_EXAMPLES = 100
LONGEST_TITLE = 80
LONGEST_KEYWORD = 80
LONGEST_EXAMPLE = 500
HIGHEST_WEIGHT = 10.0


@dataclass(frozen=True, slots=True)
class IntentText:
    """Everything about an intent that people write."""

    title: str
    keywords: Mapping[str, float]
    examples: tuple[str, ...] = ()
    base_certainty: float = 0.9
    needs_tenant_knowledge: bool = False


@dataclass(frozen=True, slots=True)
class IntentCounts:
    tickets: int
    labelled: int
    """Of these, set by a person."""


async def load_intents(session: AsyncSession, defaults: Sequence[IntentDescription]) -> list[IntentDescription]:
    """The tenant's own intents in their order, or the default ones."""
    rows = (await session.execute(select(Intent).order_by(Intent.position, Intent.label))).scalars().all()
    return [described(row) for row in rows] if rows else list(defaults)


def described(row: Intent) -> IntentDescription:
    return IntentDescription(
        row.label,
        row.title,
        row.base_certainty,
        row.needs_tenant_knowledge,
        tuple(sorted(row.keywords)),
        {word: float(weight) for word, weight in row.keywords.items()},
        tuple(row.examples),
    )


async def has_own_intents(session: AsyncSession) -> bool:
    return (await session.execute(select(Intent.id).limit(1))).scalar_one_or_none() is not None


async def count_tickets(session: AsyncSession) -> dict[str, IntentCounts]:
    """By label; labels of intents that are gone are among them."""
    guessed = await session.execute(
        select(Ticket.intent, func.count()).where(Ticket.intent.is_not(None)).group_by(Ticket.intent)
    )
    labelled = await session.execute(select(IntentLabel.label, func.count()).group_by(IntentLabel.label))
    tickets: dict[str, int] = {str(label): count for label, count in guessed.all()}
    by_people: dict[str, int] = {str(label): count for label, count in labelled.all()}
    return {label: IntentCounts(tickets.get(label, 0), by_people.get(label, 0)) for label in {*tickets, *by_people}}


async def put_intent(
    session: AsyncSession, defaults: Sequence[IntentDescription], label: str | None, text: IntentText
) -> Intent:
    """Change the intent with this label, or add one; its label is then made from the title.

    The first change gives the tenant its own copy of the default intents. Raises InvalidInputError, ConflictError
    for a title that another intent has, NotFoundError for a label there is none of.
    """
    checked = checked_intent(text)
    rows = await _own_rows(session, defaults)
    if any(row.title.casefold() == checked.title.casefold() and row.label != label for row in rows):
        msg = f"there is an intent called {checked.title!r} already"
        raise ConflictError(msg)
    if label is None:
        if len(rows) >= MOST_INTENTS:
            msg = f"there can be at most {MOST_INTENTS} intents"
            raise InvalidInputError(msg)
        row = Intent(
            id=uuid7(),
            label=_new_label(checked.title, {row.label for row in rows}),
            position=1 + max((one.position for one in rows), default=0),
        )
        session.add(row)
    else:
        row = _with_label(rows, label)
    row.title, row.keywords, row.examples = checked.title, dict(checked.keywords), list(checked.examples)
    row.base_certainty, row.needs_tenant_knowledge = checked.base_certainty, checked.needs_tenant_knowledge
    await session.flush()
    return row


async def delete_intent(session: AsyncSession, defaults: Sequence[IntentDescription], label: str) -> None:
    """Its tickets keep the label; nothing more is learned from them. Raises NotFoundError, ConflictError."""
    rows = await _own_rows(session, defaults)
    row = _with_label(rows, label)
    if len(rows) == 1:
        msg = "one intent has to stay; reset them to have the default ones back"
        raise ConflictError(msg)
    await session.delete(row)
    await session.flush()


async def reset_intents(session: AsyncSession) -> None:
    """Go back to the default intents; what people set on tickets is kept."""
    await session.execute(delete(Intent))


async def label_ticket(
    database: Database, actor: Actor, ticket_id: UUID, label: str, defaults: Sequence[IntentDescription]
) -> Ticket:
    """Say what a ticket is about, `other` for none of the intents; the next question is judged with it.

    Raises NotFoundError, and InvalidInputError for a label there is no intent of.
    """
    async with database.transaction(actor.scope) as session:
        ticket = await lock_ticket(session, ticket_id)
        known = {intent.label for intent in await load_intents(session, defaults)}
        if label != NO_INTENT and label not in known:
            msg = f"there is no intent {label!r}"
            raise InvalidInputError(msg)
        row = (
            await session.execute(select(IntentLabel).where(IntentLabel.ticket_id == ticket.id))
        ).scalar_one_or_none()
        if row is None:
            row = IntentLabel(
                id=uuid7(), ticket_id=ticket.id, question=await _opening(session, ticket), model="", vector=b""
            )
            session.add(row)
        before, row.label, row.labelled_by, ticket.intent = ticket.intent, label, actor.label, label
        if before != label:
            changed = {"intent": {"from": before, "to": label}}
            events.record(session, ticket.id, "ticket_changed", actor.label, **changed)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return ticket


async def set_intent(session: AsyncSession, ticket_id: UUID) -> str:
    """What a person said the ticket is about; empty when nobody did."""
    found = await session.execute(select(IntentLabel.label).where(IntentLabel.ticket_id == ticket_id))
    return found.scalar_one_or_none() or ""


def checked_intent(text: IntentText) -> IntentText:
    """Cleaned. Raises InvalidInputError with what to change."""
    title = clean_line(text.title)
    if not title or len(title) > LONGEST_TITLE:
        raise InvalidInputError(f"an intent needs a name of at most {LONGEST_TITLE} characters")
    keywords = {word: weight for given, weight in text.keywords.items() if (word := clean_line(given).lower())}
    if len(keywords) > MOST_KEYWORDS or any(len(word) > LONGEST_KEYWORD for word in keywords):
        raise InvalidInputError(f"keywords: at most {MOST_KEYWORDS}, each of at most {LONGEST_KEYWORD} characters")
    wrong = next((word for word, weight in keywords.items() if not 0 < weight <= HIGHEST_WEIGHT), None)
    if wrong is not None:
        raise InvalidInputError(f"the weight of {wrong!r} must be above 0 and at most {HIGHEST_WEIGHT:g}")
    examples = tuple(dict.fromkeys(line for given in text.examples if (line := clean_line(given))))
    if len(examples) > MOST_EXAMPLES or any(len(line) > LONGEST_EXAMPLE for line in examples):
        raise InvalidInputError(f"examples: at most {MOST_EXAMPLES}, each of at most {LONGEST_EXAMPLE} characters")
    if not 0 < text.base_certainty <= 1:
        raise InvalidInputError("the base certainty must be above 0 and at most 1")
    return IntentText(title, keywords, examples, text.base_certainty, text.needs_tenant_knowledge)


async def _own_rows(session: AsyncSession, defaults: Sequence[IntentDescription]) -> list[Intent]:
    """The tenant's own intents, copied from the default ones when there are none; nobody else changes them now."""
    await session.execute(select(TenantSettings.id).with_for_update())
    rows = list((await session.execute(select(Intent).order_by(Intent.position, Intent.label))).scalars())
    if rows:
        return rows
    rows = [
        Intent(
            id=uuid7(),
            label=one.label,
            title=one.title,
            keywords=dict(one.keyword_weights),
            examples=list(one.examples),
            base_certainty=one.base_certainty,
            needs_tenant_knowledge=one.needs_tenant_knowledge,
            position=position,
        )
        for position, one in enumerate(defaults)
    ]
    session.add_all(rows)
    await session.flush()
    return rows


def _with_label(rows: Sequence[Intent], label: str) -> Intent:
    for row in rows:
        if row.label == label:
            return row
    msg = f"there is no intent {label!r}"
    raise NotFoundError(msg)


def _new_label(title: str, taken: set[str]) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:50] or "intent"
    wanted, number = stem, 1
    while wanted in taken or wanted == NO_INTENT:
        number += 1
        wanted = f"{stem}_{number}"
    return wanted


async def _opening(session: AsyncSession, ticket: Ticket) -> str:
    """What the ticket was opened with: subject and first message of the customer."""
    first = await session.execute(
        select(Message.body)
        .where(Message.ticket_id == ticket.id, Message.author == "customer")
        .order_by(Message.seq)
        .limit(1)
    )
    return f"{written_subject(ticket)}\n\n{first.scalar_one_or_none() or ''}".strip()
