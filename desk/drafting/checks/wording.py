"""What a draft says as such: something at all, in the customer's language, no promise of its own, no word of itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from desk.drafting.checks.check import Check, passed_or
from desk.plain_text import fold

_PROMISE = re.compile(
    r"\b(?:we|i)(?:'ll| will| shall| guarantee| promise)\b[^.!?\n]*|\bguaranteed\b"
    r"|\bwir (?:werden|garantieren)\b[^.!?\n]*"
    r"|\bnous (?:allons|garantissons)\b[^.!?\n]*"
    r"|\b(?:vamos a|garantizamos)\b[^.!?\n]*",
    re.IGNORECASE,
)
_COURTESY = re.compile(r"\b(?:help|assist|look|happy|glad|helfen|aider|ayudar\w*)\b", re.IGNORECASE)
_LANGUAGE_CODE = re.compile(r"[a-z]{2}")
_LANGUAGE_NAMES = {
    "bg": "Bulgarian",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "hr": "Croatian",
    "hu": "Hungarian",
    "it": "Italian",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sv": "Swedish",
    "tr": "Turkish",
    "uk": "Ukrainian",
}
_LEAK = re.compile(
    r"\bas an ai\b|\blanguage model\b|\bsystem prompt\b|\bmy instructions\b|\bignore (?:all |the )?previous\b"
    r"|\bsprachmodell\b|\bmod[eè]le de langage\b|\bmodelo de lenguaje\b|\{(?:context|subject|content|department)\}",
    re.IGNORECASE,
)


def check_text(body: str) -> list[Check]:
    has_text = any(character.isalnum() for character in body)
    return [Check("not_empty", has_text, "" if has_text else "the draft is empty")]


def check_language(draft: str, customer: str) -> list[Check]:
    """An answer in a language the customer did not write in is no answer, however well it fits."""
    codes = tuple(language.casefold().replace("_", "-").partition("-")[0] for language in (draft, customer))
    known = all(_LANGUAGE_CODE.fullmatch(code) for code in codes)
    if not known or codes[0] == codes[1]:
        return [Check("language", passed=True)]
    written, wanted = (_LANGUAGE_NAMES.get(code, code) for code in codes)
    return [Check("language", passed=False, detail=f"the answer is in {written}, the customer wrote in {wanted}")]


def check_promises(body: str, sources: Sequence[str]) -> list[Check]:
    """A promise in the desk's name must be one that a source makes; an offer to help is none."""
    known = [fold(source) for source in sources]
    failed = [
        Check("promises", passed=False, detail=f"'{match.group().strip()}' is promised by no source", span=match.span())
        for match in _PROMISE.finditer(body)
        if not _COURTESY.search(match.group()) and not any(fold(match.group().strip()) in text for text in known)
    ]
    return passed_or("promises", failed)


def check_leaks(body: str) -> list[Check]:
    found = _LEAK.search(body)
    if found is None:
        return [Check("leaks", passed=True)]
    detail = "the text speaks of its own instructions"
    return [Check("leaks", passed=False, detail=detail, span=found.span())]
