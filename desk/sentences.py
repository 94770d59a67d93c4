"""Where sentences end. In doubt two sentences stay together, which costs nothing; a cut `z. B.` would."""

from __future__ import annotations

import re
from typing import Final

from desk.ports import Span

_ABBREVIATION_WORDS: Final = """
mr mrs ms dr prof sr jr st no nos vs etc eg ie cf approx dept est fig inc ltd co corp max min ext tel vol
ed pp art ch sec jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun rev ver
bzw ca usw vgl nr abs bspw evtl ggf inkl zzgl mind std str tel mwst sog allg bzgl gem hrsg jh mio mrd
zb dh ua oä hr fr herr okt dez mai env m mme mlle av bd janv févr avr juil ex p réf sté
sra ud uds vd vds pág págs núm aprox dto dña ej atte ecc es sig dott gent egr pag sigg ing
srta obs exmo exma bijv enz blz dhr mevr mw incl excl evt vlg ong o.a d.w.z resp
"""
_ABBREVIATIONS: Final = frozenset(_ABBREVIATION_WORDS.split())
_END = re.compile(
    r"(?<![.!?\u2026])(?P<mark>[.!?\u2026]++)[\"'\u201d\u2019\u00bb)\]]*+(?=\s)|[\u3002\uff01\uff1f]++[\u201d\u300d\u300f]?"
)
_DOTTED = re.compile(r"(?:\w{1,3}\.)+\w{1,3}")
_OPENING = "([{\"'\u201c\u201e\u00ab\u2018"
_LONGEST_WORD = 20
_NEXT = re.compile(r"\s*(\S?)")


def sentence_spans(text: str, span: Span) -> list[Span]:
    """The sentences of `text[span]`, without the white space between them; all else is in exactly one of them."""
    start, end = span
    spans: list[Span] = []
    for match in _END.finditer(text, start, end):
        if match.start() < start or not _ends_sentence(text, match, end):
            continue
        spans.append((start, match.end()))
        start = _skip_white_space(text, match.end(), end)
    if text[start:end].strip():
        spans.append((start, end))
    return spans


def _skip_white_space(text: str, position: int, end: int) -> int:
    while position < end and text[position].isspace():
        position += 1
    return position


def _ends_sentence(text: str, match: re.Match[str], end: int) -> bool:
    following = _NEXT.match(text, match.end(), end)
    if following is not None and following.group(1).islower():
        return False
    if match["mark"] != ".":
        return True
    before = text[max(0, match.start() - _LONGEST_WORD) : match.start()].split()
    word = before[-1].lstrip(_OPENING) if before else ""
    if word.isdigit():
        return len(word) > 2  # "3. Mai", "step 2."; a year does end a sentence
    is_initial = len(word) == 1 and word.isalpha()
    return not (is_initial or word.lower() in _ABBREVIATIONS or _DOTTED.fullmatch(word))
