"""Where a tenant wants it, a program's change waits until the corrections were replayed with it."""

from __future__ import annotations

from typing import Any

from desk.installation import Installation
from tests.desk.api.world import ARTICLE, call, do_due_work, drafted_ticket
from tests.desk.conftest import Client, Person

WEIGHTS = {"global_kb": 1.0, "tenant_kb": 1.0, "example": 0.0, "correction": 0.0}


async def held_up(client: Client, owner: Person, method: str, path: str, **given: Any) -> str:
    """The id of the check that it waits for."""
    answer = await client.request(method, f"/api/v1{path}", headers=owner.headers, **given)
    assert (answer.status_code, answer.json()["title"]) == (409, "Not checked yet"), answer.text
    return answer.json()["comparison_id"]


async def test_a_change_waits_for_its_check_passes_when_nothing_breaks_and_on_record_when_it_must(
    client: Client, installation: Installation, owner: Person
) -> None:
    document = await call(client, owner, "POST", "/documents", json={"title": "Passwords", "text": ARTICLE})
    await do_due_work(installation)
    assert (await call(client, owner, "PUT", "/weights", json=WEIGHTS))["example"] == 0.0, "nothing is required yet"
    await call(client, owner, "PUT", "/policy", json={"checks_required": True})
    other = {**WEIGHTS, "example": 1.0}
    await call(client, owner, "PUT", "/weights", json=other)  # nothing was corrected, so nothing can break

    ticket = await drafted_ticket(client, installation, owner)
    reason = {"reason": "say that the link is valid for 30 minutes"}
    await call(client, owner, "POST", f"/drafts/{ticket['current_draft']['id']}/reject", json=reason)
    await do_due_work(installation)
    check = await held_up(client, owner, "PUT", "/weights", json=WEIGHTS)
    assert await held_up(client, owner, "PUT", "/weights", json=WEIGHTS) == check, "one check is enough"
    assert (await call(client, owner, "GET", "/weights"))["example"] > 0
    await do_due_work(installation)
    found = await call(client, owner, "GET", f"/regress/{check}")
    if found["broken"]:
        assert await held_up(client, owner, "PUT", "/weights", json=WEIGHTS) == check
        await call(client, owner, "PUT", "/weights?anyway=true", json=WEIGHTS)
        found = await call(client, owner, "GET", f"/regress/{check}")
        assert found["published_anyway_by"] == owner.email
    else:
        await call(client, owner, "PUT", "/weights", json=WEIGHTS)
    assert (await call(client, owner, "GET", "/weights"))["example"] == 0.0

    standard = (await call(client, owner, "GET", "/prompts"))["items"][0]
    copy = await call(client, owner, "POST", f"/prompts/{standard['id']}/duplicate")
    await held_up(client, owner, "POST", f"/prompts/{copy['id']}/activate")
    provider = {"name": "Own", "base_url": "https://llm.example.com/v1", "model": "m", "active": False}
    made = await call(client, owner, "POST", "/model-providers", json=provider)
    await held_up(client, owner, "PUT", f"/model-providers/{made['id']}", json={"active": True})
    await held_up(client, owner, "DELETE", f"/documents/{document['id']}")
    await call(client, owner, "DELETE", f"/documents/{document['id']}?anyway=true")
    recorded = (await call(client, owner, "GET", "/regress"))["items"]
    assert owner.email in {row["published_anyway_by"] for row in recorded}
