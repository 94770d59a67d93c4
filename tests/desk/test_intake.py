"""A message that is told "ok" is a row, and a message that comes many times has one effect."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select

from desk.accounts.identity import Actor
from desk.db.unit_of_work import Database
from desk.errors import InvalidInputError, NotFoundError
from desk.intake import CustomerDetails, NewMessage, NewTicket, accept_message, accept_ticket
from desk.models import Customer, Draft, InboxEntry, Message, Ticket
from tests.conftest import new_owner
from tests.desk.conversations import new_ticket, ready_draft, reload


async def test_the_same_external_id_at_once_makes_one_ticket(database: Database, actor: Actor) -> None:
    new = NewTicket("SSL", "It expired", CustomerDetails(external_id="7", email="a@example.com"), external_id="t-1")
    together = [accept_ticket(database, actor, new, debounce_seconds=0) for _ in range(6)]
    answers = await asyncio.gather(*together)
    assert {ticket.id for ticket, _ in answers} == {answers[0][0].id}
    assert sum(is_new for _, is_new in answers) == 1
    async with database.transaction(actor.scope) as session:
        for row, count in ((Ticket, 1), (Message, 1), (Draft, 1), (Customer, 1), (InboxEntry, 1)):
            assert (await session.execute(select(func.count()).select_from(row))).scalar_one() == count


async def test_another_tenant_may_use_the_same_external_id(database: Database, actor: Actor) -> None:
    other = await new_owner(database)
    new = NewTicket("SSL", "It expired", CustomerDetails(external_id="7"), external_id="t-1")
    first, _ = await accept_ticket(database, actor, new, debounce_seconds=0)
    second, is_new = await accept_ticket(database, other, new, debounce_seconds=0)
    assert is_new
    assert first.id != second.id
    with pytest.raises(NotFoundError):
        await accept_message(database, other, first.id, NewMessage("mine?"), debounce_seconds=0)


async def test_a_customer_is_found_again_by_the_tenants_own_id_and_not_by_a_name(
    database: Database, actor: Actor
) -> None:
    async def customer_of(details: CustomerDetails) -> object:
        ticket, _ = await accept_ticket(database, actor, NewTicket("", "Hello", details), debounce_seconds=0)
        return ticket.customer_id

    ada = await customer_of(CustomerDetails(external_id="7", email="ada@example.com", name="Ada"))
    assert await customer_of(CustomerDetails(external_id="7", email="ada@new.example", name="Ada L.")) == ada
    assert await customer_of(CustomerDetails(external_id="8", email="ada@new.example", name="Ada L.")) != ada
    by_mail = await customer_of(CustomerDetails(email="Bob@Example.com"))
    assert await customer_of(CustomerDetails(email="bob@example.COM ")) == by_mail


async def test_a_further_message_makes_the_draft_stale_and_asks_for_another(database: Database, actor: Actor) -> None:
    ticket = await new_ticket(database, actor)
    draft = await ready_draft(database, actor, ticket)
    message, is_new = await accept_message(
        database, actor, ticket.id, NewMessage("And what does it cost?", "m-2"), debounce_seconds=0
    )
    again, is_new_again = await accept_message(
        database, actor, ticket.id, NewMessage("And what does it cost?", "m-2"), debounce_seconds=0
    )
    assert (is_new, is_new_again, again.id) == (True, False, message.id)
    assert (await reload(database, actor, Draft, draft.id)).state == "stale"
    async with database.transaction(actor.scope) as session:
        (newer,) = (await session.execute(select(Draft).where(Draft.state == "writing"))).scalars()
        assert newer.based_on_seq == message.seq == 2


@pytest.mark.parametrize("body", ["", "  \n\t ", "\x00", "\ud800", "x" * 100_001])
async def test_what_cannot_be_a_message_is_refused_and_nothing_is_stored(
    database: Database, actor: Actor, body: str
) -> None:
    with pytest.raises(InvalidInputError):
        await accept_ticket(database, actor, NewTicket("a", body, CustomerDetails()), debounce_seconds=0)
    async with database.transaction(actor.scope) as session:
        assert (await session.execute(select(func.count()).select_from(InboxEntry))).scalar_one() == 0


async def test_odd_characters_are_taken_out_or_kept_never_an_error(database: Database, actor: Actor) -> None:
    odd = "a\x00b \ud800 \u202e bidi \u200b zero 👩‍👩‍👧 e\u0301\r\nnext"
    ticket = await new_ticket(database, actor, odd)
    async with database.transaction(actor.scope) as session:
        body = (await session.execute(select(Message.body).where(Message.ticket_id == ticket.id))).scalar_one()
    assert body == "ab  \u202e bidi \u200b zero 👩‍👩‍👧 e\u0301\nnext"
