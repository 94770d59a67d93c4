"""One ticket: the page, its refreshed parts, and everything an agent does to the ticket itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template
from msgspec import UNSET
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.identity import Actor, Permission
from desk.accounts.users import user_names
from desk.attachments.kept import AttachmentLimits
from desk.attachments.threads import checked_ids, files_in_composer
from desk.chat.presence import note_gone, note_seen
from desk.conversation import LIVE_CHANNELS
from desk.db.unit_of_work import announce
from desk.errors import InvalidInputError
from desk.escalation import escalate_ticket
from desk.installation import Installation
from desk.intake import add_note
from desk.intents import label_ticket, load_intents
from desk.models import Example
from desk.tickets import TicketChange, TicketFilter, TicketView, change_ticket, get_ticket, list_tickets, ticket_view
from desk.web.permissions import needs
from ui.pages.asked import asked_filter
from ui.pages.queue import shown_queue
from ui.pages.shell import part_of_page, shell, wants_part, whole_page
from ui.presenting.draft_card import DraftCard, draft_card
from ui.presenting.files import ShownFile, shown_files
from ui.presenting.queue import query_of
from ui.presenting.ticket import ShownTicket, shown_ticket
from ui.presenting.topics import topic_choices

PARTS = ("head", "thread", "draft", "window", "side")
"""Without the composer: a refresh that was asked for before an upload ended would take the file away again."""


@dataclass(frozen=True, slots=True)
class Shown:
    ticket: ShownTicket
    draft: DraftCard
    has_model: bool
    files: list[ShownFile]
    """Of the reply that is being written."""
    topics: Sequence[tuple[str, str]] = ()
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Toast:
    words: str
    seconds: int = 6
    delivery: UUID | None = None
    until: Any = None
    query: str = ""


class ChangeForm(msgspec.Struct):
    """Only what the form holds is changed; `whole` says that an empty assignee means nobody."""

    status: str | None = None
    assignee: str | None = None
    priority: str | None = None
    department: str | None = None
    tags: str | None = None
    whole: str = ""


class TopicForm(msgspec.Struct):
    topic: str = ""


class NoteForm(msgspec.Struct):
    body: str = ""
    attachments: str = ""
    """Ids, comma separated."""


class EscalationForm(msgspec.Struct):
    reason: str = ""


class SeenForm(msgspec.Struct):
    seq: int = 0


class Tickets(Controller):
    path = "/tickets/{ticket_id:uuid}"
    opt = needs(Permission.TICKETS)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        ticket_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        wanted = asked_filter(request)
        if wants_part(request):
            return await ticket_pane(request, installation, actor, ticket_id, wanted)
        shown = await read_ticket(installation, actor, ticket_id, wanted)
        around = await shell(request, installation, actor, area="queue", view=wanted.view or "")
        queue = await shown_queue(installation, actor, wanted)
        return whole_page("ticket.html", around, queue=queue, open_ticket=ticket_id, **fields(shown))

    @get("/refresh")
    async def refresh(
        self,
        request: Request[Any, Any, Any],
        ticket_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """Head, conversation, draft card and details, each into its place; the editor is left alone."""
        return await refreshed(request, installation, actor, ticket_id)

    @post("/change", status_code=200)
    async def change(
        self,
        request: Request[Any, Any, Any],
        ticket_id: FromPath[UUID],
        data: URLEncodedBody[ChangeForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """Closing from the ticket's head goes on to the next ticket, anything else stays."""
        wanted = asked_filter(request)
        goes_on = data.status == "closed" and "view" in request.query_params
        following = await next_ticket(installation, actor, ticket_id, wanted) if goes_on else None
        ticket = await change_ticket(installation.database, actor, ticket_id, _change(data))
        if not goes_on:
            return await refreshed(request, installation, actor, ticket_id)
        toast = Toast(f"Closed #{ticket.number}.")
        return await go_to(request, installation, actor, following, wanted, toast)

    @post("/topic", status_code=200)
    async def set_topic(
        self,
        request: Request[Any, Any, Any],
        ticket_id: FromPath[UUID],
        data: URLEncodedBody[TopicForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """What the ticket is about; the desk learns from it."""
        await label_ticket(installation.database, actor, ticket_id, data.topic, installation.intents)
        return await refreshed(request, installation, actor, ticket_id)

    @post("/notes", status_code=200)
    async def note(
        self,
        request: Request[Any, Any, Any],
        ticket_id: FromPath[UUID],
        data: URLEncodedBody[NoteForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await add_note(installation.database, actor, ticket_id, data.body, asked_files(installation, data.attachments))
        rendered = await refreshed(request, installation, actor, ticket_id, (*PARTS, "composer_files"))
        rendered.headers["Desk-Ticket"] = str(ticket_id)
        return rendered

    @post("/typing", status_code=204)
    async def typing(
        self, ticket_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> None:
        """Tells the visitor of a live conversation that somebody is writing; nothing is stored."""
        async with installation.database.transaction(actor.scope) as session:
            ticket = await get_ticket(session, ticket_id)
            if ticket.channel in LIVE_CHANNELS:
                await announce(session, ticket.tenant_id, "typing", ticket=ticket.id, by="person")

    @post("/seen", status_code=204)
    async def seen(
        self,
        ticket_id: FromPath[UUID],
        data: URLEncodedBody[SeenForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> None:
        """Tells the visitor of a live conversation that somebody looks at it, and how far they have read."""
        async with installation.database.transaction(actor.scope) as session:
            await get_ticket(session, ticket_id)
        await note_seen(installation.database, actor, ticket_id, data.seq)

    @post("/gone", status_code=204)
    async def gone(
        self, ticket_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> None:
        """The page that showed the conversation was left."""
        async with installation.database.transaction(actor.scope) as session:
            await get_ticket(session, ticket_id)
        await note_gone(installation.database, actor, ticket_id)

    @post("/escalate", status_code=200)
    async def escalate(
        self,
        request: Request[Any, Any, Any],
        ticket_id: FromPath[UUID],
        data: URLEncodedBody[EscalationForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await escalate_ticket(installation.database, actor, ticket_id, reason=data.reason, requested_by=None)
        return await refreshed(request, installation, actor, ticket_id)


def fields(shown: Shown) -> dict[str, Any]:
    return {
        "ticket": shown.ticket,
        "draft": shown.draft,
        "has_model": shown.has_model,
        "files": shown.files,
        "files_of": shown.ticket.id,
        "topics": shown.topics,
        "topic": shown.topic,
    }


async def read_ticket(installation: Installation, actor: Actor, ticket_id: UUID, wanted: TicketFilter) -> Shown:
    """Raises NotFoundError."""
    async with installation.database.transaction(actor.scope) as session:
        view = await ticket_view(session, ticket_id)
        files = await files_in_composer(session, ticket_id, actor.user_id)
        examples = await _tickets_of_examples(session, view)
        intents = await load_intents(session, installation.intents)
    people = await user_names(installation.database, actor.scope)
    now = installation.clock.now()
    card = draft_card(view.ticket, view.current_draft, view.deliveries, now, examples)
    has_model = await installation.models.for_tenant(actor.tenant_id) is not None
    return Shown(
        shown_ticket(view, people, actor, query_of(wanted), now),
        card,
        has_model,
        shown_files(files),
        topic_choices(intents, view.ticket.intent),
        view.ticket.intent or "",
    )


async def _tickets_of_examples(session: AsyncSession, view: TicketView) -> dict[UUID, UUID]:
    sources = view.current_draft.sources if view.current_draft else ()
    ids = [source.item_id for source in sources if source.kind == "example"]
    if not ids:
        return {}
    rows = await session.execute(
        select(Example.id, Example.ticket_id).where(Example.id.in_(ids), Example.ticket_id.is_not(None))
    )
    return {row.id: row.ticket_id for row in rows}


async def refreshed(
    request: Request[Any, Any, Any],
    installation: Installation,
    actor: Actor,
    ticket_id: UUID,
    parts: Sequence[str] = PARTS,
) -> Template:
    shown = await read_ticket(installation, actor, ticket_id, asked_filter(request))
    around = await shell(request, installation, actor, area="queue")
    return part_of_page("ticket.html", parts, shell=around, oob=True, **fields(shown))


async def ticket_pane(
    request: Request[Any, Any, Any],
    installation: Installation,
    actor: Actor,
    ticket_id: UUID,
    wanted: TicketFilter,
    toast: Toast | None = None,
) -> Template:
    shown = await read_ticket(installation, actor, ticket_id, wanted)
    around = await shell(request, installation, actor, area="queue", view=wanted.view or "")
    blocks = ["pane_title", "pane", *(["undo_toast"] if toast else [])]
    return part_of_page("ticket.html", blocks, shell=around, toast=toast, **fields(shown))


async def next_ticket(installation: Installation, actor: Actor, ticket_id: UUID, wanted: TicketFilter) -> UUID | None:
    """The one after this in the view as it is now, else the one before; read before the ticket leaves the view."""
    async with installation.database.transaction(actor.scope) as session:
        lines: Sequence[Any] = (await list_tickets(session, wanted)).items
    ids = [line.ticket.id for line in lines]
    if ticket_id not in ids:
        return ids[0] if ids else None
    place = ids.index(ticket_id)
    others = [*ids[place + 1 :], *reversed(ids[:place])]
    return others[0] if others else None


async def go_to(
    request: Request[Any, Any, Any],
    installation: Installation,
    actor: Actor,
    following: UUID | None,
    wanted: TicketFilter,
    toast: Toast,
) -> Template:
    """The pane of the next ticket with a message; without a next one the list alone."""
    if following is not None:
        rendered = await ticket_pane(request, installation, actor, following, wanted, toast)
        address = f"/tickets/{following}?{query_of(wanted)}"
    else:
        around = await shell(request, installation, actor, area="queue", view=wanted.view or "")
        rendered = part_of_page("ticket.html", ["gone", "undo_toast"], shell=around, toast=toast)
        address = f"/queue/{wanted.view}?{query_of(wanted, view=None)}"
    rendered.headers |= {"HX-Push-Url": address, "HX-Retarget": "#pane", "HX-Reswap": "outerHTML"}
    return rendered


def asked_files(installation: Installation, given: str) -> Sequence[UUID]:
    """Raises InvalidInputError."""
    try:
        ids = [UUID(each) for each in given.split(",") if each]
    except ValueError as error:
        msg = "these are no files of this ticket"
        raise InvalidInputError(msg) from error
    return checked_ids(ids, AttachmentLimits.of(installation.settings))


def _change(form: ChangeForm) -> TicketChange:
    assignee: Any = UNSET
    if form.assignee:
        assignee = UUID(form.assignee)
    elif form.whole and form.assignee is not None:
        assignee = None
    return TicketChange(
        status=UNSET if form.status is None else form.status,
        assignee=assignee,
        priority=UNSET if form.priority is None else form.priority,
        department=UNSET if form.department is None else form.department or None,
        tags=UNSET if form.tags is None else [tag for tag in form.tags.split(",") if tag.strip()],
    )
