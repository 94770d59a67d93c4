"""Words to the machine, in the ticket or in a source: whoever finds some lets nothing out without a person.

The texts themselves stay untouched and in sight: a person may well answer a customer who asks about such words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from desk.drafting.checks.check import Check
from desk.plain_text import excerpt, fold

_OVERRIDE = (
    r"\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,40}"
    r"\b(?:instruction|prompt|your rule|the rule|guideline|training)\w*"
    r"|\b(?:ignore|disregard|forget) (?:all|everything|anything) (?:the |that (?:was|came) )?"
    r"(?:previous|above|before)\b"
)
_ASK_FOR_PROMPT = (
    r"\b(?:reveal|print|repeat|show|output|leak)\b[^.\n]{0,30}"
    r"\b(?:system prompt|hidden prompt|your (?:instructions|prompt|rules))"
)
_NEW_ROLE = (
    r"\byou are (?:now|no longer) (?:an?|the|in)\b[^.\n]{0,40}"
    r"|\b(?:act|behave|respond|answer) as (?:if you (?:are|were)|an? (?:unrestricted|unfiltered|jailbroken))\b"
    r"|\b(?:note|message|instruction)s? (?:to|for) the (?:ai|assistant|model|bot|llm)\b"
    r"|\b(?:developer|dan|jailbreak) mode\b"
)
_OTHER_LANGUAGES = (
    r"\bignoriere?\b[^.\n]{0,40}\b(?:anweisung|vorgabe|regel|bisherig)\w*"
    r"|\bignore[zr]?\b[^.\n]{0,40}\b(?:instructions|consignes|regles)\b"
    r"|\bignora\w*\b[^.\n]{0,40}\b(?:instrucciones|reglas|istruzioni|anteriores)\b"
)
_ORDERS = re.compile(f"{_OVERRIDE}|{_ASK_FOR_PROMPT}|{_NEW_ROLE}|{_OTHER_LANGUAGES}")
_FORGED_TURNS = re.compile(
    r"<\|?(?:im_start|im_end|system|assistant|endoftext)\|?>|\[/?(?:inst|system)\]|^\s*#{2,}\s*(?:system|instructions?)\s*:?\s*$"
    r"|^\s*(?:system|assistant)\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_UNSEEN = re.compile("[\U000e0000-\U000e007f\u200b\u2060\u2062-\u2064]{4,}")
"""Signs nobody sees: tag characters and runs of zero-width ones carry text past the reader."""


def check_injection(customer_words: str, sources: Sequence[str]) -> list[Check]:
    for where, text in [("the ticket", customer_words), *(("a source", source) for source in sources)]:
        found = _words_to_the_machine(text)
        if found is not None:
            detail = f"{where} holds words meant for the machine: “{excerpt(found, 120)}”"
            return [Check("injection", passed=False, detail=detail)]
    return [Check("injection", passed=True)]


def _words_to_the_machine(text: str) -> str | None:
    if _UNSEEN.search(text):
        return "signs that nobody can see"
    found = _FORGED_TURNS.search(text) or _ORDERS.search(fold(text))
    return None if found is None else found.group()
