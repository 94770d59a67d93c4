"""FAQs over the API: the shapes of the contract, files in and out, who may do what."""

from __future__ import annotations

from tests.desk.api.world import call
from tests.desk.conftest import Client, Person

NEW = {"question": "How long are backups kept?", "answer": "For 30 days.", "category": "Backups", "state": "published"}


async def test_a_faq_is_written_found_in_other_words_changed_and_deleted(client: Client, owner: Person) -> None:
    made = await call(client, owner, "POST", "/faqs", json=NEW)
    assert (made["state"], made["phrasings"], made["asked"], made["sent"], made["score"]) == (
        "published",
        [],
        0,
        0,
        None,
    )
    found = await call(
        client, owner, "GET", "/faqs", params={"query": "how many days do you store a bakcup", "limit": 5}
    )
    assert [item["id"] for item in found["items"]] == [made["id"]]
    assert found["items"][0]["score"] > 0.35
    none = await call(client, owner, "GET", "/faqs", params={"query": "backups", "category": "Domains"})
    assert (none["items"], none["total"]) == ([], 0)
    for method, change in (
        ("PATCH", {"phrasings": ["When are backups deleted?"]}),
        ("PUT", {"answer": "For 14 days."}),
    ):
        changed = await call(client, owner, method, f"/faqs/{made['id']}", json=change)
        assert {**made, **change}["question"] == changed["question"]
    assert (changed["answer"], changed["phrasings"], changed["version"]) == (
        "For 14 days.",
        ["When are backups deleted?"],
        2,
    )
    again = await client.post(
        "/api/v1/faqs", json={**NEW, "question": "how long are backups kept"}, headers=owner.headers
    )
    assert again.status_code == 409
    assert (await call(client, owner, "GET", "/faqs/categories"))["items"] == ["Backups"]
    await call(client, owner, "DELETE", f"/faqs/{made['id']}")
    gone = await client.get(f"/api/v1/faqs/{made['id']}", headers=owner.headers)
    assert (gone.status_code, gone.headers["content-type"]) == (404, "application/problem+json")


async def test_a_file_goes_in_by_its_good_lines_and_comes_out_again(client: Client, owner: Person) -> None:
    text = "question;answer;phrasings\nHow?;So;In which way?|By what means?\nNo answer;\n"
    report = await call(client, owner, "POST", "/faqs/import", files={"file": ("faqs.csv", text.encode("utf-8-sig"))})
    assert (report["created"], [line["line"] for line in report["refused"]]) == (1, [3])
    exported = await client.get("/api/v1/faqs/export", headers=owner.headers)
    assert exported.headers["content-type"].startswith("text/csv")
    assert "attachment" in exported.headers["content-disposition"]
    files = {"file": ("faqs.csv", exported.content)}
    again = await call(client, owner, "POST", "/faqs/import", files=files, data={"state": "draft"})
    assert (again["created"], again["changed"], again["unchanged"], again["refused"]) == (0, 0, 1, [])
    broken = await client.post("/api/v1/faqs/import", files={"file": ("a.csv", b"a,b")}, headers=owner.headers)
    assert broken.status_code == 400
    assert "question" in broken.json()["detail"]


async def test_agents_look_and_admins_write(client: Client, owner: Person, agent: Person) -> None:
    made = await call(client, owner, "POST", "/faqs", json=NEW)
    assert (await call(client, agent, "GET", f"/faqs/{made['id']}"))["answer"] == "For 30 days."
    assert (await call(client, agent, "GET", "/faqs/suggestions", params={"limit": 5})) == {"items": []}
    for method, path in (("POST", "/faqs"), ("PATCH", f"/faqs/{made['id']}"), ("DELETE", f"/faqs/{made['id']}")):
        refused = await client.request(method, f"/api/v1{path}", json=NEW, headers=agent.headers)
        assert refused.status_code == 403


async def test_the_switch_of_a_channel_is_part_of_its_policy(client: Client, owner: Person) -> None:
    channel = {"channel": "rest", "mode": "off", "faq_send": True}
    await call(client, owner, "PUT", "/policy", json={"channels": [channel]})
    await call(client, owner, "PUT", "/policy", json={"channels": [{"channel": "rest", "mode": "threshold"}]})
    (policy,) = (await call(client, owner, "GET", "/policy"))["channels"]
    assert (policy["mode"], policy["faq_send"]) == ("threshold", True)
