"""Customers and the persons they are, as they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from desk.customers.people import Person, Suggestion
from desk.models import Customer, CustomerIdentity, CustomerMerge
from ui.presenting.words import channel_words


@dataclass(frozen=True, slots=True)
class ShownMember:
    id: UUID
    name: str
    email: str
    known_by: list[str]
    proofs: list[str]
    may_separate: bool


@dataclass(frozen=True, slots=True)
class ShownSuggestion:
    first_id: UUID
    first: str
    second_id: UUID
    second: str
    value: str


@dataclass(frozen=True, slots=True)
class ShownMerge:
    words: str
    moment: datetime


def customer_name(row: Customer) -> str:
    return row.name or row.email or "Unknown customer"


def shown_members(person: Person) -> list[ShownMember]:
    return [
        ShownMember(
            id=row.id,
            name=customer_name(row),
            email=row.email or "",
            known_by=[_identity(each) for each in person.identities if each.customer_id == row.id],
            proofs=[
                f"{proof.value}, by {channel_words(proof.channel)}"
                for proof in person.proofs
                if proof.customer_id == row.id
            ],
            may_separate=row.merged_into_id is not None,
        )
        for row in person.members
    ]


def _identity(row: CustomerIdentity) -> str:
    return row.value if row.kind == "email" else f"id {row.value}"


def shown_suggestion(each: Suggestion) -> ShownSuggestion:
    return ShownSuggestion(
        each.first.id, customer_name(each.first), each.second.id, customer_name(each.second), each.value
    )


def shown_merge(row: CustomerMerge) -> ShownMerge:
    words = {
        "merged": f"Merged by {row.actor}, because of {row.proof}",
        "separated": f"Merged by {row.actor}, because of {row.proof}, and separated by {row.separated_by}",
        "refused": f"{row.actor} said that another customer is somebody else",
    }[row.state]
    return ShownMerge(words, row.updated_at)
