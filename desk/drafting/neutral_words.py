"""What stands in an answer where a stranger's particular stood: neutral words that fit the sentence around them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from desk.drafting.particulars import Particular, ParticularKind


@dataclass(frozen=True, slots=True)
class _Words:
    neutral: dict[ParticularKind, str]
    leading: dict[ParticularKind, str]
    """Nouns that may already stand before a literal and must not be doubled, as a regular expression."""
    determiners: str
    of_customer: str
    """What stands before the noun of a reference: your order."""
    dated: str
    """What leads up to a date and goes with it."""


_ENGLISH = _Words(
    {
        "email": "your email address",
        "domain": "your domain",
        "url": "your website",
        "ip": "your IP address",
        "phone": "your phone number",
        "reference": "your reference number",
        "number": "your number",
        "date": "that date",
    },
    {
        "email": r"e-?mail(?: address| account)?|address|mailbox|account",
        "domain": r"domain(?: name)?|web ?site|site|shop",
        "url": r"web ?site|site|link|page",
        "ip": r"ip(?: address)?|address",
        "phone": r"phone(?: number)?|number",
        "reference": r"reference(?: number)?|number|code",
        "number": r"number|code",
        "date": r"date",
    },
    "your|the|this|a|an|our",
    "your",
    r"on|dated|of",
)
_OTHERS: dict[str, _Words] = {
    "de": _Words(
        {
            "email": "Ihre E-Mail-Adresse",
            "domain": "Ihre Domain",
            "url": "Ihre Website",
            "ip": "Ihre IP-Adresse",
            "phone": "Ihre Telefonnummer",
            "reference": "Ihre Nummer",
            "number": "Ihre Nummer",
            "date": "dieses Datum",
        },
        {
            "email": r"e-?mail(?:-?adresse|-?konto)?|adresse|postfach|konto",
            "domain": r"domain(?:namen?)?|web ?site|webseite|seite|shop",
            "url": r"web ?site|webseite|seite|link|adresse",
            "ip": r"ip(?:-adresse)?|adresse",
            "phone": r"telefon(?:nummer)?|rufnummer|nummer",
            "reference": r"\w*nummer|kennung|code",
            "number": r"\w*nummer|code",
            "date": r"datum",
        },
        "ihre[rnms]?|ihr|die|der|das|dem|den|des|diese[rnms]?|eine[rnms]?|ein|unsere[rnms]?",
        "Ihre",
        r"am|vom|bis zum|zum",
    ),
    "fr": _Words(
        {
            "email": "votre adresse e-mail",
            "domain": "votre domaine",
            "url": "votre site",
            "ip": "votre adresse IP",
            "phone": "votre numéro de téléphone",
            "reference": "votre numéro",
            "number": "votre numéro",
            "date": "cette date",
        },
        {
            "email": r"adresse(?: e-?mail| de messagerie)?|e-?mail|messagerie|compte",
            "domain": r"(?:nom de )?domaine|site(?: web)?|boutique",
            "url": r"site(?: web)?|lien|page",
            "ip": r"adresse(?: ip)?|ip",
            "phone": r"(?:numéro de )?téléphone|numéro",
            "reference": r"numéro|référence|code",
            "number": r"numéro|code",
            "date": r"date",
        },
        "votre|vos|le|la|les|ce|cet|cette|un|une|notre",
        "votre",
        r"du|le|au",
    ),
    "es": _Words(
        {
            "email": "su dirección de correo",
            "domain": "su dominio",
            "url": "su sitio web",
            "ip": "su dirección IP",
            "phone": "su número de teléfono",
            "reference": "su número",
            "number": "su número",
            "date": "esa fecha",
        },
        {
            "email": r"dirección(?: de correo)?|correo(?: electrónico)?|e-?mail|buzón|cuenta",
            "domain": r"(?:nombre de )?dominio|sitio(?: web)?|tienda",
            "url": r"sitio(?: web)?|enlace|página",
            "ip": r"dirección(?: ip)?|ip",
            "phone": r"(?:número de )?teléfono|número",
            "reference": r"número|referencia|código",
            "number": r"número|código",
            "date": r"fecha",
        },
        "su|sus|tu|el|la|los|las|este|esta|un|una|nuestr[oa]",
        "su",
        r"del|el|al",
    ),
}
_SAME_AGAIN = re.compile(
    r"[ \t]*(?:(?P<open>[(\[])[ \t]*|[,;/|]?[ \t]*(?:\b(?:and|or|und|oder|et|ou|y|o)\b[ \t]*)?\n?)"
)
"""Between two literals of which one stands for the other, or that are members of one list."""
_ONE_PLACE: frozenset[ParticularKind] = frozenset({"domain", "url"})


@dataclass(frozen=True, slots=True)
class Neutral:
    """One replacement: from `start`, which may lie before the literal, to `end`, which may lie behind it."""

    start: int
    end: int
    words: str


def neutral_for(found: Particular, text: str, floor: int, language: str) -> Neutral:
    """What to say instead of a literal of `text`; nothing before `floor` is touched.

    A noun phrase that already names the thing, "your domain shop.de", keeps only that phrase, so its own determiner and
    case stay; in English any determiner becomes the customer's. `language` is a code such as "de"; for a language
    without words of its own it is English.
    """
    words = _OTHERS.get(language, _ENGLISH)
    before = text[floor : found.start]
    if found.kind == "date" and (
        dated := re.search(rf"[ \t]*\b(?:{words.dated})[ \t]+(?:the[ \t]+)?\Z", before, re.IGNORECASE)
    ):
        return Neutral(floor + dated.start(), found.end, "")
    noun = words.leading[found.kind]
    if words is not _ENGLISH and (
        named := re.search(rf"\b(?:{words.determiners})[ \t]+(?:{noun})(?P<gap>[ \t]*[:#]?[ \t]+)\Z", before, re.I)
    ):
        return Neutral(floor + named.start("gap"), found.end, "")
    said = f"{words.of_customer} {found.noun}" if found.noun and words is _ENGLISH else words.neutral[found.kind]
    leading = re.search(
        rf"(?:\b(?:{words.determiners})[ \t]+)?(?:\b(?:{noun})[ \t]*[:#]?[ \t]+)?\Z", before, re.IGNORECASE
    )
    start = floor + leading.start() if leading else found.start
    return Neutral(start, found.end, said if not _opens_sentence(text, start) else said[0].upper() + said[1:])


def said_again(earlier: Particular, found: Particular, text: str) -> int | None:
    """Where the text goes on when a literal that follows a replaced one needs no words of its own; None when it does.

    "shop.de (https://shop.de)" and "a.de, b.de and c.de" would each become the same words twice.
    """
    between = _SAME_AGAIN.fullmatch(text, earlier.end, found.start)
    same = earlier.kind == found.kind and earlier.noun == found.noun
    if between is None or not (same or {earlier.kind, found.kind} <= _ONE_PLACE):
        return None
    if between["open"] is None:
        return found.end
    closing = re.compile(r"[ \t]*[)\]]").match(text, found.end)
    return None if closing is None else closing.end()


def _opens_sentence(text: str, at: int) -> bool:
    before = text[:at].rstrip(" \t")
    return not before or before[-1] in ".!?\n"
