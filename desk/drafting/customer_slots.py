"""Named slots in a draft: `{invoice number}` becomes this customer's, as connected systems know it. Pure.

A slot is filled only where there is one value for it. One that is left is a failed check, because no customer may ever
read it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from desk.ports import SLOTS, CustomerFact, Span

_SLOT = re.compile(r"\{\s*([A-Za-z]+(?:[ _-]+[A-Za-z]+)*)\s*\}")


def slot_values(facts: Sequence[CustomerFact]) -> Mapping[str, str]:
    """By slot, where all facts that may fill it say the same."""
    found: dict[str, set[str]] = {}
    for fact in facts:
        if fact.slot:
            found.setdefault(fact.slot, set()).add(fact.value)
    return {slot: next(iter(values)) for slot, values in found.items() if len(values) == 1}


def fill_slots(text: str, facts: Sequence[CustomerFact]) -> str:
    """A value that itself looks like a slot stays as it is."""
    values = slot_values(facts)
    return _SLOT.sub(lambda match: values.get(_name(match.group(1)), match.group()), text)


def left_slots(text: str) -> list[tuple[str, Span]]:
    """Slots that are still to be filled. Braces around other words are the answer's own, as in a piece of code."""
    return [(match.group(), match.span()) for match in _SLOT.finditer(text) if _name(match.group(1)) in SLOTS]


def fact_lines(facts: Sequence[CustomerFact]) -> tuple[str, ...]:
    """What a draft may use of the facts."""
    return tuple(dict.fromkeys(f"{fact.slot}: {fact.value}" for fact in facts if fact.slot))


def fact_phrases(facts: Sequence[CustomerFact]) -> tuple[str, ...]:
    """As they are written in sentences: "invoice 4711"."""
    return tuple(dict.fromkeys(f"{fact.slot.removesuffix(' number')} {fact.value}" for fact in facts if fact.slot))


def _name(written: str) -> str:
    return re.sub(r"[ _-]+", " ", written).casefold()
