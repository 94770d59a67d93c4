"""Merging customers into one person and separating them again.

Nothing is moved. A merged customer points at the one it belongs to and keeps its identities, tickets and facts; whoever
asks for a person's gets those of everybody who points there. Separating empties the pointer, so each has exactly what
was theirs, and what has come since by their own address.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.identity import Actor
from desk.db.unit_of_work import announce
from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.models import Customer, CustomerIdentity, CustomerMerge, CustomerProof, Ticket
from desk.paging import Page, check_page, read_page


@dataclass(frozen=True, slots=True)
class Person:
    """One customer and everybody found to be the same person."""

    customer: Customer
    """The one that the others point at."""
    members: Sequence[Customer]
    """Itself first."""
    identities: Sequence[CustomerIdentity]
    proofs: Sequence[CustomerProof]
    tickets: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Two persons who have proved the same address."""

    first: Customer
    second: Customer
    kind: str
    value: str


_ROOTS = text(
    "WITH RECURSIVE up(start, id, parent) AS ("
    " SELECT c.id, c.id, c.merged_into_id FROM customers c WHERE c.id = ANY(:ids)"
    " UNION SELECT up.start, c.id, c.merged_into_id FROM up JOIN customers c ON c.id = up.parent)"
    " SELECT start, id FROM up WHERE parent IS NULL"
)
_FAMILY = text(
    "WITH RECURSIVE family(id) AS ("
    " SELECT c.id FROM customers c WHERE c.id = :id"
    " UNION SELECT c.id FROM family JOIN customers c ON c.merged_into_id = family.id)"
    " SELECT id FROM family"
)


async def roots_of(session: AsyncSession, customer_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Of each customer the one who stands for the person."""
    rows = await session.execute(_ROOTS, {"ids": list(customer_ids)})
    return {row.start: row.id for row in rows.all()}


async def family_of(session: AsyncSession, customer_id: UUID) -> list[UUID]:
    """Every customer who is the same person, the one who stands for it first. Raises NotFoundError."""
    root = (await roots_of(session, [customer_id])).get(customer_id)
    if root is None:
        msg = "there is no such customer"
        raise NotFoundError(msg)
    return list((await session.execute(_FAMILY, {"id": root})).scalars())


async def are_one_person(session: AsyncSession, first: UUID, second: UUID) -> bool:
    roots = await roots_of(session, [first, second])
    return roots.get(first) is not None and roots.get(first) == roots.get(second)


async def read_person(session: AsyncSession, customer_id: UUID) -> Person:
    """Raises NotFoundError."""
    family = await family_of(session, customer_id)
    members = {row.id: row for row in await session.scalars(select(Customer).where(Customer.id.in_(family)))}
    identities = await session.scalars(
        select(CustomerIdentity).where(CustomerIdentity.customer_id.in_(family)).order_by(CustomerIdentity.id)
    )
    tickets = await session.execute(select(func.count(Ticket.id)).where(Ticket.customer_id.in_(family)))
    return Person(
        customer=members[family[0]],
        members=[members[each] for each in family],
        identities=identities.all(),
        proofs=await proofs_of(session, family),
        tickets=tickets.scalar_one(),
    )


async def proofs_of(session: AsyncSession, family: Collection[UUID]) -> Sequence[CustomerProof]:
    found = await session.scalars(
        select(CustomerProof).where(CustomerProof.customer_id.in_(family)).order_by(CustomerProof.id)
    )
    return found.all()


async def suggestions_for(session: AsyncSession, customer_id: UUID) -> list[Suggestion]:
    """Others who have proved an address of this person's, but for those somebody said are not the same."""
    family = await family_of(session, customer_id)
    mine = {(proof.kind, proof.value) for proof in await proofs_of(session, family)}
    if not mine:
        return []
    others = await session.execute(
        select(CustomerProof.customer_id, CustomerProof.kind, CustomerProof.value)
        .where(CustomerProof.value.in_({value for _, value in mine}), CustomerProof.customer_id.not_in(family))
        .order_by(CustomerProof.id)
    )
    shared = [row for row in others.all() if (row.kind, row.value) in mine]
    roots = await roots_of(session, [row.customer_id for row in shared])
    first = await session.get_one(Customer, family[0])
    found: dict[UUID, Suggestion] = {}
    for row in shared:
        root = roots[row.customer_id]
        if root not in found and not await _is_refused(session, first.id, root):
            found[root] = Suggestion(first, await session.get_one(Customer, root), row.kind, row.value)
    return list(found.values())


async def list_suggestions(session: AsyncSession, *, limit: int, offset: int) -> Page[Suggestion]:
    """Persons who share a proved address, by that address. The total counts addresses."""
    check_page(limit, offset)
    shared = (
        select(CustomerProof.kind, CustomerProof.value, func.array_agg(CustomerProof.customer_id))
        .group_by(CustomerProof.kind, CustomerProof.value)
        .having(func.count(CustomerProof.id) > 1)
        .order_by(CustomerProof.kind, CustomerProof.value)
    )
    found: list[Suggestion] = []
    for kind, value, owners in (await session.execute(shared)).all():
        roots = sorted(set((await roots_of(session, owners)).values()))
        for second in roots[1:]:
            if not await _is_refused(session, roots[0], second):
                pair = [await session.get_one(Customer, each) for each in (roots[0], second)]
                found.append(Suggestion(pair[0], pair[1], kind, value))
    return Page(found[offset : offset + limit], len(found), limit, offset)


async def merge_customers(session: AsyncSession, actor: Actor, customer_id: UUID, into_id: UUID) -> Person:
    """The person `into_id` is now also `customer_id` with everybody who was merged into that one.

    Raises NotFoundError; ConflictError when they are one person already; InvalidInputError when no address is proved
    for both.
    """
    await _one_at_a_time(session, actor.tenant_id)
    gone, kept = await family_of(session, customer_id), await family_of(session, into_id)
    if gone[0] == kept[0]:
        msg = "they are one person already"
        raise ConflictError(msg)
    shared = await _shared_proof(session, gone, kept)
    if shared is None:
        msg = "no address is proved for both; only a proved address makes two customers one person"
        raise InvalidInputError(msg)
    row = await session.get_one(Customer, gone[0], with_for_update=True, populate_existing=True)
    row.merged_into_id = kept[0]
    session.add(
        CustomerMerge(id=uuid7(), customer_id=gone[0], into_id=kept[0], state="merged", proof=shared, actor=actor.label)
    )
    await session.flush()
    await announce(session, actor.tenant_id, "customer", customer=kept[0])
    return await read_person(session, kept[0])


async def separate_customer(session: AsyncSession, actor: Actor, customer_id: UUID) -> Person:
    """Take back that this customer is somebody else. Raises NotFoundError, ConflictError when it was never said."""
    await _one_at_a_time(session, actor.tenant_id)
    row = await session.get(Customer, customer_id, with_for_update=True, populate_existing=True)
    if row is None:
        msg = "there is no such customer"
        raise NotFoundError(msg)
    if row.merged_into_id is None:
        msg = "this customer is not merged into another"
        raise ConflictError(msg)
    newest = await session.scalars(
        select(CustomerMerge)
        .where(CustomerMerge.customer_id == customer_id, CustomerMerge.state == "merged")
        .order_by(CustomerMerge.id.desc())
        .limit(1)
    )
    merge = newest.one()
    merge.state, merge.separated_by = "separated", actor.label
    row.merged_into_id = None
    await session.flush()
    await announce(session, actor.tenant_id, "customer", customer=customer_id)
    return await read_person(session, customer_id)


async def refuse_suggestion(session: AsyncSession, actor: Actor, customer_id: UUID, other_id: UUID) -> None:
    """They are two people who share an address: not suggested again. Raises NotFoundError."""
    first, second = (await family_of(session, customer_id))[0], (await family_of(session, other_id))[0]
    if first != second and not await _is_refused(session, first, second):
        session.add(CustomerMerge(id=uuid7(), customer_id=first, into_id=second, state="refused", actor=actor.label))
        await session.flush()


async def list_merges(session: AsyncSession, customer_id: UUID, *, limit: int, offset: int) -> Page[CustomerMerge]:
    """What was said of this person, newest first. Raises NotFoundError."""
    family = await family_of(session, customer_id)
    mine = CustomerMerge.customer_id.in_(family) | CustomerMerge.into_id.in_(family)
    rows, total = await read_page(
        session, select(CustomerMerge).where(mine).order_by(CustomerMerge.id.desc()), limit=limit, offset=offset
    )
    return Page([row[0] for row in rows], total, limit, offset)


async def tickets_of(session: AsyncSession, customer_id: UUID, *, limit: int, offset: int) -> Page[Ticket]:
    """The person's, newest first. Raises NotFoundError."""
    wanted = select(Ticket).where(Ticket.customer_id.in_(await family_of(session, customer_id)))
    rows, total = await read_page(session, wanted.order_by(Ticket.last_message_at.desc()), limit=limit, offset=offset)
    return Page([row[0] for row in rows], total, limit, offset)


async def _shared_proof(session: AsyncSession, gone: Collection[UUID], kept: Collection[UUID]) -> str | None:
    mine = {(proof.kind, proof.value) for proof in await proofs_of(session, gone)}
    theirs = {(proof.kind, proof.value) for proof in await proofs_of(session, kept)}
    return min((value for _, value in mine & theirs), default=None)


async def _is_refused(session: AsyncSession, first: UUID, second: UUID) -> bool:
    pair = {first, second}
    found = await session.execute(
        select(CustomerMerge.id)
        .where(CustomerMerge.state == "refused", CustomerMerge.customer_id.in_(pair), CustomerMerge.into_id.in_(pair))
        .limit(1)
    )
    return found.scalar_one_or_none() is not None


async def _one_at_a_time(session: AsyncSession, tenant_id: UUID) -> None:
    """Two merges at once could otherwise point at each other."""
    name = f"customers:{tenant_id}"
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 2))"), {"name": name})
