"""Splits text into the terms of the lexical index, for any language."""

from __future__ import annotations

import re
import unicodedata

_DIACRITICS = re.compile(r"[\u0300-\u036f]+")
# A word, or words joined by one sign: php8.2, example.com, wp-admin, 550-5.7.1, ERR_TIMED_OUT.
_TOKEN = re.compile(r"[^\W_]+(?:[._\-@:/+][^\W_]+)*")
_PART = re.compile(r"[^\W_]+")
# Thai, Lao, Burmese, Khmer, kana, Han and Hangul are written without spaces, or with words that
# carry their grammar, so whole runs would never match.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+"
)
_LONGEST_TERM = 64
"""Characters; longer runs are encoded data, which nobody searches for and which would fill the vocabulary."""

_STEM = 5
"""Characters; 4 to 6 is the usual range for European languages (McNamee & Mayfield 2004)."""


def fold(text: str) -> str:
    """Lower case without diacritics, compatibility forms resolved; other scripts keep their vowel signs."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFC", _DIACRITICS.sub("", unicodedata.normalize("NFD", folded)))


def terms(text: str) -> list[str]:
    """The terms of a text in reading order, repeated as often as they occur.

    A joined token gives itself and its parts, so `php8.2` finds `php8.2` first and `php8` as well. Runs of
    a script without spaces give overlapping pairs of characters.
    """
    found: list[str] = []
    for token in _TOKEN.findall(fold(text)):
        if token.isalnum():
            if token.isascii() and len(token) <= _LONGEST_TERM:
                found.append(token)
            else:
                _append_word(found, token)
            continue
        if len(token) <= _LONGEST_TERM:
            found.append(token)
        for part in _PART.findall(token):
            _append_word(found, part)
    return found


def search_terms(text: str) -> list[str]:
    """The terms, and behind every longer word its first letters as a stem.

    Cutting words is the stemming that works in any language that inflects at the end. The whole word stays,
    so the exact form still ranks above its relatives. Measured with `retrieval.benchmarks.kb`.
    """
    found: list[str] = []
    for term in terms(text):
        found.append(term)
        if len(term) > _STEM and term.isalpha():
            found.append(f"{term[:_STEM]}*")
    return found


def _append_word(found: list[str], word: str) -> None:
    if word.isascii():
        if len(word) <= _LONGEST_TERM:
            found.append(word)
        return
    rest_from = 0
    for run in _UNSPACED.finditer(word):
        _append_spaced(found, word[rest_from : run.start()])
        characters = run.group()
        if len(characters) == 1:
            found.append(characters)
        found.extend(characters[at : at + 2] for at in range(len(characters) - 1))
        rest_from = run.end()
    _append_spaced(found, word[rest_from:])


def _append_spaced(found: list[str], word: str) -> None:
    if 0 < len(word) <= _LONGEST_TERM:
        found.append(word)
