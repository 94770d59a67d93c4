"""What stands around the statements of a reply: greeting, signature and quoted mail.

Only the edges of a text are looked at, so a "thanks" in its middle stays where it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from desk.ports import Span

from .vocabulary import vocabulary

SIGNATURE_LINES = 8
"""A sign-off with more lines than this after it belongs to the text."""
SIGNATURE_LINE_LENGTH = 80
SENTENCE_WORDS = 6
SENTENCE_JOINTS = 2
"""A line of so many words, so many of them function words, that ends like a sentence is one."""
SIGN_OFF_WORDS = 8
"""Words of the wish a name may stand below."""
NAME_WORDS = 5
GREETING_WORDS = 5
"""Words of a name and title that may follow the opening word."""

_LINE = re.compile(r"[^\n]*\n?")
_WORD = re.compile(r"[^\W\d_]+(?:[.'\u2019-][^\W\d_]+)*")
_QUOTED = re.compile(r"[ \t]*>")
_QUOTE_HEADER = re.compile(
    r"""[ \t]*(?:
      (?:On|Am|Le|El)\b.{4,200}?\b(?:wrote|schrieb(?:[ ].{1,100})?|a[ ]écrit|escribió)[ ]?:
    | -{2,}[ ]?(?:Original[ ]Message|Forwarded[ ]message|Ursprüngliche[ ]Nachricht
        |Message[ ]d'origine|Mensaje[ ]original)[ ]?-{2,}
    | _{10,}
    )[ \t]*\r?$""",
    re.VERBOSE | re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_SENTENCE_END = re.compile(r"[.!?]\s+")
_NAME_END = re.compile(r"[,!:;\u2013\u2014\n]|\.(?=\s|$)|\s-\s")
_NAME_WORDS = frozenset({"dear", "good", "lieber", "liebe", "cher", "estimado", "estimada", "bonjour", "hello", "hi"})
_NAME_BEHIND_COMMA = re.compile(r"(?:[ ]+[A-ZÀ-Þ][\w.-]*){1,3}[,:!][ \t]*\r?\n\s*")
"""As in "Buenos días, Carmen:"."""
_LONGEST_OPENER = 3
_HEADER_BLOCK = re.compile(r"[ \t]*(?:From|Von|De)[ ]?:[ ].*\S+@\S+", re.IGNORECASE)
_DELIMITER = re.compile(r"--[ ]?\r?\n?$")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Character ranges of one text; `body` may have gaps where quoted lines stood."""

    greeting: Span
    body: tuple[Span, ...]
    signature: Span
    quoted: tuple[Span, ...]


def open_envelope(text: str) -> Envelope:
    """Tell the statements of a reply from what surrounds them. Linear in the length of the text."""
    kept, quoted = _without_quotes(text)
    if not kept:
        return Envelope((0, 0), (), (len(text), len(text)), tuple(quoted))
    start = kept[0][0]
    greeting_end = _greeting_end(text, kept[0])
    if greeting_end > start:
        kept[0] = (greeting_end, kept[0][1])
    signature_start = _signature_start(text, kept)
    end = kept[-1][1]
    body = [(a, min(b, signature_start)) for a, b in kept if a < min(b, signature_start)]
    return Envelope((start, greeting_end), _merged(body), (min(signature_start, end), end), _merged(quoted))


def _without_quotes(text: str) -> tuple[list[Span], list[Span]]:
    """Line ranges of the reply itself and of the mail it quotes."""
    kept: list[Span] = []
    quoted: list[Span] = []
    for match in _LINE.finditer(text):
        line, span = match.group(), match.span()
        if span[0] == span[1]:
            continue
        if kept and (_QUOTE_HEADER.match(line) or _HEADER_BLOCK.match(line)):
            if not _QUOTED.match(text, span[1]) or _rest_is_quoted(text, span[1]):
                quoted.append((span[0], len(text)))
                break
            quoted.append(span)
        elif _QUOTED.match(line):
            quoted.append(span)
        else:
            kept.append(span)
    return kept, quoted


def _rest_is_quoted(text: str, start: int) -> bool:
    return all(not line.strip() or _QUOTED.match(line) for line in text[start:].splitlines())


def _greeting_end(text: str, first: Span) -> int:
    """Where the greeting ends that the text opens with; the start of the text when there is none."""
    start, end = first
    while start < end and text[start].isspace():
        start += 1
    words = [match for _, match in zip(range(_LONGEST_OPENER), _WORD.finditer(text, start, end), strict=False)]
    if not words or words[0].start() != start:
        return first[0]
    keys = tuple(match.group().casefold() for match in words)
    for opener in vocabulary().openers:
        if keys[: len(opener)] == opener:
            return _after_name(text, words[len(opener) - 1].end(), end, first[0])
    return first[0]


def _after_name(text: str, position: int, end: int, none: int) -> int:
    """Past "Anna," or " there!" after the opening word; `none` when a sentence follows instead of a name."""
    boundary = _name_boundary(text, position, end)
    if boundary and boundary.group() == "," and (named := _NAME_BEHIND_COMMA.match(text, boundary.end(), end)):
        return named.end()
    stop = boundary.start() if boundary else end
    name = _WORD.findall(text[position:stop])
    if len(name) > GREETING_WORDS or any(_is_statement(word) for word in name):
        return none
    stop = boundary.end() if boundary else end
    while stop < end and (text[stop].isspace() or text[stop] in "!,.:;\u2013\u2014"):
        stop += 1
    return stop


def _is_statement(word: str) -> bool:
    """A word in lower case that names are not made of."""
    return word[0].islower() and word in vocabulary().first_words and word not in _NAME_WORDS


def _name_boundary(text: str, position: int, end: int) -> re.Match[str] | None:
    """The sign a greeting ends with; the full stop of "Mr." is none."""
    for match in _NAME_END.finditer(text, position, end):
        words = _WORD.findall(text[position : match.start()])
        if match.group() != "." or not words or words[-1].casefold() not in vocabulary().abbreviations:
            return match
    return None


def _signature_start(text: str, kept: list[Span]) -> int:
    """Where the signature begins; the end of the text when there is none."""
    end = kept[-1][1]
    seen = 0
    found = end
    for start, stop in reversed(kept):
        line = text[start:stop]
        bare = line.strip()
        if not bare:
            continue
        if _DELIMITER.match(line):
            return start
        seen += 1
        if seen > SIGNATURE_LINES or len(bare) > SIGNATURE_LINE_LENGTH or _tells(bare):
            break
        words = " ".join(_WORD.findall(bare)).casefold()
        if words in vocabulary().sign_offs or (seen == 1 and _is_closing_name(text, start, bare)):
            found = start
        elif seen == 1 and (inline := _inline_sign_off(bare)):
            found = start + line.index(bare) + inline
    return found


def _tells(line: str) -> bool:
    """Whether a line is a sentence, wherever it stands: "Tom. It costs 25 EUR and takes 3 days." below a sign-off."""
    if line[-1] not in ".!?":
        return False
    words = [word.casefold() for word in _WORD.findall(line)]
    joining = sum(1 for word in words if word in vocabulary().function_words)
    return joining >= SENTENCE_JOINTS if len(words) >= SENTENCE_WORDS else bool(joining and _DIGIT.search(line))


def _is_closing_name(text: str, start: int, line: str) -> bool:
    """Whether the last line is who writes: "Have a lovely day!" and below it "Mia from Acme"."""
    above = text[:start].rstrip(" \t\r\n")
    previous = above[above.rfind("\n") + 1 :].strip()
    words = _WORD.findall(line)
    if not previous.endswith((",", "!")) or len(_WORD.findall(previous)) > SIGN_OFF_WORDS or line[-1:] in ".!?:;,":
        return False
    if _DIGIT.search(line):  # a telephone number below a thank-you
        return False
    named = all(word[0].isupper() or word in vocabulary().function_words for word in words)
    return 0 < len(words) <= NAME_WORDS and words[0][0].isupper() and words[-1][0].isupper() and named


def _inline_sign_off(line: str) -> int:
    """Offset of "Kind regards, Anna" behind the last sentence of a line, 0 when there is none."""
    start = max((sentence.end() for sentence in _SENTENCE_END.finditer(line)), default=0)
    sign_off, _, name = line[start:].partition(",")
    words = [word.casefold() for word in _WORD.findall(sign_off)]
    names = _WORD.findall(name)
    known = len(words) > 1 and " ".join(words) in vocabulary().sign_offs
    return start if known and len(names) <= 3 and all(word[0].isupper() for word in names) else 0


def _merged(spans: list[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for start, end in spans:
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return tuple(merged)
