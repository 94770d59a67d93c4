"""`desk regress`: what a change would break, with an exit code that stops whatever was about to publish it."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import select

from desk.db.roles import DatabaseAddress
from desk.db.unit_of_work import Database
from desk.models import Tenant
from tests.conftest import new_owner
from tests.connectors.llm.scripted_server import ScriptedServer
from tests.desk.cli.conftest import command_on, in_thread
from tests.desk.comparing.test_regress import DRAFT, SENT, World, comparison_desk
from tests.desk.drafting.test_pipeline import reply
from tests.loopback_server import serving
from tests.retrieval.test_retriever import Desk as Knowledge

OTHER = ("--weights", "0.5,0.5,0,0")


async def test_it_says_what_is_broken_and_fails_by_its_exit_code(
    fresh_database: Database, fresh_address: DatabaseAddress, tmp_path: Path
) -> None:
    actor = await new_owner(fresh_database)
    article = b"# Backups\n\nBackups are kept for 14 days. A restore is free."
    await Knowledge(fresh_database, tmp_path).add(actor.scope, "backups.md", article)
    await World(fresh_database, actor, comparison_desk(fresh_database)).correct()
    async with fresh_database.transaction(actor.scope) as session:
        slug = (await session.execute(select(Tenant.slug).where(Tenant.id == actor.tenant_id))).scalar_one()
    model = ScriptedServer(reply(SENT, 1))
    async with serving(model.serve) as port:
        with command_on(fresh_address, tmp_path / "data") as plain:
            command = plain.with_settings(
                DESK_LLM_BASE_URL=f"http://127.0.0.1:{port}/v1",
                DESK_LLM_MODEL="scripted",
                DESK_EGRESS_ALLOWED_HOSTS="127.0.0.1",
            )
            well = await in_thread(command.run, "regress", "--tenant", slug, "--json")
            assert well.exit_code == 0, well.output
            found = json.loads(well.stdout)
            assert (found["checked"], found["broken"], found["fixed"]) == (1, 0, 1)

            model.steps = [reply(SENT, 1), reply(DRAFT, 1)]
            worse = await in_thread(command.run, "regress", "--tenant", slug, *OTHER)
            assert worse.exit_code == 1, worse.output
            assert "1 broken" in worse.stdout
            assert "says: backups are kept for 14 days" in worse.stdout
            assert "use instead: backups are kept for 30 days" in worse.stdout
            unusable = await in_thread(command.run, "regress", "--tenant", slug, "--weights", "1,2")
            assert unusable.exit_code == 2
