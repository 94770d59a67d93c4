"""Automatic sending: what each channel may do, what was certified, and the switch that stops everything."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.identity import Actor, Permission
from desk.accounts.preferences import CertificationTerms, checked_terms
from desk.connections import list_connections
from desk.errors import InvalidInputError
from desk.installation import Installation
from desk.intents import load_intents
from desk.judging import sent_under
from desk.paging import LARGEST_PAGE
from desk.policy.endings import revoke
from desk.policy.groups import GROUPINGS, Grouping
from desk.policy.news import put_news_away
from desk.policy.overview import get_certificate, list_certificates, simulate_policy, standing
from desk.policy.quiet import TIME_ZONES, QuietHours
from desk.policy.tenant_policy import ChannelChange, PolicyChange, change_policy, read_policy
from desk.web.permissions import needs
from ui.pages.asked import asked_offset
from ui.pages.shell import leave_for, page_or_content, part_of_page, shell, told
from ui.pages.tuning import number_from, whole_from
from ui.presenting import sending
from ui.presenting.charts import reliability_chart, risk_coverage_chart
from ui.presenting.queue import page_links

HISTORY = 20
"""Certificates on one page, and replies on the list of one."""


class ChannelForm(msgspec.Struct):
    mode: str = "off"
    threshold: str = ""
    daily_cap: str = ""
    ticket_cap: str = ""
    delay_seconds: str = ""
    faq_send: str = ""
    quiet_from: str = ""
    quiet_until: str = ""
    time_zone: str = ""


class TermsForm(msgspec.Struct):
    risk: str = ""
    confidence: str = ""
    review_share: str = ""
    grouping: str = ""


class RevocationForm(msgspec.Struct):
    reason: str = ""


class SendingPages(Controller):
    path = "/sending"
    opt = needs(Permission.TUNING)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _page(request, installation, actor)

    @post("/channels/{channel:str}", status_code=200)
    async def change_channel(
        self,
        request: Request[Any, Any, Any],
        channel: FromPath[str],
        data: URLEncodedBody[ChannelForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        change = ChannelChange(
            channel=channel,
            mode=data.mode,
            threshold=number_from("threshold", data.threshold),
            daily_cap=whole_from("most a day", data.daily_cap),
            ticket_cap=whole_from("most a ticket", data.ticket_cap),
            delay_seconds=whole_from("delay", data.delay_seconds),
            faq_send=bool(data.faq_send),
            quiet_hours=_quiet_hours(data),
        )
        async with installation.database.transaction(actor.scope) as session:
            await change_policy(session, PolicyChange(channels=[change]))
        return told(await _page(request, installation, actor), "Sending saved.")

    @post("/channels/{channel:str}/simulation", status_code=200)
    async def simulate(
        self,
        channel: FromPath[str],
        data: URLEncodedBody[ChannelForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """What the form, as it stands, would have done with past drafts; stores nothing."""
        async with installation.database.transaction(actor.scope) as session:
            accepted = (await read_policy(session)).certification
            shown = await _simulated(session, channel, data.mode, data.threshold, accepted)
        return part_of_page("sending.html", ["simulation"], simulation=shown)

    @post("/terms", status_code=200)
    async def change_terms(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[TermsForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await change_policy(session, PolicyChange(certification=_terms(data)))
        return told(await _page(request, installation, actor), "Terms saved.")

    @post("/terms/preview", status_code=200)
    async def preview_terms(
        self,
        data: URLEncodedBody[TermsForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """How far each group would be under other terms; stores nothing."""
        shown = await _standing(installation, actor, _terms(data))
        return part_of_page("sending.html", ["standing"], oob=True, **shown)

    @get("/standing")
    async def show_standing(
        self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Template:
        """The groups and the certificates, for a page on which something was granted or has ended."""
        return part_of_page(
            "sending.html", ["standing", "certificates"], oob=True, **await _changing(installation, actor)
        )

    @get("/certificates")
    async def certificates(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            page = await list_certificates(session, limit=HISTORY, offset=asked_offset(request))
            titles = await _intent_titles(session, installation)
        return await page_or_content(
            request,
            installation,
            actor,
            "certificates.html",
            area="sending",
            certificates=[sending.shown_certificate(row, titles) for row in page.items],
            page=page_links(page, "/sending/certificates", ""),
        )

    @get("/certificates/{certificate_id:uuid}")
    async def certificate(
        self,
        request: Request[Any, Any, Any],
        certificate_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _certificate(request, installation, actor, certificate_id)

    @post("/certificates/{certificate_id:uuid}/revoke", status_code=200)
    async def revoke(
        self,
        request: Request[Any, Any, Any],
        certificate_id: FromPath[UUID],
        data: URLEncodedBody[RevocationForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        why = f"{actor.label} revoked it: {data.reason.strip()}" if data.reason.strip() else f"{actor.label} revoked it"
        async with installation.database.transaction(actor.scope) as session:
            await revoke(session, certificate_id, why)
        return told(await _certificate(request, installation, actor, certificate_id), "Revoked.")

    @get("/news")
    async def news(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        around = await shell(request, installation, actor, area="")
        return part_of_page("sending.html", ["news"], shell=around)

    @post("/news/seen", status_code=200)
    async def put_away(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        if actor.user_id is not None:
            async with installation.database.transaction(actor.scope) as session:
                await put_news_away(session, actor.user_id)
        around = await shell(request, installation, actor, area="")
        return part_of_page("sending.html", ["news"], shell=around)


class Sending(Controller):
    """The kill switch, on every page of everybody who works the queue."""

    path = "/sending"
    include_in_schema = False

    @get("/switch", opt=needs(Permission.TICKETS))
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        around = await shell(request, installation, actor, area="")
        return part_of_page("sending.html", ["switch"], shell=around)

    @post("/stop", status_code=200, opt=needs(Permission.TICKETS))
    async def stop(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await change_policy(session, PolicyChange(stopped=True))
        return await _switch(request, installation, actor, "Automatic sending is stopped.")

    @post("/resume", status_code=200, opt=needs(Permission.TUNING))
    async def resume(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await change_policy(session, PolicyChange(stopped=False))
        return await _switch(request, installation, actor, "Automatic sending goes on.")


async def _switch(request: Request[Any, Any, Any], installation: Installation, actor: Actor, words: str) -> Any:
    if str(request.headers.get("hx-current-url", "")).endswith("/sending"):
        return leave_for("/sending")
    around = await shell(request, installation, actor, area="")
    return told(part_of_page("sending.html", ["switch"], shell=around), words)


async def _page(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        policy = await read_policy(session)
        connections = await list_connections(session, limit=LARGEST_PAGE, offset=0)
        channels = sending.channel_policies(policy.channels, connections.items)
        simulations = {
            each.channel: await _simulated(session, each.channel, each.mode, each.threshold, policy.certification)
            for each in channels
        }
    return await page_or_content(
        request,
        installation,
        actor,
        "sending.html",
        area="sending",
        channels=channels,
        simulations=simulations,
        terms=sending.shown_terms(policy.certification),
        groupings=sending.GROUPINGS,
        time_zones=TIME_ZONES,
        **await _changing(installation, actor),
    )


async def _simulated(
    session: AsyncSession, channel: str, mode: str, threshold: str, terms: CertificationTerms
) -> sending.ShownSimulation:
    if mode == "off":
        return sending.shown_simulation(mode, None, terms.confidence)
    plain = number_from("threshold", threshold) if mode == "threshold" else None
    found = await simulate_policy(session, mode=mode, threshold=plain, channels=[channel], terms=terms)
    return sending.shown_simulation(mode, found, terms.confidence, "" if plain is None else f"{plain:g}")


async def _standing(
    installation: Installation, actor: Actor, terms: CertificationTerms | None = None
) -> dict[str, Any]:
    async with installation.database.transaction(actor.scope) as session:
        found = await standing(session, terms)
        titles = await _intent_titles(session, installation)
    risk = found.terms.risk
    return {
        "groups": [sending.shown_group(group, titles, risk) for group in found.groups],
        "is_on": found.is_on,
        "charts": [
            chart
            for chart in (
                reliability_chart(found.reliability, found.calibration_error),
                risk_coverage_chart(found.risk_coverage, risk),
            )
            if chart is not None
        ],
    }


async def _changing(installation: Installation, actor: Actor) -> dict[str, Any]:
    """What changes while the page stands open."""
    async with installation.database.transaction(actor.scope) as session:
        latest = await list_certificates(session, limit=5, offset=0)
        titles = await _intent_titles(session, installation)
    return {
        **await _standing(installation, actor),
        "certificates": [sending.shown_certificate(row, titles) for row in latest.items],
        "further_certificates": latest.total - len(latest.items),
    }


async def _certificate(
    request: Request[Any, Any, Any], installation: Installation, actor: Actor, certificate_id: UUID
) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        row = await get_certificate(session, certificate_id)
        page = await sent_under(session, certificate_id, limit=HISTORY, offset=asked_offset(request))
        titles = await _intent_titles(session, installation)
    return await page_or_content(
        request,
        installation,
        actor,
        "certificate.html",
        area="sending",
        certificate=sending.shown_certificate(row, titles),
        replies=[sending.shown_sent(*each) for each in page.items],
        page=page_links(page, f"/sending/certificates/{certificate_id}", ""),
    )


async def _intent_titles(session: AsyncSession, installation: Installation) -> dict[str, str]:
    return {intent.label: intent.title for intent in await load_intents(session, installation.intents)}


def _terms(form: TermsForm) -> CertificationTerms:
    """Raises InvalidInputError."""
    groupings: dict[str, Grouping] = {each: each for each in GROUPINGS}
    grouping = groupings.get(form.grouping)
    if grouping is None:
        msg = f"the grouping is one of {', '.join(GROUPINGS)}"
        raise InvalidInputError(msg)
    return checked_terms(
        CertificationTerms(
            risk=number_from("risk", form.risk) / 100,
            confidence=number_from("confidence", form.confidence) / 100,
            review_share=number_from("review share", form.review_share) / 100,
            grouping=grouping,
        )
    )


def _quiet_hours(form: ChannelForm) -> QuietHours | None:
    """Raises InvalidInputError when only one end is given."""
    if not form.quiet_from and not form.quiet_until:
        return None
    if not (form.quiet_from and form.quiet_until):
        msg = "quiet hours need a beginning and an end"
        raise InvalidInputError(msg)
    return QuietHours(form.quiet_from, form.quiet_until, form.time_zone.strip() or "UTC")
