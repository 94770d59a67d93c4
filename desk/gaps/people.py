"""What must not stand in knowledge for everybody: names, addresses and numbers of the customers it was learned from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.drafting.checks.check import Check
from desk.drafting.names import NO_NAME, signed_names
from desk.drafting.particulars import particulars
from desk.models import Customer, CustomerIdentity, Message, Ticket
from desk.plain_text import fold

_SHORTEST_NAME = 2
_SHORTEST_VALUE = 4
_WORDS = {
    "email": "an e-mail address",
    "url": "a link",
    "domain": "a domain",
    "ip": "an IP address",
    "phone": "a phone number",
    "reference": "a reference",
    "number": "a number",
    "date": "a date",
}


@dataclass(frozen=True, slots=True)
class People:
    """The customers of some tickets."""

    names: tuple[str, ...]
    words: tuple[str, ...]
    """All that they wrote, a text a ticket, with their addresses and ids."""
    by_ticket: dict[UUID, str]

    def leaks(self, text: str, knowledge: Sequence[str] = (), *, only_theirs: bool = False) -> list[Check]:
        """Every name and literal of theirs in the text, unless it stands in what everybody may know anyway.

        With `only_theirs` addresses, phone numbers and references that no customer wrote are let through: a person
        has read the text. Without it they are in doubt and count.
        """
        known = fold("\n".join(knowledge))
        return [*self._names(text, known), *self._literals(text, known, only_theirs=only_theirs)]

    def _names(self, text: str, known: str) -> Iterator[Check]:
        told = {word for words in self.words for word in signed_names(words)}
        parts = {part for name in self.names for part in re.findall(r"[^\W\d_]+", name)}
        # A name is written with a capital letter; "will" and "price" in a sentence are nobody.
        wanted = {fold(part) for part in (*parts, *told) if len(part) >= _SHORTEST_NAME} - NO_NAME
        for match in re.finditer(r"[^\W\d_]+", text):
            word = fold(match.group())
            if word in wanted and not match.group().islower() and not _has_word(known, word):
                yield _failed(match.group(), match.span(), "a customer's name")

    def _literals(self, text: str, known: str, *, only_theirs: bool) -> Iterator[Check]:
        theirs = "\n".join(self.words).casefold()
        digits = re.sub(r"[^\d\n]", "", theirs)
        for found in particulars(text):
            value = found.value
            is_theirs = len(value) >= _SHORTEST_VALUE and value in theirs
            if found.kind == "phone":
                is_theirs = re.sub(r"\D", "", value)[-7:] in digits
            in_doubt = not only_theirs and found.kind in {"email", "phone", "ip", "reference"}
            if (is_theirs or in_doubt) and fold(value) not in known:
                yield _failed(text[found.start : found.end], (found.start, found.end), _WORDS[found.kind])


def _has_word(known: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", known) is not None


def _failed(words: str, span: tuple[int, int], what: str) -> Check:
    return Check("personal", passed=False, detail=f"'{words}' is {what}, or may be one", span=span)


async def people_of(session: AsyncSession, ticket_ids: Sequence[UUID]) -> People:
    rows = await session.execute(
        select(Ticket.id, Ticket.subject, Customer.id, Customer.name, Customer.email)
        .join(Customer, Customer.id == Ticket.customer_id)
        .where(Ticket.id.in_(ticket_ids))
    )
    customers: dict[UUID, tuple[str, UUID, str, str]] = {row[0]: (row[1], row[2], row[3], row[4] or "") for row in rows}
    known = await session.execute(
        select(CustomerIdentity.customer_id, CustomerIdentity.value).where(
            CustomerIdentity.customer_id.in_({customer_id for _, customer_id, _, _ in customers.values()})
        )
    )
    values: dict[UUID, list[str]] = {}
    for customer_id, value in known:
        values.setdefault(customer_id, []).append(value)
    said = await session.execute(
        select(Message.ticket_id, Message.body, Message.quoted, Message.author_name)
        .where(Message.ticket_id.in_(ticket_ids), Message.author == "customer")
        .order_by(Message.ticket_id, Message.seq)
    )
    written: dict[UUID, list[str]] = {}
    names = [name for _, _, name, _ in customers.values()]
    for ticket_id, body, quoted, author in said:
        written.setdefault(ticket_id, []).extend((body, quoted))
        names.append(author)
    by_ticket = {
        ticket_id: "\n".join((subject, email, *values.get(customer_id, ()), *written.get(ticket_id, ())))
        for ticket_id, (subject, customer_id, _, email) in customers.items()
    }
    return People(tuple(sorted({name for name in names if name})), tuple(by_ticket.values()), by_ticket)
