"""FAQ files as people's spreadsheets write them: what can be used is taken in, the rest is named by its line."""

from __future__ import annotations

import asyncio
import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desk.accounts.identity import Actor
from desk.db.unit_of_work import Database
from desk.errors import InvalidInputError
from desk.faq_files import ImportReport, export_faqs, import_faqs
from desk.faqs import FaqChange, FaqText, FaqView, change_faq, create_faq, list_faqs
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.faq.lane import IndexedFaqLane
from retrieval.open_indexes import OpenIndexes
from tests.conftest import new_owner

EMBEDDER = MiniLMEmbedder()


async def take_in(database: Database, actor: Actor, text: str | bytes, **options: str) -> ImportReport:
    raw = text.encode() if isinstance(text, str) else text
    return await import_faqs(database, EMBEDDER, actor, raw, **options)


async def stored(database: Database, actor: Actor) -> dict[str, FaqView]:
    lane = IndexedFaqLane(database, EMBEDDER, OpenIndexes(EMBEDDER))
    page = await list_faqs(database, lane, actor, query=None, category=None, state=None, limit=200, offset=0)
    return {view.faq.question: view for view in page.items}


def counts(report: ImportReport) -> tuple[int, int, int, list[int]]:
    return report.created, report.changed, report.unchanged, [one.line for one in report.refused]


@pytest.mark.parametrize(
    "raw",
    [
        b"question,answer,category,phrasings\nHow?,So,Basics,In which way?|By what means?\n",
        "\ufeffFrage;Antwort;Kategorie;Varianten\r\nHow?;So;Basics;In which way? | By what means?\r\n".encode(),
        b"Reply\tTopic\tTitle\tAlternatives\tRemarks\nSo\tBasics\tHow?\tIn which way?|By what means?\tnone\n",
        b"sep=;\nQUESTION;ANSWER;CATEGORY;Further phrasings\nHow?;So;Basics;In which way?|By what means?",
        b'\n"question","answer","category","phrasings"\n\n"How?","So","Basics","In which way?|By what means?|how"\n',
        "question,answer,category,phrasings\nHow?,So,Basics,In which way?|By what means?\n".encode("utf-16"),
    ],
    ids=["commas", "BOM and semicolons", "tabs and other names", "separator line", "quotes and empty lines", "UTF-16"],
)
async def test_the_same_faq_however_a_spreadsheet_writes_it(database: Database, actor: Actor, raw: bytes) -> None:
    assert counts(await take_in(database, actor, raw)) == (1, 0, 0, [])
    ((question, view),) = (await stored(database, actor)).items()
    assert (question, view.faq.answer, view.faq.category, view.faq.state) == ("How?", "So", "Basics", "published")
    assert view.phrasings == ("In which way?", "By what means?")
    assert counts(await take_in(database, actor, raw)) == (0, 0, 1, [])


async def test_bad_lines_are_named_and_good_ones_taken(database: Database, actor: Actor) -> None:
    text = (
        "question,answer\n"  # 1
        '"First, with a comma","A text\nover two lines"\n'  # 2 and 3
        ",an answer without a question\n"  # 4
        "No answer,\n"  # 5
        "Too many,cells,here\n"  # 6
        'Open,"never closed\n'  # 7
        "Fourth,fine\n"  # 8
        'Text,"after" the quote\n'  # 9
        "FOURTH!,again\n"  # 10
        "Sixth,fine\n"  # 11
    )
    report = await take_in(database, actor, text)
    assert counts(report) == (3, 0, 0, [4, 5, 6, 7, 9, 10])
    reasons = {one.line: one.reason for one in report.refused}
    assert "question is empty" in reasons[4]
    assert "answer is empty" in reasons[5]
    assert "more cells" in reasons[6]
    assert "never closed" in reasons[7]
    assert "line 8" in reasons[10]
    kept = await stored(database, actor)
    assert set(kept) == {"First, with a comma", "Fourth", "Sixth"}
    assert kept["First, with a comma"].faq.answer == "A text\nover two lines"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "no header"),
        (b"How?,So\n", "no column 'question'"),
        (b"question,category\nHow?,So\n", "no column 'answer'"),
        (b"question,answer,reply\nHow?,So,So\n", "more than one column 'answer'"),
        (b"question,answer\nK\xfcndigung?,Ja\n", "not UTF-8"),
    ],
)
async def test_a_file_that_is_none_changes_nothing_and_says_why(
    database: Database, actor: Actor, raw: bytes, reason: str
) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        await take_in(database, actor, raw)
    assert await stored(database, actor) == {}


async def test_a_line_changes_what_it_says_and_leaves_the_rest(database: Database, actor: Actor) -> None:
    made = await create_faq(
        database, EMBEDDER, actor, FaqText("How?", "So", "Basics", "en", ("In which way?",), state="draft")
    )
    assert counts(await take_in(database, actor, "answer,question\nOtherwise,how\n")) == (0, 1, 0, [])
    (view,) = (await stored(database, actor)).values()
    assert (view.faq.id, view.faq.question, view.faq.answer) == (made.faq.id, "How?", "Otherwise")
    assert (view.faq.state, view.faq.category, view.phrasings) == ("draft", "Basics", ("In which way?",))
    await change_faq(database, EMBEDDER, actor, made.faq.id, FaqChange(state="published"))
    await take_in(
        database, actor, "question,answer,phrasings,state\nHow?,Otherwise,,retired\nNew?,Yes,,\n", state="draft"
    )
    kept = await stored(database, actor)
    assert (kept["How?"].faq.state, kept["How?"].phrasings, kept["New?"].faq.state) == ("retired", (), "draft")


async def test_two_imports_at_once_keep_every_question_once(database: Database, actor: Actor) -> None:
    text = "question,answer\n" + "".join(f"Question {number}?,Answer {number}\n" for number in range(120))
    reports = await asyncio.gather(take_in(database, actor, text), take_in(database, actor, text))
    assert sum(report.created for report in reports) == 120
    assert sum(report.unchanged for report in reports) == 120
    assert len(await stored(database, actor)) == 120


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="|\x00"), min_size=1, max_size=40)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4),
    st.sampled_from(["", "=1+1", "-x", "@y", "'z", 'a "quoted" one', "two\nlines; and, more\tcells"]),
)
async def test_what_is_exported_comes_back_as_it_was(
    database: Database, cells: list[tuple[str, str]], odd: str
) -> None:
    actor, other = await new_owner(database), await new_owner(database)
    for number, (question, answer) in enumerate(cells):
        text = FaqText(f"{question} {number}?", f"{odd} {answer} a", category=odd, phrasings=(f"{odd} q{number}",))
        await create_faq(database, EMBEDDER, actor, text)
    exported = await export_faqs(database, actor)
    shown = [cell for row in csv.reader(io.StringIO(exported, newline="")) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in shown), "a spreadsheet would compute it"
    report = await take_in(database, other, exported)
    assert report.refused == ()
    assert report.created == len(cells)
    assert await export_faqs(database, other) == exported
    assert (await take_in(database, actor, exported)).unchanged == len(cells)
