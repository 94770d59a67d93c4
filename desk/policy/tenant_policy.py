"""A tenant's whole policy in one piece: the kill switch, each channel's rules, escalation, allowed links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.preferences import (
    CertificationTerms,
    EscalationRules,
    load_preferences,
    preferences_to_change,
    save_preferences,
)
from desk.errors import InvalidInputError
from desk.models import ChannelPolicy, Connection, TenantSettings
from desk.policy.quiet import QuietHours
from desk.policy.rules import set_channel_policy, stop_sending


class ChannelChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    channel: str
    mode: str
    """off, threshold or certified."""
    threshold: float = 75.0
    """Lowest score, 0 to 100, that may be sent by itself."""
    daily_cap: int = 100
    ticket_cap: int = 3
    delay_seconds: int = 60
    faq_send: bool | None = None
    """Whether FAQ answers that surely fit go out by themselves; None leaves the switch as it is."""
    quiet_hours: QuietHours | UnsetType | None = UNSET
    """When nothing is sent by machine; None for never."""


class PolicyChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Only what is given is changed."""

    stopped: bool | UnsetType = UNSET
    channels: list[ChannelChange] | UnsetType = UNSET
    escalation: EscalationRules | UnsetType = UNSET
    certification: CertificationTerms | UnsetType = UNSET
    """For the channels in mode `certified`. Looks that were spent under other terms stay spent."""
    allowed_links: list[str] | UnsetType = UNSET
    checks_required: bool | UnsetType = UNSET
    """Changes of prompt, weights, models and documents wait until the corrections were replayed with them."""


@dataclass(frozen=True, slots=True)
class TenantPolicy:
    stopped: bool
    channels: Sequence[ChannelPolicy]
    escalation: EscalationRules
    certification: CertificationTerms
    allowed_links: tuple[str, ...]
    checks_required: bool


async def read_policy(session: AsyncSession) -> TenantPolicy:
    stopped = (await session.execute(select(TenantSettings.sending_stopped))).scalar_one()
    channels = await session.execute(select(ChannelPolicy).order_by(ChannelPolicy.channel))
    preferences = await load_preferences(session)
    return TenantPolicy(
        stopped,
        channels.scalars().all(),
        preferences.escalation,
        preferences.certification,
        preferences.allowed_links,
        preferences.checks_required,
    )


async def change_policy(session: AsyncSession, change: PolicyChange) -> TenantPolicy:
    """Raises InvalidInputError, and then nothing is changed."""
    if change.channels is not UNSET:
        known = set((await session.execute(select(Connection.channel))).scalars())
        for wanted in change.channels:
            if wanted.channel not in known:
                msg = f"there is no channel '{wanted.channel}' here; there is {', '.join(sorted(known)) or 'none'}"
                raise InvalidInputError(msg)
            await set_channel_policy(
                session,
                channel=wanted.channel,
                mode=wanted.mode,
                threshold=wanted.threshold,
                daily_cap=wanted.daily_cap,
                ticket_cap=wanted.ticket_cap,
                delay_seconds=wanted.delay_seconds,
                faq_send=wanted.faq_send,
                quiet=wanted.quiet_hours,
            )
    if any(
        part is not UNSET
        for part in (change.escalation, change.certification, change.allowed_links, change.checks_required)
    ):
        preferences = await preferences_to_change(session)
        if change.certification is not UNSET:
            preferences = msgspec.structs.replace(preferences, certification=change.certification)
        if change.escalation is not UNSET:
            preferences = msgspec.structs.replace(preferences, escalation=change.escalation)
        if change.checks_required is not UNSET:
            preferences = msgspec.structs.replace(preferences, checks_required=change.checks_required)
        if change.allowed_links is not UNSET:
            preferences = msgspec.structs.replace(preferences, allowed_links=_hosts(change.allowed_links))
        await save_preferences(session, preferences)
    if change.stopped is not UNSET:
        await stop_sending(session, stopped=change.stopped)
    await session.flush()
    session.expire_all()
    return await read_policy(session)


def _hosts(links: Sequence[str]) -> tuple[str, ...]:
    hosts = tuple(dict.fromkeys(link.strip().lower() for link in links if link.strip()))
    if any("/" in host or " " in host or len(host) > 253 for host in hosts):
        msg = "allowed_links are host names such as docs.example.com, without https:// and without a path"
        raise InvalidInputError(msg)
    return hosts
