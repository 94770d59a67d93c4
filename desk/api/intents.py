"""What tickets are told apart into, and what a ticket is about."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, PathParameter

from desk.accounts.identity import Actor, Permission
from desk.api.fields import Answer, Asked, Limit, Listed, Offset
from desk.installation import Installation
from desk.intents import (
    IntentCounts,
    IntentText,
    count_tickets,
    delete_intent,
    described,
    label_ticket,
    load_intents,
    put_intent,
    reset_intents,
)
from desk.paging import STANDARD_PAGE
from desk.ports import IntentDescription
from desk.web.permissions import needs


class AskedIntent(Asked):
    title: str
    keywords: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    """Word or phrase to weight, 1 being a strong sign; a trailing `*` matches any ending."""
    examples: list[str] = msgspec.field(default_factory=list[str])
    """What customers write when they mean this."""
    base_certainty: float = 0.9
    """How sure a guess is, above 0 and at most 1, when everything points here."""
    needs_tenant_knowledge: bool = False
    """Whether only the tenant's own documents can answer."""

    def to_text(self) -> IntentText:
        return IntentText(
            self.title, self.keywords, tuple(self.examples), self.base_certainty, self.needs_tenant_knowledge
        )


class AskedTicketIntent(Asked):
    label: str
    """Of an intent, or `other` for none of them."""


class IntentAnswer(Answer):
    label: str
    title: str
    base_certainty: float
    needs_tenant_knowledge: bool
    keywords: list[str]
    keyword_weights: dict[str, float]
    examples: list[str]
    tickets: int
    labelled: int
    """Tickets whose intent a person set."""


class TicketIntentAnswer(Answer):
    intent: str | None


class IntentController(Controller):
    path = "/intents"
    tags = ("intents",)

    @get("/", opt=needs(Permission.SIGNED_IN))
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[IntentAnswer]:
        """The tenant's own, or the default ones while it has changed none."""
        async with installation.database.transaction(actor.scope) as session:
            known = await load_intents(session, installation.intents)
            counts = await count_tickets(session)
        shown = [_answer(one, counts.get(one.label)) for one in known[offset : offset + limit]]
        return Listed(shown, len(known), limit, offset)

    @post("/", opt=needs(Permission.TUNING))
    async def create(
        self, data: JSONBody[AskedIntent], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> IntentAnswer:
        """Its label is made from the title and stays. 409 when the title is taken."""
        return await _put(installation, actor, None, data)

    @put("/{label:str}", opt=needs(Permission.TUNING))
    async def change(
        self,
        label: Annotated[str, PathParameter(max_length=60)],
        data: JSONBody[AskedIntent],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> IntentAnswer:
        """Replaces everything but the label."""
        return await _put(installation, actor, label, data)

    @delete("/{label:str}", opt=needs(Permission.TUNING))
    async def remove(
        self,
        label: Annotated[str, PathParameter(max_length=60)],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> None:
        """Its tickets keep the label; nothing more is learned from them."""
        async with installation.database.transaction(actor.scope) as session:
            await delete_intent(session, installation.intents, label)

    @post("/reset", opt=needs(Permission.TUNING), status_code=204)
    async def reset(self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]) -> None:
        """Back to the default intents; what people set on tickets is kept."""
        async with installation.database.transaction(actor.scope) as session:
            await reset_intents(session)


@put("/tickets/{ticket_id:uuid}/intent", opt=needs(Permission.TICKETS), tags=["intents"])
async def set_ticket_intent(
    ticket_id: FromPath[UUID],
    data: JSONBody[AskedTicketIntent],
    actor: NamedDependency[Actor],
    installation: NamedDependency[Installation],
) -> TicketIntentAnswer:
    """What the ticket is about; the next guess is made with it in mind."""
    ticket = await label_ticket(installation.database, actor, ticket_id, data.label, installation.intents)
    return TicketIntentAnswer(ticket.intent)


async def _put(installation: Installation, actor: Actor, label: str | None, data: AskedIntent) -> IntentAnswer:
    async with installation.database.transaction(actor.scope) as session:
        row = await put_intent(session, installation.intents, label, data.to_text())
        return _answer(described(row), (await count_tickets(session)).get(row.label))


def _answer(one: IntentDescription, counts: IntentCounts | None) -> IntentAnswer:
    return IntentAnswer(
        label=one.label,
        title=one.title,
        base_certainty=one.base_certainty,
        needs_tenant_knowledge=one.needs_tenant_knowledge,
        keywords=[*one.keywords],
        keyword_weights=dict(one.keyword_weights),
        examples=[*one.examples],
        tickets=counts.tickets if counts else 0,
        labelled=counts.labelled if counts else 0,
    )
