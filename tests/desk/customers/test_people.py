"""Who is one person: found by proved addresses alone, merged without moving anything, and separated exactly."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from desk.accounts.identity import Actor
from desk.accounts.tenants import create_tenant
from desk.customers.people import (
    are_one_person,
    list_suggestions,
    merge_customers,
    read_person,
    refuse_suggestion,
    separate_customer,
    suggestions_for,
)
from desk.customers.proofs import number_of, prove_email, prove_sender
from desk.db.roles import DatabaseAddress
from desk.db.unit_of_work import Database
from desk.errors import ConflictError, InvalidInputError
from desk.inbound.threading import takes_part
from desk.intake import CustomerDetails, NewTicket, accept_ticket
from desk.models import ChatSession, Connection, Customer, CustomerIdentity, CustomerProof, Ticket, Visitor
from desk.ports import ConnectionDetails, Sender
from desk.tickets import ticket_view
from desk.tickets.threads import merge_tickets
from tests.conftest import new_owner


async def customer_of(database: Database, actor: Actor, name: str, *, proved: str = "", said: str = "") -> Ticket:
    details = CustomerDetails(external_id=f"{name}-{uuid4().hex}", name=name, email=said or None)
    ticket, _ = await accept_ticket(database, actor, NewTicket("Subject", "Hello?", details), debounce_seconds=0)
    if proved:
        async with database.transaction(actor.scope) as session:
            await prove_email(session, actor.tenant_id, ticket.customer_id, proved, "email")
    return ticket


async def merge(database: Database, actor: Actor, gone: UUID, kept: UUID) -> None:
    async with database.transaction(actor.scope) as session:
        await merge_customers(session, actor, gone, kept)


async def separate(database: Database, actor: Actor, gone: UUID) -> None:
    async with database.transaction(actor.scope) as session:
        await separate_customer(session, actor, gone)


async def test_two_who_proved_one_address_are_suggested_merged_shown_as_one_and_separated(
    database: Database, actor: Actor
) -> None:
    mail = await customer_of(database, actor, "Mail", proved="Ada@Example.com")
    chat = await customer_of(database, actor, "Chat", proved="ada@example.com")
    liar = await customer_of(database, actor, "Liar", said="ada@example.com")
    async with database.transaction(actor.scope) as session:
        (found,) = await suggestions_for(session, mail.customer_id)
        page = await list_suggestions(session, limit=10, offset=0)
    assert (found.second.id, found.value) == (chat.customer_id, "ada@example.com")
    assert page.total == 1
    for one in (mail, chat):
        with pytest.raises(InvalidInputError, match="proved"):
            await merge(database, actor, liar.customer_id, one.customer_id)
    await merge(database, actor, chat.customer_id, mail.customer_id)
    with pytest.raises(ConflictError):
        await merge(database, actor, mail.customer_id, chat.customer_id)
    async with database.transaction(actor.scope) as session:
        person = await read_person(session, chat.customer_id)
        assert person.customer.id == mail.customer_id
        assert (len(person.members), person.tickets) == (2, 2)
        assert await suggestions_for(session, mail.customer_id) == []
        assert [each.id for each in (await ticket_view(session, chat.id)).earlier_tickets] == [mail.id]
        assert (await ticket_view(session, liar.id)).earlier_tickets == []
    await separate(database, actor, chat.customer_id)
    with pytest.raises(ConflictError):
        await separate(database, actor, chat.customer_id)
    async with database.transaction(actor.scope) as session:
        assert (await ticket_view(session, chat.id)).earlier_tickets == []
        await refuse_suggestion(session, actor, mail.customer_id, chat.customer_id)
        assert await suggestions_for(session, chat.customer_id) == []
        assert (await list_suggestions(session, limit=10, offset=0)).total == 0


async def test_another_tenants_customer_is_unknown_even_with_the_same_address(database: Database, actor: Actor) -> None:
    other = await new_owner(database)
    mine = await customer_of(database, actor, "Mine", proved="ada@example.com")
    theirs = await customer_of(database, other, "Theirs", proved="ada@example.com")
    async with database.transaction(actor.scope) as session:
        assert await suggestions_for(session, mine.customer_id) == []
        assert not await are_one_person(session, mine.customer_id, theirs.customer_id)
    with pytest.raises(Exception, match="no such customer"):
        await merge(database, actor, theirs.customer_id, mine.customer_id)


async def test_mail_proves_an_address_only_when_its_domain_vouches_and_a_messenger_its_number(
    database: Database, actor: Actor
) -> None:
    async with database.transaction(actor.scope) as session:
        connection = Connection(channel="whatsapp", name="WhatsApp")
        session.add(connection)
        people = [Customer(name="Mail"), Customer(name="Number")]
        session.add_all(people)
        await session.flush()
        details = ConnectionDetails(connection.id, actor.tenant_id, {})
        number = f"external:{connection.id.hex[:12]}"
        session.add_all(
            [
                CustomerIdentity(customer_id=people[0].id, kind="email", value="ada@example.com"),
                CustomerIdentity(customer_id=people[1].id, kind=number, value="4915112345678"),
            ]
        )
        await session.flush()
        mail = Sender(address="Ada@example.com", verified=None)
        for doubtful in (mail, replace(mail, verified=False)):
            await prove_sender(session, details, "email", doubtful)
        assert (await session.scalars(select(CustomerProof))).all() == []
        await prove_sender(session, details, "email", replace(mail, verified=True))
        await prove_sender(session, details, "whatsapp", Sender(external_id="4915112345678"))
        proofs = (await session.scalars(select(CustomerProof).order_by(CustomerProof.kind))).all()
        assert [(each.customer_id, each.kind, each.value) for each in proofs] == [
            (people[0].id, "email", "ada@example.com"),
            (people[1].id, "phone", "+4915112345678"),
        ]
    assert number_of("whatsapp:+49 151 12345678") == "+4915112345678"
    assert number_of("client-17") == ""


async def test_a_merged_persons_other_address_takes_part_only_when_it_is_proved(
    database: Database, actor: Actor
) -> None:
    first = await customer_of(database, actor, "First", proved="ada@example.com")
    second = await customer_of(database, actor, "Second", proved="ada@example.com")
    async with database.transaction(actor.scope) as session:
        session.add(CustomerIdentity(customer_id=second.customer_id, kind="email", value="ada@work.example"))
    await merge(database, actor, second.customer_id, first.customer_id)
    async with database.transaction(actor.scope) as session:
        ticket = await session.get_one(Ticket, first.id)
        assert await takes_part(session, ticket, Sender(address="ada@work.example", verified=True))
        assert not await takes_part(session, ticket, Sender(address="ada@work.example"))


async def test_a_visitor_who_has_proved_nothing_never_comes_to_see_a_merged_ticket(
    database: Database, actor: Actor
) -> None:
    """Both ways round; a visitor whom the host site vouches for may."""
    mail = await customer_of(database, actor, "Ada", proved="ada@example.com")
    chat = await customer_of(database, actor, "Visitor", proved="ada@example.com")
    await merge(database, actor, chat.customer_id, mail.customer_id)
    async with database.transaction(actor.scope) as session:
        widget = (await session.scalars(select(Connection).where(Connection.channel == "widget"))).one()
        visitor = Visitor(connection_id=widget.id, customer_id=chat.customer_id, verified_email="ada@example.com")
        session.add(visitor)
        await session.flush()
        session.add(ChatSession(connection_id=widget.id, ticket_id=chat.id, visitor_id=visitor.id))
    for gone, kept in ((mail, chat), (chat, mail)):
        with pytest.raises(InvalidInputError, match="signed in"):
            await merge_tickets(database, actor, gone.id, kept.id)
    async with database.transaction(actor.scope) as session:
        (await session.get_one(Visitor, visitor.id)).user_id = "user-7"
    joined = await merge_tickets(database, actor, chat.id, mail.id)
    assert joined.last_seq == 2


Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["merge", "separate", "ticket"]), st.integers(0, 4), st.integers(0, 4)),
    min_size=1,
    max_size=12,
)


def test_after_any_merges_and_separations_everybody_owns_what_was_theirs(database_address: DatabaseAddress) -> None:
    """Tickets, identities and proofs belong to whom they belonged, and what came meanwhile to whoever sent it."""
    with asyncio.Runner() as runner:
        database = Database.connect(database_address.app, pool_size=2)

        @settings(max_examples=12, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
        @given(steps=STEPS)
        def holds(steps: list[Step]) -> None:
            runner.run(_walk(database, steps))

        holds()
        runner.run(database.close())


async def _walk(database: Database, steps: list[Step]) -> None:
    actor = await _owner(database)
    tickets = [await customer_of(database, actor, f"c{number}", proved="ada@example.com") for number in range(5)]
    owners = [ticket.customer_id for ticket in tickets]
    expected = {ticket.id: ticket.customer_id for ticket in tickets}
    before = await _belongings(database, actor)
    for kind, first, second in steps:
        try:
            if kind == "merge":
                await merge(database, actor, owners[first], owners[second])
            elif kind == "separate":
                await separate(database, actor, owners[first])
            else:
                ticket = await _again(database, actor, owners[first])
                expected[ticket.id] = owners[first]
        except ConflictError:
            continue
        async with database.transaction(actor.scope) as session:
            people = {each: (await read_person(session, each)).customer.id for each in owners}
            for one in owners:
                person = await read_person(session, one)
                assert {member.id for member in person.members} == {
                    each for each in owners if people[each] == people[one]
                }
    for one in owners:
        try:
            await separate(database, actor, one)
        except ConflictError:
            continue
    after = await _belongings(database, actor)
    assert after["tickets"] == expected
    assert {name: rows for name, rows in after.items() if name != "tickets"} == {
        name: rows for name, rows in before.items() if name != "tickets"
    }


async def _owner(database: Database) -> Actor:
    tenant = await create_tenant(database, "T", f"t-{uuid4().hex[:12]}")
    return replace(await new_owner(database), tenant_id=tenant.id)


async def _again(database: Database, actor: Actor, customer_id: UUID) -> Ticket:
    """A further ticket under the customer's own identity."""
    async with database.transaction(actor.scope) as session:
        identity = (
            await session.scalars(select(CustomerIdentity).where(CustomerIdentity.customer_id == customer_id))
        ).one()
    details = CustomerDetails(external_id=identity.value)
    ticket, _ = await accept_ticket(database, actor, NewTicket("Again", "Hello?", details), debounce_seconds=0)
    return ticket


async def _belongings(database: Database, actor: Actor) -> dict[str, Any]:
    async with database.transaction(actor.scope) as session:
        return {
            "tickets": {row.id: row.customer_id for row in await session.scalars(select(Ticket))},
            "identities": {row.id: row.customer_id for row in await session.scalars(select(CustomerIdentity))},
            "proofs": {row.id: row.customer_id for row in await session.scalars(select(CustomerProof))},
            "pointers": {row.id: row.merged_into_id for row in await session.scalars(select(Customer))},
        }
