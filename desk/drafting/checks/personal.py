"""Nothing of another customer: no name, address, phone or reference but this customer's and the company's own."""

from __future__ import annotations

import re
from collections.abc import Sequence

from desk.drafting.checks.check import Check, passed_or
from desk.drafting.particulars import ParticularKind, particulars
from desk.plain_text import fold

_WORDS: dict[ParticularKind, str] = {
    "email": "an e-mail address",
    "phone": "a phone number",
    "ip": "an IP address",
    "reference": "a reference",
}
"""Other literals are facts or links, which have checks of their own."""
_SHORTEST_NAME = 3


def check_personal(body: str, known: Sequence[str], other_people: Sequence[str]) -> list[Check]:
    """`known` is what may be said to this customer: their words and record, documents, what several others were told.
    `other_people` are the customers whose approved answers the draft was made from."""
    folded = "\n".join(known).casefold()
    digits = re.sub(r"[^\d\n]", "", folded)
    failed = [
        _failed(body, (found.start, found.end), _WORDS[found.kind])
        for found in particulars(body)
        if found.kind in _WORDS and not _is_known(found.kind, found.value, folded, digits)
    ]
    return passed_or("personal", failed + _names(body, known, other_people))


def _is_known(kind: ParticularKind, value: str, folded: str, digits: str) -> bool:
    """A phone number is the same however it is spaced."""
    return value in folded or (kind == "phone" and re.sub(r"\D", "", value) in digits)


def _names(body: str, known: Sequence[str], other_people: Sequence[str]) -> list[Check]:
    own = {word for text in known for word in re.findall(r"\w+", fold(text))}
    failed: list[Check] = []
    for part in dict.fromkeys(part for name in other_people for part in name.split()):
        if len(part) < _SHORTEST_NAME or fold(part) in own:
            continue
        match = re.search(rf"(?<!\w){re.escape(part)}(?!\w)", body)
        if match is not None:
            failed.append(_failed(body, match.span(), "another customer's name"))
    return failed


def _failed(body: str, span: tuple[int, int], what: str) -> Check:
    detail = f"'{body[slice(*span)].strip()}' is {what} that is in nothing this customer may be told"
    return Check("personal", passed=False, detail=detail, span=span)
