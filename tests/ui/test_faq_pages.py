"""The FAQ pages: writing and publishing, files, suggestions, trying a question, and the switch of each channel."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from litestar import Litestar
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from desk.installation import Installation
from desk.policy.rules import rules_of_new_ticket
from tests.desk.api.world import call, close_undo_windows, drafted_ticket
from tests.desk.conftest import Client, Person
from tests.ui.conftest import Browser, signed_in
from tests.ui.markup import faults

WILDCARD: dict[str, Any] = {
    "question": "How much is a wildcard certificate?",
    "answer": "It is free on Meadow and Grove.\nOrder it under SSL.",
    "category": "Certificates",
    "language": "en",
    "phrasings": "What does a wildcard certificate cost?\n\nPrice of a wildcard certificate",
    "state": "draft",
}


async def made(browser: Browser, **changes: Any) -> str:
    """The page of a new FAQ; where it leads says which one it became."""
    answer = await browser.post("/faqs", {**WILDCARD, **changes})
    assert answer.status_code == 200, answer.text
    return answer.headers["HX-Redirect"]


async def tried(browser: Browser, question: str) -> str:
    answer = await browser.post("/faqs/try", {"question": question})
    assert answer.status_code == 200, answer.text
    return " ".join(HTMLParser(answer.text).text(separator=" ").split())


async def test_a_faq_answers_from_the_moment_it_is_published_until_it_is_retired(
    browser: Browser, owner: Person
) -> None:
    await signed_in(browser, owner)
    asked = "What does a wildcard certificate cost?"
    address = await made(browser)
    assert "No FAQ answers this" in await tried(browser, asked)
    page = await browser.page(address)
    assert faults(page) == []
    assert page.css_first("#faq-phrasings").text().count("\n") == 1
    saved = await browser.post(address, {**WILDCARD, "state": "published"})
    assert "It answers from now on." in saved.headers["HX-Trigger-After-Swap"]
    answer = await tried(browser, asked)
    assert "Sure" in answer
    assert WILDCARD["answer"].split("\n")[0] in answer
    again = await browser.post("/faqs", WILDCARD)
    assert again.status_code == 409
    await browser.post(address, {**WILDCARD, "state": "retired"})
    assert "No FAQ answers this" in await tried(browser, asked)
    assert (await browser.post(f"{address}/delete")).headers["HX-Redirect"] == "/faqs"
    assert "No FAQ yet" in (await browser.page("/faqs")).text()


async def test_the_list_finds_other_words_and_narrows_by_category_and_state(browser: Browser, owner: Person) -> None:
    await signed_in(browser, owner)
    await made(browser, state="published")
    await made(browser, question="Where do I see my invoices?", answer="Under Billing.", category="Billing")
    for query, found in {
        "q=price+for+wildcard+ssl": [WILDCARD["question"]],
        "category=Billing": ["Where do I see my invoices?"],
        "state=published": [WILDCARD["question"]],
        "state=retired": [],
        "": ["Where do I see my invoices?", WILDCARD["question"]],
    }.items():
        page = await browser.page(f"/faqs?{query}")
        assert faults(page) == []
        assert [each.text() for each in page.css("#faqs td a")] == found, query


async def test_the_switch_of_a_channel_decides_whether_the_tried_answer_is_sent(
    browser: Browser, owner: Person, installation: Installation
) -> None:
    await signed_in(browser, owner)
    await made(browser, state="published")
    channels = {"Chat": True, "Web widget": True, "API": False}
    page = await browser.page("/faqs")
    shown = {
        form.text(strip=True): form.css_first("input[checked]") is not None for form in page.css("#faq-sending form")
    }
    assert shown == channels
    before = (await tried(browser, WILDCARD["question"])).count("Sent by itself")
    assert before == 2
    assert "is stopped" not in page.css_first("#sending").text()
    assert page.css_first("#sending button") is not None, "what can send by itself can be stopped from every page"
    await browser.post("/faqs/sending/chat", {})
    await browser.post("/faqs/sending/rest", {"send": "1"})
    async with installation.database.transaction(owner.actor.scope) as session:
        chat, rest = [await rules_of_new_ticket(session, channel) for channel in ("chat", "rest")]
    assert (chat.faq_send, chat.delay_seconds, rest.faq_send, rest.mode) == (False, 0, True, "off")
    answer = await tried(browser, WILDCARD["question"])
    assert answer.count("Sent by itself") == 2
    assert "Chat Waits for a person" in answer
    assert "Sending FAQ answers by itself is off for this channel." in answer
    escalated = await tried(browser, f"{WILDCARD['question']} I want a refund!")
    assert "Sent by itself" not in escalated
    assert (await browser.post("/faqs/sending/import", {"send": "1"})).status_code == 404


async def test_a_file_says_of_each_line_what_became_of_it(browser: Browser, owner: Person) -> None:
    await signed_in(browser, owner)
    await made(browser, question="Kept?", answer="Yes.", phrasings="", state="published", category="", language="")
    rows = 'question,answer\nNew?,"One, two"\nKept?,Yes.\nBroken?,\nNew?,Again\n'
    files = {"file": ("faqs.csv", rows.encode(), "text/csv")}
    answer = await browser.post("/faqs/import", {"state": "draft"}, files=files)
    assert answer.status_code == 200, answer.text
    part = HTMLParser(answer.text)
    assert faults(part, is_whole=False) == []
    report = part.css_first("#import-report")
    assert "1 new, 1 as before, 2 not taken." in report.text()
    lines = [" ".join(row.text(separator=" ").split()) for row in report.css("tbody tr")]
    assert lines == [
        "4 Not taken the answer is empty",
        "5 Not taken the same question stands in line 2 already",
        "2 New New?",
        "3 As before Kept?",
    ]
    unreadable = await browser.post("/faqs/import", files={"file": ("x.csv", b"\xff\xfe\xff", "text/csv")})
    assert unreadable.status_code == 400
    exported = await browser.get("/api/v1/faqs/export")
    assert exported.text.splitlines()[0] == "question,answer,category,phrasings,language,state"
    assert '"One, two"' in exported.text


async def test_a_repeated_answer_becomes_a_draft_faq_by_one_click(
    browser: Browser, owner: Person, client: Client, installation: Installation
) -> None:
    await signed_in(browser, owner)
    assert (await browser.part("/faqs/suggestions")).text.strip() == ""
    reply = {"from": "agent", "body": "Please open Backups, choose Restore, pick the day and then the folder."}
    numbers: list[str] = []
    for name in ("Ann", "Bea", "Cem"):
        customer = {"external_id": name, "email": f"{name}@example.com".lower(), "name": name}
        changes = {"subject": f"How do I restore a folder? {name}", "body": "It is gone.", "customer": customer}
        ticket = await drafted_ticket(client, installation, owner, **changes)
        await call(client, owner, "POST", f"/tickets/{ticket['id']}/messages", json=reply)
        numbers.append(f"#{ticket['number']}")
    await close_undo_windows(installation, owner)
    part = HTMLParser((await browser.part("/faqs/suggestions")).text)
    assert faults(part, is_whole=False) == []
    words = part.text()
    assert "Answered 3 times" in words
    assert all(number in words for number in numbers)
    form = {node.attributes["name"]: node.text() for node in part.css("form textarea")} | {"state": "draft"}
    answer = await browser.post("/faqs", form)
    page = await browser.page(answer.headers["HX-Redirect"])
    assert page.css_first("#faq-answer").text() == reply["body"]
    assert page.css_first("#faq-state option[selected]").text() == "Draft"
    assert (await browser.part("/faqs/suggestions")).text.strip() == "", "what has become a FAQ is not suggested again"


async def test_an_agent_looks_and_tries_but_changes_nothing(app: Litestar, browser: Browser, agent: Person) -> None:
    await signed_in(browser, agent)
    page = await browser.page("/faqs")
    assert not page.css("#import-faqs, a[href='/faqs/new'], #faq-sending form")
    assert page.css_first("#faq-sending .chip") is not None
    assert "No FAQ answers this" in await tried(browser, "Anything at all?")
    for path in ("/faqs", "/faqs/import", f"/faqs/{uuid4()}", "/faqs/sending/chat"):
        assert (await browser.post(path, WILDCARD)).status_code == 403, path
