"""What the knowledge lacks, and where it disagrees with itself."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.conflicts import Choice, count_open, decide_pair, list_pairs, reopen_pair
from desk.errors import InvalidInputError
from desk.gaps.listing import dismiss_gap, gap_view, list_gaps, reopen_gap, snooze_gap
from desk.gaps.proposals import Acceptance, accept, decline, propose
from desk.gaps.writing import Form
from desk.installation import Installation
from desk.paging import STANDARD_PAGE
from desk.upkeep import ask_for_rebuild
from desk.web.permissions import needs
from ui.pages.asked import asked_offset
from ui.pages.shell import gone, page_or_content, told
from ui.presenting.queue import page_links
from ui.presenting.upkeep import (
    GAP_STATES,
    PAIR_KINDS,
    PAIR_STATES,
    SNOOZES,
    shown_gap,
    shown_pair,
    shown_proposal,
    shown_questions,
    shown_reply,
)
from ui.presenting.words import counted, query_string


class SnoozeForm(msgspec.Struct):
    days: int = 7


class ProposeForm(msgspec.Struct):
    kind: str = "faq"


class AcceptForm(msgspec.Struct):
    title: str = ""
    body: str = ""
    as_new: str = ""


class DecideForm(msgspec.Struct):
    keep: str = ""


class Gaps(Controller):
    path = "/knowledge/gaps"
    opt = needs(Permission.TICKETS)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        state = str(request.query_params.get("state") or "open")
        async with installation.database.transaction(actor.scope) as session:
            page = await list_gaps(session, state=state, limit=STANDARD_PAGE, offset=asked_offset(request))
        return await page_or_content(
            request,
            installation,
            actor,
            "gaps.html",
            area="knowledge",
            part_area="gaps",
            gaps=[shown_gap(line) for line in page.items],
            page=page_links(page, "/knowledge/gaps", query_string({"state": state})),
            total_words=counted(page.total, "question", "questions"),
            states=GAP_STATES,
            state=state,
        )

    @get("/{gap_id:uuid}")
    async def show_one(
        self,
        request: Request[Any, Any, Any],
        gap_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _gap_page(request, installation, actor, gap_id)

    @post("/{gap_id:uuid}/dismiss", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def dismiss(
        self,
        request: Request[Any, Any, Any],
        gap_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await dismiss_gap(installation.database, actor, gap_id)
        return told(await _gap_page(request, installation, actor, gap_id), "Dismissed.")

    @post("/{gap_id:uuid}/snooze", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def snooze(
        self,
        request: Request[Any, Any, Any],
        gap_id: FromPath[UUID],
        data: URLEncodedBody[SnoozeForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await snooze_gap(installation.database, actor, gap_id, data.days)
        return told(await _gap_page(request, installation, actor, gap_id), "Snoozed.")

    @post("/{gap_id:uuid}/reopen", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def reopen(
        self,
        request: Request[Any, Any, Any],
        gap_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await reopen_gap(installation.database, actor, gap_id)
        return told(await _gap_page(request, installation, actor, gap_id), "Open again.")

    @post("/{gap_id:uuid}/propose", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def propose(
        self,
        request: Request[Any, Any, Any],
        gap_id: FromPath[UUID],
        data: URLEncodedBody[ProposeForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await propose(installation, actor, gap_id, cast("Form", data.kind))
        return await _gap_page(request, installation, actor, gap_id)

    @post("/{gap_id:uuid}/proposals/{proposal_id:uuid}/accept", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def accept(
        self,
        request: Request[Any, Any, Any],
        gap_id: FromPath[UUID],
        proposal_id: FromPath[UUID],
        data: URLEncodedBody[AcceptForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await accept(installation, actor, proposal_id, Acceptance(data.title, data.body, bool(data.as_new)))
        return told(await _gap_page(request, installation, actor, gap_id), "Accepted. The next draft finds it.")

    @post("/{gap_id:uuid}/proposals/{proposal_id:uuid}/decline", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def decline(
        self,
        request: Request[Any, Any, Any],
        gap_id: FromPath[UUID],
        proposal_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await decline(installation.database, actor, proposal_id)
        return told(await _gap_page(request, installation, actor, gap_id), "Declined.")


class Conflicts(Controller):
    path = "/knowledge/conflicts"
    opt = needs(Permission.SIGNED_IN)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _conflicts_page(request, installation, actor)

    @post("/{pair_id:uuid}/decide", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def decide(
        self,
        request: Request[Any, Any, Any],
        pair_id: FromPath[UUID],
        data: URLEncodedBody[DecideForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        if data.keep not in {"first", "second", "both"}:
            msg = "say which passage to keep"
            raise InvalidInputError(msg)
        await decide_pair(installation.database, installation.embedder, actor, pair_id, cast("Choice", data.keep))
        words = "Remembered." if data.keep == "both" else "Kept. The other one is not searched any more."
        return told(await _conflicts_page(request, installation, actor), words)

    @post("/{pair_id:uuid}/reopen", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def reopen(
        self,
        request: Request[Any, Any, Any],
        pair_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await reopen_pair(installation.database, installation.embedder, installation.upkeep, actor, pair_id)
        return told(await _conflicts_page(request, installation, actor), "Taken back. Both are searched.")


@post("/knowledge/rebuild", status_code=200, opt=needs(Permission.KNOWLEDGE), include_in_schema=False)
async def rebuild(actor: NamedDependency[Actor], installation: NamedDependency[Installation]) -> Response[str]:
    """Only tells; the list fetches itself when the job announces that it goes on."""
    await ask_for_rebuild(installation.database, actor)
    return gone("Everything is read anew in the background.")


async def _gap_page(request: Request[Any, Any, Any], installation: Installation, actor: Actor, gap_id: UUID) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        view = await gap_view(session, gap_id)
    return await page_or_content(
        request,
        installation,
        actor,
        "gap.html",
        area="knowledge",
        gap=shown_gap(view.line),
        questions=shown_questions(view),
        replies=[shown_reply(one) for one in view.replies],
        proposals=[shown_proposal(one) for one in view.proposals],
        snoozes=SNOOZES,
        may_change=actor.may(Permission.KNOWLEDGE),
    )


async def _conflicts_page(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> Any:
    given = {name: str(request.query_params.get(name) or "") for name in ("state", "kind")}
    async with installation.database.transaction(actor.scope) as session:
        page = await list_pairs(
            session,
            state=given["state"] or "open",
            kind=given["kind"] or None,
            limit=STANDARD_PAGE,
            offset=asked_offset(request),
        )
        counts = await count_open(session)
    query = query_string(given)
    return await page_or_content(
        request,
        installation,
        actor,
        "conflicts.html",
        area="knowledge",
        part_area="conflicts",
        pairs=[shown_pair(one) for one in page.items],
        page=page_links(page, "/knowledge/conflicts", query),
        counts=", ".join(
            counted(counts.get(kind, 0), kind, f"{kind}s")
            for kind in ("contradiction", "duplicate")
            if counts.get(kind)
        ),
        states=PAIR_STATES,
        kinds=PAIR_KINDS,
        wanted=given,
        query=f"?{query}" if query else "",
        may_change=actor.may(Permission.KNOWLEDGE),
    )
