"""The demo's texts as they lie in `content/`: a folder for each tenant, `global` for what belongs to none.

A tenant's folder holds `tenant.toml` (names, people, customers), `knowledge/<category>/*.md`,
`tickets/<intent>.toml` and perhaps `faqs.toml`, `chats.toml` and `history.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from enum import IntEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

import msgspec
import yaml

from desk.knowledge import Upload

_CONTENT = files("desk.demo") / "content"
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_REVIEWS_OF_A_DRAFT = frozenset({"approve", "edit", "reject"})
REVIEWS = _REVIEWS_OF_A_DRAFT | {"reply"}
GLOBAL_FOLDER = "global"
TENANT_FOLDERS = ("larkspur", "tidewell")
"""The first is the one to look at; the second shows that it sees nothing of the first."""


class Stage(IntEnum):
    """When a ticket's story can be played."""

    UNTAUGHT = 0
    """While the desk has learned nothing: its draft is to fail."""
    BY_PEOPLE = 1
    """Nobody looks at a draft in it, so the knowledge base need not be indexed yet."""
    WITH_KNOWLEDGE = 2
    """People review what the desk drafts from knowledge and from what it has learned."""


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    name: str
    email: str
    role: Literal["agent", "admin", "owner"]


class DemoCustomer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    email: str
    external_id: str | None = None


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that happened to a ticket after it was opened."""

    do: Literal["customer", "draft", "note", "approve", "edit", "reject", "reply", "escalate"]
    """`draft`: the desk has written its draft by now, which reviewing one implies."""
    after: str
    """How long after the step before, such as `1h 20m`."""
    by: str = ""
    """Key of the person; empty when the customer writes."""
    body: str = ""
    reason: str = ""
    resolve: bool = True
    outcome: Literal["sent", "failed", "uncertain"] = "sent"
    """What became of the reply on its way."""


class DemoTicket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    age: str
    """How long before now it was opened."""
    subject: str
    body: str
    customer: str = ""
    """Key of a customer; empty for a stranger with `name` and `email`."""
    name: str = ""
    email: str = ""
    department: str | None = None
    priority: str | None = None
    status: str | None = None
    """Where it stands after the last step, if not where that step left it."""
    assignee: str | None = None
    tags: tuple[str, ...] = ()
    snoozed: str | None = None
    """For how long from now."""
    spam: bool = False
    steps: tuple[Step, ...] = ()

    @property
    def stage(self) -> Stage:
        doing = {step.do for step in self.steps}
        if doing & _REVIEWS_OF_A_DRAFT:
            return Stage.WITH_KNOWLEDGE
        return Stage.UNTAUGHT if "draft" in doing else Stage.BY_PEOPLE


class _TicketFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tickets: tuple[DemoTicket, ...]


class DemoTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    slug: str
    help_host: str
    """Where its articles are published; replies may link there."""
    people: tuple[Person, ...]
    customers: dict[str, DemoCustomer]


class DemoFaq(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    question: str
    answer: str
    category: str = ""
    phrasings: tuple[str, ...] = ()
    state: Literal["published", "draft", "retired"] = "published"


class DemoChat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question asked in the chat, which the desk has answered from a FAQ or handed to a person."""

    id: str
    age: str
    question: str
    name: str
    email: str = ""
    status: str | None = None


class AnswerInPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    question: str
    answer: str


class DemoHistory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the tickets of an earlier desk are made of."""

    tickets: int
    without_answer: float
    """Share of them that nobody answered."""
    answered_in_person: float
    """Share whose reply no other ticket got."""
    openings: tuple[str, ...]
    details: tuple[str, ...]
    closings: tuple[str, ...]
    in_person: tuple[AnswerInPerson, ...]


class _ChatFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    chats: tuple[DemoChat, ...]


class _FaqFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    faqs: tuple[DemoFaq, ...]


class _FrontMatter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    category: str


def load_tenant(folder: str) -> DemoTenant:
    return msgspec.toml.decode((_CONTENT / folder / "tenant.toml").read_bytes(), type=DemoTenant)


def load_faqs(folder: str) -> tuple[DemoFaq, ...]:
    """None for a tenant that has not written any."""
    file = _CONTENT / folder / "faqs.toml"
    return msgspec.toml.decode(file.read_bytes(), type=_FaqFile).faqs if file.is_file() else ()


def load_chats(folder: str) -> tuple[DemoChat, ...]:
    """None for a tenant whose customers do not chat; oldest first."""
    file = _CONTENT / folder / "chats.toml"
    chats = msgspec.toml.decode(file.read_bytes(), type=_ChatFile).chats if file.is_file() else ()
    return tuple(sorted(chats, key=lambda chat: -duration(chat.age)))


def load_history(folder: str) -> DemoHistory | None:
    """None for a tenant that had no desk before."""
    file = _CONTENT / folder / "history.toml"
    return msgspec.toml.decode(file.read_bytes(), type=DemoHistory) if file.is_file() else None


def load_articles(folder: str, help_host: str = "") -> list[Upload]:
    """The Markdown files of a folder, ready to be taken in."""
    root = _CONTENT / folder if folder == GLOBAL_FOLDER else _CONTENT / folder / "knowledge"
    return [_article(f"{folder}/{name}", file, help_host) for name, file in _markdown(root)]


def load_tickets(folder: str) -> dict[str, list[DemoTicket]]:
    """By the intent they are about (the file's name); oldest first within each."""
    tickets: dict[str, list[DemoTicket]] = {}
    for file in sorted((_CONTENT / folder / "tickets").iterdir(), key=lambda found: found.name):
        read = msgspec.toml.decode(file.read_bytes(), type=_TicketFile).tickets
        tickets[file.name.removesuffix(".toml")] = sorted(read, key=lambda ticket: -duration(ticket.age))
    return tickets


def duration(words: str) -> timedelta:
    """`2d 3h 15m`, any part left out."""
    parts = [re.fullmatch(r"(\d+)([dhm])", part) for part in words.split()]
    if not parts or None in parts:
        msg = f"{words!r} is no duration such as '2d 3h 15m'"
        raise ValueError(msg)
    return sum((timedelta(**{_UNITS[part[2]]: int(part[1])}) for part in parts if part), start=timedelta())


def _markdown(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for found in sorted(folder.iterdir(), key=lambda each: each.name):
        if found.is_dir():
            yield from _markdown(found, f"{prefix}{found.name}/")
        elif found.name.endswith(".md"):
            yield f"{prefix}{found.name.removesuffix('.md')}", found


def _article(name: str, file: Traversable, help_host: str) -> Upload:
    raw = file.read_bytes()
    matter = _FRONT_MATTER.match(raw.decode())
    if matter is None:
        msg = f"the demo article {name} has no front matter"
        raise ValueError(msg)
    about = msgspec.convert(yaml.safe_load(matter[1]), _FrontMatter)
    return Upload(
        file_name=file.name,
        raw=raw,
        origin=f"demo:{name}",
        title=about.title,
        category=about.category,
        url=f"https://{help_host}/{name.partition('/')[2]}" if help_host else None,
    )
