"""Replays through the API: asked for, under way, done in the shape of `desk backtest`, seen by their tenant only."""

from __future__ import annotations

from uuid import UUID

from desk.installation import Installation
from tests.desk.api.world import call, do_due_work
from tests.desk.conftest import Client, People, Person
from tests.desk.history.histories import imported, jsonl, steady


async def test_a_replay_is_asked_for_and_read(
    client: Client, installation: Installation, people: People, owner: Person, agent: Person
) -> None:
    without = await client.post("/api/v1/backtests", json={}, headers=owner.headers)
    assert (without.status_code, "import" in without.json()["detail"]) == (400, True)
    await imported(installation, owner.actor, jsonl(steady(30)))
    asked = await call(client, owner, "POST", "/backtests", json={"limit": 25, "risk": 0.1})
    assert (asked["state"], asked["result"]) == ("waiting", None)
    assert (await client.post("/api/v1/backtests", json={}, headers=owner.headers)).status_code == 409
    await do_due_work(installation)
    done = await call(client, agent, "GET", f"/backtests/{asked['id']}")
    assert (done["state"], done["result"]["tickets"], done["result"]["drafted"]) == ("done", 25, 5)
    assert done["result"]["auto_send"]["risk"] == 0.1
    assert {"similarity", "confidence", "risk_coverage", "timings_ms"} <= done["result"].keys()
    assert [each["risk"] for each in done["sending"]] == [0.01, 0.02, 0.05, 0.10]
    UUID(done["best"][0]["ticket"])
    listed = await call(client, agent, "GET", "/backtests")
    assert [one["id"] for one in listed["items"]] == [asked["id"]]
    stop = f"/api/v1/backtests/{asked['id']}/stop"
    assert (await client.post(stop, headers=agent.headers)).status_code == 403
    assert (await client.post(stop, headers=owner.headers)).status_code == 409
    stranger = await people.person(await people.tenant("Other"), "owner", "owner@other.test")
    assert (await client.get(f"/api/v1/backtests/{asked['id']}", headers=stranger.headers)).status_code == 404
