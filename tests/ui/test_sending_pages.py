"""Automatic sending as its pages show it, and what people say of replies that went out by themselves."""

from __future__ import annotations

import re
from uuid import UUID

from selectolax.lexbor import LexborHTMLParser as HTMLParser
from sqlalchemy import select, update

from desk.db.unit_of_work import Database
from desk.installation import Installation
from desk.models import ChannelPolicy, Delivery, Draft, SendingCertificate, Ticket
from desk.policy.looks import SharedModels, look_again
from desk.policy.rules import set_channel_policy
from tests.desk.api.world import ARTICLE, call, drafted_ticket
from tests.desk.conftest import Client, Person
from tests.desk.conversations import new_ticket, reload
from tests.desk.policy.test_looks import let_out, review_drafts
from tests.desk.test_delivery import ScriptedChannel, work_all
from tests.ui.conftest import Browser, signed_in
from tests.ui.markup import faults

POLICY = {"mode": "threshold", "threshold": "75", "daily_cap": "10", "ticket_cap": "2", "delay_seconds": "30"}
TERMS = {"risk": "5", "confidence": "95", "review_share": "10", "grouping": "all"}


async def certify(database: Database, person: Person, ticket: Ticket) -> UUID:
    async with database.transaction(person.actor.scope) as session:
        await set_channel_policy(
            session, channel="rest", mode="certified", threshold=75, daily_cap=100, ticket_cap=100, delay_seconds=0
        )
    await review_drafts(database, person.actor, ticket, 72)
    async with database.transaction(person.actor.scope) as session:
        await look_again(session, person.actor.tenant_id, SharedModels("", "minilm"))
    async with database.transaction(person.actor.scope) as session:
        active = select(SendingCertificate.id).where(SendingCertificate.state == "active")
        return (await session.execute(active)).scalar_one()


async def quiet_ticket(database: Database, person: Person) -> Ticket:
    ticket = await new_ticket(database, person.actor)
    async with database.transaction(person.actor.scope) as session:
        await session.execute(update(Draft).values(state="superseded", due_at=None))
    return ticket


async def test_before_a_channel_is_switched_on_its_past_says_what_would_have_happened(
    client: Client, installation: Installation, browser: Browser, owner: Person
) -> None:
    database = installation.database
    ticket = await quiet_ticket(database, owner)
    await review_drafts(database, owner.actor, ticket, 40)
    await review_drafts(database, owner.actor, ticket, 1, good=False)
    await signed_in(browser, owner)

    page = await browser.page("/sending")
    simulated = await browser.post("/sending/channels/rest/simulation", POLICY)
    strict = await browser.post("/sending/channels/rest/simulation", {**POLICY, "threshold": "81"})
    certified = await browser.post("/sending/channels/rest/simulation", {**POLICY, "mode": "certified"})

    assert faults(page) == []
    assert "41 of 72 reviewed drafts" in page.css_first("#standing").text()
    assert len(page.css("#standing svg[role=img]")) == len(page.css("#standing table")) == 2
    assert "41 of your last 41 drafts would have gone out; your agents changed 1 of those" in simulated.text
    assert "Measured error among drafts with a score from 75: 2.4 %" in simulated.text
    assert "none of your last 41 drafts" in strict.text
    assert "No certificate would have been earned yet" in certified.text
    async with database.transaction(owner.actor.scope) as session:
        modes = await session.execute(select(ChannelPolicy.mode))
    assert set(modes.scalars()) <= {"off"}, "trying changes nothing"


async def test_a_channels_policy_and_the_terms_are_saved_as_they_were_filled_in(
    client: Client, installation: Installation, browser: Browser, owner: Person
) -> None:
    await quiet_ticket(installation.database, owner)
    await signed_in(browser, owner)
    quiet = {"quiet_from": "22:00", "quiet_until": "07:00", "time_zone": "Europe/Berlin"}

    saved = HTMLParser((await browser.post("/sending/channels/rest", {**POLICY, **quiet})).text)
    half = await browser.post("/sending/channels/rest", {**POLICY, "quiet_from": "22:00"})
    terms = await browser.post("/sending/terms", {**TERMS, "risk": "2", "grouping": "channel"})
    preview = await browser.post("/sending/terms/preview", {**TERMS, "risk": "1"})

    form = saved.css_first("form[hx-post='/sending/channels/rest']")
    shown = {each.attributes["name"]: each.attributes.get("value") for each in form.css("input[name]")}
    assert {name: shown[name] for name in quiet} == quiet
    assert "checked" in form.css_first("input[value=threshold]").attributes
    assert (half.status_code, "a beginning and an end" in half.text) == (400, True)
    assert HTMLParser(terms.text).css_first("#risk").attributes["value"] == "2"
    assert "of 368 reviewed drafts" in preview.text
    assert "of 183 reviewed drafts" in (await browser.page("/sending")).css_first("#standing").text()


async def test_a_certificate_is_told_to_admins_once_and_its_recall_list_shows_what_went_out(
    client: Client, installation: Installation, browser: Browser, owner: Person
) -> None:
    database = installation.database
    ticket = await quiet_ticket(database, owner)
    certificate_id = await certify(database, owner, ticket)
    delivery = await let_out(database, owner.actor, ticket, certificate_id)
    await work_all(database, ScriptedChannel())
    await signed_in(browser, owner)

    for path in ("/sending", "/sending/certificates", f"/sending/certificates/{certificate_id}"):
        assert faults(await browser.page(path)) == [], path
    granted = (await browser.page("/queue/all")).css_first("#news").text()
    weights = (await browser.page("/weights")).css_first("[data-ends-certificates]")
    await browser.post("/sending/news/seen")
    seen = (await browser.page("/queue/all")).css_first("#news").text(strip=True)
    revoked = await browser.post(f"/sending/certificates/{certificate_id}/revoke", {"reason": "prices changed"})
    after = (await browser.page("/queue/all")).css_first("#news").text()

    assert "a certificate was granted" in granted
    assert "All drafts" in weights.text(), "who changes what ends it is told before"
    assert seen == ""
    recalled = HTMLParser(revoked.text)
    assert [node.attributes["href"] for node in recalled.css("table a")] == [f"/tickets/{delivery.ticket_id}?view=all"]
    assert "prices changed" in recalled.text()
    assert "has ended" in after
    assert (await browser.page("/weights")).css_first("[data-ends-certificates]") is None


async def test_replies_to_check_are_answered_one_after_another(
    client: Client, installation: Installation, browser: Browser, owner: Person, agent: Person
) -> None:
    database = installation.database
    certificate_id = await certify(database, owner, await quiet_ticket(database, owner))
    for _ in range(2):
        await let_out(database, owner.actor, await quiet_ticket(database, owner), certificate_id, asked=True)
    await work_all(database, ScriptedChannel())
    await signed_in(browser, agent)

    page = await browser.page("/checks")
    assert faults(page) == []
    first, second = page.css_first("#check-wrong").attributes["hx-post"], "/checks?offset=1"
    assert page.css_first("#views a[href='/checks'] .count").text() == "2"
    assert page.css_first(f"#check a[href='{second}'][data-key=j]") is not None
    unchanged = {"correct_reply": "Backups are kept for 14 days.\r\n", "reason": ""}
    assert (await browser.post(first, unchanged)).status_code == 400, "no reason, and nothing that would be better"
    next_one = HTMLParser((await browser.post(first, {**unchanged, "reason": "It is 30 days."})).text)
    yes = next_one.css_first("#check button[data-key=y]").parent.attributes["hx-post"]
    done = await browser.post(yes, {"good": "1"})

    assert yes != first
    assert "Nothing to check" in done.text
    async with database.transaction(owner.actor.scope) as session:
        judged = await session.execute(select(Delivery.judgement).where(Delivery.is_automatic).order_by(Delivery.id))
    assert list(judged.scalars()) == ["wrong", "good"]


async def test_a_sent_reply_can_be_called_wrong_from_its_ticket_once(
    client: Client, installation: Installation, browser: Browser, owner: Person, agent: Person
) -> None:
    database = installation.database
    ticket = await quiet_ticket(database, owner)
    delivery = await let_out(database, owner.actor, ticket, await certify(database, owner, ticket))
    await work_all(database, ScriptedChannel())
    await signed_in(browser, agent)
    page = await browser.page(f"/tickets/{ticket.id}?view=all")
    assert page.css_first("#thread [data-opens=wrong]").attributes["data-value"] == str(delivery.id)
    told = {"delivery_id": str(delivery.id), "correct_reply": "Backups are kept for 30 days."}

    answer = HTMLParser((await browser.post(f"/tickets/{ticket.id}/wrong", told)).text)
    again = await browser.post(f"/tickets/{ticket.id}/wrong", told)

    assert "Found wrong" in answer.css_first("#thread").text()
    assert answer.css_first("#thread [data-opens=wrong]") is None
    assert again.status_code == 409
    assert (await reload(database, owner.actor, Delivery, delivery.id)).judgement == "wrong"


async def test_nothing_an_agent_is_shown_tells_a_draft_that_was_drawn_for_review_from_another(
    client: Client, installation: Installation, browser: Browser, owner: Person, agent: Person
) -> None:
    database = installation.database
    await call(client, owner, "POST", "/documents", json={"title": "Passwords", "text": ARTICLE})
    await certify(database, owner, await quiet_ticket(database, owner))
    ticket = await drafted_ticket(client, installation, owner)
    draft_id = ticket["current_draft"]["id"]
    await signed_in(browser, agent)

    async def everything(*, drawn: bool | None) -> list[str]:
        async with database.transaction(owner.actor.scope) as session:
            await session.execute(update(Draft).where(Draft.id == draft_id).values(blind_review=drawn))
        answers = [
            await call(client, agent, "GET", path)
            for path in (f"/tickets/{ticket['id']}", "/tickets", f"/drafts/{draft_id}/decision", "/policy")
        ]
        pages = [
            (await browser.get(path)).text
            for path in (f"/tickets/{ticket['id']}?view=all", "/queue/all", f"/drafts/{draft_id}/decision")
        ]
        return [re.sub(r'X-CSRFToken": "[^"]+|value="[0-9a-f]{128}', "", str(each)) for each in (*answers, *pages)]

    drawn, not_drawn = await everything(drawn=True), await everything(drawn=False)

    assert drawn == not_drawn == await everything(drawn=None)
    record = await call(client, agent, "GET", f"/drafts/{draft_id}/decision")
    assert record["rules"]["mode"] == "certified"
    assert record["rules"]["certificates"] == [], "a threshold beside the probability would tell"
    for path in ("/policy/certificates", "/policy/certification", "/policy/simulation"):
        refused = await client.get(f"/api/v1{path}", headers=agent.headers)
        assert refused.status_code == 403, path
    assert (await browser.get("/sending")).status_code == 403
