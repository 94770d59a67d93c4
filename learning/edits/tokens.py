"""Words, values and signs of a text, with the place where each stands.

A contraction gives the tokens of its long form ("can't": `can`, `not`), so both forms compare equal.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from desk.ports import Span

from .vocabulary import vocabulary

_PATTERN = re.compile(
    r"""
    (?P<url>(?:https?://|www\.)[^\s<>"']+)
  | (?P<email>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)
  | (?P<phone>(?:\+|\b00)[1-9](?:[ .\-/]?\(?\d+\)?){2,7}
      | \(\d{2,5}\)[ ]?\d{3,}(?:[ .\-]\d{2,})* | \b\d{3}[ .-]\d{3}[ .-]\d{4}\b | \b0\d{2,4}[ ]?[/-][ ]?\d{4,}(?:[ -]\d+)* )
  | (?P<date>\b\d{4}-\d{1,2}-\d{1,2}\b | \b\d{4}/\d{1,2}/\d{1,2}\b | \b\d{1,2}[/]\d{1,2}/\d{2,4}\b | \b\d{1,2}\.\d{1,2}\.\d{4}\b(?!\.\d)
      | \b\d{2}\.\d{2}\.(?:\d{2}\b(?!\.\d)|(?=\s+[^\W\dA-Z])))
  | (?P<time>\b\d{1,2}:\d{2}(?::\d{2})?\b)
  | (?P<path>(?<![\w/])(?:~|\.{1,2})?/\w[\w.-]*(?:/[\w.-]+)*/?)
  | (?P<name>(?:[^\W_](?:[\w-]*[^\W_])?\.)+[a-z][a-z0-9]{1,9}\b(?:/[^\s<>"']*)?)
  | (?P<number>\d+(?:(?:[.,'’٫٬]|[\u00a0\u202f\u2009]|[ ](?=\d{3}(?!\d)))\d+)*)
  | (?P<ideograph>[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])
  | (?P<word>(?:[^\W\d\u3040-\u30ff\u3400-\u9fff]|[\u0300-\u036f])(?:[^\W\u3040-\u30ff\u3400-\u9fff]|[\u0300-\u036f])*
      (?:[-'’](?:[^\W\u3040-\u30ff\u3400-\u9fff]|[\u0300-\u036f])+)*)
  | (?P<sign>\S)
    """,
    re.VERBOSE,
)  # fmt: skip
_TRAILING = ".,;:!?)]}>*_…'\"”»"
_ENGLISH_ENDINGS = {"'ll": "will", "'re": "are", "'ve": "have", "'m": "am", "'d": "would"}
_WHOLE = {"can't": ("can", 3), "cannot": ("can", 3), "won't": ("will", 2), "shan't": ("shall", 3), "cant": ("can", 3)}
_IS_CONTRACTED = {"it", "that", "there", "here", "what", "he", "she", "who", "where", "how"}
_ELISIONS = {
    "l": "le", "d": "de", "j": "je", "n": "n", "c": "ce", "s": "s", "m": "me", "t": "te", "qu": "que", "jusqu": "jusque",
    
}  # fmt: skip


@dataclass(slots=True)
class Token:
    start: int
    """In the text as it was given."""
    end: int
    key: Hashable
    """Equal keys say the same: a casefolded word, or the normal form of a value."""
    kind: str
    """word, sign, number, date, amount, duration, url, email, phone, entity."""
    text: str

    @property
    def word(self) -> str:
        """The key of a word, "" for everything else."""
        return self.key if isinstance(self.key, str) and self.kind in ("word", "entity") else ""

    @property
    def is_value(self) -> bool:
        return self.kind not in ("word", "sign", "entity")


def lex(text: str, spans: tuple[Span, ...] | list[Span]) -> list[Token]:
    """The raw tokens of these ranges of the text; numbers are not joined with their units yet."""
    tokens: list[Token] = []
    for start, end in spans:
        position = start
        while match := _PATTERN.search(text, position, end):
            position = match.end()
            kind = match.lastgroup or "sign"
            begin, stop, value = match.start(), match.end(), match.group()
            if kind == "word":
                tokens.extend(_words(value, begin))
                continue
            if kind in ("url", "path", "name"):
                value = _trimmed(value)
                stop = position = begin + len(value)
            if kind == "name" and not _is_name(value):
                first = value.split(".", 1)[0]
                position = begin + len(first)
                tokens.extend(_plain(text, begin, position))
                continue
            tokens.append(Token(begin, stop, value, kind, value))
    return tokens


def _trimmed(value: str) -> str:
    trimmed = value.rstrip(_TRAILING)
    if value[len(trimmed) : len(trimmed) + 1] == ")" and trimmed.count("(") > trimmed.count(")"):
        trimmed += ")"
    return trimmed or value


def _is_name(value: str) -> bool:
    words = vocabulary()
    host, _, path = value.partition("/")
    ending = host.rsplit(".", 1)[-1]
    if ending in words.top_level_domains:
        return host != host.capitalize() or host.islower() or bool(path)
    return not path and ending in words.file_endings


def _plain(text: str, start: int, end: int) -> Iterator[Token]:
    """The words and numbers of something that only looked like a host name."""
    for match in re.finditer(r"\d+|[^\W\d]+|\S", text[start:end]):
        begin, value = start + match.start(), match.group()
        if value[0].isdigit():
            yield Token(begin, begin + len(value), value, "number", value)
        elif value[0].isalpha():
            yield from _words(value, begin)
        else:
            yield Token(begin, begin + len(value), value, "sign", value)


def _words(value: str, start: int) -> Iterator[Token]:
    if value.isascii() and value.isalpha():
        key = value.lower()
        whole = _WHOLE.get(key) if len(key) <= 6 else None
        if whole is None:
            yield Token(start, start + len(value), key, "word", value)
            return
    key = _folded(value)
    split = _contraction(key) if len(key) == len(value) else None
    if split is None:
        yield Token(start, start + len(value), key.replace("-", "") if "-" in key else key, "word", value)
        return
    (first, at), second = split
    yield Token(start, start + at, first, "word", value[:at])
    rest = value[at:]
    if second:
        yield Token(start + at, start + len(value), second, "word", rest)
        return
    offset = at + (1 if rest[:1] in "'’-" else 0)
    yield from _words(value[offset:], start + offset)


def _folded(value: str) -> str:
    if value.isascii():
        return value.lower()
    return unicodedata.normalize("NFC", value).casefold().replace("’", "'")


def _contraction(key: str) -> tuple[tuple[str, int], str] | None:
    """First token with its length in the surface form, and the second; "" when the rest is tokenised again."""
    if key in _WHOLE:
        return _WHOLE[key], "not"
    if key.endswith("n't") and len(key) > 3:
        return (key[:-3], len(key) - 3), "not"
    if "-" in key and not key.startswith("-"):
        first, _, rest = key.partition("-")
        if rest in ("vous", "nous", "tu", "moi", "le", "la", "les", "il", "elle", "on", "ils", "y", "en", "je"):
            return (first, len(first)), ""
    if "'" not in key:
        return None
    for ending, word in _ENGLISH_ENDINGS.items():
        if key.endswith(ending) and len(key) > len(ending):
            return (key[: -len(ending)], len(key) - len(ending)), word
    first, _, rest = key.partition("'")
    if rest == "s" and first in _IS_CONTRACTED:
        return (first, len(first)), "is"
    if rest == "s" and first == "let":
        return (first, len(first)), "us"
    if first in _ELISIONS and rest:
        return (_ELISIONS[first], len(first)), ""
    return None
