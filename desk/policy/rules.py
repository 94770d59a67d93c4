"""Reading a channel's policy and what has been sent under it today."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal, cast
from uuid import UUID

from msgspec import UNSET, UnsetType
from sqlalchemy import ColumnElement, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.preferences import Preferences, read_preferences
from desk.db.tenancy import session_scope
from desk.db.unit_of_work import announce
from desk.errors import InvalidInputError
from desk.models import ChannelPolicy, Connection, Delivery, SendingCertificate, TenantSettings, Ticket
from desk.policy.decide import FAQ_CHANNELS, ChannelRules, HeldCertificate
from desk.policy.quiet import QuietHours, checked, is_quiet, quiet_hours

MODES = ("off", "threshold", "certified")
LIVE_DELAY_SECONDS = 0
"""Before a FAQ answer goes out where no policy is set: only on live channels, where people wait."""


async def channel_rules(session: AsyncSession, ticket: Ticket) -> ChannelRules:
    """The policy of the ticket's channel; a channel without one sends nothing by itself but, on some, FAQ answers."""
    return (await rules_and_preferences(session, ticket.channel, ticket.id))[0]


async def rules_of_new_ticket(session: AsyncSession, channel: str) -> ChannelRules:
    """As `channel_rules`, for a ticket on which nothing has been sent yet."""
    return (await rules_and_preferences(session, channel, None))[0]


_AUTOMATIC = (Delivery.is_automatic, Delivery.state != "cancelled")
_DAY = timedelta(days=1)
_COUNTED = 100
"""Replies of a day that are counted where no policy says how many there may be."""


async def rules_and_preferences(
    session: AsyncSession, channel: str, ticket_id: UUID | None
) -> tuple[ChannelRules, Preferences]:
    """All that decides on a channel, by one statement; `ticket_id` None where nothing has been sent yet."""
    found = await session.execute(
        select(
            ChannelPolicy,
            TenantSettings.preferences,
            TenantSettings.sending_stopped,
            TenantSettings.review_salt,
            func.now(),
            _sent_today(channel),
            literal(0) if ticket_id is None else _sent_on(ticket_id),
        )
        .select_from(TenantSettings)
        .outerjoin(ChannelPolicy, ChannelPolicy.channel == channel)
    )
    stored, document, stopped, salt, now, sent_today, on_ticket = found.one()
    policy = cast("ChannelPolicy | None", stored)
    preferences = read_preferences(document or {})
    rules = ChannelRules(
        faq_send=channel in FAQ_CHANNELS,
        delay_seconds=LIVE_DELAY_SECONDS,
        sent_today=sent_today,
        sent_on_ticket=on_ticket,
        stopped=stopped,
        review_salt=str(salt),
    )
    if policy is None:
        return rules, preferences
    certificates = await _certificates(session, policy)
    rules = replace(
        rules,
        mode=cast("Literal['off', 'threshold', 'certified']", policy.mode),
        grouping=preferences.certification.grouping if policy.mode == "certified" else "all",
        certificates=certificates,
        quiet=is_quiet(quiet_hours(policy), now),
        threshold=policy.threshold,
        daily_cap=policy.daily_cap,
        ticket_cap=policy.ticket_cap,
        delay_seconds=policy.delay_seconds,
        faq_send=policy.faq_send,
    )
    return rules, preferences


def _sent_today(channel: str) -> ColumnElement[int]:
    """Counted up to the channel's cap: how many more there are decides nothing."""
    of_channel = select(Connection.id).where(Connection.channel == channel)
    cap = select(ChannelPolicy.daily_cap).where(ChannelPolicy.channel == channel).scalar_subquery()
    sent = (
        select(Delivery.id)
        .where(*_AUTOMATIC, Delivery.created_at > func.now() - _DAY, Delivery.connection_id.in_(of_channel))
        .limit(func.coalesce(cap, _COUNTED))
    )
    return select(func.count()).select_from(sent.subquery()).scalar_subquery()


def _sent_on(ticket_id: UUID) -> ColumnElement[int]:
    return select(func.count(Delivery.id)).where(*_AUTOMATIC, Delivery.ticket_id == ticket_id).scalar_subquery()


async def _certificates(session: AsyncSession, policy: ChannelPolicy) -> tuple[HeldCertificate, ...]:
    """What the channel is certified for; read only where the mode asks for it."""
    if policy.mode != "certified":
        return ()
    found = await session.execute(
        select(SendingCertificate.id, SendingCertificate.group_name, SendingCertificate.threshold).where(
            SendingCertificate.state == "active", SendingCertificate.channels.contains([policy.channel])
        )
    )
    return tuple(HeldCertificate(row.id, row.group_name, row.threshold) for row in found)


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
