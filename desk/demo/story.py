"""Playing a demo ticket: everything is done by the desk's own services, so drafts, scores and sources are real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec import UNSET
from sqlalchemy import ColumnElement, func, literal, select, update

from desk.accounts.identity import Actor, Permission
from desk.chat.taking import ChatQuestion, take_question
from desk.db.leases import Claim
from desk.db.policies import table_name
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.delivery import DeliveryDesk
from desk.demo.content import REVIEWS, DemoChat, DemoTenant, DemoTicket, Step, duration
from desk.demo.logins import KEY_NAME
from desk.demo.past import move_into_past
from desk.drafting.pipeline import DraftingDesk
from desk.drafting.requests import current_draft
from desk.escalation import escalate_ticket
from desk.intake import CustomerDetails, NewMessage, NewTicket, accept_message, accept_ticket, add_note
from desk.models import ChatSession, Delivery, DocumentVersion, Draft, Message, Review, Ticket, TicketEvent
from desk.ports import (
    Channel,
    ConnectionDetails,
    EditAnalyser,
    HealthCheck,
    Learner,
    OutgoingReply,
    SendOutcome,
    Storage,
)
from desk.review import approve, reject, reply
from desk.tickets import TicketChange, change_ticket

_OUTCOMES = {
    "sent": SendOutcome("sent", "taken by the demo's receiver"),
    "failed": SendOutcome("failed", "HTTP 404: there is no ticket with this number"),
    "uncertain": SendOutcome("uncertain", "no answer after it was sent (ReadTimeout)"),
}
_LEASE = timedelta(minutes=2)
_WORK = Draft | Delivery | Review | DocumentVersion


class RehearsedChannel:
    """A receiver that answers as the story says. Fulfils `desk.ports.Channel`."""

    def __init__(self, kind: str, outcome: SendOutcome) -> None:
        self._kind = kind
        self._outcome = outcome

    @property
    def kind(self) -> str:
        return self._kind

    async def send(self, reply: OutgoingReply) -> SendOutcome:
        del reply
        return self._outcome

    async def reconcile(self, reply: OutgoingReply) -> SendOutcome:
        del reply
        return self._outcome

    async def check(self, connection: ConnectionDetails) -> tuple[HealthCheck, ...]:
        del connection
        return ()


class StoryDesk:
    """One tenant's people at work on its demo tickets. Playing a ticket again goes on where it stopped."""

    def __init__(  # noqa: PLR0913 - keyword only, the parts of the installation that a story needs
        self,
        database: Database,
        tenant: DemoTenant,
        tenant_id: UUID,
        people: Mapping[str, Actor],
        *,
        drafting: DraftingDesk,
        analyser: EditAnalyser,
        learner: Learner,
        storage: Storage,
        started: datetime,
    ) -> None:
        self._database = database
        self._tenant = tenant
        self._scope = Scope(tenant_id)
        self._people = people
        self._intake = Actor(tenant_id, "key", f"key:{KEY_NAME}", frozenset({Permission.TICKETS}))
        self._drafting = drafting
        self._analyser = analyser
        self._learner = learner
        self._storage = storage
        self._started = started

    async def open(self, tickets: Sequence[DemoTicket]) -> dict[str, UUID]:
        """The customers' first messages come in. Their drafts are the worker's, unless a story goes on with them."""
        ids = {told.id: await self._open(told) for told in tickets}
        await self._move({ids[told.id]: self._started - duration(told.age) for told in tickets})
        return ids

    async def play(self, told: DemoTicket, ticket_id: UUID, done: Counter[str]) -> None:
        """From the customer's first message to where the ticket stands today, without the steps that are done."""
        moment = self._started - duration(told.age)
        for step in told.steps:
            moment += duration(step.after)
            kind = _counted_as(step)
            if step.do == "customer":
                await self._customer_writes(told, step, ticket_id)
            elif step.do == "draft":
                await self._write_draft(ticket_id)
            elif done[kind] > 0:
                done[kind] -= 1
            else:
                await self._do(step, self._people[step.by], ticket_id)
            if kind == "reviews":
                await self._finish_replies(ticket_id, step.outcome)
            if step is told.steps[-1]:
                await self._settle(told, ticket_id)
            await self._move({ticket_id: moment})

    async def chat(self, told: DemoChat) -> None:
        """A question in the chat: answered by a FAQ there and then, or left to a person."""
        asker = f"demo-{told.id}"
        asked = select(ChatSession.ticket_id).where(ChatSession.user_id == asker)
        async with self._database.transaction(self._scope) as session:
            ticket_id = (await session.execute(asked)).scalar_one_or_none()
        if ticket_id is None:
            question = ChatQuestion(told.question, None, asker, {"name": told.name, "email": told.email})
            ticket_id = (await take_question(self._database, self._drafting, self._intake, question)).ticket_id
        await self._write_draft(ticket_id)
        await self._finish_replies(ticket_id, "sent")
        if told.status is not None:
            sorter = next(actor for actor in self._people.values() if actor.role == "agent")
            await change_ticket(self._database, sorter, ticket_id, TicketChange(status=told.status))
        await self._move({ticket_id: self._started - duration(told.age)})

    async def _open(self, told: DemoTicket) -> UUID:
        known = self._tenant.customers.get(told.customer)
        customer = (
            CustomerDetails(known.external_id, known.email, known.name)
            if known
            else CustomerDetails(None, told.email, told.name)
        )
        new = NewTicket(told.subject, told.body.strip(), customer, told.department, f"demo-{told.id}")
        ticket, _ = await accept_ticket(self._database, self._intake, new, debounce_seconds=0)
        if not told.steps:
            await self._settle(told, ticket.id)
        return ticket.id

    async def _do(self, step: Step, actor: Actor, ticket_id: UUID) -> None:
        body = step.body.strip()
        match step.do:
            case "note":
                await add_note(self._database, actor, ticket_id, body)
            case "escalate":
                await escalate_ticket(self._database, actor, ticket_id, reason=step.reason, requested_by=None)
            case "reply":
                await reply(
                    self._database, actor, ticket_id, body, based_on_seq=None, resolve=step.resolve, undo_seconds=0
                )
            case "reject":
                draft = await self._finished_draft(ticket_id)
                await reject(self._database, actor, draft.id, reason=step.reason, correct_reply=body or None)
            case _:
                draft = await self._finished_draft(ticket_id)
                await approve(
                    self._database,
                    actor,
                    self._analyser,
                    draft.id,
                    body=body or None,
                    based_on_seq=draft.based_on_seq,
                    resolve=step.resolve,
                    undo_seconds=0,
                )

    async def _customer_writes(self, told: DemoTicket, step: Step, ticket_id: UUID) -> None:
        new = NewMessage(step.body.strip(), f"demo-{told.id}-{told.steps.index(step)}")
        await accept_message(self._database, self._intake, ticket_id, new, debounce_seconds=0)

    async def _write_draft(self, ticket_id: UUID) -> None:
        for held in await self._take(Draft, Draft.ticket_id == ticket_id, Draft.state == "writing"):
            await self._drafting.work(held)

    async def _finish_replies(self, ticket_id: UUID, outcome: str) -> None:
        """Send what was approved, then learn from it."""
        channels: dict[str, Channel] = {kind: RehearsedChannel(kind, _OUTCOMES[outcome]) for kind in ("rest", "chat")}
        deliveries = DeliveryDesk(self._database, channels, self._storage, lease_seconds=_LEASE.total_seconds())
        for held in await self._take(
            Delivery, Delivery.ticket_id == ticket_id, Delivery.state.in_(("pending", "sending"))
        ):
            await deliveries.work(held)
        for held in await self._take(Review, Review.ticket_id == ticket_id, Review.state == "waiting"):
            await self._learner.learn(held.tenant_id, held.row_id, held.fence)

    async def _take(self, row: type[_WORK], *conditions: ColumnElement[bool]) -> list[Claim]:
        """Claims on the demo's own rows only: nobody else's due work is touched from here."""
        return await take(self._database, self._scope, row, *conditions)

    async def _settle(self, told: DemoTicket, ticket_id: UUID) -> None:
        assignee = self._people[told.assignee] if told.assignee else None
        change = TicketChange(
            status=told.status or UNSET,
            assignee=assignee.user_id if assignee else UNSET,
            tags=list(told.tags) or UNSET,
            priority=told.priority or UNSET,
            snoozed_until=self._started + duration(told.snoozed) if told.snoozed else UNSET,
            spam=told.spam or UNSET,
        )
        if change != TicketChange():
            sorter = assignee or next(actor for actor in self._people.values() if actor.role == "agent")
            await change_ticket(self._database, sorter, ticket_id, change)

    async def _finished_draft(self, ticket_id: UUID) -> Draft:
        await self._write_draft(ticket_id)
        async with self._database.transaction(self._scope) as session:
            draft = await current_draft(session, await session.get_one(Ticket, ticket_id))
        if draft is None:
            msg = f"the demo ticket {ticket_id} has no draft to review"
            raise LookupError(msg)
        return draft

    async def done(self, ticket_ids: Iterable[UUID]) -> dict[UUID, Counter[str]]:
        """How many steps of each kind an earlier start has finished, for each ticket."""
        found = {ticket_id: Counter[str]() for ticket_id in ticket_ids}
        counted = (
            select(Review.ticket_id, literal("reviews")),
            select(Message.ticket_id, literal("notes")).where(Message.author == "note"),
            select(TicketEvent.ticket_id, literal("escalations")).where(
                TicketEvent.kind == "ticket_escalated", TicketEvent.actor != "desk"
            ),
        )
        async with self._database.transaction(self._scope) as session:
            for steps in counted:
                for ticket_id, kind in await session.execute(steps):
                    if ticket_id in found:
                        found[ticket_id][kind] += 1
        return found

    async def _move(self, moments: Mapping[UUID, datetime]) -> None:
        async with self._database.transaction(self._scope) as session:
            await move_into_past(session, moments)


def _counted_as(step: Step) -> str:
    kinds = {"note": "notes", "escalate": "escalations"} | dict.fromkeys(REVIEWS, "reviews")
    return kinds.get(step.do, "")


async def take(database: Database, scope: Scope, row: type[_WORK], *conditions: ColumnElement[bool]) -> list[Claim]:
    """Lease work rows of one tenant, oldest first, whoever holds them now (compare `desk.db.leases.claim`)."""
    async with database.transaction(scope) as session:
        taken = await session.execute(
            update(row)
            .where(row.due_at.is_not(None), *conditions)
            .values(lease_until=func.now() + _LEASE, fence=row.fence + 1, attempts=row.attempts + 1)
            .returning(row.id, row.tenant_id, row.fence)
        )
        return [Claim(table_name(row), each.id, each.tenant_id, each.fence) for each in sorted(taken.all())]
