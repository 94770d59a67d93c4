"""The tickets of the desk that a demo tenant had before this one, to import and to replay.

Each is made from the tenant's own FAQs: a question in other words inside a letter, answered by an agent with the usual
text, or now and then in person. The same draws every time; only the dates follow the clock.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from desk.demo.content import DemoCustomer, DemoFaq, DemoHistory, load_faqs, load_history, load_tenant

FILE_NAME = "tickets-of-the-old-desk.jsonl"
_SEED = 11
_ENDED_BEFORE = timedelta(days=45)
_LASTED = timedelta(days=270)
_NOT_ASKED = frozenset({"Chat"})
"""Categories of FAQs that no letter asks for."""


def old_tickets(folder: str, now: datetime) -> bytes | None:
    """JSON Lines as `desk import-tickets` takes them; None for a tenant that had no desk before."""
    history = load_history(folder)
    if history is None:
        return None
    asked = [faq for faq in load_faqs(folder) if faq.state == "published" and faq.category not in _NOT_ASKED]
    customers = list(load_tenant(folder).customers.values())
    lines = (json.dumps(ticket, ensure_ascii=False) for ticket in _tickets(history, asked, customers, now))
    return ("\n".join(lines) + "\n").encode()


def _tickets(
    history: DemoHistory, faqs: Sequence[DemoFaq], customers: Sequence[DemoCustomer], now: datetime
) -> Iterator[dict[str, Any]]:
    draw = random.Random(_SEED)  # noqa: S311 - demo tickets, the same every time
    began = now - _ENDED_BEFORE - _LASTED
    # Some questions come every week and some hardly ever.
    often = [1 / rank for rank in range(1, len(faqs) + 1)]
    for number in range(history.tickets):
        customer, opening, detail = draw.choice(customers), draw.choice(history.openings), draw.choice(history.details)
        created = began + _LASTED * (number + draw.random()) / history.tickets
        if draw.random() < history.answered_in_person:
            told = draw.choice(history.in_person)
            question, answer = told.question, told.answer
        else:
            faq = draw.choices(faqs, often)[0]
            question, answer = draw.choice((faq.question, *faq.phrasings)), faq.answer.strip()
        first_name = customer.name.split()[0]
        reply = f"Hello {first_name},\n\n{answer}\n\n{draw.choice(history.closings)}"
        at = created + timedelta(minutes=draw.randint(6, 600))
        silent = draw.random() < history.without_answer
        yield {
            "id": f"old-{number + 1}",
            "created_at": created.isoformat(timespec="seconds"),
            "channel": "email",
            "subject": question if len(question) < 60 else "",
            "body": f"{opening}\n\n{question} {detail}\n\n{customer.name}",
            "customer": {"email": customer.email, "name": customer.name, "external_id": customer.external_id},
            "messages": [] if silent else [{"from": "agent", "at": at.isoformat(timespec="seconds"), "body": reply}],
        }
