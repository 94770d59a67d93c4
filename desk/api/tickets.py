"""Tickets: taking them in, listing, changing, answering."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from desk.accounts.identity import Actor, Permission
from desk.api.draft_answers import DraftAnswer, draft_answer
from desk.api.drafts import described_delivery
from desk.api.fields import Answer, Asked, Limit, Listed, Offset
from desk.api.ticket_answers import (
    DeliveryAnswer,
    MessageAnswer,
    TicketDetail,
    TicketLineAnswer,
    detail_answer,
    line_answer,
    message_answer,
)
from desk.attachments.kept import AttachmentLimits
from desk.attachments.threads import checked_ids, files_of_messages
from desk.chat.sessions import get_session
from desk.errors import InvalidInputError
from desk.escalation import escalate_ticket
from desk.installation import Installation
from desk.intake import CustomerDetails, NewMessage, NewTicket, accept_message, accept_ticket, add_note
from desk.models import Message
from desk.paging import STANDARD_PAGE
from desk.review import regenerate, reply
from desk.tickets import (
    TicketChange,
    TicketFilter,
    change_ticket,
    draft_view,
    list_tickets,
    merge_tickets,
    split_ticket,
    ticket_view,
    view_counts,
)
from desk.web.permissions import needs


class AskedCustomer(Asked):
    external_id: str | None = None
    email: str | None = None
    name: str | None = None


class AskedTicket(Asked):
    subject: str
    body: str
    customer: AskedCustomer
    department: str | None = None
    external_id: str | None = None


class AskedMessage(Asked):
    body: str
    author: Literal["customer", "agent", "note"] = msgspec.field(name="from")
    external_id: str | None = None
    """Of a message from the customer: the same one again changes nothing."""
    based_on_seq: int | None = None
    """Of an agent's reply: the newest customer message the agent saw; 409 when there is a newer one."""
    resolve: bool = False
    attachments: list[UUID] = msgspec.field(default_factory=list[UUID])
    """Ids of files that were uploaded to this ticket before."""


class AskedDraft(Asked):
    instruction: str = ""
    tone: str = ""


class AskedMerge(Asked):
    into: UUID
    """The ticket that stays."""


class AskedSplit(Asked):
    message_ids: Annotated[list[UUID], msgspec.Meta(min_length=1, max_length=500)]
    subject: str | None = None


class AskedEscalation(Asked):
    reason: str
    ticket_id: UUID | None = None
    session_id: UUID | None = None
    """Of a chat, in the place of the ticket's id."""
    requested_by: str | None = None


class Posted(Answer):
    """A message of the customer or a note is in the thread at once; a reply joins it when it has been sent."""

    message: MessageAnswer | None
    delivery: DeliveryAnswer | None


class TicketController(Controller):
    path = "/tickets"
    tags = ("tickets",)
    opt = needs(Permission.TICKETS)

    @post("/")
    async def create(
        self,
        data: JSONBody[AskedTicket],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Response[TicketDetail]:
        """Take a ticket in. The same `external_id` again answers 200 with the ticket it made the first time."""
        customer = CustomerDetails(data.customer.external_id, data.customer.email, data.customer.name)
        ticket, is_new = await accept_ticket(
            installation.database,
            actor,
            NewTicket(data.subject, data.body, customer, data.department, data.external_id),
            debounce_seconds=installation.settings.debounce_seconds,
        )
        return Response(await _detail(installation, actor, ticket.id), status_code=201 if is_new else 200)

    @get("/")
    async def list(  # noqa: PLR0913, PLR0917 - one parameter for each filter of the contract
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        view: FromQuery[str | None] = None,
        status: FromQuery[str | None] = None,
        assignee: Annotated[str | None, QueryParameter(description="A user's id, `me` or `none`.")] = None,
        channel: FromQuery[str | None] = None,
        tag: FromQuery[str | None] = None,
        intent: FromQuery[str | None] = None,
        level: FromQuery[str | None] = None,
        quality: Annotated[str | None, QueryParameter(description="good, fair or poor.")] = None,
        q: FromQuery[str | None] = None,
        sort: FromQuery[str] = "-last_message_at",
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[TicketLineAnswer]:
        """The queue. Imported history shows in the views `resolved` and `all` only."""
        wanted = TicketFilter(
            view=view,
            status=status,
            assignee=_assignee(assignee, actor),
            channel=channel,
            tag=tag,
            intent=intent,
            level=level,
            quality=quality,
            q=q,
            sort=sort,
            limit=limit,
            offset=offset,
        )
        async with installation.database.transaction(actor.scope) as session:
            page = await list_tickets(session, wanted)
        return Listed([line_answer(line) for line in page.items], page.total, page.limit, page.offset)

    @get("/counts")
    async def counts(
        self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> dict[str, int]:
        """How many tickets each view holds."""
        async with installation.database.transaction(actor.scope) as session:
            return await view_counts(session, actor.user_id)

    @get("/{ticket_id:uuid}")
    async def show(
        self, ticket_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> TicketDetail:
        return await _detail(installation, actor, ticket_id)

    @patch("/{ticket_id:uuid}")
    async def change(
        self,
        ticket_id: FromPath[UUID],
        data: JSONBody[TicketChange],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> TicketDetail:
        """Change what is given and leave the rest."""
        await change_ticket(installation.database, actor, ticket_id, data)
        return await _detail(installation, actor, ticket_id)

    @post("/{ticket_id:uuid}/messages")
    async def add_message(
        self,
        ticket_id: FromPath[UUID],
        data: JSONBody[AskedMessage],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Response[Posted]:
        """A further message of the customer, a reply to be sent, or an internal note."""
        if data.external_id is not None and data.author != "customer":
            msg = "external_id is for messages from the customer"
            raise InvalidInputError(msg)
        files = checked_ids(data.attachments, AttachmentLimits.of(installation.settings))
        if data.author == "customer":
            message, is_new = await accept_message(
                installation.database,
                actor,
                ticket_id,
                NewMessage(data.body, data.external_id, tuple(files)),
                debounce_seconds=installation.settings.debounce_seconds,
            )
            answer = await _described_message(installation, actor, message)
            return Response(Posted(answer, None), status_code=201 if is_new else 200)
        if data.author == "note":
            note = await add_note(installation.database, actor, ticket_id, data.body, files)
            return Response(Posted(await _described_message(installation, actor, note), None), status_code=201)
        delivery = await reply(
            installation.database,
            actor,
            ticket_id,
            data.body,
            based_on_seq=data.based_on_seq,
            resolve=data.resolve,
            undo_seconds=installation.settings.undo_seconds,
            attachments=files,
        )
        return Response(Posted(None, await described_delivery(installation, actor, delivery)), status_code=201)

    @post("/{ticket_id:uuid}/drafts")
    async def ask_for_draft(
        self,
        ticket_id: FromPath[UUID],
        data: JSONBody[AskedDraft],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> DraftAnswer:
        """A new draft, written in the background; the one before becomes `superseded`."""
        draft = await regenerate(installation.database, actor, ticket_id, instruction=data.instruction, tone=data.tone)
        async with installation.database.transaction(actor.scope) as session:
            return draft_answer(await draft_view(session, draft.id))

    @post("/{ticket_id:uuid}/merge", status_code=200)
    async def merge(
        self,
        ticket_id: FromPath[UUID],
        data: JSONBody[AskedMerge],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> TicketDetail:
        """Move everything into another ticket of the same customer and close this one; answers with the other."""
        kept = await merge_tickets(installation.database, actor, ticket_id, data.into)
        return await _detail(installation, actor, kept.id)

    @post("/{ticket_id:uuid}/split")
    async def split(
        self,
        ticket_id: FromPath[UUID],
        data: JSONBody[AskedSplit],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> TicketDetail:
        """Move some messages into a new ticket of the same customer; answers with the new one."""
        fresh = await split_ticket(installation.database, actor, ticket_id, data.message_ids, data.subject)
        return await _detail(installation, actor, fresh.id)


@post("/escalate", status_code=200, opt=needs(Permission.TICKETS), tags=["tickets"])
async def escalate(
    data: JSONBody[AskedEscalation],
    actor: NamedDependency[Actor],
    installation: NamedDependency[Installation],
) -> TicketDetail:
    """Hand a ticket to a person; give the ticket's id or that of the chat session."""
    ticket_id = await _asked_ticket(installation, actor, data)
    await escalate_ticket(installation.database, actor, ticket_id, reason=data.reason, requested_by=data.requested_by)
    return await _detail(installation, actor, ticket_id)


async def _asked_ticket(installation: Installation, actor: Actor, data: AskedEscalation) -> UUID:
    if data.ticket_id is not None and data.session_id is None:
        return data.ticket_id
    if data.session_id is None or data.ticket_id is not None:
        msg = "give either ticket_id or session_id"
        raise InvalidInputError(msg)
    async with installation.database.transaction(actor.scope) as session:
        ticket_id = (await get_session(session, data.session_id)).session.ticket_id
    if ticket_id is None:
        msg = "nothing has been written in this session yet"
        raise InvalidInputError(msg)
    return ticket_id


async def _described_message(installation: Installation, actor: Actor, message: Message) -> MessageAnswer:
    async with installation.database.transaction(actor.scope) as session:
        files = await files_of_messages(session, [message.id])
    return message_answer(message, files.get(message.id, ()))


async def _detail(installation: Installation, actor: Actor, ticket_id: UUID) -> TicketDetail:
    async with installation.database.transaction(actor.scope) as session:
        return detail_answer(await ticket_view(session, ticket_id))


def _assignee(value: str | None, actor: Actor) -> UUID | Literal["none"] | None:
    if value is None or value == "none":
        return value
    if value == "me":
        return actor.user_id or "none"
    try:
        return UUID(value)
    except ValueError as error:
        msg = "assignee must be a user's id, me or none"
        raise InvalidInputError(msg) from error
