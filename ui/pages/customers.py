"""Customers: who may be one person, and one person with everything that is known of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.customers.people import (
    list_merges,
    list_suggestions,
    merge_customers,
    read_person,
    refuse_suggestion,
    separate_customer,
    suggestions_for,
    tickets_of,
)
from desk.installation import Installation
from desk.paging import STANDARD_PAGE
from desk.web.permissions import needs
from ui.pages.asked import asked_offset
from ui.pages.shell import page_or_content, told
from ui.presenting.customers import shown_members, shown_merge, shown_suggestion
from ui.presenting.queue import page_links
from ui.presenting.words import STATUSES


class OtherForm(msgspec.Struct):
    other: UUID


class Customers(Controller):
    path = "/customers"
    opt = needs(Permission.TICKETS)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            page = await list_suggestions(session, limit=STANDARD_PAGE, offset=asked_offset(request))
        return await page_or_content(
            request,
            installation,
            actor,
            "customers.html",
            area="customers",
            suggestions=[shown_suggestion(each) for each in page.items],
            page=page_links(page, "/customers", ""),
        )


class OneCustomer(Controller):
    path = "/customers/{customer_id:uuid}"
    opt = needs(Permission.TICKETS)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        customer_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _page(request, installation, actor, customer_id)

    @post("/merge", status_code=200)
    async def merge(
        self,
        request: Request[Any, Any, Any],
        customer_id: FromPath[UUID],
        data: URLEncodedBody[OtherForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """The other one becomes a part of this person."""
        async with installation.database.transaction(actor.scope) as session:
            await merge_customers(session, actor, data.other, customer_id)
        return told(await _page(request, installation, actor, customer_id), "They are one person now.")

    @post("/separate", status_code=200)
    async def separate(
        self,
        request: Request[Any, Any, Any],
        customer_id: FromPath[UUID],
        data: URLEncodedBody[OtherForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await separate_customer(session, actor, data.other)
        return told(await _page(request, installation, actor, customer_id), "Separated again.")

    @post("/refuse", status_code=200)
    async def refuse(
        self,
        request: Request[Any, Any, Any],
        customer_id: FromPath[UUID],
        data: URLEncodedBody[OtherForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await refuse_suggestion(session, actor, customer_id, data.other)
        return told(await _page(request, installation, actor, customer_id), "Not suggested again.")


async def _page(request: Request[Any, Any, Any], installation: Installation, actor: Actor, customer_id: UUID) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        person = await read_person(session, customer_id)
        suggestions = await suggestions_for(session, customer_id)
        merges = await list_merges(session, customer_id, limit=STANDARD_PAGE, offset=0)
        page = await tickets_of(session, customer_id, limit=STANDARD_PAGE, offset=asked_offset(request))
    members = shown_members(person)
    return await page_or_content(
        request,
        installation,
        actor,
        "customer.html",
        area="customers",
        here=customer_id,
        person=members[0],
        members=members,
        suggestions=[shown_suggestion(each) for each in suggestions],
        merges=[shown_merge(row) for row in merges.items],
        tickets=[(row, STATUSES[row.status]) for row in page.items],
        page=page_links(page, f"/customers/{customer_id}", ""),
    )
