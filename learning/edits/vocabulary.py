"""The word lists of `words/*.toml`, merged over the languages into what the analysis looks up.

The languages are used together: a reply may mix two, and their lists hardly collide.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

MODALS = ("possible", "certain", "required", "advised", "always", "mostly", "sometimes")
LANGUAGES = ("english", "german", "french", "spanish")

Mark = Literal[
    "negation", "harmless_negation", "modality", "wrapper", "courtesy", "apology", "tone", "promise",
    "harmless_promise", "condition", "harmless_condition",
]  # fmt: skip
Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phrase:
    """A run of words and what it stands for."""

    words: Words
    mark: Mark
    value: str = ""
    """The class of a modal: possible, certain, required, advised, always, mostly, sometimes."""


@dataclass(frozen=True, slots=True)
class Ideographs:
    """Signs behind a number that make it a value: 3時間, 1,200円, 5月3日."""

    units: Mapping[str, str]
    currencies: Mapping[str, str]
    year: str
    month: str
    day: frozenset[str]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    function_words: frozenset[str]
    single: Mapping[str, tuple[tuple[Mark, str], ...]]
    """Marks of single words, with the class of a modal."""
    phrases: Mapping[Words, tuple[Phrase, ...]]
    """Phrases of two words and more, by their first two, longest first."""
    first_words: frozenset[str]
    numbers: Mapping[str, int]
    numbers_before_units: Mapping[str, float]
    """Words that are numbers before a unit only: "one day", "half an hour"."""
    months: Mapping[str, int]
    weekdays: Mapping[str, int]
    relative_days: Mapping[str, int]
    units: Mapping[str, str]
    """Word of a duration to second, minute, hour, day, business day, week, month, year or clock."""
    working: frozenset[str]
    """Words that make a day a business day."""
    opposites: Mapping[str, frozenset[str]]
    abbreviations: frozenset[str]
    small_talk: frozenset[str]
    openings: frozenset[str]
    wishes: frozenset[str]
    conjunctions: frozenset[str]
    """Words for "if"."""
    auxiliaries: frozenset[str]
    finite: frozenset[str]
    future: frozenset[str]
    objects: frozenset[str]
    sequence: frozenset[str]
    clause_breaks: frozenset[str]
    german: frozenset[str]
    """Words that give German away."""
    openers: tuple[Words, ...]
    sign_offs: frozenset[str]
    currencies: Mapping[str, str]
    products: frozenset[str]
    top_level_domains: frozenset[str]
    file_endings: frozenset[str]
    size_units: frozenset[str]
    titles: frozenset[str]
    """Words a person's name follows."""
    percent: frozenset[str]
    value_starters: frozenset[str]
    """Words a number, a date or an amount can start with."""
    ideographs: Ideographs
    apart: Mapping[str, frozenset[str]]
    """Second words of a negation whose two parts stand around a verb, by the first: "ne ... plus"."""
    waived: frozenset[str]
    """First words of duties that a negation waives ("do not have to") where another forbids ("must not")."""
    promising_endings: tuple[str, ...]
    """What a verb in the future ends with where the ending alone says who promises: "llamaremos"."""
    not_promising: frozenset[str]
    chain: frozenset[str]
    """Words that hang one step on another: "then"."""
    joiners: frozenset[str]
    """Words for "and"."""
    exclusive: Mapping[str, int]
    """Words whose lists say that one of them cannot be the other, with the number of their list."""


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads((files("learning.edits") / "words" / f"{name}.toml").read_text(encoding="utf-8"))


def _phrases(table: Mapping[str, Any]) -> Iterable[Phrase]:
    negation, courtesy, condition = table["negation"], table["courtesy"], table["condition"]
    modality, promise = table["modality"], table["promise"]
    lists: list[tuple[Mark, list[str]]] = [
        ("negation", negation["words"] + negation["phrases"]),
        ("harmless_negation", negation["harmless"]),
        ("wrapper", modality["wrappers"]),
        ("courtesy", courtesy["phrases"]),
        ("apology", table["apology"]["phrases"]),
        ("tone", table["tone"]["words"]),
        ("promise", promise["phrases"]),
        ("harmless_promise", promise["harmless"]),
        ("condition", condition["words"]),
        ("harmless_condition", condition["harmless"]),
    ]
    for mark, entries in lists:
        yield from (Phrase(tuple(entry.casefold().split()), mark) for entry in entries)
    for strength in MODALS:
        yield from (Phrase(tuple(entry.casefold().split()), "modality", strength) for entry in modality[strength])


def _by_first_words(phrases: Iterable[Phrase]) -> dict[Words, tuple[Phrase, ...]]:
    grouped: dict[Words, list[Phrase]] = {}
    for phrase in phrases:
        if len(phrase.words) > 1:
            grouped.setdefault(phrase.words[:2], []).append(phrase)
    return {words: tuple(sorted(found, key=lambda p: -len(p.words))) for words, found in grouped.items()}


def _single(phrases: Iterable[Phrase]) -> dict[str, tuple[tuple[Mark, str], ...]]:
    grouped: dict[str, dict[tuple[Mark, str], None]] = {}
    for phrase in phrases:
        if len(phrase.words) == 1:
            grouped.setdefault(phrase.words[0], {})[phrase.mark, phrase.value] = None
    return {word: tuple(found) for word, found in grouped.items()}


def _opposites(tables: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for table in tables:
        for one, other in cast("list[list[str]]", table["opposites"]["pairs"]):
            found.setdefault(one.casefold(), set()).add(other.casefold())
            found.setdefault(other.casefold(), set()).add(one.casefold())
    return {word: frozenset(others) for word, others in found.items()}


def _ideographs(table: Mapping[str, Any]) -> Ideographs:
    date = table["date"]
    return Ideographs(table["units"], table["currencies"], date["year"], date["month"], frozenset(date["day"]))


def _apart(pairs: Iterable[str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for pair in pairs:
        first, second = pair.split()
        found.setdefault(first, set()).add(second)
    return {first: frozenset(seconds) for first, seconds in found.items()}


@cache
def vocabulary() -> Vocabulary:
    """The merged lists; read from the package once per process."""
    common, calendars = _table("common"), _table("calendars")
    tables = [_table(language) for language in LANGUAGES]
    phrases = [phrase for table in tables for phrase in _phrases(table)]

    def words(section: str, key: str = "words") -> frozenset[str]:
        return frozenset(word.casefold() for table in tables for word in table[section][key])

    def mapping(section: str) -> dict[str, Any]:
        # The four languages last: where a word of theirs means something else elsewhere, theirs counts.
        entries = (entry for table in (calendars, *tables) for entry in table.get(section, {}).items())
        return {word.casefold(): value for word, value in entries}

    numbers, months, weekdays = mapping("numbers"), mapping("months"), mapping("weekdays")
    apart = _apart(words("negation", "apart"))
    before_units, relative_days = mapping("numbers_before_units"), mapping("relative_days")
    return Vocabulary(
        function_words=words("function"),
        single=_single(phrases),
        phrases=_by_first_words(phrases),
        first_words=frozenset({*(phrase.words[0] for phrase in phrases), *apart}),
        numbers=numbers,
        numbers_before_units=before_units,
        months=months,
        weekdays=weekdays,
        relative_days=relative_days,
        units=mapping("units"),
        working=words("working") | frozenset(calendars["working"]["words"]),
        opposites=_opposites(tables),
        abbreviations=words("abbreviations"),
        small_talk=words("courtesy", "small_talk"),
        openings=words("courtesy", "openings"),
        wishes=words("courtesy", "wishes"),
        conjunctions=words("condition", "conjunctions"),
        auxiliaries=words("structure", "auxiliaries"),
        finite=words("structure", "finite"),
        future=words("structure", "future"),
        objects=words("structure", "objects"),
        sequence=words("structure", "sequence"),
        clause_breaks=words("structure", "clause_breaks"),
        german=frozenset(_table("german")["structure"]["telltale"]),
        openers=tuple(sorted((tuple(o.split()) for o in words("greeting", "openers")), key=lambda o: -len(o))),
        sign_offs=words("greeting", "sign_offs"),
        currencies=common["currencies"],
        products=frozenset(common["names"]["products"]),
        top_level_domains=frozenset(common["names"]["top_level_domains"]),
        file_endings=frozenset(common["names"]["file_endings"]),
        size_units=frozenset(common["names"]["size_units"]),
        titles=frozenset(common["names"]["titles"]),
        percent=frozenset(common["percent"]["words"]),
        value_starters=frozenset({*numbers, *before_units, *months, *weekdays, *relative_days, *common["currencies"]}),
        ideographs=_ideographs(calendars["ideographs"]),
        apart=apart,
        waived=words("modality", "waived"),
        promising_endings=tuple(sorted(words("promise", "endings"))),
        not_promising=words("promise", "other_endings"),
        chain=words("structure", "chain"),
        joiners=words("structure", "joiners"),
        exclusive={word: number for number, words in enumerate(common["exclusive"]["words"]) for word in words},
    )
