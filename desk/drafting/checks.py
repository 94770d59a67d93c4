"""Checks on a finished draft that hold whatever its score says (design section 7). Pure.

A failed check never deletes the draft: the agent sees the evidence as notes first, the draft behind one key with the
failed place marked, and nothing is sent by machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from desk.plain_text import fold
from desk.ports import Span


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    passed: bool
    detail: str = ""
    span: Span | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "passed": self.passed,
            "detail": self.detail,
            "span": list(self.span) if self.span else None,
        }


_URL = re.compile(r"https?://[^\s<>()\[\]\"']+|\bwww\.[^\s<>()\[\]\"']+", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,:]\d+)*(?![\w])")
_LIST_MARKER = re.compile(r"^\s*\d{1,2}[.)]\s", re.MULTILINE)
_CITATION = re.compile(r"\[\d{1,2}\]")
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)|<img\b", re.IGNORECASE)
_PROMISE = re.compile(
    r"\b(?:we|i)(?:'ll| will| shall| guarantee| promise)\b[^.!?\n]*|\bguaranteed\b"
    r"|\bwir (?:werden|garantieren)\b[^.!?\n]*",
    re.IGNORECASE,
)
_COURTESY = re.compile(r"\b(?:help|assist|look|happy|glad|helfen)\b", re.IGNORECASE)
_LANGUAGE_CODE = re.compile(r"[a-z]{2}")
_LANGUAGE_NAMES = {
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "nl": "Dutch",
    "pt": "Portuguese",
}
_LEAK = re.compile(
    r"\bas an ai\b|\blanguage model\b|\bsystem prompt\b|\bmy instructions\b|\bignore (?:all |the )?previous\b",
    re.IGNORECASE,
)


def run_checks(
    body: str,
    *,
    sources: Sequence[str],
    customer_words: str,
    allowed_hosts: Sequence[str],
    languages: tuple[str, str] = ("", ""),
) -> tuple[Check, ...]:
    """`sources` are the texts of everything the draft was allowed to draw from, the customer's facts included.

    `languages` are the draft's and the customer's, as codes such as en or pt-BR; "" where one is not known.
    """
    return (
        *_empty(body),
        *_language(*languages),
        *_facts(body, (*sources, customer_words)),
        *_links(body, sources, allowed_hosts),
        *_promises(body, sources),
        *_leaks(body),
    )


def _empty(body: str) -> list[Check]:
    has_text = any(character.isalnum() for character in body)
    return [Check("not_empty", has_text, "" if has_text else "the draft is empty")]


def _language(draft: str, customer: str) -> list[Check]:
    """An answer in a language the customer did not write in is no answer, however well it fits."""
    codes = tuple(language.casefold().replace("_", "-").partition("-")[0] for language in (draft, customer))
    known = all(_LANGUAGE_CODE.fullmatch(code) for code in codes)
    if not known or codes[0] == codes[1]:
        return [Check("language", passed=True)]
    written, wanted = (_LANGUAGE_NAMES.get(code, code) for code in codes)
    return [Check("language", passed=False, detail=f"the answer is in {written}, the customer wrote in {wanted}")]


def _facts(body: str, sources: Sequence[str]) -> list[Check]:
    """Every number (amount, date, version, limit) must stand in a source or in the customer's own words."""
    known = {_plain_number(found) for source in sources for found in _NUMBER.findall(source)}
    skipped = [match.span() for pattern in (_LIST_MARKER, _CITATION, _URL) for match in pattern.finditer(body)]
    failed = [
        Check("facts", passed=False, detail=f"'{match.group()}' is in no source", span=match.span())
        for match in _NUMBER.finditer(body)
        if _plain_number(match.group()) not in known and not any(start <= match.start() < end for start, end in skipped)
    ]
    return failed or [Check("facts", passed=True)]


def _plain_number(text: str) -> str:
    """`1,000.00` and `1000` are one number; `10.5` stays what it is."""
    plain = re.sub(r"[,.](?=\d{3}(?:\D|$))", "", text)
    plain = re.sub(r"[.,]0+$", "", plain.replace(",", "."))
    return plain.lstrip("0") or "0"


def _links(body: str, sources: Sequence[str], allowed_hosts: Sequence[str]) -> list[Check]:
    """A link must be of the tenant's list or stand in a source to the letter; remote images never."""
    allowed = {host.casefold() for host in allowed_hosts}
    quoted = {_plain_url(found) for source in sources for found in _URL.findall(source)}
    failed = [
        Check("links", passed=False, detail="a remote image must not be sent", span=match.span())
        for match in _IMAGE.finditer(body)
    ]
    for match in _URL.finditer(body):
        url = _plain_url(match.group())
        host = (urlsplit(url if "//" in url else f"https://{url}").hostname or "").casefold()
        if host not in allowed and url not in quoted:
            detail = f"{host or url} is in no source and not on the list of allowed links"
            span = (match.start(), match.start() + len(url))
            failed.append(Check("links", passed=False, detail=detail, span=span))
    return failed or [Check("links", passed=True)]


def _plain_url(url: str) -> str:
    return url.rstrip(".,;:!?/")


def _promises(body: str, sources: Sequence[str]) -> list[Check]:
    """A promise in the desk's name must be one that a source makes; an offer to help is none."""
    known = [fold(source) for source in sources]
    failed = [
        Check("promises", passed=False, detail=f"'{match.group().strip()}' is promised by no source", span=match.span())
        for match in _PROMISE.finditer(body)
        if not _COURTESY.search(match.group()) and not any(fold(match.group().strip()) in text for text in known)
    ]
    return failed or [Check("promises", passed=True)]


def _leaks(body: str) -> list[Check]:
    found = _LEAK.search(body)
    if found is None:
        return [Check("leaks", passed=True)]
    detail = "the text speaks of its own instructions"
    return [Check("leaks", passed=False, detail=detail, span=found.span())]
