"""Finds in a text the literals that can belong to one customer: addresses, domains, numbers, dates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

ParticularKind = Literal["email", "url", "domain", "ip", "phone", "reference", "number", "date"]
"""A `reference` looks issued to somebody; a `number` is one that is personal only if the customer wrote it."""


@dataclass(frozen=True, slots=True)
class Particular:
    kind: ParticularKind
    start: int
    end: int
    """Half-open range of the whole phrase in the text, such as "order no. 4711"."""
    value: str
    """The bare literal, casefolded, for looking it up elsewhere."""
    noun: str = ""
    """What a reference is the number of, lower-case: order, ticket, invoice; "" when it does not say."""


_NOUNS = (
    "order|ticket|invoice|case|reference|ref|account|customer|client|tracking|booking|reservation|transaction|payment|"
    "subscription|contract|policy|serial|licen[cs]e|quote|request|incident|shipment|parcel|membership|confirmation|"
    "bestellung|bestell|auftrag|auftrags|rechnung|rechnungs|kunden|vertrags|vorgangs|commande|facture|dossier|client|"
    "pedido|factura|caso|cliente"
)
_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    "nov(?:ember)?|dec(?:ember)?|januar|februar|märz|mai|juni|juli|oktober|dezember|janvier|février|mars|avril|juin|"
    "juillet|août|septembre|octobre|novembre|décembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|"
    "octubre|noviembre|diciembre"
)
_UNITS = (
    "days?|hours?|minutes?|seconds?|weeks?|months?|years?|[kmgt]i?b|bytes?|inodes?|files?|users?|mails?|e-?mails?|"
    "messages?|percent|px|ms|euros?|dollars?|usd|eur|gbp|tage|stunden|minuten|jours|heures|días|horas"
)
_PATTERN = re.compile(
    rf"""
    (?P<url>(?:https?://|\bwww\.)[^\s<>"'|]+)
  | (?P<email>[\w.+%-]+@(?:[\w-]+\.)+\w{{2,}})
  | (?P<ip>(?<![\w.])(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?![\w.]*\d)
      | (?<![\w:])(?:[0-9a-f]{{1,4}}:){{3,7}}:?[0-9a-f]{{0,4}}(?![\w:]))
  | (?P<date>(?<![\w.])(?:\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[/.-]\d{{1,2}}[/.-](?:\d{{4}}|\d{{2}}))(?![\w-])
      | \b\d{{1,2}}(?:st|nd|rd|th|\.)?[ ](?:of[ ]|de[ ])?(?:{_MONTHS})\b\.?(?:,?[ ](?:de[ ])?\d{{4}}\b)?
      | \b(?:{_MONTHS})\b\.?[ ]\d{{1,2}}(?:st|nd|rd|th)?\b(?:,?[ ]\d{{4}}\b)?)
  | (?P<phone>(?<![\w+])(?:\+|00)[1-9](?:[ .\-/]?\(?\d+\)?){{2,7}}
      | (?<!\w)\(\d{{2,5}}\)[ ]?\d{{3,}}(?:[ .\-]\d{{2,}})*
      | (?<![\w.-])(?:1[ .-])?\d{{3}}[ .-]\d{{3}}[ .-]\d{{4}}\b
      | (?<![\w.-])0\d{{2,4}}[ ]?[/-][ ]?\d{{4,}}(?:[ -]\d+)*)
  | (?P<noted>\b(?P<noun>{_NOUNS})s?[ -]?(?:(?:number|nummer|no\.?|nr\.?|id|code|key|n[°º])\b\.?)?
      (?:[ ](?:is|was|lautet|est|es)\b)?[ \t]*(?P<mark>[:#]*)[ \t]*[(]?(?P<number>(?=[\w/-]*\d)[a-z0-9][\w/-]*)
      \b(?![.,]?\d)(?![ ]?(?:%|(?:{_UNITS})\b)))
  | (?P<hash>\#[a-z]{{0,4}}-?\d[\w-]*)
  | (?P<domain>(?<![\w@./-])(?:[^\W_](?:[\w-]{{0,61}}[^\W_])?\.)+(?:[a-z]{{2,24}}|[A-Z]{{2,24}})\b(?![\w(@]))
  | (?P<bare>(?<![\w$€£.,/:-])(?=[a-z0-9/-]*\d)(?:[a-z]{{1,8}}[/-]?\d[\w/-]*|\d[\w/-]*)(?![.,]\d|\w)
      (?![ ]?(?:%|[$€£]|(?:{_UNITS})\b)))
    """,
    re.VERBOSE | re.IGNORECASE,
)


def word_set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TRAILING = ".,;:!?)]}>*_'\"\u201d\u00bb\u2026"
_FILE_ENDINGS = word_set(
    "php html htm css js ts json xml yml yaml toml ini conf cfg log txt md csv sql sqlite db dat msf mbox eml "
    "exe dll dmg zip tar gz rar pdf doc docx xls xlsx ppt jpg jpeg png gif svg py rb sh bat jar xpi so bak "
    "tmp local lock pem crt key htaccess"
)
_GENERIC_ENDINGS = word_set(
    "com net org info biz name edu gov mil int example test invalid localhost dev app shop store online site "
    "website blog cloud tech agency company email hosting host live news photo photos studio design art club "
    "group social world today space page pro xyz top vip web digital systems solutions services support media "
    "network software academy berlin hamburg koeln bayern wien london paris nyc tokyo travel hotel restaurant "
    "cafe bar school church family"
)
_SHORT_ABBREVIATIONS = frozenset({"e.g", "i.e", "z.b", "d.h", "u.a", "p.s", "a.m", "p.m"})
_MEASURE_OF_ANSWER = re.compile(r"\d{3,}000|\d{1,5}")
"""Round limits and short plain numbers usually belong to answers."""

_VERSION = re.compile(r"[a-z]{5,}-?\d{1,3}|\w{1,3}(?:/\w{1,3})+", re.IGNORECASE)
"""What people write for a program and its version: Office365, 102/W10."""
_STYLE = re.compile(r"(?:colou?r|background|border|fill|shadow|outline)[\w-]*[ ]*:[^;{}\n#]*", re.IGNORECASE)
"""What stands before the colour of a style sheet, #87CEFA."""
_LONGEST_DECLARATION = 80


def particulars(text: str) -> Iterator[Particular]:
    """All of them in the order of the text, without overlaps."""
    for match in _PATTERN.finditer(text):
        found = _of(match)
        if found is not None and not (match.lastgroup == "hash" and _is_colour(text, found)):
            yield found


def _is_colour(text: str, found: Particular) -> bool:
    line = text.rfind("\n", 0, found.start) + 1
    begins = max(line, found.start - _LONGEST_DECLARATION)
    return any(style.end() == found.start for style in _STYLE.finditer(text, begins, found.start))


def _of(match: re.Match[str]) -> Particular | None:
    kind = str(match.lastgroup) if match.lastgroup not in ("noun", "mark", "number") else "noted"
    whole = match.group(kind)
    value = whole.rstrip(_TRAILING)
    start, end = match.start(), match.start() + len(value)
    key = value.casefold()
    match kind:
        case "noted":
            return _noted_reference(match)
        case "hash":
            return Particular("reference", start, end, key.lstrip("#"))
        case "bare":
            return _bare(value, start)
        case "domain":
            return Particular("domain", start, end, key) if _looks_registered(value) else None
        case "url" | "email" | "ip" | "phone" | "date":
            return Particular(kind, start, end, key)
        case _:
            return None


def _noted_reference(match: re.Match[str]) -> Particular | None:
    """ "order 4711", "Invoice No. INV-7", "ticket #12"; without a mark, three characters at least."""
    number = match.group("number").rstrip("-/")
    marked = bool(match.group("mark")) or match.group().casefold().count(" n") > 0
    if len(number) < 3 and not marked:
        return None
    end = match.start("number") + len(number)
    return Particular("reference", match.start(), end, number.casefold(), match.group("noun").casefold())


def _bare(value: str, start: int) -> Particular | None:
    """A number or code by itself; one that a system gave out is long, with several digits, not round."""
    digits = sum(character.isdigit() for character in value)
    if digits < 3 or len(value) < 4 or value[:2].casefold() == "0x":
        return None
    issued = len(value) >= 6 and not _MEASURE_OF_ANSWER.fullmatch(value) and not _VERSION.fullmatch(value)
    return Particular("reference" if issued else "number", start, start + len(value), value.casefold())


def _looks_registered(value: str) -> bool:
    ending = value.rpartition(".")[2].casefold()
    if ending in _FILE_ENDINGS or value.casefold() in _SHORT_ABBREVIATIONS:
        return False
    return ending in _GENERIC_ENDINGS or (len(ending) == 2 and len(value) >= 6) or ending.startswith("xn--")
