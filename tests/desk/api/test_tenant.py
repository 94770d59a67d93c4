"""Knowledge, tuning, channels, people and keys through the API."""

from __future__ import annotations

from typing import Any

from desk.installation import Installation
from tests.desk.api.world import ARTICLE, QUESTION, call, do_due_work, drafted_ticket
from tests.desk.conftest import PASSWORD, Client, People, Person


async def refused(client: Client, person: Person, method: str, path: str, status: int, **options: Any) -> str:
    answer = await client.request(method, f"/api/v1{path}", headers=person.headers, **options)
    assert answer.status_code == status, (method, path, answer.status_code, answer.text)
    return str(answer.json()["detail"])


async def test_registering_signing_in_and_giving_the_token_back(client: Client) -> None:
    wish = {"tenant": "New Shop", "email": "ann@shop.test", "password": PASSWORD, "name": "Ann"}
    opened = await client.post("/api/v1/auth/register", json=wish)
    assert opened.status_code == 201
    assert opened.json().keys() == {"tenant_id", "user_id", "access_token"}
    taken = await client.post("/api/v1/auth/register", json={**wish, "tenant": "Other Shop"})
    assert taken.status_code == 409
    free = await client.post("/api/v1/auth/register", json={**wish, "tenant": "Other Shop", "email": "bo@shop.test"})
    assert free.status_code == 201  # the refused one left no tenant of that name behind
    wrong = [
        await client.post("/api/v1/auth/login", json={"email": email, "password": password})
        for email, password in ((wish["email"], "wrong password"), ("nobody@shop.test", PASSWORD))
    ]
    assert {answer.status_code for answer in wrong} == {401}
    assert wrong[0].json() == wrong[1].json()
    token = (await client.post("/api/v1/auth/login", json={"email": "ANN@shop.test", "password": PASSWORD})).json()
    assert (token["token_type"], token["expires_in"]) == ("bearer", 1800)
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    me = (await client.get("/api/v1/auth/me", headers=headers)).json()
    assert (me["user"]["name"], me["tenant"]["slug"], me["role"]) == ("Ann", "new-shop", "owner")
    assert (await client.post("/api/v1/auth/logout", headers=headers)).status_code == 204
    assert (await client.get("/api/v1/auth/me", headers=headers)).status_code == 401


async def test_a_document_is_taken_in_indexed_replaced_and_deleted(
    client: Client, installation: Installation, owner: Person, agent: Person
) -> None:
    file = {"file": ("passwords.md", ARTICLE.encode(), "text/markdown")}
    accepted = await client.post(
        "/api/v1/documents", files=file, data={"title": "Passwords", "category": "Login"}, headers=owner.headers
    )
    assert accepted.status_code == 202
    document = accepted.json()
    assert (document["version"], document["job"]["state"], document["title"]) == (1, "waiting", "Passwords")
    await do_due_work(installation)
    shown = await call(client, agent, "GET", f"/documents/{document['id']}")
    assert [version["state"] for version in shown["versions"]] == ["indexed"]
    assert "30 minutes" in " ".join(chunk["text"] for chunk in shown["chunks"])
    listed = await call(client, agent, "GET", "/documents", params={"category": "Login", "q": "PASS"})
    assert [(item["id"], item["chunks"]) for item in listed["items"]] == [(document["id"], len(shown["chunks"]))]

    update = {"text": ARTICLE.replace("30 minutes", "2 hours"), "title": "Password help"}
    replaced = await call(client, owner, "PUT", f"/documents/{document['id']}", json=update)
    assert replaced["version"] == 2
    await do_due_work(installation)
    found = await call(client, agent, "GET", "/search", params={"q": "how long is the reset link valid", "k": 3})
    assert [(hit["kind"], hit["title"], hit["version"]) for hit in found["items"]] == [
        ("tenant_kb", "Password help", 2)
    ]
    assert "2 hours" in found["items"][0]["text"]
    again = await call(client, owner, "POST", f"/documents/{document['id']}/reindex")
    assert again["job"]["state"] == "waiting"
    await do_due_work(installation)
    await call(client, owner, "DELETE", f"/documents/{document['id']}")
    assert (await call(client, agent, "GET", "/search", params={"q": "password"}))["items"] == []
    await refused(client, owner, "GET", f"/documents/{document['id']}", 404)

    assert "address" in await refused(client, owner, "POST", "/documents", 400, json={"url": "ftp://x.example/a"})
    await refused(client, owner, "POST", "/documents", 400, json={"title": "empty", "text": ""})
    await refused(client, owner, "POST", "/documents", 400, json={"text": "no title"})
    await refused(client, owner, "POST", "/documents", 415, content=b"x")
    await refused(client, agent, "POST", "/documents", 403, json={"title": "t", "text": "t"})


async def test_global_knowledge_is_an_operators_and_read_by_all(
    client: Client, installation: Installation, people: People, owner: Person
) -> None:
    operator = await people.operator("op@desk.test")
    document = await call(client, operator, "POST", "/documents", json={"title": "Passwords", "text": ARTICLE})
    await do_due_work(installation)
    shown = await call(client, owner, "GET", f"/documents/{document['id']}")
    assert shown["is_global"] is True
    assert "read-only" in await refused(client, owner, "DELETE", f"/documents/{document['id']}", 403)
    ticket = await drafted_ticket(client, installation, owner)
    assert {source["kind"] for source in ticket["current_draft"]["sources"]} == {"global_kb"}
    await refused(client, operator, "GET", f"/tickets/{ticket['id']}", 403)


async def test_weights_policy_and_prompts_are_checked_and_used(client: Client, owner: Person, agent: Person) -> None:
    changed = await call(
        client, owner, "PUT", "/weights", json={"global_kb": 1, "tenant_kb": 1, "example": 2, "correction": 0}
    )
    assert changed == {"global_kb": 0.25, "tenant_kb": 0.25, "example": 0.5, "correction": 0.0}
    assert await call(client, agent, "GET", "/weights") == changed

    policy = await call(client, agent, "GET", "/policy")
    assert (policy["stopped"], [rule["mode"] for rule in policy["channels"]]) == (False, ["off"])
    wish = {"channels": [{"channel": "rest", "mode": "threshold", "threshold": 80}], "allowed_links": ["Docs.Example"]}
    policy = await call(client, owner, "PUT", "/policy", json=wish)
    assert (policy["channels"][0]["threshold"], policy["allowed_links"]) == (80.0, ["docs.example"])
    assert policy["escalation"]["keywords"] == ["cancel", "refund", "billing", "legal"]
    assert (await call(client, agent, "POST", "/policy/stop"))["stopped"] is True
    await refused(client, agent, "POST", "/policy/resume", 403)
    assert (await call(client, owner, "POST", "/policy/resume"))["stopped"] is False
    for wrong in (
        {"channels": [{"channel": "moon", "mode": "off"}]},
        {"channels": [{"channel": "rest", "mode": "certainly"}]},
        {"allowed_links": ["https://docs.example/path"]},
    ):
        await refused(client, owner, "PUT", "/policy", 400, json=wrong)

    standard = (await call(client, agent, "GET", "/prompts"))["items"][0]
    assert (standard["is_global"], standard["is_active"]) == (True, True)
    await refused(client, owner, "POST", f"/prompts/{standard['id']}/activate", 403)
    fields = ("name", "system_prompt", "context_template", "task_template")
    own = await call(client, owner, "POST", f"/prompts/{standard['id']}/duplicate")
    changes = {name: own[name] for name in fields} | {"system_prompt": own["system_prompt"] + "\nBe brief."}
    second = await call(client, owner, "POST", "/prompts", json=changes)
    assert (second["number"], second["is_active"]) == (own["number"] + 1, False)
    diff = await call(client, agent, "GET", f"/prompts/{second['id']}/diff", params={"against": own["id"]})
    assert list(diff["fields"]) == ["system_prompt"]
    assert diff["fields"]["system_prompt"][-1] == "+Be brief."
    assert (await call(client, owner, "POST", f"/prompts/{second['id']}/activate"))["is_active"] is True
    assert "{sources}" in await refused(
        client, owner, "POST", "/prompts", 400, json={**changes, "context_template": "{context} {sources}"}
    )
    intents = await call(client, agent, "GET", "/intents", params={"limit": 5})
    assert (len(intents["items"]), intents["total"]) == (5, 12)


async def test_secrets_go_in_and_never_come_out(client: Client, owner: Person) -> None:
    provider = {"name": "Own", "base_url": "https://llm.example.com/v1/", "model": "m", "api_key": "sk-very-secret"}
    made = await call(client, owner, "POST", "/model-providers", json=provider)
    assert (made["position"], made["base_url"], made["has_key"]) == (1, "https://llm.example.com/v1", True)
    moved = {"base_url": "https://thief.example/v1"}
    assert "api_key" in await refused(client, owner, "PUT", f"/model-providers/{made['id']}", 400, json=moved)
    renamed = await call(client, owner, "PUT", f"/model-providers/{made['id']}", json={"model": "m2", "active": False})
    assert (renamed["model"], renamed["active"], renamed["has_key"]) == ("m2", False, True)
    connection = (await call(client, owner, "GET", "/connections"))["items"][0]
    path = f"/connections/{connection['id']}"
    secret = (await call(client, owner, "POST", f"{path}/signing-secret"))["signing_secret"]
    assert secret.startswith("whsec_")
    changed = await call(client, owner, "PUT", path, json={"callback_url": "https://hooks.example.com/desk"})
    assert changed["configuration"]["callback_url"] == "https://hooks.example.com/desk"
    for address in ("http://127.0.0.1:1/", "https://169.254.169.254/", "ftp://x.example/"):
        await refused(client, owner, "PUT", path, 400, json={"callback_url": address})
    texts = [
        (await client.get(f"/api/v1{shown}", headers=owner.headers)).text
        for shown in ("/model-providers", "/connections", path)
    ]
    assert not any("sk-very-secret" in text or "whsec_" in text for text in texts)


async def test_owners_manage_people_and_keys_within_their_own_rights(
    client: Client, people: People, owner: Person
) -> None:
    wish = {"email": "ben@acme.test", "password": PASSWORD, "role": "agent", "name": "Ben"}
    ben = await call(client, owner, "POST", "/users", json=wish)
    await refused(client, owner, "POST", "/users", 409, json=wish)
    await refused(client, owner, "POST", "/users", 400, json={**wish, "email": "o@acme.test", "role": "operator"})
    login = {"email": wish["email"], "password": PASSWORD}
    headers = {
        "Authorization": f"Bearer {(await client.post('/api/v1/auth/login', json=login)).json()['access_token']}"
    }
    promoted = await call(client, owner, "PATCH", f"/users/{ben['id']}", json={"role": "admin"})
    assert promoted["role"] == "admin"
    assert (await client.get("/api/v1/auth/me", headers=headers)).status_code == 401  # rights changed: sign in again
    assert "last owner" in await refused(
        client, owner, "PATCH", f"/users/{owner.actor.user_id}", 409, json={"role": "agent"}
    )
    await refused(client, owner, "DELETE", f"/users/{owner.actor.user_id}", 409)
    ticket = await call(client, owner, "POST", "/tickets", json=QUESTION)
    await call(client, owner, "PATCH", f"/tickets/{ticket['id']}", json={"assignee": ben["id"]})
    await call(client, owner, "DELETE", f"/users/{ben['id']}")
    assert (await call(client, owner, "GET", f"/tickets/{ticket['id']}"))["assignee"] is None
    assert [one["email"] for one in (await call(client, owner, "GET", "/users"))["items"]] == [owner.email]

    limited = await call(client, owner, "POST", "/keys", json={"name": "hr", "scopes": ["accounts"]})
    assert limited["key"].startswith("dk_")
    bearer = {"Authorization": f"Bearer {limited['key']}"}
    more = await client.post("/api/v1/keys", json={"name": "more", "scopes": ["tickets"]}, headers=bearer)
    assert more.status_code == 403
    new_owner = {**wish, "email": "eve@acme.test", "role": "owner"}
    assert (await client.post("/api/v1/users", json=new_owner, headers=bearer)).status_code == 403
    same = (await client.post("/api/v1/keys", json={"name": "same"}, headers=bearer)).json()
    assert same["scopes"] == ["accounts"]
    shown = await client.get("/api/v1/keys", headers=owner.headers)
    assert limited["key"] not in shown.text
    await call(client, owner, "DELETE", f"/keys/{limited['id']}")
    assert (await client.get("/api/v1/users", headers=bearer)).status_code == 401


async def test_usage_counts_what_happened_today(client: Client, owner: Person) -> None:
    await call(client, owner, "POST", "/tickets", json=QUESTION)
    used = await call(client, owner, "GET", "/usage", params={"days": 7})
    assert (len(used["by_day"]), used["total"]["tickets"], used["total"]["messages"]) == (7, 1, 1)
    assert used["by_day"][-1]["tickets"] == 1
    assert (used["total"]["usd"], used["by_model"]) == ("0.000000", [])
