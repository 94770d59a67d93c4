"""Fits an approved answer to another customer: what was personal to the first is refilled or made neutral.

An approved answer is reused for somebody else, so nothing may stay that belongs to the customer it was written
for. The kind of a literal says whether it can be personal; who else uses it says whether it is. A literal that
this ticket, the knowledge base or several other approved answers carry too may stay. One that stands in the
example's own question, or nowhere else at all, goes. In doubt it goes: a neutral word costs an edit, a
stranger's domain costs trust.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from desk.drafting.names import ALSO_WORDS, addressed_names, greeted_names, name_words, signed_names
from desk.drafting.neutral_words import neutral_for, said_again
from desk.drafting.particulars import Particular, particulars
from desk.drafting.public_domains import is_public

_OTHERS_NEEDED = 2
"""Other customers whose approved answers must carry a literal before it counts as the answer's own. Where names are not
recorded every question is another customer's, and a single other one may well be the same customer's next ticket."""
_ISSUED_LINK = re.compile(
    r"@|%40|(?:token|key|order|invoice|ticket|case|customer|client|account|user|uid|session|auth|hash|code|email|mail)"
    r"(?:_?(?:id|no|number))?[=/][^&/#]*\d|(?<!\w)(?=\w*\d)(?=\w*[a-z])\w{24,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-",
    re.IGNORECASE,
)
"""What follows the host of a link made for one person: an address, an id of theirs, a long random word."""
_OWN_PLACE = re.compile(
    r"(?::\d+)?/?(?:[#?].*|(?:wp-|admin|administrator|cpanel|webmail|phpmyadmin|login|index\.|shop|blog)[^/]*(?:/.*)?)?",
    re.IGNORECASE,
)
"""What follows the host in a link to somebody's site as such, or to its back door, rather than to a page to read."""
_LOCAL_ADDRESSES = ("127.", "0.", "255.", "192.168.")


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """What is known of the ticket a draft is written for."""

    subject: str
    body: str
    """The customer's message, as written."""
    customer_name: str = ""
    customer_email: str = ""
    known: tuple[str, ...] = ()
    """Further texts about the same customer (earlier messages, orders, domains) that may be refilled from."""
    account: tuple[str, ...] = ()
    """Phrases such as "invoice 4711" from the customer's account, for what their own words do not say."""

    @property
    def text(self) -> str:
        return "\n".join((self.subject, self.body, self.customer_name, self.customer_email, *self.known))


@dataclass(frozen=True, slots=True)
class ApprovedAnswer:
    question: str
    answer: str
    customer_name: str = ""
    """Of whom it was written for, where that is recorded."""
    language: str = ""
    """Code such as "de" of the answer, for the neutral words in it; English where it is not known."""


class SlotFiller:
    """Fits answers to one ticket. `others` are the approved answers around, the answer itself may be among them;
    `knowledge` are texts that belong to no customer."""

    def __init__(self, ticket: TicketFacts, others: Sequence[ApprovedAnswer], knowledge: Sequence[str]) -> None:
        self._ticket = ticket
        self._ticket_text = ticket.text
        self._account_text = "\n".join(ticket.account)
        self._others = others
        self._knowledge = knowledge

    def fill(self, example: ApprovedAnswer) -> str:
        """The answer with this ticket's particulars where they are known, neutral words elsewhere."""
        text = example.answer
        pieces: list[str] = []
        at = 0
        neutral: Particular | None = None
        for found in particulars(text):
            if self._may_stay(found, example):
                continue
            own = self._own_value(found, example)
            if own is not None:
                pieces += [text[at : found.start], own]
                at, neutral = found.end, None
            elif neutral is not None and (after := said_again(neutral, found, text)) is not None:
                at, neutral = after, found
            else:
                instead = neutral_for(found, text, at, example.language)
                pieces += [text[at : instead.start], instead.words]
                at, neutral = instead.end, found
        pieces.append(text[at:])
        fitted = self._with_own_name("".join(pieces), self._foreign_names(example))
        return example.answer if fitted == example.answer else _tidied(fitted, example.answer)

    def _foreign_names(self, example: ApprovedAnswer) -> set[str]:
        """Casefolded words of the names of whom the example was written for."""
        addressed = addressed_names(example.answer)
        # A last line such as "Thunderbird 115" only looks like a name: many answers carry the word.
        signed = {
            name
            for name in signed_names(example.question) - addressed
            if _carries(example.answer, name)
            and sum(_carries(other.answer, name) for other in self._others if other.question != example.question)
            < _OTHERS_NEEDED
        }
        return addressed | signed | set(name_words(example.customer_name))

    def _with_own_name(self, text: str, foreign: Collection[str]) -> str:
        pieces: list[str] = []
        at = 0
        for match in sorted(greeted_names(text), key=lambda match: match.start()):
            if match.start("name") < at:
                continue
            name = _as_greeted(match.group("name"), self._ticket.customer_name)
            pieces += [text[at : match.end("before")], match.group("gap") + name if name else ""]
            at = match.end("name")
        text = "".join([*pieces, text[at:]])
        own = set(self._ticket.customer_name.casefold().split())
        for name in sorted(set(foreign) - own, key=len, reverse=True):
            text = _without_name(text, name)
        return text

    def _may_stay(self, found: Particular, example: ApprovedAnswer) -> bool:
        if found.kind == "number":
            return not _carries(example.question, found.value) or self._is_common(found.value, example)
        if found.kind == "ip" and found.value.startswith(_LOCAL_ADDRESSES):
            return True
        if (found.kind == "domain" and is_public(found.value)) or self._is_common(found.value, example):
            return True
        if found.kind == "url":
            return self._is_public_link(found.value, example)
        return False

    def _is_public_link(self, url: str, example: ApprovedAnswer) -> bool:
        """Whether a link that only this answer has leads to a place for everybody."""
        host = _host(url)
        if is_public(host) and url.partition(host)[2] in ("", "/"):
            return True
        if _carries(example.question, url) or any(
            _is_within(host, domain) for domain in self._foreign_domains(example)
        ):
            return False
        rest = url.partition(host)[2]
        if _OWN_PLACE.fullmatch(rest) and not is_public(host) and not self._is_common(host, example):
            return False
        words = set(re.split(r"[^\w]+", rest.casefold()))
        told = addressed_names(example.answer) | signed_names(example.question)
        numbers = {part.value for part in particulars(example.question) if part.kind in ("reference", "number")}
        return not (words & told or any(_carries(rest, number) for number in numbers) or _ISSUED_LINK.search(rest))

    def _foreign_domains(self, example: ApprovedAnswer) -> set[str]:
        """Domains the example's customer wrote or was told about, without those that several others share."""
        found: set[str] = set()
        for text, kinds in ((example.question, ("domain", "email", "url")), (example.answer, ("domain", "email"))):
            for part in particulars(text):
                if part.kind in kinds:
                    found.add(_host(part.value) if part.kind == "url" else part.value.rpartition("@")[2])
        return {domain for domain in found if domain and not is_public(domain) and not self._is_common(domain, example)}

    def _is_common(self, value: str, example: ApprovedAnswer) -> bool:
        """Whether this ticket, the knowledge or enough other answers carry a literal of the example."""
        if any(_carries(text, value) for text in (self._ticket_text, self._account_text)) or any(
            _carries(text, value) for text in self._knowledge
        ):
            return True
        carrying = {
            other.customer_name.casefold() or other.question
            for other in self._others
            if other.question != example.question
            and value in other.answer.casefold()
            and _carries(other.answer, value)
            and not _carries(other.question, value)
        }
        return len(carrying) >= _OTHERS_NEEDED

    def _own_value(self, found: Particular, example: ApprovedAnswer) -> str | None:
        """What this ticket has in the place of a literal, if it has exactly one such thing.

        A date is refilled only where the example's customer had written theirs; otherwise it was the desk's
        statement and another date would make it a false one.
        """
        if found.kind == "email" and self._ticket.customer_email:
            return self._ticket.customer_email
        if found.kind in ("url", "number") or (found.kind == "date" and not _carries(example.question, found.value)):
            return None
        own = _alike(found, self._ticket_text) or _alike(found, self._account_text)
        return next(iter(own.values())) if len(own) == 1 else None


def _alike(found: Particular, text: str) -> dict[str, str]:
    """What the text has of the same kind, as written, by bare value."""
    return {
        part.value: text[part.start : part.end]
        for part in particulars(text)
        if part.kind == found.kind and part.noun == found.noun
    }


def _as_greeted(greeted: str, own: str) -> str:
    """This customer's name in the form the other was greeted by: first name alone, or the whole."""
    words = own.split()
    return "" if not words else words[0] if len(greeted.split()) == 1 else " ".join(words)


def _without_name(text: str, name: str) -> str:
    """Names inside an address that may stay, such as this customer's own, are left alone."""
    bounded = rf"(?<![\w@./-]){re.escape(name)}(?![\w@-]|\.\w)"
    if name in ALSO_WORDS:
        called = re.escape(name.capitalize())
        bounded = (
            rf"(?-i:(?<=, ){called}(?=[ \t]*(?:[,.!?]|\n|$))|(?<=[a-z] ){called}\b|\b{called}(?=, |!|['\u2019]s\b))"
        )
    text = re.sub(rf"{bounded}['\u2019]s\b", "your", text, flags=re.IGNORECASE)
    title = r"(?:\b(?:mr|mrs|ms|miss|mx|dr|prof|herrn?|frau)\b\.?[ \t]+)?"
    return re.sub(rf"(?:,[ \t]*)?{title}{bounded}", "", text, flags=re.IGNORECASE)


_LEFT_BEHIND = (
    (re.compile(r"(?P<before>\s\S*)\([ \t]*\)(?P<after>)"), ""),
    (re.compile(r"(?<!\S)(?P<before>\S+)[ \t]+(?P<after>[,.]\S*)"), ""),
    (re.compile(r"(?<![ \t])(?P<before>)[ \t]+(?P<after>[;:!?]\S*)"), ""),
    (re.compile(r"(?<=\S)(?P<before>)[ \t]{2,}(?P<after>\S*)"), " "),
)
"""What a removed word leaves, with what stands beside it, and what to put there: empty brackets, a blank before a
sign, two blanks. What stands beside it tells it from the answer's own: "a .com name", "call phpinfo()", "Merci !"."""


def _tidied(text: str, answer: str) -> str:
    """Without the blanks, brackets and commas that a removed word leaves behind; the answer's own stay."""
    for pattern, instead in _LEFT_BEHIND:
        text = pattern.sub(
            lambda found, instead=instead: (
                found[0] if found[0] in answer else f"{found['before']}{instead}{found['after']}"
            ),
            text,
        )
    text = re.sub(r",(?=[.!?])", "", text)
    text = re.sub(r"\b(your|the)[ \t]+your\b", "your", text, flags=re.IGNORECASE)
    return re.sub(r"(?<![ \t])[ \t]+(?=\n|$)", "", text).strip()


def _carries(text: str, value: str) -> bool:
    """Whether a text holds a literal as a whole: "shop.de" is not in "my-shop.de", 4711 not in 47110."""
    folded, wanted = text.casefold(), value.casefold()
    if wanted not in folded:
        return False
    return re.search(rf"(?<![\w-]){re.escape(wanted)}(?![\w-]|\.\w)", folded) is not None


def _host(url: str) -> str:
    try:
        host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")


def _is_within(host: str, domain: str) -> bool:
    domain = domain.removeprefix("www.")
    return not host or host == domain or host.endswith(f".{domain}")
