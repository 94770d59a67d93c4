"""Doing what the worker does to the knowledge, for tests."""

from __future__ import annotations

from uuid import UUID, uuid4

from sqlalchemy import select, text, update

from desk import review
from desk.accounts.identity import Actor
from desk.db.leases import Claim, claim_these
from desk.db.tenancy import Scope
from desk.installation import Installation
from desk.intake import CustomerDetails, NewTicket, accept_ticket
from desk.knowledge import Upload, take_in
from desk.models import Delivery, Document, DocumentVersion, Draft, KnowledgeJob, Ticket
from desk.upkeep import UpkeepDesk, schedule_upkeep


async def keep_up(installation: Installation, tenant_id: UUID) -> None:
    """One minute of the clock, and a worker that does what became due."""
    await schedule_upkeep(installation.database, tenant_id)
    await do_jobs(installation, tenant_id)


async def do_jobs(installation: Installation, tenant_id: UUID) -> None:
    while True:
        async with installation.database.transaction(Scope(tenant_id)) as session:
            ids = list(
                (await session.execute(select(KnowledgeJob.id).where(KnowledgeJob.due_at.is_not(None)))).scalars()
            )
            claims = await claim_these(session, KnowledgeJob, ids, 60)
        if not claims:
            return
        for held in claims:
            await UpkeepDesk(installation.database, installation.upkeep).work(held)


async def ask(installation: Installation, actor: Actor, subject: str, body: str, name: str = "Ada Lovelace") -> Ticket:
    """A ticket whose draft was not written for want of knowledge."""
    customer = CustomerDetails(
        external_id=uuid4().hex,
        email=f"{name.split(maxsplit=1)[0].lower()}@{name.rsplit(maxsplit=1)[-1].lower()}.example",
        name=name,
    )
    ticket, _ = await accept_ticket(
        installation.database, actor, NewTicket(subject, body, customer), debounce_seconds=0
    )
    async with installation.database.transaction(actor.scope) as session:
        draft = (await session.execute(select(Draft).where(Draft.ticket_id == ticket.id))).scalar_one()
        held = Claim("drafts", draft.id, actor.tenant_id, draft.fence + 1)
        await session.execute(update(Draft).where(Draft.id == draft.id).values(fence=held.fence, attempts=1))
    await installation.drafting.work(held)
    return ticket


async def reply(installation: Installation, actor: Actor, ticket: Ticket, body: str) -> None:
    """A person's, sent."""
    await review.reply(installation.database, actor, ticket.id, body, based_on_seq=None, resolve=True, undo_seconds=0)
    async with installation.database.transaction(actor.scope) as session:
        await session.execute(
            update(Delivery)
            .where(Delivery.ticket_id == ticket.id)
            .values(state="sent", sent_at=text("now()"), due_at=None)
        )


async def add_document(installation: Installation, actor: Actor, title: str, words: str) -> UUID:
    """Read and searched when this returns."""
    upload = Upload(f"{title}.md", words.encode(), f"text:{title}", title=title)
    version = await take_in(installation.database, installation.storage, actor.scope, upload, maximum_bytes=1_000_000)
    await index_waiting(installation, actor)
    return version.document_id


async def index_waiting(installation: Installation, actor: Actor) -> None:
    async with installation.database.transaction(actor.scope) as session:
        waiting = select(DocumentVersion.id).join(Document, Document.id == DocumentVersion.document_id)
        ids = list((await session.execute(waiting.where(DocumentVersion.state == "waiting"))).scalars())
        claims = await claim_these(session, DocumentVersion, ids, 60)
    for held in claims:
        await installation.indexer.index(held.tenant_id, held.row_id, held.fence)
