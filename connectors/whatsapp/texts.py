"""Texts as WhatsApp takes them: cut where a reader pauses, and the words by which people stop a sender."""

from __future__ import annotations

import re
from typing import Literal

STOP_WORDS = frozenset(
    {"stop", "stopall", "stop all", "unsubscribe", "quit", "opt out", "optout", "stopp", "arrêt", "baja"}
)
START_WORDS = frozenset({"start", "unstop"})
"""Twilio's standard keywords without `cancel`, `end` and `yes`, which in a support conversation answer questions or
ask for something far more often than they opt out or in."""
_EDGES = " \t\r\n.!\"'*_"
_BREAKS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"(?<=[.!?\u2026\u3002\uff01\uff1f])[\"')\]]*\s+"),
    re.compile(r"\s+"),
)


def consent_of(body: str) -> Literal["", "stop", "start"]:
    """Only a message that is nothing but the word counts."""
    word = " ".join(body.strip(_EDGES).casefold().split())
    if word in STOP_WORDS:
        return "stop"
    return "start" if word in START_WORDS else ""


def split(text: str, longest: int) -> tuple[str, ...]:
    """Pieces of at most `longest` characters: between paragraphs, else lines, else sentences, else words.

    Nothing but white space at the cuts is lost; a word longer than a piece is cut where it must be.
    """
    pieces: list[str] = []
    rest = text.strip()
    while len(rest) > longest:
        cut = _cut(rest, longest)
        pieces.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return (*pieces, rest) if rest or not pieces else tuple(pieces)


def _cut(text: str, longest: int) -> int:
    """Behind the last break of the best kind that leaves no piece shorter than a third."""
    window = text[: longest + 1]
    for pattern in _BREAKS:
        ends = [found.start() for found in pattern.finditer(window) if longest // 3 <= found.start() <= longest]
        if ends:
            return ends[-1]
    # Never between the halves of what is shown as one sign: marks and joiners belong to what stands before them.
    cut = longest
    while cut > longest - 20 and _belongs_to_before(text, cut):
        cut -= 1
    return cut


def _belongs_to_before(text: str, at: int) -> bool:
    before, after = text[at - 1], text[at]
    return "\u200d" in {before, after} or after in "\ufe0e\ufe0f\u20e3" or "\U0001f3fb" <= after <= "\U0001f3ff"
