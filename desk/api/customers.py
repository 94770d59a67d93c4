"""Customers as persons: who is known how, who is the same, and taking that back."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from desk.accounts.identity import Actor, Permission
from desk.api.fields import Answer, Asked, Limit, Listed, Offset
from desk.customers.people import (
    Person,
    Suggestion,
    list_merges,
    list_suggestions,
    merge_customers,
    read_person,
    refuse_suggestion,
    separate_customer,
    suggestions_for,
)
from desk.installation import Installation
from desk.models import Customer, CustomerMerge
from desk.paging import STANDARD_PAGE
from desk.web.permissions import needs


class MemberAnswer(Answer):
    id: UUID
    name: str
    email: str | None
    """What they said; whether it is proved stands in `proofs`."""
    merged_into: UUID | None


class IdentityAnswer(Answer):
    customer_id: UUID
    kind: str
    value: str


class ProofAnswer(Answer):
    customer_id: UUID
    kind: str
    """email or phone."""
    value: str
    channel: str
    """Where it was proved."""


class PersonAnswer(Answer):
    id: UUID
    """Of the customer the others were merged into."""
    name: str
    email: str | None
    members: list[MemberAnswer]
    identities: list[IdentityAnswer]
    proofs: list[ProofAnswer]
    tickets: int


class SuggestionAnswer(Answer):
    first: MemberAnswer
    second: MemberAnswer
    kind: str
    value: str
    """What both have proved."""


class MergeAnswer(Answer):
    id: UUID
    customer_id: UUID
    into_id: UUID
    state: str
    """merged, separated or refused."""
    proof: str
    actor: str
    separated_by: str
    created_at: datetime
    changed_at: datetime


class AskedMerge(Asked):
    into: UUID


class AskedRefusal(Asked):
    other: UUID


class CustomerController(Controller):
    path = "/customers"
    tags = ("customers",)
    opt = needs(Permission.TICKETS)

    @get("/suggestions")
    async def suggestions(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[SuggestionAnswer]:
        """Customers who have proved the same address and are not one person yet."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_suggestions(session, limit=limit, offset=offset)
        return Listed([_suggestion(each) for each in page.items], page.total, page.limit, page.offset)

    @get("/{customer_id:uuid}")
    async def show(
        self, customer_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> PersonAnswer:
        """The whole person, whichever of its customers is asked for."""
        async with installation.database.transaction(actor.scope) as session:
            return _person(await read_person(session, customer_id))

    @get("/{customer_id:uuid}/suggestions")
    async def suggestions_of(
        self, customer_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> list[SuggestionAnswer]:
        async with installation.database.transaction(actor.scope) as session:
            return [_suggestion(each) for each in await suggestions_for(session, customer_id)]

    @get("/{customer_id:uuid}/merges")
    async def merges(
        self,
        customer_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[MergeAnswer]:
        """Who said what of this person and when, newest first."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_merges(session, customer_id, limit=limit, offset=offset)
        return Listed([_merge(row) for row in page.items], page.total, page.limit, page.offset)

    @post("/{customer_id:uuid}/merge", status_code=200)
    async def merge(
        self,
        customer_id: FromPath[UUID],
        data: JSONBody[AskedMerge],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> PersonAnswer:
        """Only where both have proved the same address. Nothing is moved, so that it can be taken back."""
        async with installation.database.transaction(actor.scope) as session:
            return _person(await merge_customers(session, actor, customer_id, data.into))

    @post("/{customer_id:uuid}/unmerge", status_code=200)
    async def unmerge(
        self, customer_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> PersonAnswer:
        """Each has again what was theirs, and what has come since by their own address."""
        async with installation.database.transaction(actor.scope) as session:
            return _person(await separate_customer(session, actor, customer_id))

    @post("/{customer_id:uuid}/refuse", status_code=204)
    async def refuse(
        self,
        customer_id: FromPath[UUID],
        data: JSONBody[AskedRefusal],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> None:
        """They are two people who share an address; it is not suggested again."""
        async with installation.database.transaction(actor.scope) as session:
            await refuse_suggestion(session, actor, customer_id, data.other)


def _member(row: Customer) -> MemberAnswer:
    return MemberAnswer(row.id, row.name, row.email, row.merged_into_id)


def _person(person: Person) -> PersonAnswer:
    return PersonAnswer(
        id=person.customer.id,
        name=person.customer.name,
        email=person.customer.email,
        members=[_member(row) for row in person.members],
        identities=[IdentityAnswer(row.customer_id, row.kind, row.value) for row in person.identities],
        proofs=[ProofAnswer(row.customer_id, row.kind, row.value, row.channel) for row in person.proofs],
        tickets=person.tickets,
    )


def _suggestion(each: Suggestion) -> SuggestionAnswer:
    return SuggestionAnswer(_member(each.first), _member(each.second), each.kind, each.value)


def _merge(row: CustomerMerge) -> MergeAnswer:
    return MergeAnswer(
        id=row.id,
        customer_id=row.customer_id,
        into_id=row.into_id,
        state=row.state,
        proof=row.proof,
        actor=row.actor,
        separated_by=row.separated_by,
        created_at=row.created_at,
        changed_at=row.updated_at,
    )
