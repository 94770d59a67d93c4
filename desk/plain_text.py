"""Text that PostgreSQL, a page and a person can take: no NUL, no lone surrogates, no control characters."""

from __future__ import annotations

import re
import unicodedata

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Line ends become `\\n`; what cannot be stored or seen is taken out; the rest stays as it was written."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def clean_line(text: str) -> str:
    """One line: every run of white space, line ends among them, becomes one blank."""
    return " ".join(clean_text(text).split())


_LOOKED_AT = 4
"""Characters read for each one of an excerpt, before the whole text is."""


def excerpt(text: str, length: int) -> str:
    """The beginning of `text` on one line, cut at a word, with an ellipsis when something was cut."""
    line = clean_line(text[: _LOOKED_AT * length])
    if len(line) <= length and len(text) > _LOOKED_AT * length:
        line = clean_line(text)
    if len(line) <= length:
        return line
    return line[: length - 1].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"


def fold(text: str) -> str:
    """For comparing: compatibility form, no case, no accents."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


_EDGES = ".,;:!?\"'`()[]{}<>*_|~-\u2026\u00bf\u00a1\u00b4\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb\u2013\u2014"
"""Signs that only surround words; `+` and `#` do not, for C++ and C# are not C."""


def question_key(text: str) -> str:
    """What makes two wordings of a question the same: case, spacing and the signs around words make no difference."""
    plain = unicodedata.normalize("NFKC", clean_line(text)).casefold()
    return " ".join(stripped for word in plain.split() if (stripped := word.strip(_EDGES)))
