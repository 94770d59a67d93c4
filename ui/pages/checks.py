"""Replies to check: what went out by itself and was drawn for a look afterwards, one at a time."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.installation import Installation
from desk.judging import judge, question_of, replies_to_check
from desk.web.permissions import needs
from ui.pages.asked import asked_offset
from ui.pages.shell import page_or_content, told
from ui.presenting.sending import shown_check


class JudgementForm(msgspec.Struct):
    good: str = ""
    reason: str = ""
    correct_reply: str = ""


class Checks(Controller):
    path = "/checks"
    opt = needs(Permission.TICKETS)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """`offset` leaves so many of the oldest ones out."""
        return await _page(request, installation, actor)

    @post("/{delivery_id:uuid}", status_code=200)
    async def decide(
        self,
        request: Request[Any, Any, Any],
        delivery_id: FromPath[UUID],
        data: URLEncodedBody[JudgementForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """On to the next one."""
        is_good = bool(data.good)
        await judge(
            installation.database,
            actor,
            installation.analyser,
            delivery_id,
            good=is_good,
            reason="" if is_good else data.reason,
            correct_reply="" if is_good else data.correct_reply,
        )
        words = "Noted: right." if is_good else "Noted: wrong. The next draft learns from it."
        return told(await _page(request, installation, actor), words)


async def _page(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> Any:
    offset = asked_offset(request)
    async with installation.database.transaction(actor.scope) as session:
        page = await replies_to_check(session, limit=1, offset=offset)
        if not page.items and page.total:
            offset = 0
            page = await replies_to_check(session, limit=1, offset=0)
        found = next(iter(page.items), None)
        check = None if found is None else shown_check(*found, await question_of(session, found[0]))
    return await page_or_content(
        request,
        installation,
        actor,
        "checks.html",
        area="checks",
        check=check,
        total=page.total,
        offset=offset,
        following=(offset + 1) % page.total if page.total > 1 else None,
    )
