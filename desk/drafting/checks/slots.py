"""No slot for a customer's own figures is left open."""

from __future__ import annotations

from desk.drafting.checks.check import Check
from desk.drafting.customer_slots import left_slots


def check_slots(body: str) -> list[Check]:
    """Says something only where a slot is left: most drafts have none."""
    return [
        Check("slots", passed=False, detail=f"'{written}' is not known for this customer", span=span)
        for written, span in left_slots(body)
    ]
