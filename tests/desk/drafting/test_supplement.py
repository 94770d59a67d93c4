"""An approved answer that leaves a part of the question open gets a quote for that part, and only then."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from desk.drafting.local_writer import write_locally
from desk.drafting.slots import TicketFacts
from desk.ports import Confidence, ConfidenceParts, Evidence, Hit, IntentGuess, SourceKind, SourceWeights

ANSWER = "Hi Anna,\n\nOpen Billing, Invoices and choose Download as PDF.\n\nKind regards,\nKartika"
ASKED = "Where do I find the invoice?"
TWO_QUESTIONS = TicketFacts(
    "Invoice", "Where do I find the invoice? And how can I restore a deleted mailbox from the nightly backup?", "Jane"
)
BACKUP = (
    "Backups are made every night and kept for a month. A deleted mailbox can be restored from the nightly backup "
    "under Email, Restore. Choose the day and press Restore."
)


def hit(number: int, kind: SourceKind, text: str, score: float, question: str = "", title: str = "Backups") -> Hit:
    return Hit(
        kind=kind,
        item_id=UUID(int=number),
        parent_id=UUID(int=number),
        title=title,
        text=text,
        score=score,
        weighted_score=score,
        dense=score,
        lexical=score,
        question=question,
        created_at=datetime(2024, 5, 1, tzinfo=UTC),
        customer_name="Anna" if kind == "example" else "",
    )


def drafted(ticket: TicketFacts, passage: Hit, answered: str = ASKED) -> tuple[str, tuple[UUID, ...]]:
    written = write_locally(
        ticket,
        Evidence(
            hits=(passage,),
            neighbours=(hit(1, "example", ANSWER, 0.8, answered),),
            intent=IntentGuess("other", 0.0),
            confidence=Confidence(0.0, "very_low", ConfidenceParts(0.0, 0.0, 0.0, 1.0), 0.0),
            weights=SourceWeights(),
            embedding_model="test",
            index_sequence=0,
            approved_answers=1,
        ),
    )
    assert written is not None
    assert written.writer == "approved_answer"
    return written.body, written.used


def test_the_open_part_is_quoted_with_its_source_before_the_sign_off() -> None:
    body, used = drafted(TWO_QUESTIONS, hit(2, "tenant_kb", BACKUP, 0.7))

    assert body.startswith("Hi Jane,\n\nOpen Billing, Invoices and choose Download as PDF.\n\n")
    assert "A deleted mailbox can be restored from the nightly backup under Email, Restore." in body
    assert body.endswith("[1] Backups\n\nKind regards,\nKartika")
    assert used == (UUID(int=1), UUID(int=2))


def test_nothing_is_added_to_an_answer_that_was_given_to_the_same_question() -> None:
    passage = hit(2, "tenant_kb", BACKUP, 0.7)

    assert drafted(TWO_QUESTIONS, passage, TWO_QUESTIONS.body)[1] == (UUID(int=1),)
    assert drafted(TicketFacts("Invoice", ASKED, "Jane"), passage)[1] == (UUID(int=1),)


def test_nothing_is_added_that_is_far_from_the_question_or_says_nothing_of_it() -> None:
    weather = "The office in Bern is open from nine to five. Visitors find the mailbox beside the door."

    assert drafted(TWO_QUESTIONS, hit(2, "tenant_kb", BACKUP, 0.4))[1] == (UUID(int=1),)
    assert drafted(TWO_QUESTIONS, hit(2, "tenant_kb", weather, 0.7))[1] == (UUID(int=1),)


def test_what_a_customer_only_tells_is_not_looked_up() -> None:
    told = TicketFacts("Invoice", f"{ASKED} A colleague restored the deleted mailbox from the nightly backup.", "Jane")

    assert drafted(told, hit(2, "tenant_kb", BACKUP, 0.7))[1] == (UUID(int=1),)
