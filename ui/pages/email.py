"""Settings of mailboxes: guided setup, a test, how they are, and what could not be read."""

from __future__ import annotations

import json
import secrets
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Template
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.identity import Actor, Permission
from desk.connections import ConnectionChange, change_connection, get_connection
from desk.egress import EgressRules
from desk.errors import InvalidInputError
from desk.inbound.connecting import (
    check_connection,
    configure_connection,
    connection_health,
    consenting,
    create_connection,
    failed_entries,
    inbound_channel,
    send_trial,
    try_again,
)
from desk.installation import Installation
from desk.models import Connection
from desk.web.permissions import needs
from ui.pages.shell import leave_for, page_or_content, part_of_page, told
from ui.presenting.email import (
    SECURITIES,
    SIGN_INS,
    mailbox_form,
    shown_checks,
    shown_entry,
    shown_health,
    shown_mailbox,
)
from ui.presenting.settings import settings_tabs

MOST_MAILBOXES = 100
ENTRIES = 20
_CONSENT = "mail_consent"


class MailboxForm(msgspec.Struct):
    """Every field as the page sends it; an empty secret keeps the stored one."""

    address: str = ""
    name: str = ""
    sign_in: str = "password"
    username: str = ""
    password: str = ""
    client_id: str = ""
    client_secret: str = ""
    directory: str = ""
    imap_host: str = ""
    imap_port: str = ""
    imap_security: str = ""
    smtp_host: str = ""
    smtp_port: str = ""
    smtp_security: str = ""
    folder: str = ""
    sent_folder: str = ""
    trusted_authserv: str = ""
    save_sent: str = ""
    plus_addresses: str = ""
    active: str = ""

    def __repr__(self) -> str:
        return f"MailboxForm(address={self.address!r})"

    def settings(self) -> dict[str, Any]:
        given: dict[str, Any] = msgspec.structs.asdict(self)
        del given["active"]
        return given


class Mailboxes(Controller):
    path = "/settings/email"
    opt = needs(Permission.TUNING)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            rows = await _mailboxes(session)
            shown = [shown_mailbox(row, await connection_health(session, row.id)) for row in rows]
        return await _page(request, installation, actor, "settings_email.html", mailboxes=shown)

    @get("/new")
    async def begin(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """The form, filled in from what is known of the address's provider."""
        address = str(request.query_params.get("address", "")).strip()
        configured = inbound_channel(installation.channels, "email").configure({"address": address}, None)
        form = mailbox_form(configured.configuration, {})
        return await _page(request, installation, actor, "settings_mailbox.html", form=form, mailbox=None)

    @post("/", status_code=200)
    async def create(
        self,
        data: URLEncodedBody[MailboxForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Any:
        async with installation.database.transaction(actor.scope) as session:
            connection = await create_connection(
                session, installation.channels, kind="email", name=data.name, settings=data.settings()
            )
        return leave_for(f"/settings/email/{connection.id}")

    @get("/{connection_id:uuid}")
    async def one(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _one(request, installation, actor, connection_id)

    @post("/{connection_id:uuid}", status_code=200)
    async def change(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        data: URLEncodedBody[MailboxForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        rules = EgressRules(frozenset(installation.settings.egress_allowed_hosts))
        async with installation.database.transaction(actor.scope) as session:
            row = await configure_connection(session, installation.channels, connection_id, data.settings())
            named = ConnectionChange(name=data.name or row.name, active=bool(data.active))
            await change_connection(session, connection_id, named, rules)
        return told(await _one(request, installation, actor, connection_id), "Mailbox saved.")

    @get("/{connection_id:uuid}/health")
    async def health(
        self, connection_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Template:
        """How it is now: fetched again by the page while it is open."""
        async with installation.database.transaction(actor.scope) as session:
            row = await get_connection(session, connection_id)
            health = shown_health(row, await connection_health(session, connection_id))
        return part_of_page("settings_mailbox.html", ["health"], mailbox=row, health=health, checks=[])

    @post("/{connection_id:uuid}/check", status_code=200)
    async def check(
        self, connection_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Template:
        checks = await check_connection(installation.database, actor, installation.channels, connection_id)
        return part_of_page("settings_mailbox.html", ["checks"], checks=shown_checks(checks))

    @post("/{connection_id:uuid}/test", status_code=200)
    async def test(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        outcome = await send_trial(installation.database, actor, installation.channels, connection_id)
        words = "Test mail sent." if outcome.result == "sent" else "The test mail was not sent."
        return told(await _one(request, installation, actor, connection_id), words)

    @post("/{connection_id:uuid}/fetch", status_code=200)
    async def fetch(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        synced = await installation.watches.sync(actor, connection_id)
        words = f"{synced.received} new" if synced.received else "Nothing new"
        return told(await _one(request, installation, actor, connection_id), f"{words}.")

    @post("/{connection_id:uuid}/messages/{entry_id:uuid}/again", status_code=200)
    async def again(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        entry_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await try_again(session, connection_id, entry_id)
        return told(await _one(request, installation, actor, connection_id), "It is being read again.")

    @post("/{connection_id:uuid}/consent", status_code=200)
    async def consent(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Any:
        """To the provider's own page, where an admin of the mailbox lets the desk in."""
        async with installation.database.transaction(actor.scope) as session:
            channel, details = await consenting(session, installation.channels, connection_id)
        state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        address = channel.consent_address(details, redirect=_redirect(installation), state=state, verifier=verifier)
        request.session[_CONSENT] = {"state": state, "verifier": verifier, "connection": str(connection_id)}
        return leave_for(address)

    @get("/allowed")
    async def allowed(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Redirect:
        """Where the provider sends the admin back to. Only the session that set out may come back, once."""
        begun: dict[str, str] = request.session.pop(_CONSENT, None) or {}
        state, code = str(request.query_params.get("state", "")), str(request.query_params.get("code", ""))
        if not begun or not secrets.compare_digest(begun["state"], state):
            msg = "this sign-in was not begun here, or took too long; begin again on the mailbox's page"
            raise InvalidInputError(msg)
        if not code:
            refused = str(request.query_params.get("error_description") or request.query_params.get("error") or "")
            msg = f"the provider did not let the desk in: {refused[:300]}"
            raise InvalidInputError(msg)
        connection_id = UUID(begun["connection"])
        async with installation.database.transaction(actor.scope) as session:
            channel, details = await consenting(session, installation.channels, connection_id)
        redirect = _redirect(installation)
        await channel.finish_consent(details, code=code, verifier=begun["verifier"], redirect=redirect)
        async with installation.database.transaction(actor.scope) as session:
            # Nothing else changes: it is looked at again, now that it may be.
            await configure_connection(session, installation.channels, connection_id, {})
        return Redirect(f"/settings/email/{connection_id}")


def _redirect(installation: Installation) -> str:
    return f"{installation.settings.public_url}/settings/email/allowed"


async def _mailboxes(session: AsyncSession) -> list[Connection]:
    rows = await session.execute(
        select(Connection).where(Connection.channel == "email").order_by(Connection.id).limit(MOST_MAILBOXES)
    )
    return list(rows.scalars())


async def _one(request: Request[Any, Any, Any], installation: Installation, actor: Actor, connection_id: UUID) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        row = await get_connection(session, connection_id)
        if row.channel != "email":
            msg = "this connection is no mailbox"
            raise InvalidInputError(msg)
        health = shown_health(row, await connection_health(session, connection_id))
        unread = await failed_entries(session, connection_id, limit=ENTRIES, offset=0)
    return await _page(
        request,
        installation,
        actor,
        "settings_mailbox.html",
        mailbox=row,
        form=mailbox_form(row.configuration, json.loads(row.secrets)),
        health=health,
        entries=[shown_entry(each) for each in unread.items],
        unread=unread.total,
        checks=[],
        redirect=_redirect(installation),
    )


async def _page(
    request: Request[Any, Any, Any], installation: Installation, actor: Actor, template: str, **context: Any
) -> Any:
    return await page_or_content(
        request,
        installation,
        actor,
        template,
        area="settings",
        tabs=settings_tabs(actor),
        tab="email",
        sign_ins=SIGN_INS,
        securities=SECURITIES,
        **context,
    )
