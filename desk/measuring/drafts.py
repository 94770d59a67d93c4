"""What a draft costs apart from model and embedding, beside a request that only inserts."""

from __future__ import annotations

from time import perf_counter

from sqlalchemy import update

from desk.db.leases import claim_these
from desk.errors import ConflictError
from desk.installation import Installation
from desk.intake import CustomerDetails, NewTicket, accept_ticket, rest_connection
from desk.measuring.figures import Figure, take_turns
from desk.measuring.requests import InsertOnly
from desk.measuring.scratch import ITEMS, GrownTenant
from desk.models import Draft

_SAMPLES = 25
_LEASE_SECONDS = 60.0


class DraftBench:
    """Drafts through the whole pipeline: claim held, context, retrieval, writing, checks, policy, saving."""

    def __init__(self, installation: Installation, tenant: GrownTenant) -> None:
        self._installation = installation
        self._database = installation.database
        self._tenant = tenant
        self._count = 0

    async def measure(self) -> list[Figure]:
        for _ in self._tenant.questions:  # opens the indexes and fills the embedding cache
            await self.draft()
        async with self._database.transaction(self._tenant.actor.scope) as session:
            insert = InsertOnly(self._installation, self._tenant, await rest_connection(session))
        for _ in range(_SAMPLES):
            await insert()
        taken = await take_turns(self.draft, insert, samples=_SAMPLES)
        name = f"draft without model and embedding, 4 x {ITEMS} items"
        yardstick = "a request to a bare handler that inserts customer, ticket and message"
        return [
            taken.figure(f"{name}, p50", "ms", yardstick),
            taken.figure(f"{name}, p99", "ms", f"{yardstick}, p99", share=0.99),
        ]

    async def draft(self) -> float:
        """Milliseconds from a claimed request to the saved draft."""
        question = self._tenant.questions[self._count % len(self._tenant.questions)]
        self._count += 1
        customer = CustomerDetails(external_id=f"customer-{self._count}")
        new = NewTicket(subject="", body=question, customer=customer)
        ticket, _ = await accept_ticket(self._database, self._tenant.actor, new, debounce_seconds=0)
        async with self._database.transaction(self._tenant.actor.scope) as session:
            wanted = await session.execute(
                update(Draft).where(Draft.ticket_id == ticket.id).values(attempts=0).returning(Draft.id)
            )
            (held,) = await claim_these(session, Draft, list(wanted.scalars()), _LEASE_SECONDS)
        started = perf_counter()
        await self._installation.drafting.work(held)
        taken = 1000 * (perf_counter() - started)
        async with self._database.transaction(self._tenant.actor.scope) as session:
            draft = await session.get_one(Draft, held.row_id)
        if draft.state != "ready":
            msg = f"the draft to measure ended as {draft.state}: {draft.last_error}"
            raise ConflictError(msg)
        return taken
