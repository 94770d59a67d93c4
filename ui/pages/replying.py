"""What an agent does about the reply: send, undo, reject, ask anew, and see what an edit will teach."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.delivery import resolve_uncertain
from desk.errors import ConflictError, InvalidInputError
from desk.installation import Installation
from desk.judging import judge
from desk.message_templates import send_template
from desk.models import Delivery
from desk.review import LONGEST_REPLY, approve, cancel_delivery, regenerate, reject, reply
from desk.tickets import draft_view, ticket_view
from desk.web.permissions import needs
from ui.pages.asked import asked_filter
from ui.pages.shell import part_of_page
from ui.pages.tickets import Toast, asked_files, go_to, next_ticket, refreshed, ticket_pane
from ui.presenting.learning import learned_words, shown_learning
from ui.presenting.queue import query_of
from ui.presenting.ticket import seen_of


class ReplyForm(msgspec.Struct):
    body: str = ""
    draft_id: str = ""
    """The draft the text grew from; empty for a reply written without one."""
    based_on_seq: int = 0
    seen: str = ""
    """How the conversation looked to whoever wrote this (`ui.presenting.ticket.seen_of`)."""
    resolve: str = ""
    attachments: str = ""
    """Ids, comma separated."""


class RejectionForm(msgspec.Struct):
    draft_id: str = ""
    reason: str = ""
    correct_reply: str = ""


class WrongForm(msgspec.Struct):
    delivery_id: str = ""
    reason: str = ""
    correct_reply: str = ""


class RegenerationForm(msgspec.Struct):
    instruction: str = ""
    tone: str = ""


class DecisionForm(msgspec.Struct):
    decision: str = msgspec.field(name="as", default="")


class Replying(Controller):
    path = "/tickets/{ticket_id:uuid}"
    opt = needs(Permission.TICKETS)
    include_in_schema = False

    @post("/send", status_code=200)
    async def send(
        self,
        request: Request[Any, Any, Any],
        ticket_id: FromPath[UUID],
        data: URLEncodedBody[ReplyForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """On to the next ticket of the view, with an Undo for as long as the reply waits."""
        wanted = asked_filter(request)
        await _check_seen(installation, actor, ticket_id, data.seen)
        following = await next_ticket(installation, actor, ticket_id, wanted)
        delivery, learned = await _send(installation, actor, ticket_id, data)
        seconds = round((delivery.undo_until - installation.clock.now()).total_seconds())
        words = "Sending and resolving." if data.resolve else "Sending."
        toast = Toast(f"{words} {learned}".strip(), max(1, seconds), delivery.id, delivery.undo_until, query_of(wanted))
        rendered = await go_to(request, installation, actor, following, wanted, toast)
        rendered.headers["Desk-Ticket"] = str(ticket_id)
        return rendered

    @post("/template", status_code=200)
    async def template(
        self,
        request: Request[Any, Any, Any],
        ticket_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """What may be sent when a messenger takes no free text any more."""
        form = await request.form()
        try:
            template_id = UUID(str(form.get("template_id", "")))
        except ValueError as error:
            msg = "choose a template"
            raise InvalidInputError(msg) from error
        values = {name.removeprefix("value_"): str(value) for name, value in form.items() if name.startswith("value_")}
        undo = installation.settings.undo_seconds
        delivery = await send_template(installation.database, actor, ticket_id, template_id, values, undo_seconds=undo)
        wanted = asked_filter(request)
        toast = Toast("Sending.", max(1, round(undo)), delivery.id, delivery.undo_until, query_of(wanted))
        return await ticket_pane(request, installation, actor, ticket_id, wanted, toast)

    @post("/difference", status_code=200)
    async def difference(
        self,
        ticket_id: FromPath[UUID],
        data: URLEncodedBody[ReplyForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """What became of the draft so far, and what would be learned if it were sent now. Changes nothing."""
        if len(data.body) > LONGEST_REPLY:
            msg = f"a reply has at most {LONGEST_REPLY:,} characters"
            raise InvalidInputError(msg)
        async with installation.database.transaction(actor.scope) as session:
            draft = (await draft_view(session, _draft_id(data.draft_id))).draft
        if draft.ticket_id != ticket_id:
            msg = "this draft is of another ticket"
            raise InvalidInputError(msg)
        learning = shown_learning(draft.body, data.body, installation.analyser)
        return part_of_page("ticket.html", ["learning"], learning=learning)

    @post("/reject", status_code=200)
    async def reject(
        self,
        request: Request[Any, Any, Any],
        ticket_id: FromPath[UUID],
        data: URLEncodedBody[RejectionForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await reject(
            installation.database,
            actor,
            _draft_id(data.draft_id),
            reason=data.reason,
            correct_reply=data.correct_reply or None,
        )
        return await refreshed(request, installation, actor, ticket_id)

    @post("/wrong", status_code=200)
    async def call_wrong(
        self,
        request: Request[Any, Any, Any],
        ticket_id: FromPath[UUID],
        data: URLEncodedBody[WrongForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """A reply that was sent turns out not to be what should have been said."""
        try:
            delivery_id = UUID(data.delivery_id)
        except ValueError as error:
            msg = "there is no such reply"
            raise InvalidInputError(msg) from error
        await judge(
            installation.database,
            actor,
            installation.analyser,
            delivery_id,
            good=False,
            reason=data.reason,
            correct_reply=data.correct_reply,
        )
        return await refreshed(request, installation, actor, ticket_id)

    @post("/regenerate", status_code=200)
    async def regenerate(
        self,
        request: Request[Any, Any, Any],
        ticket_id: FromPath[UUID],
        data: URLEncodedBody[RegenerationForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await regenerate(installation.database, actor, ticket_id, instruction=data.instruction, tone=data.tone)
        return await refreshed(request, installation, actor, ticket_id)


class Deliveries(Controller):
    path = "/deliveries/{delivery_id:uuid}"
    opt = needs(Permission.TICKETS)
    include_in_schema = False

    @post("/cancel", status_code=200)
    async def undo(
        self,
        request: Request[Any, Any, Any],
        delivery_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """Back to the ticket, with the text as it was sent."""
        delivery = await cancel_delivery(installation.database, actor, delivery_id)
        wanted = asked_filter(request)
        rendered = await ticket_pane(
            request, installation, actor, delivery.ticket_id, wanted, Toast("Undone. Nothing was sent or learned.")
        )
        rendered.headers["HX-Push-Url"] = f"/tickets/{delivery.ticket_id}?{query_of(wanted)}"
        return rendered

    @post("/resolve", status_code=200)
    async def decide(
        self,
        request: Request[Any, Any, Any],
        delivery_id: FromPath[UUID],
        data: URLEncodedBody[DecisionForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        delivery = await resolve_uncertain(installation.database, actor, delivery_id, data.decision)
        return await refreshed(request, installation, actor, delivery.ticket_id)


async def _check_seen(installation: Installation, actor: Actor, ticket_id: UUID, seen: str) -> None:
    async with installation.database.transaction(actor.scope) as session:
        view = await ticket_view(session, ticket_id)
    if seen_of(view) != seen:
        msg = "somebody has added to this conversation since you looked; your text is kept, look again before you send"
        raise ConflictError(msg)


async def _send(installation: Installation, actor: Actor, ticket_id: UUID, form: ReplyForm) -> tuple[Delivery, str]:
    """The outbox row, and what will be learned from it, in words."""
    undo, files = installation.settings.undo_seconds, asked_files(installation, form.attachments)
    if form.draft_id:
        approval = await approve(
            installation.database,
            actor,
            installation.analyser,
            _draft_id(form.draft_id),
            body=form.body,
            based_on_seq=form.based_on_seq,
            resolve=bool(form.resolve),
            undo_seconds=undo,
            attachments=files,
        )
        return approval.delivery, learned_words(approval.learned, approval.analysis)
    delivery = await reply(
        installation.database,
        actor,
        ticket_id,
        form.body,
        based_on_seq=form.based_on_seq,
        resolve=bool(form.resolve),
        undo_seconds=undo,
        attachments=files,
    )
    return delivery, "Learns your reply as an example."


def _draft_id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError as error:
        msg = "there is no draft to do this with"
        raise InvalidInputError(msg) from error
