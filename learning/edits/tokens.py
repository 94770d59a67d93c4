"""Words, values and signs of a text, with the place where each stands.

A contraction gives the tokens of its long form ("can't": `can`, `not`), so both forms compare equal.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from .vocabulary import vocabulary

_PATTERN = re.compile(
    r"""
    \s*(?:
    (?P<plain>[A-Za-zÀ-ɏ]+(?=[\s,;!?)"/>|<*=\[\]{}]|:(?!//)|\.?(?:\s|$)))
  | (?P<common>[,;:!?"“”«»…*=<>|{}\[\]])
  | (?P<url>(?:https?://|www\.)[^\s<>"']+)
  | (?P<email>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)
  | (?P<phone>(?:\+|\b00)[1-9](?:[ .\-/]?\(?\d+\)?){2,7}
      | \(\d{2,5}\)[ ]?\d{3,}(?:[ .\-]\d{2,})*
      | \b\d{3}[ .-]\d{3}[ .-]\d{4}\b
      | \b0\d{2,4}[ ]?[/-][ ]?\d{4,}(?:[ -]\d+)*
      | \b0\d{2,4}(?:[ ]\d{3,}){1,2}\b)
  | (?P<date>\b\d{4}-\d{1,2}-\d{1,2}\b
      | \b\d{4}/\d{1,2}/\d{1,2}\b
      | \b\d{1,2}/\d{1,2}/\d{2,4}\b
      | \b\d{1,2}\.\d{1,2}\.\d{4}\b(?!\.\d)
      | \b\d{2}\.\d{2}\.(?:\d{2}\b(?!\.\d)|(?=\s+[^\W\dA-Z])))
  | (?P<time>\b\d{1,2}:\d{2}(?::\d{2})?\b)
  | (?P<path>(?<![\w/])(?:~|\.{1,2})?/\w[\w.-]*(?:/[\w.-]+)*/?)
  | (?P<name>(?:[^\W_](?:[\w-]*[^\W_])?\.)+[a-z][a-z0-9]{1,9}\b(?:/[^\s<>"']*)?)
  | (?P<number>\d+(?:(?:[.,'\u2019\u066b\u066c]|[\u00a0\u202f\u2009]|[ ](?=\d{3}(?!\d)))\d+)*)
  | (?P<ideograph>[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])
  | (?P<word>(?:[^\W\d\u3040-\u30ff\u3400-\u9fff]|[\u0300-\u036f])(?:[^\W\u3040-\u30ff\u3400-\u9fff]|[\u0300-\u036f])*
      (?:[-'\u2019](?:[^\W\u3040-\u30ff\u3400-\u9fff]|[\u0300-\u036f])+)*)
  | (?P<sign>\S))
    """,
    re.VERBOSE,
)  # fmt: skip
_PLAIN = re.compile(r"\d+|[^\W\d]+|\S")
_TRAILING = ".,;:!?)]}>*_…'\"”»"
_ENGLISH_ENDINGS = {"'ll": "will", "'re": "are", "'ve": "have", "'m": "am", "'d": "would"}
_WHOLE = {"can't": ("can", 3), "cannot": ("can", 3), "won't": ("will", 2), "shan't": ("shall", 3), "cant": ("can", 3)}
_IS_CONTRACTED = {"it", "that", "there", "here", "what", "he", "she", "who", "where", "how"}
_INVERTED = {"vous", "nous", "tu", "moi", "le", "la", "les", "il", "elle", "on", "ils", "y", "en", "je"}
"""French pronouns behind their verb: "pouvez-vous"."""
_ELISIONS = {
    "l": "le", "d": "de", "j": "je", "n": "n", "c": "ce", "s": "s", "m": "me", "t": "te", "qu": "que",
    "jusqu": "jusque",
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


def lex(text: str, start: int, end: int) -> list[Token]:
    """The raw tokens of this range of the text; numbers are not joined with their units yet."""
    tokens: list[Token] = []
    for match in _PATTERN.finditer(text, start, end):
        kind = match.lastgroup or "sign"
        begin, stop = match.span(kind)
        value = text[begin:stop]
        if kind in ("plain", "word"):
            words = _words(value)
            if len(words) == 1:
                tokens.append(Token(begin, stop, words[0][2], "word", value))
                continue
            tokens.extend(
                Token(begin + offset, begin + after, key, "word", value[offset:after]) for offset, after, key in words
            )
        elif kind in ("url", "path", "name"):
            tokens.extend(_address(value, begin, kind))
        else:
            tokens.append(Token(begin, stop, value, "sign" if kind == "common" else kind, value))
    return tokens


def _address(value: str, start: int, kind: str) -> Iterator[Token]:
    """A link, path or host without the signs that end the sentence, or the words that only looked like one."""
    trimmed = _trimmed(value)
    if kind == "name" and not _is_name(trimmed):
        yield from _plain(value, start)
        return
    yield Token(start, start + len(trimmed), trimmed, kind, trimmed)
    for place in range(len(trimmed), len(value)):
        yield Token(start + place, start + place + 1, value[place], "sign", value[place])


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


def _plain(value: str, start: int) -> Iterator[Token]:
    for match in _PLAIN.finditer(value):
        part, begin = match.group(), start + match.start()
        if part[0].isalpha():
            for offset, stop, key in _words(part):
                yield Token(begin + offset, begin + stop, key, "word", part[offset:stop])
        else:
            kind = "number" if part[0].isdigit() else "sign"
            yield Token(begin, begin + len(part), part, kind, part)


@lru_cache(maxsize=50_000)
def _words(value: str) -> tuple[tuple[int, int, str], ...]:
    """The words a written word stands for, as [start, end) in it and key."""
    key = _folded(value)
    split = _contraction(key) if len(key) == len(value) else None
    if split is None:
        return ((0, len(value), key.replace("-", "")),)
    (first, at), second = split
    if second:
        return (0, at, first), (at, len(value), second)
    offset = at + (1 if value[at : at + 1] in "'\u2019-" else 0)
    return (0, at, first), *((offset + begin, offset + end, word) for begin, end, word in _words(value[offset:]))


def _folded(value: str) -> str:
    if value.isascii():
        return value.lower()
    return unicodedata.normalize("NFC", value).casefold().replace("\u2019", "'")


def _contraction(key: str) -> tuple[tuple[str, int], str] | None:
    """First token with its length in the surface form, and the second; "" when the rest is tokenised again."""
    if key in _WHOLE:
        return _WHOLE[key], "not"
    if key.endswith("n't") and len(key) > 3:
        return (key[:-3], len(key) - 3), "not"
    first, _, rest = key.partition("-")
    if first and rest in _INVERTED:
        return (first, len(first)), ""
    return _apostrophe(key) if "'" in key else None


def _apostrophe(key: str) -> tuple[tuple[str, int], str] | None:
    for ending, word in _ENGLISH_ENDINGS.items():
        if key.endswith(ending) and len(key) > len(ending):
            return (key[: -len(ending)], len(key) - len(ending)), word
    first, _, rest = key.partition("'")
    if rest == "s" and (first in _IS_CONTRACTED or first == "let"):
        return (first, len(first)), "us" if first == "let" else "is"
    if first in _ELISIONS and rest:
        return (_ELISIONS[first], len(first)), ""
    return None
