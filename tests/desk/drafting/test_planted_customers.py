"""Whatever the desk writes by itself, from examples, corrections and passages together, keeps customers apart."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from desk.drafting.local_writer import write_locally
from desk.drafting.slots import TicketFacts
from desk.ports import Confidence, ConfidenceParts, Evidence, Hit, IntentGuess, SourceKind, SourceWeights
from tests.desk.drafting.test_slots import GREETINGS, QUESTIONS, SENTENCES, customers

NOW = datetime(2024, 5, 1, tzinfo=UTC)
PASSAGE = (
    "Backups are made every night. A deleted mailbox can be restored from the nightly backup under Email, Restore. "
    "Write to help@host.example about order forms."
)
TICKET = TicketFacts(
    "Help", "My site is slow, why? And how can I restore a deleted mailbox from the nightly backup?", "Zoe Quist"
)
COMMON = "Please empty the cache of the site first, then look again."


def hit(number: int, kind: SourceKind, text: str, score: float, question: str, name: str, language: str) -> Hit:
    return Hit(
        kind=kind,
        item_id=UUID(int=number),
        parent_id=UUID(int=number),
        title="Backups",
        text=text,
        score=score,
        weighted_score=score,
        dense=score,
        lexical=score,
        question=question,
        created_at=NOW - timedelta(days=number),
        customer_name=name,
        language=language,
    )


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        customers(),
        min_size=1,
        max_size=4,
        unique_by=tuple(map(itemgetter, ("name", "domain", "email", "order", "invoice", "phone", "date"))),
    ),
    st.sampled_from(GREETINGS),
    st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=4, unique=True),
    st.sampled_from(QUESTIONS),
    st.sampled_from(("", "en", "de", "fr", "es")),
    st.booleans(),
    st.integers(1, 3),
)
def test_no_customers_particulars_reach_another_customers_draft(
    planted: list[dict[str, str]],
    greeting: str,
    sentences: list[str],
    question: str,
    language: str,
    recorded: bool,
    tickets_each: int,
) -> None:
    """Every customer has up to three tickets; approved answers and what corrections say instead both answer."""
    neighbours: list[Hit] = []
    for number, customer in enumerate(planted):
        # Tickets of a customer whose name is not recorded vouch for each other from the third on.
        for again in range(tickets_each if recorded else min(tickets_each, 2)):
            answer = "\n".join([greeting, COMMON, *sentences]).format(**customer)
            asked = f"{question.format(**customer)} {again or ''}"
            kind: SourceKind = "correction" if (number + again) % 2 else "example"
            name = f"{customer['name']} Qxholm{number}" if recorded else ""
            neighbours.append(
                hit(len(neighbours) + 1, kind, answer, 0.8 - len(neighbours) / 100, asked, name, language)
            )
    passage = hit(99, "tenant_kb", PASSAGE, 0.7, "", "", language)
    evidence = Evidence(
        hits=(*neighbours[:3], passage),
        neighbours=tuple(neighbours),
        intent=IntentGuess("other", 0.0),
        confidence=Confidence(0.0, "very_low", ConfidenceParts(0.0, 0.0, 0.0, 1.0), 0.0),
        weights=SourceWeights(),
        embedding_model="test",
        index_sequence=0,
        approved_answers=len(neighbours),
        language=language,
    )

    written = write_locally(TICKET, evidence)

    assert written is not None
    assert written.writer == "approved_answer"
    assert "nightly backup under Email, Restore" in written.body
    for customer in planted:
        for literal in (*customer.values(), customer["email"].partition("@")[0]):
            found = re.search(rf"(?<!\w){re.escape(literal)}(?!\w)", written.body, re.IGNORECASE)
            assert found is None, (literal, written.body)
