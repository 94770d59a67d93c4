"""Past tickets on their page: an upload, what became of its lines, the replay it offers, and who may do what."""

from __future__ import annotations

from desk.db.leases import claim
from desk.installation import Installation
from desk.work import duties
from tests.desk.conftest import Person
from tests.desk.history.histories import jsonl, steady
from tests.ui.conftest import Browser, signed_in
from tests.ui.markup import faults


async def do_work(installation: Installation, kind: str) -> None:
    duty = next(each for each in duties(installation) if each.kind == kind)
    for held in await claim(installation.database, kind, 20, 60.0):
        await duty.work(held)


async def test_an_upload_leads_to_what_would_have_been_drafted(
    browser: Browser, owner: Person, installation: Installation
) -> None:
    await signed_in(browser, owner)
    empty = await browser.page("/history")
    assert faults(empty) == []
    assert "None yet" in empty.text()
    raw = jsonl(steady(40)) + b"\n{broken\n"
    taken = await browser.post("/history/files", {"then_backtest": "1"}, files={"file": ("old/desk.jsonl", raw)})
    assert taken.status_code == 200, taken.text
    assert "desk.jsonl" in taken.text
    await do_work(installation, "history_imports")
    page = await browser.page("/history")
    assert faults(page) == []
    text = " ".join(page.text(separator=" ").split())
    assert "40 tickets taken in, 40 replies learned; 1 line was left out" in text
    assert "Line 41:" in text
    assert "Waiting for a free worker" in text
    again = await browser.post("/history/replays")
    assert again.status_code == 409
    await do_work(installation, "backtests")
    part = await browser.part("/history")
    address = part.text.split('href="/history/replays/')[1].split('"')[0]
    result = await browser.page(f"/history/replays/{address}")
    assert faults(result) == []
    assert "Of 20 tickets, Draftdesk would have drafted 20" in result.text()
    assert len(result.css("figure.plot svg[role=img]")) == 3
    link = result.css_first(".beside .from a")
    assert link is not None
    source = link.attributes["href"]
    assert source is not None
    assert (await browser.get(source)).status_code == 200


async def test_a_file_of_another_kind_and_a_person_without_the_right_are_refused(
    browser: Browser, owner: Person, agent: Person
) -> None:
    await signed_in(browser, owner)
    refused = await browser.post("/history/files", files={"file": ("desk.pdf", b"%PDF")})
    assert (refused.status_code, "ends in .jsonl" in refused.text) == (400, True)
    assert (await browser.post("/history/replays")).status_code == 400
    browser.http.cookies.clear()
    await signed_in(browser, agent)
    page = await browser.page("/history")
    assert page.css_first("form.drop") is None
    assert (await browser.post("/history/files", files={"file": ("a.jsonl", jsonl(steady(2)))})).status_code == 403
    assert (await browser.post("/history/replays")).status_code == 403
