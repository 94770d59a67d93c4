"""The draft of a desk without a language model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from desk.drafting.local_writer import write_locally
from desk.drafting.slots import TicketFacts
from desk.drafting.voting import bandwidth, vote
from desk.ports import Confidence, ConfidenceParts, Evidence, Hit, IntentGuess, SourceKind, SourceWeights

NOW = datetime(2024, 5, 1, tzinfo=UTC)
TICKET = TicketFacts("Folders empty", "All my folders are empty since the update", "Jane Doe")
REPAIR = "Right click the folder, choose Properties and then Repair Folder."
REPAIR_AGAIN = "Right click the folder, choose Properties, then Repair Folder."
VIRUS = "What is your anti-virus software? It may hold the mail back."


def hit(number: int, text: str, score: float, kind: SourceKind = "example", **more: object) -> Hit:
    values: dict[str, object] = {
        "kind": kind,
        "item_id": UUID(int=number),
        "parent_id": UUID(int=number),
        "title": f"Title {number}",
        "text": text,
        "score": score,
        "weighted_score": score,
        "dense": score,
        "lexical": score,
        "question": f"question {number}",
        "created_at": NOW,
    }
    return Hit(**{**values, **more})  # pyright: ignore[reportArgumentType]


def evidence(neighbours: list[Hit], hits: list[Hit] | None = None, language: str = "") -> Evidence:
    parts = ConfidenceParts(0.0, 0.0, 0.0, 1.0)
    return Evidence(
        hits=tuple(hits or []),
        neighbours=tuple(neighbours),
        intent=IntentGuess("other", 0.0),
        confidence=Confidence(0.0, "very_low", parts, 0.0),
        weights=SourceWeights(),
        embedding_model="test",
        index_sequence=0,
        language=language,
    )


def test_like_replies_together_outvote_a_nearer_single_one() -> None:
    found = evidence([hit(1, VIRUS, 0.80), hit(2, REPAIR, 0.79), hit(3, REPAIR_AGAIN, 0.78), hit(4, REPAIR, 0.77)])

    written = write_locally(TICKET, found)

    assert written is not None
    assert (written.writer, written.body) == ("approved_answer", REPAIR)
    assert set(written.used) == {UUID(int=2), UUID(int=3), UUID(int=4)}


def test_a_much_nearer_answer_needs_no_company() -> None:
    written = write_locally(TICKET, evidence([hit(1, VIRUS, 0.95), *(hit(n, REPAIR, 0.60) for n in range(2, 8))]))

    assert written is not None
    assert written.body == VIRUS


def test_of_two_equally_near_answers_the_newer_is_drafted() -> None:
    old = hit(1, VIRUS, 0.8, created_at=NOW - timedelta(days=700))

    assert vote([old, hit(2, REPAIR, 0.8)], 2).chosen == 1


def test_with_few_answers_held_the_neighbourhood_speaks_and_with_many_the_nearest() -> None:
    near = [hit(1, VIRUS, 0.80), hit(2, REPAIR, 0.70), hit(3, REPAIR_AGAIN, 0.70)]

    assert vote(near, 3).chosen == 1
    assert vote(near, 2_000).chosen == 0
    assert bandwidth(3) > bandwidth(200) > bandwidth(100_000) > 0


def test_second_opinions_are_about_the_chosen_answer() -> None:
    result = vote(
        [hit(1, REPAIR, 0.80, lexical=0.1), hit(2, REPAIR, 0.79, lexical=0.1), hit(3, VIRUS, 0.6, lexical=0.9)], 200
    )

    assert result.chosen == 0
    assert result.sharp_share > result.share > result.wide_share > 0.5 > result.wording_share > 0


def test_the_most_central_of_alike_answers_is_drafted() -> None:
    ends = [f"{REPAIR} Then restart Thunderbird.", f"Please do this: {REPAIR}"]

    result = vote([hit(1, ends[0], 0.8), hit(2, REPAIR, 0.8), hit(3, ends[1], 0.8)], 3)

    assert result.chosen == 1
    assert result.share == pytest.approx(1.0)


def test_the_examples_customer_is_not_greeted_in_another_customers_draft() -> None:
    near = hit(1, f"Hi Peter, {REPAIR} Write to peter@old.example, Peter.", 0.9, customer_name="Peter Old")

    written = write_locally(TICKET, evidence([near]))

    assert written is not None
    assert written.body.startswith("Hi Jane, ")
    assert "peter" not in written.body.lower()


def test_passages_are_quoted_with_numbers_and_sources_when_they_are_nearer() -> None:
    text = (
        "Backups run at night. When all folders are empty after an update, rebuild the index under Repair. "
        "Colours can be changed in the settings."
    )
    passage = hit(7, text, 0.8, "tenant_kb", title="Repairing folders", url="https://kb.example/repair")

    written = write_locally(TICKET, evidence([hit(1, VIRUS, 0.3)], [passage]))

    assert written is not None
    assert written.writer == "passages"
    assert written.used == (UUID(int=7),)
    assert "When all folders are empty after an update, rebuild the index under Repair." in written.body
    assert "[1] Repairing folders: https://kb.example/repair" in written.body
    assert written.body.startswith("Hello Jane,")


def test_a_long_chunk_is_not_quoted_whole() -> None:
    text = " ".join(f"Sentence number {n} is about something else entirely." for n in range(60))
    passage = hit(7, f"{text} Empty folders come back after a repair. {text}", 0.8, "global_kb")

    written = write_locally(TICKET, evidence([], [passage]))

    assert written is not None
    assert "Empty folders come back after a repair." in written.body
    assert len(written.body) < 900


def test_without_anything_worth_quoting_there_is_no_draft() -> None:
    assert write_locally(TICKET, evidence([], [hit(7, "Something unrelated.", 0.15, "global_kb")])) is None


@pytest.mark.parametrize(
    ("language", "greeting", "introduction"),
    [
        ("en", "Hello Jane,", "This is what our documentation says"),
        ("de", "Guten Tag Jane Doe,", "In unserer Dokumentation steht"),
        ("fr", "Bonjour Jane Doe,", "ce que dit notre documentation"),
        ("es", "Hola, Jane:", "Nuestra documentación dice"),
        ("nl", "Hello Jane,", "This is what our documentation says"),
    ],
)
def test_the_letter_around_a_quote_is_in_the_customers_language(
    language: str, greeting: str, introduction: str
) -> None:
    passage = hit(7, "All empty folders come back after a repair.", 0.8, "tenant_kb", language=language)

    written = write_locally(TICKET, evidence([], [passage], language))

    assert written is not None
    assert written.body.startswith(f"{greeting}\n")
    assert introduction in written.body
    assert written.language == language


def test_an_address_for_a_name_is_not_greeted() -> None:
    ticket = TicketFacts("Folders empty", "Empty", "jane.doe@old.example")
    written = write_locally(ticket, evidence([], [hit(7, "All folders come back after a repair.", 0.8, "tenant_kb")]))

    assert written is not None
    assert written.body.startswith("Hello,\n")


def test_an_answer_in_the_customers_language_is_preferred_to_a_nearer_one_in_another() -> None:
    german = "Klicken Sie mit rechts auf den Ordner und wählen Sie Reparieren."
    found = [hit(1, REPAIR, 0.80, language="en"), hit(2, REPAIR_AGAIN, 0.80, language="en")]

    own = write_locally(TICKET, evidence([*found, hit(3, german, 0.70, language="de")], language="de"))
    far = write_locally(TICKET, evidence([*found, hit(3, german, 0.30, language="de")], language="de"))

    assert own is not None
    assert (own.body, own.language) == (german, "de")
    assert far is not None
    assert far.language == "en", "a far answer in the right language is no better; the check shows this one as notes"


def test_a_passage_in_the_customers_language_is_preferred_to_an_answer_in_another() -> None:
    passage = hit(7, "Leere Ordner erscheinen nach einer Reparatur wieder.", 0.5, "tenant_kb", language="de")
    answer = hit(1, REPAIR, 0.9, language="en")

    written = write_locally(TICKET, evidence([answer], [passage], "de"))

    assert written is not None
    assert (written.writer, written.language) == ("passages", "de")


def test_a_foreign_passage_in_a_letter_in_the_customers_language_stays_a_foreign_answer() -> None:
    passage = hit(7, "All empty folders come back after a repair.", 0.8, "tenant_kb", language="en")

    written = write_locally(TICKET, evidence([], [passage], "de"))

    assert written is not None
    assert written.body.startswith("Guten Tag Jane Doe,")
    assert written.language == "en"
