"""Reading a channel's policy and what has been sent under it today."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal, cast

from msgspec import UNSET, UnsetType
from sqlalchemy import ColumnElement, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.preferences import load_preferences
from desk.db.tenancy import session_scope
from desk.db.unit_of_work import announce
from desk.errors import InvalidInputError
from desk.models import ChannelPolicy, Delivery, SendingCertificate, TenantSettings, Ticket
from desk.policy.decide import FAQ_CHANNELS, ChannelRules, HeldCertificate
from desk.policy.groups import Grouping
from desk.policy.quiet import QuietHours, checked, is_quiet, quiet_hours

MODES = ("off", "threshold", "certified")
LIVE_DELAY_SECONDS = 0
"""Before a FAQ answer goes out where no policy is set: only on live channels, where people wait."""


async def channel_rules(session: AsyncSession, ticket: Ticket) -> ChannelRules:
    """The policy of the ticket's channel; a channel without one sends nothing by itself but, on some, FAQ answers."""
    sent = _AUTOMATIC.where(Delivery.ticket_id == ticket.id).scalar_subquery()
    return await _rules(session, ticket.channel, sent)


async def rules_of_new_ticket(session: AsyncSession, channel: str) -> ChannelRules:
    """As `channel_rules`, for a ticket on which nothing has been sent yet."""
    return await _rules(session, channel, literal(0))


_AUTOMATIC = select(func.count(Delivery.id)).where(Delivery.is_automatic, Delivery.state != "cancelled")
_DAY = timedelta(days=1)


async def _rules(session: AsyncSession, channel: str, sent_on_ticket: ColumnElement[int]) -> ChannelRules:
    found = await session.execute(select(ChannelPolicy).where(ChannelPolicy.channel == channel))
    policy = found.scalar_one_or_none()
    today = _AUTOMATIC.join(Ticket, Ticket.id == Delivery.ticket_id).where(
        Delivery.created_at > func.now() - _DAY, Ticket.channel == channel
    )
    state = await session.execute(
        select(
            TenantSettings.sending_stopped,
            func.now().label("now"),
            today.scalar_subquery().label("today"),
            sent_on_ticket.label("on_ticket"),
        )
    )
    stopped, now, sent_today, on_ticket = state.one()
    rules = ChannelRules(
        faq_send=channel in FAQ_CHANNELS,
        delay_seconds=LIVE_DELAY_SECONDS,
        sent_today=sent_today,
        sent_on_ticket=on_ticket,
        stopped=stopped,
    )
    if policy is None:
        return rules
    grouping, certificates = await _certificates(session, policy)
    return replace(
        rules,
        mode=cast("Literal['off', 'threshold', 'certified']", policy.mode),
        grouping=grouping,
        certificates=certificates,
        quiet=is_quiet(quiet_hours(policy), now),
        threshold=policy.threshold,
        daily_cap=policy.daily_cap,
        ticket_cap=policy.ticket_cap,
        delay_seconds=policy.delay_seconds,
        faq_send=policy.faq_send,
    )


async def _certificates(session: AsyncSession, policy: ChannelPolicy) -> tuple[Grouping, tuple[HeldCertificate, ...]]:
    """What the channel is certified for; read only where the mode asks for it."""
    if policy.mode != "certified":
        return "all", ()
    found = await session.execute(
        select(SendingCertificate.id, SendingCertificate.group_name, SendingCertificate.threshold).where(
            SendingCertificate.state == "active", SendingCertificate.channels.contains([policy.channel])
        )
    )
    grouping = (await load_preferences(session)).certification.grouping
    return grouping, tuple(HeldCertificate(row.id, row.group_name, row.threshold) for row in found)


async def set_channel_policy(  # noqa: PLR0913 - keyword only, one for each thing an admin may set
    session: AsyncSession,
    *,
    channel: str,
    mode: str,
    threshold: float,
    daily_cap: int,
    ticket_cap: int,
    delay_seconds: int,
    faq_send: bool | None = None,
    quiet: QuietHours | UnsetType | None = UNSET,
) -> ChannelPolicy:
    """`faq_send` None and `quiet` UNSET leave them as they are, at first as the channel's default and none.

    Raises InvalidInputError when a number makes no sense.
    """
    if mode not in MODES:
        msg = f"the mode must be one of {', '.join(MODES)}"
        raise InvalidInputError(msg)
    if not (
        0 <= threshold <= 100 and 0 <= daily_cap <= 100_000 and 0 <= ticket_cap <= 100 and 0 <= delay_seconds <= 86_400
    ):
        msg = "threshold is 0 to 100, the caps and the delay are whole numbers of zero or more"
        raise InvalidInputError(msg)
    values: dict[str, Any] = {
        "mode": mode,
        "threshold": threshold,
        "daily_cap": daily_cap,
        "ticket_cap": ticket_cap,
        "delay_seconds": delay_seconds,
        **_quiet_values(quiet),
    }
    stored = await session.execute(
        insert(ChannelPolicy)
        .values(
            id=uuid7(),
            tenant_id=session_scope(session.sync_session).tenant_id,
            channel=channel,
            faq_send=channel in FAQ_CHANNELS if faq_send is None else faq_send,
            **values,
        )
        .on_conflict_do_update(
            constraint="uq_channel_policies_channel",
            set_=values if faq_send is None else {**values, "faq_send": faq_send},
        )
        .returning(ChannelPolicy)
    )
    return stored.scalar_one()


def _quiet_values(quiet: QuietHours | UnsetType | None) -> dict[str, Any]:
    if quiet is UNSET:
        return {}
    if quiet is None:
        return {"quiet_from": None, "quiet_until": None}
    hours = checked(quiet)
    return {"quiet_from": hours.start, "quiet_until": hours.end, "time_zone": hours.time_zone}


async def switch_faqs(session: AsyncSession, channel: str, *, send: bool) -> None:
    """Whether FAQ answers that surely fit go out by themselves on this channel; nothing else of its policy changes."""
    delay = {"delay_seconds": LIVE_DELAY_SECONDS} if channel in FAQ_CHANNELS else {}
    new = {"id": uuid7(), "tenant_id": session_scope(session.sync_session).tenant_id, "channel": channel, **delay}
    await session.execute(
        insert(ChannelPolicy)
        .values(**new, faq_send=send)
        .on_conflict_do_update(constraint="uq_channel_policies_channel", set_={"faq_send": send})
    )


async def stop_sending(session: AsyncSession, *, stopped: bool) -> None:
    """The kill switch: it is read in the very transaction that marks an automatic reply as sending."""
    stored = await session.execute(
        update(TenantSettings).values(sending_stopped=stopped).returning(TenantSettings.tenant_id)
    )
    await announce(session, stored.scalar_one(), "sending")
