"""The list of tickets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template
from sqlalchemy import select

from desk.accounts.identity import Actor, Permission
from desk.accounts.users import user_names
from desk.errors import NotFoundError
from desk.installation import Installation
from desk.models import Connection
from desk.tickets import TicketFilter, list_tickets
from desk.web.permissions import needs
from ui.pages.asked import asked_filter
from ui.pages.shell import part_of_page, shell, wants_part, whole_page
from ui.presenting.queue import SORTS, VIEW_NAMES, Line, PageLinks, line_of, page_links, query_of, total_words
from ui.presenting.words import LEVELS, QUALITIES, STATUSES, Choices, channel_words, choices


@dataclass(frozen=True, slots=True)
class ShownQueue:
    name: str
    title: str
    empty_title: str
    empty_words: str
    total_words: str
    lines: Sequence[Line]
    page: PageLinks
    wanted: TicketFilter
    refresh_address: str
    filter_count: int
    is_filtered: bool
    is_first_run: bool
    people: Choices
    levels: Choices
    qualities: Choices
    statuses: Choices
    channels: Choices
    sorts: Choices


class Queue(Controller):
    path = "/queue"
    opt = needs(Permission.TICKETS)
    include_in_schema = False

    @get("/{view:str}")
    async def show(
        self,
        request: Request[Any, Any, Any],
        view: FromPath[str],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """The page; for the page itself, its list and the counts of the views."""
        if view not in VIEW_NAMES:
            msg = "there is no such view"
            raise NotFoundError(msg)
        queue = await shown_queue(installation, actor, asked_filter(request, view))
        shown = await shell(request, installation, actor, area="queue", view=view)
        if wants_part(request):
            return part_of_page(
                "queue.html", ["lines", "refreshed_views"], shell=shown, queue=queue, open_ticket=_open_ticket(request)
            )
        return whole_page("queue.html", shown, queue=queue, open_ticket=None)


async def shown_queue(installation: Installation, actor: Actor, wanted: TicketFilter) -> ShownQueue:
    async with installation.database.transaction(actor.scope) as session:
        page = await list_tickets(session, wanted)
        channels = list((await session.execute(select(Connection.channel).distinct())).scalars())
    names = await user_names(installation.database, actor.scope)
    view = VIEW_NAMES[wanted.view or "all"]
    narrowing = (wanted.status, wanted.assignee, wanted.channel, wanted.tag, wanted.level, wanted.quality)
    filters = sum(value is not None for value in narrowing)
    query = query_of(wanted)
    return ShownQueue(
        name=view.name,
        title=view.title,
        empty_title=view.empty_title,
        empty_words=view.empty_words,
        total_words=total_words(page.total),
        lines=[line_of(line, query, actor.user_id) for line in page.items],
        page=page_links(page, f"/queue/{view.name}", query_of(wanted, view=None, offset=None)),
        wanted=wanted,
        refresh_address=f"/queue/{view.name}?{query_of(wanted, view=None)}",
        filter_count=filters,
        is_filtered=bool(filters or wanted.q),
        is_first_run=page.total == 0 and await _is_first_run(installation, actor),
        people=(("none", "Nobody"), *((str(user_id), name) for user_id, name in names.items())),
        levels=tuple((level, words) for level, (words, _) in LEVELS.items()),
        qualities=choices(QUALITIES),
        statuses=choices(STATUSES),
        channels=tuple((channel, channel_words(channel)) for channel in sorted(channels)),
        sorts=SORTS,
    )


async def _is_first_run(installation: Installation, actor: Actor) -> bool:
    async with installation.database.transaction(actor.scope) as session:
        return (await list_tickets(session, TicketFilter(view="all", limit=1))).total == 0


def _open_ticket(request: Request[Any, Any, Any]) -> UUID | None:
    """Which ticket stands open beside the list that refreshes itself, by the page's own address."""
    path = str(request.headers.get("hx-current-url", "")).partition("?")[0].rstrip("/")
    head, _, last = path.rpartition("/")
    if not head.endswith("/tickets"):
        return None
    try:
        return UUID(last)
    except ValueError:
        return None
