"""A worker beside the application, and what live conversations are tried with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import update

from desk.installation import Installation
from desk.jobs import WorkLoop
from desk.models import Connection
from desk.work import duties
from tests.desk.conftest import Person

QUESTION = "How do I reset my password?"
ANSWER = "Open the login page, choose Forgot password and follow the link that we send you."
HARD = "Since this morning our shop shows a database error after the third step of the checkout. Why?"


@asynccontextmanager
async def worker(installation: Installation) -> AsyncGenerator[None]:
    loop = WorkLoop(installation.database, duties(installation), lease_seconds=30, poll_seconds=0.05)
    task = asyncio.create_task(loop.run())
    try:
        yield
    finally:
        await loop.stop(5)
        await task


async def publish_faq(client: Any, person: Person, question: str = QUESTION, answer: str = ANSWER) -> None:
    made = await client.post(
        "/api/v1/faqs", headers=person.headers, json={"question": question, "answer": answer, "state": "published"}
    )
    assert made.status_code == 201, made.text


async def configure(installation: Installation, person: Person, channel: str, **configuration: Any) -> Connection:
    """Put settings on the tenant's connection of this kind."""
    async with installation.database.transaction(person.actor.scope) as session:
        changed = await session.execute(
            update(Connection)
            .where(Connection.channel == channel)
            .values(configuration=Connection.configuration.op("||")(configuration))
            .returning(Connection)
        )
        return changed.scalar_one()
