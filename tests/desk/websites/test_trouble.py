"""`desk doctor` names the websites that cannot be read, and what is wrong with each."""

from __future__ import annotations

from uuid_utils.compat import uuid7

from desk.accounts.identity import Actor
from desk.db.unit_of_work import Database
from desk.doctor.surroundings import websites
from desk.models import Website
from tests.conftest import new_owner


async def test_websites_with_trouble_are_named_and_paused_ones_left_alone(fresh_database: Database) -> None:
    actor = await new_owner(fresh_database)
    assert (await websites(fresh_database)).outcome == "ok"
    await _follow(fresh_database, actor, "https://docs.example.com/", problem="robots.txt forbids it")
    await _follow(fresh_database, actor, "https://slow.example.com/", stalls=2)
    await _follow(fresh_database, actor, "https://well.example.com/")
    await _follow(fresh_database, actor, "https://old.example.com/", problem="gone", is_paused=True)
    found = await websites(fresh_database)
    assert found.outcome == "warn"
    assert "https://docs.example.com/: robots.txt forbids it" in found.detail
    assert "https://slow.example.com/: nothing answered, 2 times in a row" in found.detail
    assert "well.example.com" not in found.detail
    assert "old.example.com" not in found.detail


async def _follow(database: Database, actor: Actor, url: str, **state: object) -> None:
    async with database.transaction(actor.scope) as session:
        session.add(Website(id=uuid7(), url=url, reach="page", most_pages=1, most_depth=0, schedule="off", **state))
