"""Visitors: nobody until they write, somebody when the host site has signed their id.

Name and address that a visitor types are claims. They are shown to agents and never lead to another customer's
conversations; only the host site's signature does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk import events
from desk.customers.proofs import prove_email
from desk.db.unit_of_work import Database, announce
from desk.errors import InvalidInputError, SignInRequiredError
from desk.intake import CustomerDetails, find_or_create_customer
from desk.models import ChatSession, Connection, Customer, Ticket, Visitor
from desk.plain_text import clean_line
from desk.widget.access import MailedLink, VisitorClaim, Widget

WIDGET = "widget"
LONGEST_NAME = 100
LONGEST_EMAIL = 254


@dataclass(frozen=True, slots=True)
class Particulars:
    """What somebody says of themselves."""

    name: str = ""
    email: str = ""

    def cleaned(self) -> Particulars:
        """Raises InvalidInputError."""
        name, email = clean_line(self.name)[:LONGEST_NAME], clean_line(self.email)
        local, at, host = email.partition("@")
        if email and not (local and at and "." in host and " " not in email and len(email) <= LONGEST_EMAIL):
            msg = "this is no e-mail address"
            raise InvalidInputError(msg)
        return Particulars(name, email)


def stranger() -> VisitorClaim:
    return VisitorClaim(uuid4(), 0)


async def visitor_of(session: AsyncSession, widget: Widget, claim: VisitorClaim) -> Visitor | None:
    """None before the first message. Raises SignInRequiredError when the visitor was identified since."""
    found = await session.execute(
        select(Visitor).where(Visitor.connection_id == widget.connection_id, Visitor.id == claim.visitor_id)
    )
    visitor = found.scalar_one_or_none()
    if visitor is None and claim.user_id is not None:
        visitor = await _of_user(session, widget, claim.user_id)
    if visitor is not None and (visitor.generation != claim.generation or visitor.user_id != claim.user_id):
        msg = "the visitor's token was replaced"
        raise SignInRequiredError(msg)
    return visitor


async def _of_user(session: AsyncSession, widget: Widget, user_id: str) -> Visitor | None:
    found = await session.execute(
        select(Visitor).where(Visitor.connection_id == widget.connection_id, Visitor.user_id == user_id)
    )
    return found.scalar_one_or_none()


async def lock_visitor(session: AsyncSession, claim: VisitorClaim) -> None:
    """What one visitor does is done in order, also before there is a row to lock."""
    name = claim.user_id or str(claim.visitor_id)
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 1))"), {"name": name})


async def ensure_visitor(session: AsyncSession, widget: Widget, claim: VisitorClaim, said: Particulars) -> Visitor:
    """The visitor's row, made now if this is the first message. The visitor must be locked."""
    visitor = await visitor_of(session, widget, claim)
    if visitor is not None:
        await note_particulars(session, visitor, said)
        return visitor
    details = CustomerDetails(claim.user_id, None, said.name or None)
    customer = await find_or_create_customer(session, widget.connection_id, details)
    visitor = Visitor(
        id=claim.visitor_id if claim.user_id is None else uuid7(),
        connection_id=widget.connection_id,
        customer_id=customer.id,
        user_id=claim.user_id,
        generation=claim.generation,
    )
    session.add(visitor)
    await session.flush()
    await note_particulars(session, visitor, said)
    return visitor


async def note_particulars(session: AsyncSession, visitor: Visitor, said: Particulars) -> None:
    """Put them on the visitor's own customer; what was known before stays."""
    customer = await session.get_one(Customer, visitor.customer_id)
    customer.name = customer.name or said.name
    customer.email = customer.email or said.email or None
    await session.flush()


async def identify(
    database: Database,
    widget: Widget,
    claim: VisitorClaim,
    user_id: str,
    *,
    proved: Particulars,
    said: Particulars,
) -> VisitorClaim:
    """The claim of a user whom the host site vouches for; earlier conversations of this browser's stranger go along.

    Those of another signed-in user stay that user's. Raises SignInRequiredError for a token that was replaced.
    """
    async with database.transaction(widget.scope) as session:
        await lock_visitor(session, claim)
        await lock_visitor(session, replace(claim, user_id=user_id))
        before = await visitor_of(session, widget, claim)
        mine = await _of_user(session, widget, user_id)
        if before is not None and before.user_id is None:
            if mine is None:
                mine = await _become(session, widget, before, user_id)
            else:
                await _join(session, before, mine)
        if mine is None and (proved.name or proved.email):
            mine = await ensure_visitor(session, widget, VisitorClaim(uuid4(), 0, user_id), said)
        if mine is None:
            return VisitorClaim(uuid4(), 0, user_id)
        await _note_proved(session, mine, proved)
        await note_particulars(session, mine, said)
        return VisitorClaim(mine.id, mine.generation, user_id)


async def _note_proved(session: AsyncSession, visitor: Visitor, proved: Particulars) -> None:
    """What the host site has signed stands before anything that was only said."""
    customer = await session.get_one(Customer, visitor.customer_id)
    customer.name = proved.name or customer.name
    if proved.email:
        customer.email = visitor.verified_email = proved.email
        await prove_email(session, visitor.tenant_id, customer.id, proved.email, WIDGET)
    await session.flush()


async def log_out(database: Database, widget: Widget, claim: VisitorClaim) -> None:
    """The visitor's tokens are worth nothing from now on, in every browser. Raises SignInRequiredError."""
    async with database.transaction(widget.scope) as session:
        await lock_visitor(session, claim)
        visitor = await visitor_of(session, widget, claim)
        if visitor is not None:
            visitor.generation += 1


async def resume(database: Database, widget: Widget, link: MailedLink) -> tuple[VisitorClaim, UUID]:
    """Whoever opens a mailed link reads mail at its address: a stranger's conversation goes on in this browser.

    Raises SignInRequiredError when the visitor is gone, or signs in at the host site.
    """
    async with database.transaction(widget.scope) as session:
        found = await session.execute(
            select(Visitor)
            .where(Visitor.connection_id == widget.connection_id, Visitor.id == link.visitor_id)
            .with_for_update()
        )
        visitor = found.scalar_one_or_none()
        if visitor is None or visitor.user_id is not None:
            msg = "this link is no longer good; sign in at the site instead"
            raise SignInRequiredError(msg)
        customer = await session.get_one(Customer, visitor.customer_id)
        if customer.email == link.address:
            visitor.verified_email = link.address
            await prove_email(session, visitor.tenant_id, customer.id, link.address, WIDGET)
        return VisitorClaim(visitor.id, visitor.generation), link.conversation_id


async def _become(session: AsyncSession, widget: Widget, visitor: Visitor, user_id: str) -> Visitor:
    """A stranger turns out to be a user who has not written before."""
    connection = await session.get_one(Connection, widget.connection_id)
    customer = await find_or_create_customer(session, connection.id, CustomerDetails(user_id))
    stranger_id, visitor.customer_id = visitor.customer_id, customer.id
    visitor.user_id, visitor.generation = user_id, visitor.generation + 1
    await session.flush()
    await prove_email(session, visitor.tenant_id, customer.id, visitor.verified_email, WIDGET)
    await _move_conversations(session, visitor.id, visitor, stranger_id)
    return visitor


async def _join(session: AsyncSession, stranger_row: Visitor, user: Visitor) -> None:
    """A stranger turns out to be a user who has written before: the conversations become the user's."""
    stranger_row.generation += 1
    await session.flush()
    await _move_conversations(session, stranger_row.id, user, stranger_row.customer_id)


async def _move_conversations(session: AsyncSession, from_visitor: UUID, to: Visitor, stranger_id: UUID) -> None:
    """Sessions and tickets, with a line in each ticket's history."""
    left = await session.get_one(Customer, stranger_id)
    await note_particulars(session, to, Particulars(left.name, left.email or ""))
    moved = await session.execute(
        update(ChatSession)
        .where(ChatSession.visitor_id == from_visitor)
        .values(visitor_id=to.id)
        .returning(ChatSession.ticket_id)
    )
    for ticket_id in moved.scalars().all():
        if ticket_id is None:
            continue
        await session.execute(
            update(Ticket)
            .where(Ticket.id == ticket_id, Ticket.customer_id == stranger_id)
            .values(customer_id=to.customer_id)
        )
        events.record(session, ticket_id, "visitor_identified", user_id=to.user_id)
        await announce(session, to.tenant_id, "ticket", ticket=ticket_id)
