"""Open pages learn of what changed, of what changed while they were on their way as well."""

from __future__ import annotations

import asyncio
from uuid import UUID

from desk.db.tenancy import Scope
from desk.db.unit_of_work import announce
from desk.installation import Installation
from tests.desk.conftest import Client


async def test_a_page_is_told_of_what_changed_before_its_stream_was_open(
    client: Client, installation: Installation, acme: UUID
) -> None:
    async def happens(kind: str, tenant_id: UUID) -> None:
        async with installation.live.page(tenant_id) as follower:
            async with installation.database.transaction(Scope(tenant_id)) as session:
                await announce(session, tenant_id, kind, ticket=tenant_id)
            assert (await asyncio.wait_for(follower.get(), 10)).kind == kind

    await happens("typing", acme)
    await asyncio.sleep(1.5)
    await happens("typing", acme)
    async with installation.live.page(acme, age=0) as page:
        assert page.empty()
    await happens("ticket", acme)
    async with installation.live.page(acme, age=0) as page:
        assert page.get_nowait().kind == "refresh"
        assert page.empty()
    async with installation.live.page(acme) as later:
        assert later.empty()
