"""WHMCS as a channel: `desk.ports.WatchedChannel` of kind `whmcs`, with tickets and clients of its own."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from connectors.whmcs import hook
from connectors.whmcs.api import RefusedCallError, WhmcsApi, WhmcsError, as_channel_error, number, rows, text
from connectors.whmcs.client_facts import client_facts
from connectors.whmcs.reading import parse
from connectors.whmcs.sending import LOOK_UP_AFTER_SECONDS, Sending
from connectors.whmcs.settings import FORM, WhmcsSettings, configure, read_settings
from connectors.whmcs.watching import TicketFeed, look_at
from desk.egress import EgressRules
from desk.errors import ChannelError, InvalidInputError, UnreadableMessageError
from desk.ports import (
    ChangeOutcome,
    ChannelForm,
    Clock,
    ConfiguredChannel,
    ConnectionDetails,
    FactSection,
    Feed,
    FileReference,
    HealthCheck,
    Inbound,
    InboundFile,
    KnownCustomer,
    OutgoingChange,
    OutgoingReply,
    RawMessage,
    SendOutcome,
    SetupFile,
    WebhookAnswer,
    WebhookRequest,
)


class WhmcsChannel:
    """Fulfils every port of a channel that keeps tickets elsewhere, is watched and called, and knows its customers."""

    def __init__(
        self, rules: EgressRules, clock: Clock, *, look_up_after: tuple[float, ...] = LOOK_UP_AFTER_SECONDS
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._api = WhmcsApi(rules)
        self._look_up_after = look_up_after

    @property
    def kind(self) -> str:
        return "whmcs"

    @property
    def form(self) -> ChannelForm:
        return FORM

    def facts(self, connection: ConnectionDetails) -> tuple[tuple[str, str], ...]:
        stored = connection.settings
        return tuple(
            (label, str(stored[name]))
            for label, name in (("Address", "url"), ("Replies are written as", "admin"))
            if stored.get(name)
        )

    def configure(self, given: Mapping[str, Any], before: ConfiguredChannel | None) -> ConfiguredChannel:
        return configure(given, before, self._rules)

    def setup_file(self, connection: ConnectionDetails, webhook_address: str) -> SetupFile:
        return hook.hook_file(read_settings(connection.settings), webhook_address)

    def accept(self, request: WebhookRequest, connection: ConnectionDetails) -> WebhookAnswer:
        return hook.accept(request, read_settings(connection.settings), self._clock.now())

    def parse(self, raw: bytes, connection: ConnectionDetails) -> Inbound:
        try:
            settings = read_settings(connection.settings)
        except InvalidInputError as error:
            raise UnreadableMessageError(error.detail) from error
        return parse(raw, settings)

    @asynccontextmanager
    async def watch(self, connection: ConnectionDetails) -> AsyncGenerator[Feed]:
        yield TicketFeed(self._api, _settings(connection), self._clock)

    async def look(self, connection: ConnectionDetails, external_ticket_id: str) -> tuple[RawMessage, ...]:
        return await look_at(self._api, _settings(connection), external_ticket_id, self._clock)

    async def fetch_file(self, connection: ConnectionDetails, reference: FileReference) -> InboundFile:
        asked = reference.reference
        try:
            answer = await self._api.call(
                _settings(connection),
                "GetTicketAttachment",
                relatedid=str(asked["relatedid"]),
                type=str(asked["type"]),
                index=int(asked["index"]),
            )
            content = base64.b64decode(text(answer, "data"), validate=True)
        except RefusedCallError as error:
            if error.kind in {"sign_in", "address", "permission"}:
                raise as_channel_error(error) from error
            content = b""
        except WhmcsError as error:
            raise as_channel_error(error) from error
        except (binascii.Error, ValueError):
            content = b""
        return InboundFile(reference.name, "application/octet-stream", content)

    async def send(self, reply: OutgoingReply) -> SendOutcome:
        try:
            settings, ticket_id = _of_reply(reply)
        except InvalidInputError as error:
            return SendOutcome("failed", error.detail)
        return await self._sending(settings).reply(reply, ticket_id)

    async def reconcile(self, reply: OutgoingReply) -> SendOutcome:
        """Found in the ticket it was sent; not found says nothing yet, because WHMCS may still be at work on it."""
        try:
            settings, ticket_id = _of_reply(reply)
        except InvalidInputError as error:
            return SendOutcome("uncertain", f"could not be looked up: {error.detail}")
        return await self._sending(settings).find_reply(reply, ticket_id, reply.known_keys, "")

    async def change(self, change: OutgoingChange) -> ChangeOutcome:
        try:
            settings = read_settings(change.configuration)
        except InvalidInputError as error:
            return ChangeOutcome("failed", error.detail)
        return await self._sending(settings).change(change)

    async def reconcile_change(self, change: OutgoingChange) -> ChangeOutcome:
        if change.field != "note":
            return await self.change(change)
        try:
            settings = read_settings(change.configuration)
        except InvalidInputError as error:
            return ChangeOutcome("uncertain", f"could not be looked up: {error.detail}")
        return await self._sending(settings).find_note(change, change.known_keys, "")

    async def customer_facts(self, connection: ConnectionDetails, customer: KnownCustomer) -> tuple[FactSection, ...]:
        return await client_facts(self._api, _settings(connection), customer.external_id)

    async def check(self, connection: ConnectionDetails) -> tuple[HealthCheck, ...]:
        try:
            settings = read_settings(connection.settings)
        except InvalidInputError as error:
            return (HealthCheck("settings", passed=False, detail=error.detail),)
        return (
            await self._check_sign_in(settings),
            await self._check_tickets(settings),
            await self._check_statuses(settings),
        )

    async def _check_sign_in(self, settings: WhmcsSettings) -> HealthCheck:
        try:
            answer = await self._api.call(settings, "GetSupportDepartments", ignore_dept_assignments="true")
        except WhmcsError as error:
            return HealthCheck("sign-in", passed=False, detail=error.detail)
        names = [text(row, "name") for row in rows(answer, "departments", "department")]
        missing = sorted(settings.departments - {name.casefold() for name in names})
        if missing:
            return HealthCheck("departments", passed=False, detail=f"WHMCS has none called {', '.join(missing)}")
        return HealthCheck("sign-in", passed=True, detail=f"departments: {', '.join(names) or 'none'}")

    async def _check_tickets(self, settings: WhmcsSettings) -> HealthCheck:
        try:
            answer = await self._api.call(settings, "GetTickets", limitnum=1, ignore_dept_assignments="true")
        except WhmcsError as error:
            return HealthCheck("tickets", passed=False, detail=error.detail)
        return HealthCheck("tickets", passed=True, detail=f"{number(answer, 'totalresults'):,} can be read")

    async def _check_statuses(self, settings: WhmcsSettings) -> HealthCheck:
        try:
            answer = await self._api.call(settings, "GetSupportStatuses")
        except WhmcsError as error:
            return HealthCheck("statuses", passed=False, detail=error.detail)
        titles = [text(row, "title") for row in rows(answer, "statuses", "status")]
        absent = sorted({title for title in settings.words.titles.values() if title not in titles}) if titles else []
        if absent and settings.share_changes:
            detail = f"WHMCS has no status {', '.join(absent)}; say under 'Statuses to set in WHMCS' which to take"
            return HealthCheck("statuses", passed=False, detail=detail)
        unknown = [title for title in titles if not settings.words.status(title).here]
        return HealthCheck(
            "statuses", passed=True, detail=f"without a meaning in the desk: {', '.join(unknown)}" if unknown else ""
        )

    def _sending(self, settings: WhmcsSettings) -> Sending:
        return Sending(self._api, settings, self._look_up_after)


def _settings(connection: ConnectionDetails) -> WhmcsSettings:
    try:
        return read_settings(connection.settings)
    except InvalidInputError as error:
        raise ChannelError("settings", error.detail) from error


def _of_reply(reply: OutgoingReply) -> tuple[WhmcsSettings, str]:
    settings = read_settings(reply.configuration)
    ticket_id = reply.external_ticket_id or str(reply.recipient.get("ticket_id") or "")
    if not ticket_id.isdecimal():
        msg = "this reply belongs to no ticket of WHMCS"
        raise InvalidInputError(msg)
    return settings, ticket_id
