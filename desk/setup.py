"""How far a new tenant has come, read from what it has: the steps from an empty desk to the first drafted ticket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.identity import Actor
from desk.accounts.preferences import load_preferences, preferences_to_change, save_preferences
from desk.db.tenancy import session_scope
from desk.db.unit_of_work import Database
from desk.errors import InvalidInputError
from desk.intake import CustomerDetails, NewTicket, accept_ticket
from desk.models import Connection, Document, DocumentVersion, Draft, Faq, Membership, ModelProvider, Ticket
from desk.plain_text import clean_text, excerpt

StepName = Literal["knowledge", "question", "draft", "people", "channel", "model"]
STEPS: tuple[StepName, ...] = get_args(StepName)
OPTIONAL = frozenset({"model"})
"""What nobody has to do or skip before the setup counts as done."""
_BUILT_IN_CHANNELS = ("rest", "chat", "widget", "import")
_WRITTEN = ("ready", "approved", "sent", "rejected", "superseded", "stale")
_LONGEST_SUBJECT = 80


@dataclass(frozen=True, slots=True)
class Setup:
    done: frozenset[StepName]
    skipped: frozenset[StepName]
    documents: int
    """Of the tenant's own, searched already."""
    waiting: int
    """Files that are still being read."""
    faqs: int
    """Published ones."""
    people: int
    is_put_away: bool
    """Somebody said that it is enough."""

    @property
    def is_over(self) -> bool:
        return self.is_put_away or all(step in self.done | self.skipped | OPTIONAL for step in STEPS)


async def read_setup(session: AsyncSession) -> Setup:
    """Of the session's tenant; one statement."""
    own = session_scope(session.sync_session).tenant_id
    documents = func.count(Document.id).filter(Document.current_version.is_not(None))
    statement = select(
        select(documents).where(Document.tenant_id == own, ~Document.is_deleted).scalar_subquery().label("documents"),
        select(func.count())
        .select_from(DocumentVersion)
        .where(DocumentVersion.tenant_id == own, DocumentVersion.state == "waiting")
        .scalar_subquery()
        .label("waiting"),
        select(func.count()).select_from(Faq).where(Faq.state == "published").scalar_subquery().label("faqs"),
        select(func.count()).select_from(Membership).scalar_subquery().label("people"),
        exists().where(Ticket.id.is_not(None)).label("question"),
        exists().where(Draft.state.in_(_WRITTEN)).label("draft"),
        exists().where(_is_connected()).label("channel"),
        exists().where(ModelProvider.is_active).label("model"),
    )
    row = (await session.execute(statement)).one()
    preferences = await load_preferences(session)
    happened: dict[StepName, bool] = {
        "knowledge": bool(row.documents or row.faqs),
        "question": row.question,
        "draft": row.draft,
        "people": row.people > 1,
        "channel": row.channel,
        "model": row.model,
    }
    return Setup(
        done=frozenset(step for step, is_done in happened.items() if is_done),
        skipped=frozenset(step for step in STEPS if step in preferences.setup_skipped),
        documents=row.documents,
        waiting=row.waiting,
        faqs=row.faqs,
        people=row.people,
        is_put_away=preferences.setup_put_away,
    )


def _is_connected() -> ColumnElement[bool]:
    """A channel that messages can come in by or replies go out by, beyond what every tenant begins with."""
    configuration = Connection.configuration
    return and_(
        Connection.is_active,
        or_(
            Connection.channel.not_in(_BUILT_IN_CHANNELS),
            func.coalesce(configuration["callback_url"].astext, "") != "",
            and_(configuration["allowed_origins"].astext.is_not(None), configuration["allowed_origins"].astext != "[]"),
        ),
    )


async def skip_step(session: AsyncSession, step: str, *, skipped: bool) -> None:
    """Leave a step out, or take it up again. A question that is not asked has no draft. Raises InvalidInputError."""
    if step not in STEPS:
        msg = "there is no such step"
        raise InvalidInputError(msg)
    steps = {"question", "draft"} if step in {"question", "draft"} else {step}
    preferences = await preferences_to_change(session)
    kept = set(preferences.setup_skipped) | steps if skipped else set(preferences.setup_skipped) - steps
    await save_preferences(session, msgspec.structs.replace(preferences, setup_skipped=tuple(sorted(kept))))


async def put_setup_away(session: AsyncSession) -> None:
    preferences = await preferences_to_change(session)
    await save_preferences(session, msgspec.structs.replace(preferences, setup_put_away=True))


async def ask_test_question(database: Database, actor: Actor, question: str) -> UUID:
    """A ticket as a customer's, drafted like any other; its id. Raises InvalidInputError."""
    asked = clean_text(question).strip()
    if not asked:
        msg = "write a question as a customer would"
        raise InvalidInputError(msg)
    customer = CustomerDetails("setup-test", None, "Test customer")
    new = NewTicket(excerpt(asked, _LONGEST_SUBJECT), asked, customer, None, None)
    ticket, _ = await accept_ticket(database, actor, new, debounce_seconds=0)
    return ticket.id
