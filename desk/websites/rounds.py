"""The rows of a crawl: a round begins, pages are queued, taken up and ended, the round ends.

Every write holds the website's row under the fence of whoever crawls it, so one that slept through its lease, or whose
website was paused or deleted meanwhile, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.leases import Claim, database_time, due_in, finish, hold
from desk.db.tenancy import session_scope
from desk.db.unit_of_work import announce, wake
from desk.egress import EgressRules
from desk.errors import RefusedAddressError
from desk.knowledge import search_again, set_aside_document
from desk.models import Document, Website, WebsitePage
from desk.websites.addresses import is_below, is_worth_a_look, page_address, same_site
from desk.websites.looking import Look, PageFacts, SiteFacts

MOST_TRIES: Final = 3
"""Of one page in one round."""
MISSES: Final = 3
"""Rounds in a row without the page before it is set aside."""
MOST_STALLS: Final = 3
STALL_SECONDS: Final = 300.0
_RETRY_SECONDS: Final = 20.0
_LONGEST_RETRY: Final = 900.0
_INTERVALS: Final = {"daily": timedelta(days=1), "weekly": timedelta(weeks=1)}
_TOGETHER: Final = 500
KEPT: Final = ("new", "changed", "unchanged")
"""States of pages whose document is searched."""


async def begin(session: AsyncSession, held: Claim) -> SiteFacts | None:
    """Start a round or go on with the one that runs; None when the website is paused."""
    row = await hold(session, Website, held)
    if row.is_paused:
        finish(row)
        return None
    if row.phase == "idle":
        row.phase, row.round, row.is_seeded, row.stalls = "crawling", row.round + 1, False, 0
        row.left_out, row.problem, row.last_error = 0, "", None
        row.started_at, row.finished_at = await database_time(session), None
        await session.flush()
        kept = WebsitePage.document_id.is_not(None) & WebsitePage.state.not_in(("set_aside", "excluded"))
        await session.execute(
            update(WebsitePage)
            .where(
                WebsitePage.website_id == row.id,
                or_(kept, WebsitePage.state.in_(("queued", "failed", "refused")), WebsitePage.url == row.url),
                WebsitePage.state != "excluded",
            )
            .values(state="queued", round=row.round, tries=0, try_at=func.now())
        )
        await _insert(session, row, [row.url], 0, "start")
    await announce(session, row.tenant_id, "website", website=row.id)
    return SiteFacts(
        row.id,
        row.url,
        row.reach,
        row.below,
        row.most_pages,
        row.most_depth,
        row.category,
        row.round,
        row.is_seeded,
    )


async def take_up(session: AsyncSession, held: Claim, most: int) -> list[PageFacts]:
    """The next pages of the round, each counted as tried. One whose document somebody deleted is left out for good."""
    row = await hold(session, Website, held)
    deleted = exists().where(Document.id == WebsitePage.document_id, Document.is_deleted)
    queued = (WebsitePage.website_id == row.id) & (WebsitePage.state == "queued")
    await session.execute(
        update(WebsitePage)
        .where(queued, deleted)
        .values(state="excluded", reason="Its document was deleted here, so it is left out.")
    )
    await session.execute(
        update(WebsitePage)
        .where(queued, WebsitePage.tries >= MOST_TRIES)
        .values(state="failed", reason="It ended the work each time it was tried.")
    )
    pages = await session.execute(
        select(WebsitePage)
        .where(queued, WebsitePage.try_at <= func.now())
        .order_by(WebsitePage.tries, WebsitePage.depth, WebsitePage.id)
        .limit(most)
    )
    found = list(pages.scalars())
    aside = await _set_aside_ids(session, [page.document_id for page in found if page.document_id is not None])
    for page in found:
        page.tries += 1
    return [
        PageFacts(
            page.id,
            page.url,
            page.depth,
            page.tries,
            page.etag,
            page.last_modified,
            page.content_hash,
            page.document_id,
            page.document_id in aside,
        )
        for page in found
    ]


async def same_content(session: AsyncSession, site: SiteFacts, page: PageFacts, look: Look) -> str:
    """The address of another page of the site that is kept and says the same; empty when there is none."""
    if page.document_id is not None:
        return ""
    found = await session.execute(
        select(WebsitePage.url)
        .where(
            WebsitePage.website_id == site.id,
            WebsitePage.content_hash == look.content_hash,
            WebsitePage.id != page.id,
            WebsitePage.document_id.is_not(None),
            WebsitePage.state.in_((*KEPT, "queued")),
        )
        .limit(1)
    )
    return found.scalar_one_or_none() or ""


async def end_page(
    session: AsyncSession, held: Claim, page: PageFacts, look: Look, kept: tuple[UUID, int] | None
) -> None:
    """Write down what became of a page. `kept`: document and version, of one that was taken in."""
    website = await hold(session, Website, held)
    row = await session.get(WebsitePage, page.id, with_for_update=True, populate_existing=True)
    if row is None:
        return
    now = await database_time(session)
    row.status, row.fetched_at = look.status, now
    website.attempts = 0
    if look.passes and page.tries < MOST_TRIES:
        wait = look.again_in if look.again_in is not None else _RETRY_SECONDS * 3 ** (page.tries - 1)
        row.reason, row.try_at = look.reason, now + timedelta(seconds=min(wait, _LONGEST_RETRY))
    else:
        row.state, row.reason, row.tries = look.state, look.reason, 0
        if look.state in KEPT:
            await _keep(session, row, look, kept)
        elif look.state != "failed" and row.document_id is not None:
            await _miss(session, row, look)
    if not look.is_silent:
        website.stalls = 0
    await announce(session, website.tenant_id, "website", website=website.id)


async def _keep(session: AsyncSession, row: WebsitePage, look: Look, kept: tuple[UUID, int] | None) -> None:
    row.misses = 0
    if look.content_hash:
        row.etag, row.last_modified, row.content_hash = look.etag, look.last_modified, look.content_hash
    if kept is not None:
        row.document_id, row.version = kept
        row.changed_at = row.fetched_at
    elif row.document_id is not None:
        await search_again(session, row.document_id)


async def _miss(session: AsyncSession, row: WebsitePage, look: Look) -> None:
    row.misses = MISSES if look.state == "duplicate" else row.misses + 1
    row.etag = row.last_modified = ""
    if row.misses < MISSES:
        row.reason = f"{look.reason} What was read before is still searched; missed {row.misses} of {MISSES} times."
        return
    row.state = "set_aside"
    row.reason = f"{look.reason} What was read before is kept, but no longer searched."
    if row.document_id is not None and not await _is_kept_elsewhere(session, row):
        await set_aside_document(session, row.document_id, look.reason)


async def _is_kept_elsewhere(session: AsyncSession, row: WebsitePage) -> bool:
    """Whether another page, of this or another website, is kept as the same document."""
    found = await session.execute(
        select(WebsitePage.id)
        .where(
            WebsitePage.document_id == row.document_id,
            WebsitePage.id != row.id,
            WebsitePage.state.in_((*KEPT, "queued")),
        )
        .limit(1)
    )
    return found.scalar_one_or_none() is not None


async def enqueue(
    session: AsyncSession, held: Claim, addresses: Iterable[str], rules: EgressRules, *, depth: int, found_by: str
) -> None:
    """Queue those that belong to the site and were not seen in this round, up to its limit of pages."""
    website = await hold(session, Website, held)
    wanted: dict[str, None] = {}
    for address in addresses:
        try:
            normal = page_address(address, rules)
        except RefusedAddressError:
            continue
        if same_site(normal, website.url) and is_below(normal, website.below) and is_worth_a_look(normal):
            wanted.setdefault(normal)
    if not wanted:
        return
    counted = await session.execute(
        select(func.count()).where(WebsitePage.website_id == website.id, WebsitePage.round == website.round)
    )
    room = website.most_pages - counted.scalar_one()
    fresh = await _unseen(session, website, list(wanted))
    if len(fresh) > room:
        website.left_out += len(fresh) - max(0, room)
        fresh = fresh[: max(0, room)]
    for start in range(0, len(fresh), _TOGETHER):
        await _insert(session, website, fresh[start : start + _TOGETHER], depth, found_by)


async def _unseen(session: AsyncSession, website: Website, addresses: Sequence[str]) -> list[str]:
    """Those not looked at or queued in this round, and not left out for good; in the same order."""
    seen: set[str] = set()
    for start in range(0, len(addresses), _TOGETHER):
        found = await session.execute(
            select(WebsitePage.url).where(
                WebsitePage.website_id == website.id,
                WebsitePage.url.in_(addresses[start : start + _TOGETHER]),
                or_(WebsitePage.round == website.round, WebsitePage.state == "excluded"),
            )
        )
        seen.update(found.scalars())
    return [address for address in addresses if address not in seen]


async def _insert(session: AsyncSession, website: Website, addresses: Sequence[str], depth: int, found_by: str) -> None:
    if not addresses:
        return
    tenant_id = session_scope(session.sync_session).tenant_id
    fresh = {"state": "queued", "round": website.round, "tries": 0, "try_at": func.now(), "depth": depth}
    statement = insert(WebsitePage).values(
        [
            {
                "id": uuid7(),
                "tenant_id": tenant_id,
                "website_id": website.id,
                "url": address,
                "found_by": found_by,
                "reason": "",
                "etag": "",
                "last_modified": "",
                "content_hash": "",
                "misses": 0,
                "version": 0,
                **fresh,
            }
            for address in addresses
        ]
    )
    await session.execute(
        statement.on_conflict_do_update(
            constraint="uq_website_pages_url",
            set_=fresh,
            where=(WebsitePage.round < website.round) & (WebsitePage.state != "excluded"),
        )
    )


async def seeded(session: AsyncSession, held: Claim, problem: str) -> None:
    website = await hold(session, Website, held)
    website.is_seeded, website.problem = True, problem


async def let_go(session: AsyncSession, held: Claim) -> None:
    """Go on soon, later when all that is left has to wait, or end the round when nothing is left."""
    website = await hold(session, Website, held)
    website.attempts = 0
    queued = (WebsitePage.website_id == website.id) & (WebsitePage.state == "queued")
    left = await session.execute(select(func.min(WebsitePage.try_at)).where(queued))
    first = left.scalar_one_or_none()
    if first is None:
        await _end(session, website)
    else:
        await due_in(session, website, max(0.0, (first - await database_time(session)).total_seconds()))
        wake(session, "websites")


async def put_off(session: AsyncSession, held: Claim, reason: str) -> None:
    """Nobody answers: wait, and after some such waits end the round with what is left failed."""
    website = await hold(session, Website, held)
    website.attempts, website.stalls, website.problem = 0, website.stalls + 1, reason
    if website.stalls < MOST_STALLS:
        await due_in(session, website, STALL_SECONDS)
        return
    await give_up(session, website, reason)


async def give_up(session: AsyncSession, website: Website, reason: str) -> None:
    """End the round; what is still queued has failed for `reason`, and is tried again in the next one."""
    await session.execute(
        update(WebsitePage)
        .where(WebsitePage.website_id == website.id, WebsitePage.state == "queued")
        .values(state="failed", reason=reason, tries=0)
    )
    website.problem = reason
    await _end(session, website)


async def _end(session: AsyncSession, website: Website) -> None:
    website.phase, website.finished_at = "idle", await database_time(session)
    schedule_next(website)
    await announce(session, website.tenant_id, "website", website=website.id)


def schedule_next(website: Website) -> None:
    """When the next round begins: an interval after this one began, by the database's clock."""
    finish(website)
    interval = _INTERVALS.get(website.schedule)
    if interval is not None and website.started_at is not None and not website.is_paused:
        website.due_at = website.started_at + interval


async def _set_aside_ids(session: AsyncSession, ids: Sequence[UUID]) -> set[UUID | None]:
    if not ids:
        return set()
    found = await session.execute(select(Document.id).where(Document.id.in_(ids), Document.set_aside != ""))
    return set(found.scalars())
