"""Past tickets of another desk: taking them in, and what this desk would have drafted for them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.errors import InvalidInputError
from desk.history.backtests import account_of, ask_for_backtest, get_backtest, list_backtests, stop_backtest
from desk.history.imports import ENDINGS, has_history, list_imports, upload_history
from desk.installation import Installation
from desk.paging import STANDARD_PAGE
from desk.plain_text import clean_line
from desk.web.permissions import needs
from ui.pages.asked import asked_offset
from ui.pages.shell import leave_for, page_or_content, part_of_page, shell, told, wants_part
from ui.presenting.backtests import shown_account, shown_import, shown_replay
from ui.presenting.queue import page_links

LARGEST_BODY = 256 * 1024 * 1024
"""Bytes of one upload; DESK_MAXIMUM_UPLOAD_MB is checked on the file."""
_WORST_SHOWN = 10


class PastTickets(Controller):
    path = "/history"
    opt = needs(Permission.SIGNED_IN)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """The page; for the page itself, how far everything is."""
        context = await _listing(request, installation, actor)
        if wants_part(request):
            around = await shell(request, installation, actor, area="history")
            return part_of_page("history.html", ["progress"], shell=around, **context)
        return await page_or_content(request, installation, actor, "history.html", area="history", **context)

    @post("/files", status_code=200, opt=needs(Permission.KNOWLEDGE), request_max_body_size=LARGEST_BODY)
    async def upload(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        form = await request.form()
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            msg = "choose the file with the tickets"
            raise InvalidInputError(msg)
        maximum = installation.settings.maximum_upload_bytes
        await upload_history(
            installation.database,
            installation.storage,
            actor,
            clean_line(file.filename.replace("\\", "/").rpartition("/")[2]),
            await file.read(maximum + 1),
            then_backtest=bool(form.get("then_backtest")) and actor.may(Permission.TUNING),
            maximum_bytes=maximum,
        )
        context = await _listing(request, installation, actor)
        rendered = await page_or_content(request, installation, actor, "history.html", area="history", **context)
        return told(rendered, "Taken in; the tickets are read in the background.")

    @post("/replays", status_code=200, opt=needs(Permission.TUNING))
    async def replay(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await ask_for_backtest(session, actor.label)
        context = await _listing(request, installation, actor)
        return await page_or_content(request, installation, actor, "history.html", area="history", **context)

    @get("/replays/{backtest_id:uuid}")
    async def result(
        self,
        request: Request[Any, Any, Any],
        backtest_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            row = await get_backtest(session, backtest_id)
        account = account_of(row)
        return await page_or_content(
            request,
            installation,
            actor,
            "backtest.html",
            area="history",
            replay=shown_replay(row),
            account=None
            if account is None
            else shown_account(account, shown=_WORST_SHOWN, address=lambda ticket: f"/tickets/{ticket}"),
            may_change=actor.may(Permission.TUNING),
        )

    @post("/replays/{backtest_id:uuid}/stop", status_code=200, opt=needs(Permission.TUNING))
    async def stop(
        self, backtest_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Response[str]:
        async with installation.database.transaction(actor.scope) as session:
            await stop_backtest(session, backtest_id)
        return leave_for("/history")


async def _listing(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> dict[str, Any]:
    async with installation.database.transaction(actor.scope) as session:
        replays = await list_backtests(session, limit=STANDARD_PAGE, offset=asked_offset(request))
        imports = await list_imports(session, limit=STANDARD_PAGE, offset=0)
        known = await has_history(session)
    shown = [shown_replay(row) for row in replays.items]
    return {
        "replays": shown,
        "page": page_links(replays, "/history", ""),
        "imports": [shown_import(row) for row in imports.items],
        "further_imports": max(0, imports.total - len(imports.items)),
        "has_history": known,
        "is_replaying": any(each.is_waiting for each in shown),
        "may_import": actor.may(Permission.KNOWLEDGE),
        "may_replay": actor.may(Permission.TUNING),
        "accepted": ",".join(ENDINGS),
        "maximum_words": f"{installation.settings.maximum_upload_bytes / 1024 / 1024:.0f} MB",
    }
