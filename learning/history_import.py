"""Ticket history into the desk: threads to look up, replies to learn from, nothing to answer.

Streams batches. Each batch is embedded with no transaction open and stored in one, so an import that is stopped
leaves whole tickets and a second run goes on where it stopped: a ticket is known by its id in the file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk import events
from desk.db.index_log import put_items
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.models import Connection, Customer, CustomerIdentity, Example, Message, TenantSettings, Ticket
from desk.plain_text import clean_line, clean_text
from desk.ports import Embedder, Vectors
from learning.backtest.history import HistoryCustomer, HistoryMessage, HistoryTicket
from retrieval.ingestion.languages import detect_language
from retrieval.query import question_text

CHANNEL = "import"
"""Of the connection imported tickets belong to: nothing is ever received or sent by it."""
_BATCH = 256


@dataclass(slots=True)
class ImportCounts:
    tickets: int = 0
    known: int = 0
    """Tickets that an earlier import had brought."""
    messages: int = 0
    examples: int = 0

    def add(self, other: ImportCounts) -> None:
        self.tickets += other.tickets
        self.known += other.known
        self.messages += other.messages
        self.examples += other.examples


@dataclass(frozen=True, slots=True)
class _Answer:
    question: str
    answer: HistoryMessage
    ordinal: int
    """Of the message in its thread, the opening one being 1."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A ticket as it will be stored."""

    source: HistoryTicket
    subject: str
    messages: tuple[HistoryMessage, ...]
    """Cleaned, without empty ones, the opening one first."""
    answers: tuple[_Answer, ...] = field(default=())


class HistoryImporter:
    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder

    async def run(
        self,
        tenant_id: UUID,
        tickets: Iterable[HistoryTicket],
        done: Callable[[], None],
        noted: Callable[[AsyncSession, ImportCounts, int], Awaitable[None]] | None = None,
    ) -> ImportCounts:
        """`done` is called once for each ticket that is stored, or was found to be known.

        `noted` writes down, in the transaction that stores a batch, what it brought and how many tickets of the
        file it dealt with.
        """
        scope, counts = Scope(tenant_id), ImportCounts()
        connection_id = await self._connection(scope)
        stream = iter(tickets)
        while taken := list(islice(stream, _BATCH)):
            batch = list({ticket.id: ticket for ticket in taken}.values())
            async with self._database.transaction(scope) as session:
                known = await _known(session, connection_id, batch)
            fresh = [_prepare(ticket) for ticket in batch if ticket.id not in known]
            questions = [question_text(answer.question) for one in fresh for answer in one.answers]
            vectors = await self._embedder.embed(questions)
            brought = ImportCounts(known=len(known))
            async with self._database.transaction(scope) as session:
                await self._store(session, connection_id, fresh, vectors, brought)
                if noted is not None:
                    await noted(session, brought, len(taken))
            counts.add(brought)
            for _ in taken:
                done()
        return counts

    async def _connection(self, scope: Scope) -> UUID:
        async with self._database.transaction(scope) as session:
            await session.execute(select(TenantSettings.id).with_for_update())
            found = await session.execute(select(Connection.id).where(Connection.channel == CHANNEL).limit(1))
            connection_id = found.scalar_one_or_none()
            if connection_id is None:
                connection_id = uuid7()
                session.add(Connection(id=connection_id, channel=CHANNEL, name="Imported history", is_active=False))
        return connection_id

    async def _store(
        self,
        session: AsyncSession,
        connection_id: UUID,
        fresh: Sequence[_Prepared],
        vectors: Vectors,
        counts: ImportCounts,
    ) -> None:
        # The lock on the ticket counter makes imports of one tenant take turns; what is known is asked again under it.
        await session.execute(select(TenantSettings.id).with_for_update())
        known = await _known(session, connection_id, [one.source for one in fresh])
        kept = [one for one in fresh if one.source.id not in known]
        if not kept:
            counts.known += len(known)
            return
        number = await _next_numbers(session, len(kept))
        customers = await _customers(session, connection_id, kept)
        stored: list[tuple[_Prepared, Ticket]] = []
        for offset, one in enumerate(kept):
            ticket = _ticket(one, number + offset, connection_id, customers[offset])
            session.add(ticket)
            stored.append((one, ticket))
        await session.flush()
        examples: list[Example] = []
        for one, ticket in stored:
            session.add_all(_message(ticket.id, seq, message) for seq, message in enumerate(one.messages, start=1))
            events.record(session, ticket.id, "ticket_imported", external_id=one.source.id, channel=ticket.channel)
            examples += [_example(one, ticket.id, answer) for answer in one.answers]
        session.add_all(examples)
        await session.flush()
        rows = _rows_of(fresh, known)
        await put_items(session, "example", [example.id for example in examples], vectors[rows], self._embedder.model)
        counts.tickets += len(kept)
        counts.known += len(known)
        counts.messages += sum(len(one.messages) for one in kept)
        counts.examples += len(examples)


def _rows_of(fresh: Sequence[_Prepared], known: set[str]) -> list[int]:
    """Which vectors belong to tickets that are stored, when another import was faster with some of them."""
    owners = [one.source.id for one in fresh for _ in one.answers]
    return [row for row, owner in enumerate(owners) if owner not in known]


async def _known(session: AsyncSession, connection_id: UUID, tickets: Sequence[HistoryTicket]) -> set[str]:
    wanted = [ticket.id for ticket in tickets]
    rows = await session.execute(
        select(Ticket.external_id).where(Ticket.connection_id == connection_id, Ticket.external_id.in_(wanted))
    )
    return {external_id for external_id in rows.scalars() if external_id is not None}


async def _next_numbers(session: AsyncSession, count: int) -> int:
    """The first of `count` ticket numbers that are ours."""
    counted = await session.execute(
        update(TenantSettings)
        .values(next_ticket_number=TenantSettings.next_ticket_number + count)
        .returning(TenantSettings.next_ticket_number)
    )
    return counted.scalar_one() - count


def _prepare(ticket: HistoryTicket) -> _Prepared:
    subject = clean_line(ticket.subject)
    opening = HistoryMessage("customer", ticket.body if ticket.body.strip() else ticket.subject, ticket.created_at)
    messages = tuple(
        HistoryMessage(one.sender, clean_text(one.body), one.at, one.agent)
        for one in (opening, *ticket.messages)
        if clean_text(one.body).strip()
    )
    return _Prepared(ticket, subject, messages, _answers(subject, messages))


def _answers(subject: str, messages: Sequence[HistoryMessage]) -> tuple[_Answer, ...]:
    """Every reply with what it answers: what the customer wrote since the reply before, as `customer_words` has it.

    A reply right after another one answers nothing new and is not learned from.
    """
    answers: list[_Answer] = []
    asked: list[str] = []
    for ordinal, message in enumerate(messages, start=1):
        if message.sender == "customer":
            asked.append(message.body)
            continue
        if asked:
            answers.append(_Answer("\n\n".join([subject, *asked]).strip(), message, ordinal))
        asked = []
    return tuple(answers)


def _ticket(one: _Prepared, number: int, connection_id: UUID, customer_id: UUID) -> Ticket:
    source = one.source
    inbound = [seq for seq, message in enumerate(one.messages, start=1) if message.sender == "customer"]
    return Ticket(
        id=uuid7(),
        number=number,
        subject=one.subject,
        status="resolved" if len(inbound) < len(one.messages) else "closed",
        channel=clean_line(source.channel)[:30] or CHANNEL,
        connection_id=connection_id,
        customer_id=customer_id,
        department=clean_line(source.department) or None,
        external_id=source.id,
        tags=[],
        last_seq=len(one.messages),
        last_inbound_seq=inbound[-1] if inbound else 0,
        last_message_at=max((message.at for message in one.messages), default=source.created_at),
        created_at=source.created_at,
        is_history=True,
    )


def _message(ticket_id: UUID, seq: int, message: HistoryMessage) -> Message:
    return Message(
        id=uuid7(),
        ticket_id=ticket_id,
        seq=seq,
        author=message.sender,
        body=message.body,
        sent_at=message.at,
        author_name=clean_line(message.agent),
    )


def _example(one: _Prepared, ticket_id: UUID, answer: _Answer) -> Example:
    return Example(
        id=uuid7(),
        question=answer.question,
        answer=answer.answer.body,
        origin="imported",
        language=detect_language(answer.answer.body) or detect_language(answer.question),
        ticket_id=ticket_id,
        external_id=f"import:{one.source.id}:{answer.ordinal}",
        author=clean_line(answer.answer.agent),
        customer_name=clean_line(one.source.customer.name),
        document_ids=[],
        answered_at=answer.answer.at,
    )


async def _customers(session: AsyncSession, connection_id: UUID, tickets: Sequence[_Prepared]) -> list[UUID]:
    """The customer of each ticket: known by an id of the import, else by address, else a new one for the ticket."""
    keys = [_identity(connection_id, one.source.customer) for one in tickets]
    known = await _identified(session, {key for key in keys if key is not None})
    added: dict[tuple[str, str], UUID] = {}
    unnamed: list[UUID] = []
    for one, key in zip(tickets, keys, strict=True):
        if key is not None and (key in known or key in added):
            continue
        name, email = clean_line(one.source.customer.name), clean_line(one.source.customer.email)
        customer = Customer(id=uuid7(), name=name, email=email or None)
        session.add(customer)
        if key is None:
            unnamed.append(customer.id)
        else:
            added[key] = customer.id
    await session.flush()
    known |= await _identify(session, added)
    without_key = iter(unnamed)
    return [next(without_key) if key is None else known[key] for key in keys]


def _identity(connection_id: UUID, customer: HistoryCustomer) -> tuple[str, str] | None:
    if external_id := clean_line(customer.external_id):
        return f"external:{connection_id.hex[:12]}", external_id
    email = clean_line(customer.email).casefold()
    return ("email", email) if email else None


async def _identified(session: AsyncSession, keys: set[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    rows = await session.execute(
        select(CustomerIdentity.kind, CustomerIdentity.value, CustomerIdentity.customer_id).where(
            CustomerIdentity.value.in_({value for _, value in keys}),
            CustomerIdentity.kind.in_({kind for kind, _ in keys}),
        )
    )
    return {(kind, value): customer_id for kind, value, customer_id in rows}


async def _identify(session: AsyncSession, added: dict[tuple[str, str], UUID]) -> dict[tuple[str, str], UUID]:
    """Store how new customers are known. Where live intake was faster with one of them, its customer is the one."""
    if not added:
        return {}
    tenant_id = (await session.execute(select(TenantSettings.tenant_id))).scalar_one()
    await session.execute(
        insert(CustomerIdentity)
        .values(
            [
                {"id": uuid7(), "tenant_id": tenant_id, "customer_id": customer_id, "kind": kind, "value": value}
                for (kind, value), customer_id in added.items()
            ]
        )
        .on_conflict_do_nothing(constraint="uq_customer_identities_value")
    )
    known = await _identified(session, set(added))
    lost = [customer_id for key, customer_id in added.items() if known[key] != customer_id]
    if lost:
        await session.execute(delete(Customer).where(Customer.id.in_(lost)))
    return known
