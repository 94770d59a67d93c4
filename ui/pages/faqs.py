"""FAQs: finding, writing, publishing, files, suggestions, and trying a question."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.identity import Actor, Permission
from desk.connections import list_connections
from desk.errors import InvalidInputError, NotFoundError
from desk.faq_files import import_faqs
from desk.faq_suggestions import suggest_faqs
from desk.faq_trials import try_faqs
from desk.faqs import (
    FaqChange,
    FaqText,
    change_faq,
    create_faq,
    delete_faq,
    faq_categories,
    faq_view,
    list_faqs,
)
from desk.installation import Installation
from desk.models import Ticket
from desk.paging import LARGEST_PAGE, STANDARD_PAGE
from desk.policy.rules import switch_faqs
from desk.policy.tenant_policy import read_policy
from desk.web.permissions import needs
from ui.pages.asked import asked_offset
from ui.pages.shell import leave_for, page_or_content, part_of_page, shell, told, wants_part
from ui.presenting.faqs import (
    STATES,
    answering_channels,
    shown_faq,
    shown_faq_trial,
    shown_import,
    shown_suggestion,
)
from ui.presenting.queue import page_links
from ui.presenting.sending import channel_policies
from ui.presenting.words import channel_words, counted, query_string

MOST_SUGGESTIONS = 10
LARGEST_FILE = 16 * 1024 * 1024
"""Bytes of one CSV file."""


class FaqForm(msgspec.Struct):
    question: str = ""
    answer: str = ""
    category: str = ""
    language: str = ""
    phrasings: str = ""
    """One a line."""
    state: str = "draft"


class TriedQuestion(msgspec.Struct):
    question: str = ""


class FaqSwitch(msgspec.Struct):
    send: str = ""


class Faqs(Controller):
    path = "/faqs"
    opt = needs(Permission.SIGNED_IN)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """The page; for the page itself, its list."""
        context = await _listing(request, installation, actor)
        if wants_part(request):
            return part_of_page(
                "faqs.html", ["list"], shell=await shell(request, installation, actor, area="faqs"), **context
            )
        return await page_or_content(request, installation, actor, "faqs.html", area="faqs", **context)

    @get("/new", opt=needs(Permission.KNOWLEDGE))
    async def form(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _faq_page(request, installation, actor, None)

    @post("/", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def create(
        self,
        data: URLEncodedBody[FaqForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Response[str]:
        """Also what becomes of a suggestion: a draft to edit."""
        text = FaqText(data.question, data.answer, data.category, data.language, _lines(data.phrasings), data.state)
        view = await create_faq(installation.database, installation.embedder, actor, text)
        return leave_for(f"/faqs/{view.faq.id}" if view.faq.state == "draft" else "/faqs")

    @post("/import", status_code=200, opt=needs(Permission.KNOWLEDGE), request_max_body_size=LARGEST_FILE)
    async def take_in(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """Each line by itself: what cannot be taken is said beside its number, the others are taken."""
        form = await request.form()
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            msg = "choose a CSV file"
            raise InvalidInputError(msg)
        state = str(form.get("state") or "published")
        report = await import_faqs(installation.database, installation.embedder, actor, await file.read(), state=state)
        context = {**await _listing(request, installation, actor), "report": shown_import(report)}
        around = await shell(request, installation, actor, area="faqs")
        rendered = part_of_page("faqs.html", ["content"], shell=around, **context)
        return told(rendered, f"{counted(len(report.taken), 'line', 'lines')} taken in.")

    @get("/suggestions")
    async def suggestions(self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]) -> Template:
        """A part of the page, fetched by itself: comparing a thousand answers takes about a second."""
        found = await suggest_faqs(installation.database, actor, MOST_SUGGESTIONS)
        async with installation.database.transaction(actor.scope) as session:
            wanted = {ticket_id for one in found for ticket_id in one.ticket_ids}
            rows = await session.execute(select(Ticket.id, Ticket.number).where(Ticket.id.in_(wanted)))
            numbers = {row.id: row.number for row in rows}
        suggested = [shown_suggestion(one, numbers) for one in found]
        may_change = actor.may(Permission.KNOWLEDGE)
        return part_of_page("faq_suggestions.html", ["suggestions"], suggestions=suggested, may_change=may_change)

    @post("/try", status_code=200)
    async def attempt(
        self,
        data: URLEncodedBody[TriedQuestion],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """Stores nothing."""
        async with installation.database.transaction(actor.scope) as session:
            channels = [channel for channel, _, _ in await _channels(session)]
        trial = await try_faqs(
            installation.database, installation.faqs, installation.drafting, actor, data.question, channels
        )
        return part_of_page("faqs.html", ["trial"], trial=shown_faq_trial(trial))

    @post("/sending/{channel:str}", status_code=200, opt=needs(Permission.TUNING))
    async def switch(
        self,
        request: Request[Any, Any, Any],
        channel: FromPath[str],
        data: URLEncodedBody[FaqSwitch],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            if channel not in {known for known, _, _ in await _channels(session)}:
                msg = "there is no such channel"
                raise NotFoundError(msg)
            await switch_faqs(session, channel, send=bool(data.send))
            channels = await _channels(session)
        around = await shell(request, installation, actor, area="faqs")
        rendered = part_of_page("faqs.html", ["sending", "switch"], shell=around, channels=channels)
        done = "go out by themselves" if data.send else "wait for a person"
        return told(rendered, f"{channel_words(channel)}: FAQ answers {done}.")


class OneFaq(Controller):
    path = "/faqs/{faq_id:uuid}"
    opt = needs(Permission.SIGNED_IN)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        faq_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _faq_page(request, installation, actor, faq_id)

    @post("/", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def change(
        self,
        request: Request[Any, Any, Any],
        faq_id: FromPath[UUID],
        data: URLEncodedBody[FaqForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """Publishing and retiring are changes of the state."""
        change = FaqChange(data.question, data.answer, data.category, data.language, _lines(data.phrasings), data.state)
        view = await change_faq(installation.database, installation.embedder, actor, faq_id, change)
        words = {"published": "Saved. It answers from now on.", "retired": "Saved. It answers no longer."}
        rendered = await _faq_page(request, installation, actor, faq_id)
        return told(rendered, words.get(view.faq.state, "Saved as a draft."))

    @post("/delete", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def remove(
        self, faq_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Response[str]:
        await delete_faq(installation.database, actor, faq_id)
        return leave_for("/faqs")


async def _listing(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> dict[str, Any]:
    given = {name: str(request.query_params.get(name) or "") for name in ("q", "category", "state")}
    page = await list_faqs(
        installation.database,
        installation.faqs,
        actor,
        query=given["q"] or None,
        category=given["category"] or None,
        state=given["state"] or None,
        limit=STANDARD_PAGE,
        offset=asked_offset(request),
    )
    async with installation.database.transaction(actor.scope) as session:
        known = await faq_categories(session)
        channels = await _channels(session)
    query = query_string(given)
    return {
        "faqs": [shown_faq(view) for view in page.items],
        "page": page_links(page, "/faqs", query),
        "total_words": counted(page.total, "FAQ", "FAQs"),
        "wanted": given,
        "is_filtered": any(given.values()),
        "categories": [(each, each) for each in known],
        "states": STATES,
        "refresh_address": f"/faqs?{query_string({**given, 'offset': str(page.offset or '')})}",
        "channels": channels,
        "may_change": actor.may(Permission.KNOWLEDGE),
        "report": None,
        "trial": None,
    }


async def _channels(session: AsyncSession) -> list[tuple[str, str, bool]]:
    policy = await read_policy(session)
    connections = await list_connections(session, limit=LARGEST_PAGE, offset=0)
    return answering_channels(channel_policies(policy.channels, connections.items))


async def _faq_page(
    request: Request[Any, Any, Any], installation: Installation, actor: Actor, faq_id: UUID | None
) -> Any:
    """`faq_id` None: the form of a new one."""
    view = None if faq_id is None else await faq_view(installation.database, actor, faq_id)
    async with installation.database.transaction(actor.scope) as session:
        known = await faq_categories(session)
    return await page_or_content(
        request,
        installation,
        actor,
        "faq.html",
        area="faqs",
        faq=None if view is None else shown_faq(view),
        categories=known,
        states=STATES,
        may_change=actor.may(Permission.KNOWLEDGE),
    )


def _lines(given: str) -> tuple[str, ...]:
    return tuple(line for line in given.splitlines() if line.strip())
