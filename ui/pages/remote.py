"""What an agent does about another system from a ticket: has its facts fetched, hands a change over again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.customer_facts import refresh_facts
from desk.installation import Installation
from desk.remote_changes import try_change_again
from desk.web.permissions import needs
from ui.pages.tickets import refreshed


class RemoteTickets(Controller):
    path = "/tickets/{ticket_id:uuid}"
    opt = needs(Permission.TICKETS)
    include_in_schema = False

    @post("/facts", status_code=200)
    async def fetch_facts(
        self,
        request: Request[Any, Any, Any],
        ticket_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """They come in the background; the page shows them when they are there."""
        await refresh_facts(installation.database, actor, ticket_id)
        return await refreshed(request, installation, actor, ticket_id, ("side",))

    @post("/handed-over/{change_id:uuid}/again", status_code=200)
    async def hand_over_again(
        self,
        request: Request[Any, Any, Any],
        ticket_id: FromPath[UUID],
        change_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await try_change_again(installation.database, actor, change_id)
        return await refreshed(request, installation, actor, ticket_id, ("side",))
