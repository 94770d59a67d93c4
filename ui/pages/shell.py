"""What surrounds every page, and how a page or a part of one is rendered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2_fragments.litestar import HTMXBlockTemplate
from litestar import MediaType, Request, Response
from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.identity import Actor, Permission
from desk.accounts.users import TenantRole, memberships_of
from desk.installation import Installation
from desk.intents import load_intents
from desk.models import ChannelPolicy, Connection, Delivery, Faq, SendingCertificate, Tenant, TenantSettings
from desk.policy.decide import FAQ_CHANNELS
from desk.policy.news import certificate_news
from desk.setup import read_setup
from desk.tickets import view_counts
from desk.webhooks.sending import switched_off
from ui.presenting.queue import ViewLink, view_links
from ui.presenting.sending import group_words, news_words
from ui.presenting.webhooks import shown_webhook
from ui.presenting.words import Choices

THEMES = ("light", "dark")
KEYS: Choices = (
    ("j", "Next ticket, or next reply to check"),
    ("k", "Previous ticket"),
    ("o", "Open (also Enter)"),
    ("/", "Search"),
    ("e", "Write the reply"),
    ("u", "Use the draft"),
    ("d", "Show the draft"),
    ("r", "Regenerate the draft"),
    ("x", "Reject the draft"),
    ("n", "Internal note; in replies to check: no"),
    ("a", "Assign to me"),
    ("c", "Close the ticket"),
    ("z", "Reopen the ticket"),
    ("Ctrl Enter", "Send and resolve"),
    ("Alt Enter", "Send"),
    ("Esc", "Leave the editor, then the ticket"),
    ("y", "Replies to check: yes, as it is"),
    ("?", "This list"),
)


@dataclass(frozen=True, slots=True)
class Shell:
    me: Actor
    tenant_name: str
    area: str
    view: str = ""
    views: Sequence[ViewLink] = ()
    other_tenants: Sequence[TenantRole] = ()
    theme: str = ""
    side_closed: bool = False
    settings_address: str = ""
    may: dict[str, bool] = field(default_factory=dict[str, bool])
    """By permission: what is not allowed is not offered."""
    sends_automatically: bool = False
    """Some channel may send without a person."""
    sending_stopped: bool = False
    to_check: int = 0
    """Replies that went out by themselves and wait for a look."""
    certified: Sequence[str] = ()
    """What certificates that hold now are for; only for those who may change what would end them."""
    news: Sequence[str] = ()
    """What has become of certificates since this person last said that they know."""
    lost_webhooks: Sequence[tuple[str, str]] = ()
    """Id and name of each that the desk has switched off, until somebody has looked."""
    is_setting_up: bool = False
    """Steps of the setup are left, and this person may take them."""


def settings_address(actor: Actor) -> str:
    """The first settings page this person may see; empty when there is none."""
    if actor.is_operator or not (actor.may(Permission.TUNING) or actor.may(Permission.ACCOUNTS)):
        return ""
    return "/settings/channels" if actor.may(Permission.TUNING) else "/settings/people"


def may_set_up(actor: Actor) -> bool:
    return actor.may(Permission.TUNING) and actor.may(Permission.TICKETS)


async def shell(
    request: Request[Any, Any, Any], installation: Installation, actor: Actor, *, area: str, view: str = ""
) -> Shell:
    async with installation.database.transaction(actor.scope) as session:
        name = (await session.execute(select(Tenant.name).where(Tenant.id == actor.tenant_id))).scalar_one()
        counts = await view_counts(session, actor.user_id) if actor.may(Permission.TICKETS) else None
        state = await session.execute(
            select(TenantSettings.sending_stopped, _TO_CHECK.label("to_check"), _WAS_CERTIFIED.label("certified"))
        )
        stopped, to_check, was_certified = state.one()
        certified, news = await _certificates(session, installation, actor) if was_certified else ((), ())
        lost = await switched_off(session) if actor.may(Permission.TUNING) else ()
        automatic = await _sends_automatically(session)
        setting_up = may_set_up(actor) and not (await read_setup(session)).is_over
    others = await memberships_of(installation.database, actor.user_id) if actor.user_id else []
    theme = request.cookies.get("theme", "")
    return Shell(
        me=actor,
        tenant_name=name,
        area=area,
        view=view,
        views=view_links(counts) if counts is not None else (),
        other_tenants=[each for each in others if each.tenant_id != actor.tenant_id],
        theme=theme if theme in THEMES else "",
        side_closed=request.cookies.get("side") == "closed",
        settings_address=settings_address(actor),
        sends_automatically=automatic,
        sending_stopped=stopped,
        to_check=to_check if actor.may(Permission.TICKETS) else 0,
        certified=certified,
        news=news,
        is_setting_up=setting_up,
        lost_webhooks=[(str(row.id), shown_webhook(row).name) for row in lost],
        may={str(permission): actor.may(permission) for permission in Permission},
    )


_TO_CHECK = (
    select(func.count(Delivery.id)).where(Delivery.judgement == "asked", Delivery.state == "sent").scalar_subquery()
)
_WAS_CERTIFIED = exists().where(SendingCertificate.id.is_not(None))


async def _certificates(
    session: AsyncSession, installation: Installation, actor: Actor
) -> tuple[Sequence[str], Sequence[str]]:
    """For whom thresholds are no secret: what is certified, and what is new about it."""
    if actor.user_id is None or not actor.may(Permission.TUNING):
        return (), ()
    titles = {intent.label: intent.title for intent in await load_intents(session, installation.intents)}
    active = await session.execute(
        select(SendingCertificate.group_name).where(SendingCertificate.state == "active").order_by("group_name")
    )
    news = await certificate_news(session, actor.user_id)
    return [group_words(name, titles) for name in active.scalars()], [news_words(row, titles) for row in news]


async def _sends_automatically(session: AsyncSession) -> bool:
    """Whether some channel may send a draft, or the answer of a FAQ there is, without a person."""
    without_policy = and_(
        Connection.channel.in_(FAQ_CHANNELS),
        Connection.is_active,
        ~exists().where(ChannelPolicy.channel == Connection.channel),
    )
    answers_faqs = or_(exists().where(ChannelPolicy.faq_send), exists().where(without_policy))
    by_faq = and_(exists().where(Faq.state == "published"), answers_faqs)
    by_mode = exists().where(ChannelPolicy.mode != "off")
    return bool((await session.execute(select(or_(by_mode, by_faq)))).scalar_one())


def wants_part(request: Request[Any, Any, Any]) -> bool:
    """A swap inside of a page, not a visit and not htmx restoring its history."""
    return request.headers.get("hx-request") == "true" and "hx-history-restore-request" not in request.headers


def whole_page(template: str, shown: Shell, **context: Any) -> HTMXBlockTemplate:
    return HTMXBlockTemplate(template_name=template, context={"shell": shown, "keys": KEYS, **context})


def part_of_page(template: str, blocks: Sequence[str], **context: Any) -> HTMXBlockTemplate:
    """Blocks one after another; those marked out of band find their own places."""
    return HTMXBlockTemplate(template_name=template, block_names=list(blocks), context={"keys": KEYS, **context})


async def page_or_content(
    request: Request[Any, Any, Any],
    installation: Installation,
    actor: Actor,
    template: str,
    *,
    area: str,
    **context: Any,
) -> HTMXBlockTemplate:
    """The whole page; for a form of the page itself, its `content` block."""
    shown = await shell(request, installation, actor, area=area)
    if wants_part(request):
        rendered = part_of_page(template, ["content"], shell=shown, is_part=True, **context)
    else:
        rendered = whole_page(template, shown, is_part=False, **context)
    return rendered


def told(rendered: HTMXBlockTemplate, words: str) -> HTMXBlockTemplate:
    """With a short message at the bottom of the page; `words` are plain ASCII."""
    rendered.headers["HX-Trigger-After-Swap"] = json.dumps({"desk-toast": {"words": words}})
    return rendered


def leave_for(address: str) -> Response[str]:
    """Tells htmx to go to another page."""
    return Response("", headers={"HX-Redirect": address}, media_type=MediaType.HTML)


def gone(words: str) -> Response[str]:
    """An empty part in place of what was removed, with a short message."""
    told_by = {"HX-Trigger-After-Swap": json.dumps({"desk-toast": {"words": words}})}
    return Response("", headers=told_by, media_type=MediaType.HTML)
