"""The widget in the desk: its settings page, the ticket of a visitor, and the files that other pages load."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from litestar import Litestar
from selectolax.lexbor import LexborHTMLParser as HTMLParser
from sqlalchemy import select

from desk.installation import Installation
from desk.models import Connection
from tests.connectors.widget.conftest import Visitor, following
from tests.desk.conftest import Client, Person
from tests.ui.conftest import Browser, signed_in
from tests.ui.markup import faults

FORM: dict[str, Any] = {
    "active": "1",
    "allowed_origins": "https://Shop.Example/\nhttp://localhost:5500",
    "colour": "#112233",
    "text_colour": "#ffffff",
    "position": "start",
    "logo_url": "",
    "default_language": "de",
    "ask_email": "1",
    "time_zone": "Europe/Berlin",
    "day_0": "9:00-12:00, 13:00-17:00",
    "show_sources": "1",
    "answer_seconds": "5",
    "email_after_minutes": "15",
    "signed_tokens_only": "1",
    "language": "de",
    "text_title": "Fragen Sie die Bäckerei",
}


async def widget_of(installation: Installation, person: Person) -> Connection:
    async with installation.database.transaction(person.actor.scope) as session:
        return (await session.execute(select(Connection).where(Connection.channel == "widget"))).scalar_one()


async def test_what_an_admin_sets_is_what_the_page_of_the_shop_gets(
    browser: Browser, owner: Person, installation: Installation, client: Client
) -> None:
    await signed_in(browser, owner)
    before = await widget_of(installation, owner)
    page = await browser.page("/settings/widget")
    assert "answers nowhere yet" in page.html
    assert faults(page) == []
    saved = await browser.post(f"/settings/widget/{before.id}", FORM)
    assert saved.status_code == 200, saved.text
    assert f"embed.js?key={before.public_key}" in saved.text
    assert "9:00-12:00, 13:00-17:00".replace("9:00-", "09:00-", 1) in saved.text
    visitor = Visitor(client, before.public_key or "", origin="https://shop.example")
    shown = (await visitor.call("GET", "/configuration", params={"language": "xx"})).json()
    assert (shown["language"], shown["texts"]["title"]) == ("de", "Fragen Sie die Bäckerei")
    assert (shown["colour"], shown["position"], shown["ask_email"]) == ("#112233", "start", True)
    assert shown["suggest_faqs"] is False
    kept = (await widget_of(installation, owner)).configuration
    assert (kept["email_after_minutes"], kept["signed_tokens_only"]) == (15, True)
    for wrong in (
        {"allowed_origins": "https://*.example"},
        {"colour": "red"},
        {"day_0": "late"},
        {"answer_seconds": ""},
        {"email_after_minutes": "soon"},
    ):
        refused = await browser.post(f"/settings/widget/{before.id}", {**FORM, **wrong})
        assert refused.status_code == 400, wrong
    assert (await visitor.call("GET", "/configuration")).json()["colour"] == "#112233"


async def test_the_secret_is_shown_once(browser: Browser, owner: Person, installation: Installation) -> None:
    await signed_in(browser, owner)
    widget = await widget_of(installation, owner)
    made = await browser.post(f"/settings/widget/{widget.id}/secret")
    secret = HTMLParser(made.text).css_first("#widget-secret")
    assert secret is not None
    assert secret.text().startswith("whsec_")
    assert secret.text() not in (await browser.get("/settings/widget")).text


async def test_an_agent_sees_where_a_visitor_came_from_and_that_nothing_is_proved(
    app: Litestar, browser: Browser, owner: Person, installation: Installation, client: Client
) -> None:
    await signed_in(browser, owner)
    widget = await widget_of(installation, owner)
    await browser.get("/settings/widget")
    await browser.post(f"/settings/widget/{widget.id}", {**FORM, "answer_seconds": "0"})
    visitor = Visitor(client, widget.public_key or "", origin="https://shop.example")
    await visitor.begin()
    where = {"page_url": "https://shop.example/cart", "page_title": "Your <b>cart</b>", "name": "<i>Eve</i>"}
    assert (await visitor.write(f"Question {uuid4()}", **where)).status_code == 201
    listed = await client.get("/api/v1/tickets", params={"channel": "widget"}, headers=owner.headers)
    ticket_id = listed.json()["items"][0]["id"]
    page = await browser.page(f"/tickets/{ticket_id}")
    assert faults(page) == []
    assert "Web widget" in page.html
    link = page.css_first("a[href='https://shop.example/cart']")
    assert link is not None
    assert link.text() == "Your <b>cart</b>"
    assert "Not verified" in page.html
    async with following(app, visitor) as stream:
        await stream.next("state")
        assert (await browser.post(f"/tickets/{ticket_id}/typing")).status_code == 204
        await stream.next("typing")


async def test_the_script_is_for_every_page_and_the_shop_for_the_demo_only(client: Client) -> None:
    script = await client.get("/widget/v1/embed.js", params={"key": "wk_x"}, headers={"Origin": "https://any.example"})
    assert script.status_code == 200
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cross-origin-resource-policy"] == "cross-origin"
    again = await client.get("/widget/v1/embed.js", headers={"If-None-Match": script.headers["etag"]})
    assert again.status_code == 304
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert forbidden not in script.text
