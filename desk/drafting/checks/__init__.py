"""Checks on a finished draft that hold whatever its score says (design section 7). Pure.

A failed check never deletes the draft: the agent sees the evidence as notes first, the draft behind one key with the
failed place marked, and nothing is sent by machine.
"""

from __future__ import annotations

from collections.abc import Sequence

from desk.drafting.checks.check import Check
from desk.drafting.checks.facts import check_facts
from desk.drafting.checks.injection import check_injection
from desk.drafting.checks.links import check_links
from desk.drafting.checks.personal import check_personal
from desk.drafting.checks.slots import check_slots
from desk.drafting.checks.wording import check_language, check_leaks, check_promises, check_text


def run_checks(  # noqa: PLR0913 - keyword only: everything a draft is held against
    body: str,
    *,
    sources: Sequence[str],
    record: Sequence[str] = (),
    customer_words: str,
    allowed_hosts: Sequence[str],
    languages: tuple[str, str] = ("", ""),
    told_to_one: Sequence[str] = (),
    told_to_many: Sequence[str] = (),
    other_people: Sequence[str] = (),
) -> tuple[Check, ...]:
    """`sources` are the texts the draft was written from, `record` what is known of the customer and of the tenant.

    `languages` are the draft's and the customer's, as codes such as en or pt-BR; "" where one is not known.
    `told_to_one` are those of the sources that were written to another customer, `other_people` these customers'
    names; `told_to_many` is what further ones were told, so that what both hold is the company's own.
    """
    known = (*sources, *record)
    shareable = [text for text in (*known, *told_to_many) if text not in set(told_to_one)]
    return (
        *check_text(body),
        *check_language(*languages),
        *check_facts(body, (*known, customer_words)),
        *check_links(body, known, allowed_hosts),
        *check_promises(body, known),
        *check_leaks(body),
        *check_slots(body),
        *check_personal(body, (*shareable, customer_words), other_people),
        *check_injection(customer_words, sources),
    )


__all__ = ["Check", "run_checks"]
