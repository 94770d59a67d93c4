"""Mood and urgency of one message, by word lists that are data. Pure and deterministic."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Sentiment = Literal["negative", "neutral", "positive"]
Urgency = Literal["none", "raised", "high"]
LANGUAGES = ("english", "german", "french", "spanish")
_REACH = 3
"""Words before one within which a negation turns it around."""
_LONGEST = 20_000
"""Characters of a message that are read."""
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019\-][^\W\d_]+)*")
_CLAUSE = re.compile(r"[.,;:!?()\n]+")
"""A negation turns nothing around beyond one of these."""
_SHOUTED_WORDS = 4
_SHOUTED_SHARE = 0.5
LONG_WAIT_HOURS = 24.0
_REPEATED = 2
_QUOTE = re.compile(r"^>.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Signals:
    sentiment: Sentiment
    urgency: Urgency
    reasons: tuple[str, ...]
    """What it was read from, for people: words of the customer's, and counts."""


@dataclass(frozen=True, slots=True)
class _Words:
    single: dict[str, str]
    phrases: tuple[tuple[str, str], ...]
    negations: frozenset[str]
    complaint: tuple[str, ...]
    """Words and phrases."""


def complaint_in(text: str) -> str:
    """The first words of a message that make it a complaint; empty when none do or a negation turns them around."""
    words = _words()
    line = f" {' '.join(token.casefold() for token in _WORD.findall(_cleaned(text)))} "
    for said in words.complaint:
        place = line.find(f" {said} ")
        if place >= 0 and not words.negations & set(line[:place].split()[-_REACH:]):
            return said
    return ""


def _cleaned(text: str) -> str:
    return _QUOTE.sub("", text[:_LONGEST]).replace("\u2019", "'")


def read_signals(text: str, *, repeated: int = 0, waiting_hours: float = 0.0) -> Signals:
    """`repeated`: messages before this one without an answer; `waiting_hours`: since the first of them."""
    words = _words()
    cleaned = _cleaned(text)
    tokens = _WORD.findall(cleaned)
    lowered = [token.casefold() for token in tokens]
    clauses = [at for at, clause in enumerate(_CLAUSE.split(cleaned)) for _ in _WORD.findall(clause)]
    found: dict[str, list[str]] = {"negative": [], "positive": [], "urgent": []}
    for at, token in enumerate(lowered):
        kind = words.single.get(token)
        if kind is None:
            continue
        near = range(max(0, at - _REACH), at)
        negated = any(lowered[one] in words.negations and clauses[one] == clauses[at] for one in near)
        if not negated:
            found[kind].append(token)
        elif kind == "positive":
            found["negative"].append(f"not {token}")
    line = f" {' '.join(lowered)} "
    for phrase, kind in words.phrases:
        place = line.find(f" {phrase} ")
        if place >= 0 and (kind != "urgent" or not _just_negated(line, place, words)):
            found[kind].append(phrase)
    return _weighed(found, _loudness(cleaned, tokens), repeated, waiting_hours)


def _just_negated(line: str, place: int, words: _Words) -> bool:
    before = line[:place].split()
    return bool(before) and before[-1] in words.negations


def _loudness(text: str, tokens: list[str]) -> list[str]:
    """Several exclamation marks, and whole phrases in capitals."""
    loud: list[str] = []
    if re.search(r"[!?]*!{2,}[!?]*|\?{3,}", text):
        loud.append("several exclamation marks")
    letters = [token for token in tokens if len(token) > 2]
    shouted = sum(token.isupper() for token in letters)
    if shouted >= _SHOUTED_WORDS and shouted >= _SHOUTED_SHARE * len(letters):
        loud.append("written in capitals")
    return loud


def _weighed(found: dict[str, list[str]], loud: list[str], repeated: int, waiting_hours: float) -> Signals:
    reasons = [f"“{word}”" for word in dict.fromkeys((*found["negative"], *found["urgent"]))][:6] + loud
    tilt = len(found["positive"]) - len(found["negative"]) - (1 if loud and found["negative"] else 0)
    pressure = min(len(found["urgent"]), 2) + (1 if loud and (found["urgent"] or found["negative"]) else 0)
    if repeated >= _REPEATED:
        pressure += 1
        reasons.append(f"{repeated + 1} messages without an answer")
    if waiting_hours >= LONG_WAIT_HOURS:
        pressure += 1
        reasons.append(f"waiting for {waiting_hours:.0f} hours")
    sentiment: Sentiment = "negative" if tilt < 0 else "positive" if tilt > 0 else "neutral"
    urgency: Urgency = "high" if pressure >= 2 else "raised" if pressure == 1 else "none"
    return Signals(sentiment, urgency, tuple(reasons))


@cache
def _words() -> _Words:
    """The lists of all languages together: a message may mix two, and the lists hardly collide."""
    single: dict[str, str] = {}
    phrases: list[tuple[str, str]] = []
    negations: set[str] = set()
    complaint: list[str] = []
    for language in LANGUAGES:
        table: dict[str, Any] = tomllib.loads(
            files("desk.signals").joinpath("words", f"{language}.toml").read_text(encoding="utf-8")
        )
        negations.update(table["negations"])
        complaint += table["complaint"]
        for kind in ("negative", "positive", "urgent"):
            for entry in table[kind]:
                if " " in entry:
                    phrases.append((entry, kind))
                else:
                    single[entry] = kind
    return _Words(single, tuple(phrases), frozenset(negations), tuple(complaint))
