"""E-mail as a channel: `desk.ports.WatchedChannel` of kind `email`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from connectors.email.addresses import message_id, reply_address
from connectors.email.composing import compose, recipient_of
from connectors.email.incoming import parse_mail
from connectors.email.mailbox import Mailbox, MailboxFeed, find_sent, look_around, open_mailbox, save_sent
from connectors.email.oauth import TokenSource, consent_address
from connectors.email.settings import EmailSettings, configure, read_settings
from connectors.email.submission import signed_in, submit
from desk.egress import EgressRules
from desk.errors import ChannelError, DeskError, InvalidInputError
from desk.ports import (
    Clock,
    ConfiguredChannel,
    ConnectionDetails,
    CredentialStore,
    Feed,
    HealthCheck,
    Inbound,
    OutgoingReply,
    SendOutcome,
)

LOOK_UP_AFTER_SECONDS = 3.0
"""A server that took a mail and lost the connection needs a moment to put it into the Sent folder."""


class EmailChannel:
    """Answers by SMTP, reads by IMAP, both through the egress rules."""

    def __init__(
        self,
        rules: EgressRules,
        clock: Clock,
        store: CredentialStore,
        *,
        look_up_after_seconds: float = LOOK_UP_AFTER_SECONDS,
        token_address: str | None = None,
    ) -> None:
        self._rules = rules
        self._look_up_after_seconds = look_up_after_seconds
        self._tokens = TokenSource(rules, clock, store, token_address)

    @property
    def kind(self) -> str:
        return "email"

    def configure(self, given: Mapping[str, Any], before: ConfiguredChannel | None) -> ConfiguredChannel:
        return configure(given, before, self._rules)

    def parse(self, raw: bytes, connection: ConnectionDetails) -> Inbound:
        return parse_mail(raw, connection)

    @asynccontextmanager
    async def watch(self, connection: ConnectionDetails) -> AsyncGenerator[Feed]:
        settings = _settings(connection.settings)
        async with self._mailbox(settings, connection) as mailbox:
            yield MailboxFeed(mailbox, settings)

    async def send(self, reply: OutgoingReply) -> SendOutcome:
        try:
            settings = read_settings(reply.configuration)
            message, recipient = compose(reply, settings), recipient_of(reply)
            name = message_id(settings, reply.delivery_id)
            connection = _connection(reply)
            token = await self._token(settings, connection)
        except ChannelError as error:
            return SendOutcome("failed" if error.reason in {"sign_in", "settings"} else "retry", error.detail)
        except DeskError as error:
            return SendOutcome("failed", error.detail)
        except ValueError as error:
            return SendOutcome("failed", f"this reply cannot be made a mail: {error}")
        outcome = await submit(settings, self._rules, token, recipient=recipient, message=message)
        if outcome.result == "uncertain":
            await asyncio.sleep(self._look_up_after_seconds)
            return await self._look_up(settings, connection, name, outcome.detail)
        if outcome.result != "sent":
            return SendOutcome(outcome.result, outcome.detail, retry_after_seconds=outcome.retry_after_seconds)
        copied = await self._copy(settings, connection, message) if settings.save_sent else ""
        return SendOutcome("sent", f"{outcome.detail}{copied}", name)

    async def reconcile(self, reply: OutgoingReply) -> SendOutcome:
        """Found in the Sent folder it was sent; not found says nothing, because not every server keeps a copy."""
        try:
            settings = read_settings(reply.configuration)
            connection = _connection(reply)
        except InvalidInputError as error:
            return SendOutcome("uncertain", f"could not be looked up: {error.detail}")
        return await self._look_up(settings, connection, message_id(settings, reply.delivery_id), "")

    async def check(self, connection: ConnectionDetails) -> tuple[HealthCheck, ...]:
        try:
            settings = read_settings(connection.settings)
        except InvalidInputError as error:
            return (HealthCheck("settings", passed=False, detail=error.detail),)
        return (await self._check_imap(settings, connection), await self._check_smtp(settings, connection))

    def trial(self, connection: ConnectionDetails, delivery_id: UUID) -> Mapping[str, Any]:
        """A recipient for a test: the connection's own address, by the reply address where replies use one."""
        settings = read_settings(connection.settings)
        if not settings.plus_addresses:
            return {"email": settings.address}
        return {"email": reply_address(settings, connection.connection_id, delivery_id)}

    def consent_address(self, connection: ConnectionDetails, *, redirect: str, state: str, verifier: str) -> str:
        return consent_address(read_settings(connection.settings), redirect, state, verifier)

    async def finish_consent(self, connection: ConnectionDetails, *, code: str, verifier: str, redirect: str) -> None:
        settings = _settings(connection.settings)
        await self._tokens.finish_consent(settings, connection, code=code, verifier=verifier, redirect=redirect)

    async def _check_imap(self, settings: EmailSettings, connection: ConnectionDetails) -> HealthCheck:
        try:
            async with self._mailbox(settings, connection) as mailbox:
                is_told = await mailbox.run(lambda client: look_around(client, settings))
        except DeskError as error:
            return HealthCheck("imap", passed=False, detail=error.detail)
        how = "is told of new mail at once" if is_told else "looks for new mail every 15 seconds"
        return HealthCheck("imap", passed=True, detail=how)

    async def _check_smtp(self, settings: EmailSettings, connection: ConnectionDetails) -> HealthCheck:
        try:
            async with signed_in(settings, self._rules, await self._token(settings, connection)):
                return HealthCheck("smtp", passed=True, detail=f"takes mail of {settings.address}")
        except DeskError as error:
            return HealthCheck("smtp", passed=False, detail=error.detail)

    @asynccontextmanager
    async def _mailbox(self, settings: EmailSettings, connection: ConnectionDetails) -> AsyncGenerator[Mailbox]:
        """With one renewal of an access token that the server turns down."""
        token = await self._token(settings, connection)
        try:
            opened = open_mailbox(settings, self._rules, token)
            mailbox = await opened.__aenter__()
        except ChannelError as error:
            if error.reason != "sign_in" or not token:
                raise
            token = await self._tokens.access_token(settings, connection, refused=token)
            opened = open_mailbox(settings, self._rules, token)
            mailbox = await opened.__aenter__()
        try:
            yield mailbox
        finally:
            await opened.__aexit__(None, None, None)

    async def _token(self, settings: EmailSettings, connection: ConnectionDetails) -> str:
        return "" if settings.sign_in == "password" else await self._tokens.access_token(settings, connection)

    async def _look_up(
        self, settings: EmailSettings, connection: ConnectionDetails, name: str, why: str
    ) -> SendOutcome:
        try:
            async with self._mailbox(settings, connection) as mailbox:
                found = await mailbox.run(lambda client: find_sent(client, settings, name))
        except DeskError as error:
            return SendOutcome("uncertain", _joined(why, f"could not be looked up: {error.detail}"), name)
        if found:
            return SendOutcome("sent", "found in the Sent folder", name)
        return SendOutcome("uncertain", _joined(why, "it is not in the Sent folder"), name)

    async def _copy(self, settings: EmailSettings, connection: ConnectionDetails, message: bytes) -> str:
        """The reply is sent whatever becomes of its copy; what became of it is said."""
        try:
            async with self._mailbox(settings, connection) as mailbox:
                saved = await mailbox.run(lambda client: save_sent(client, settings, message))
        except DeskError as error:
            return f"; no copy in the Sent folder ({error.detail})"
        return "" if saved else "; no copy: the mailbox has no Sent folder"


def _settings(stored: Mapping[str, Any]) -> EmailSettings:
    try:
        return read_settings(stored)
    except InvalidInputError as error:
        raise ChannelError("settings", error.detail) from error


def _connection(reply: OutgoingReply) -> ConnectionDetails:
    if reply.connection_id is None:
        msg = "an e-mail needs a connection to be sent by"
        raise InvalidInputError(msg)
    return ConnectionDetails(reply.connection_id, reply.tenant_id, reply.configuration)


def _joined(*words: str) -> str:
    return "; ".join(each for each in words if each)
