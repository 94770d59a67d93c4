"""Any system that speaks JSON as a channel of kind `custom`: it calls the desk, is polled, and is posted to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from connectors.rest.mapped.calling import Caller
from connectors.rest.mapped.expressions import decode_json
from connectors.rest.mapped.form import FORM
from connectors.rest.mapped.polling import PolledFeed, as_channel_error
from connectors.rest.mapped.receiving import accept, message_of, parse
from connectors.rest.mapped.replying import look_up, send
from connectors.rest.mapped.settings import MappedSettings, configure, read_settings
from connectors.rest.mapped.templates import address_of
from desk.access_tokens import AccessTokens
from desk.calls import CallError, RefusedCallError
from desk.egress import Caps, EgressRules
from desk.errors import ChannelError, DeskError, InvalidInputError, UnreadableMessageError
from desk.ports import (
    ChannelForm,
    Clock,
    ConfiguredChannel,
    ConnectionDetails,
    CredentialStore,
    CustomerFact,
    FactSection,
    Feed,
    FileReference,
    HealthCheck,
    Ignored,
    Inbound,
    InboundFile,
    KnownCustomer,
    OutgoingReply,
    SendOutcome,
    WebhookAnswer,
    WebhookRequest,
)

TIMEOUT_SECONDS = 20.0
MOST_PREVIEWED = 5
_ANSWER_BYTES = 256_000
_FILE_CAPS = Caps(60.0, 25_000_000)
_GONE = frozenset({400, 403, 404, 410})


class MappedChannel:
    def __init__(
        self, rules: EgressRules, clock: Clock, store: CredentialStore, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._caller = Caller(rules, clock, AccessTokens(clock, store), Caps(timeout_seconds, _ANSWER_BYTES))

    @property
    def kind(self) -> str:
        return "custom"

    @property
    def form(self) -> ChannelForm:
        return FORM

    def facts(self, connection: ConnectionDetails) -> tuple[tuple[str, str], ...]:
        stored = connection.settings
        return tuple(
            (label, str(stored[name]))
            for label, name in (("Replies go to", "reply_url"), ("News from", "poll_url"))
            if stored.get(name)
        )

    def configure(self, given: Mapping[str, Any], before: ConfiguredChannel | None) -> ConfiguredChannel:
        return configure(given, before, self._rules)

    def preview(
        self, given: Mapping[str, Any], before: ConfiguredChannel | None, sample: str
    ) -> tuple[tuple[tuple[str, str], ...], ...]:
        configured = configure(given, before, self._rules)
        settings = read_settings({**configured.configuration, **configured.secrets})
        items = settings.found_at["items"].items(decode_json(sample))
        if not items:
            msg = f"{settings.found_at['items'].label}: '{settings.found_at['items'].written}' finds nothing"
            raise InvalidInputError(msg)
        return tuple(_shown(item, settings) for item in items[:MOST_PREVIEWED])

    def accept(self, request: WebhookRequest, connection: ConnectionDetails) -> WebhookAnswer:
        return accept(request, read_settings(connection.settings), self._clock.now())

    def parse(self, raw: bytes, connection: ConnectionDetails) -> Inbound:
        try:
            settings = read_settings(connection.settings)
        except InvalidInputError as error:
            raise UnreadableMessageError(error.detail) from error
        return parse(raw, settings)

    @asynccontextmanager
    async def watch(self, connection: ConnectionDetails) -> AsyncGenerator[Feed]:
        yield PolledFeed(self._caller, _settings(connection), connection)

    async def fetch_file(self, connection: ConnectionDetails, reference: FileReference) -> InboundFile:
        settings, empty = _settings(connection), InboundFile(reference.name, "application/octet-stream", b"")
        try:
            answer = await self._caller.ask(
                settings, connection, "GET", str(reference.reference["url"]), caps=_FILE_CAPS
            )
        except RefusedCallError as error:
            if error.code == "sign_in":
                raise as_channel_error(error) from error
            return empty
        except CallError as error:
            raise as_channel_error(error) from error
        if answer.is_success:
            media_type = answer.headers.get("content-type", "application/octet-stream").partition(";")[0]
            return InboundFile(reference.name, media_type, answer.content)
        if answer.status in _GONE or answer.status < 400:
            return empty
        raise ChannelError("network", f"a file could not be fetched: {answer.words()}")

    async def send(self, reply: OutgoingReply) -> SendOutcome:
        try:
            settings, connection = _of_reply(reply)
        except DeskError as error:
            return SendOutcome("failed", error.detail)
        return await send(self._caller, settings, connection, reply)

    async def reconcile(self, reply: OutgoingReply) -> SendOutcome:
        try:
            settings, connection = _of_reply(reply)
        except DeskError as error:
            return SendOutcome("uncertain", f"could not be looked up: {error.detail}")
        return await look_up(self._caller, settings, connection, reply)

    async def customer_facts(self, connection: ConnectionDetails, customer: KnownCustomer) -> tuple[FactSection, ...]:
        settings = _settings(connection)
        if not settings.addresses["contact_url"] or customer.external_id.startswith("ticket:"):
            return ()
        try:
            url = address_of(settings.addresses["contact_url"], {"customer_id": customer.external_id})
            answer = await self._caller.ask(settings, connection, "GET", url)
            if answer.status == 404:
                return ()
            if not answer.is_success:
                raise ChannelError("sign_in" if answer.status in (401, 403) else "network", answer.words())
            told = answer.data()
            facts = tuple(
                CustomerFact(label, each.text(told), slot=label.lower()) for label, each in settings.facts.items()
            )
        except CallError as error:
            raise as_channel_error(error) from error
        except InvalidInputError as error:
            raise ChannelError("settings", error.detail) from error
        return (FactSection("Customer", facts),)

    async def check(self, connection: ConnectionDetails) -> tuple[HealthCheck, ...]:
        """Addresses are resolved; only what is asked for news is really asked."""
        try:
            settings = read_settings(connection.settings)
        except InvalidInputError as error:
            return (HealthCheck("settings", passed=False, detail=error.detail),)
        return (await self._check_replies(settings), *(await self._check_polling(settings, connection)))

    async def _check_replies(self, settings: MappedSettings) -> HealthCheck:
        address = settings.addresses["reply_url"]
        if not address:
            return HealthCheck("replies", passed=True, detail="no address is set: replies wait in the ticket")
        try:
            target = self._rules.check_url(address.replace("{", "").replace("}", ""))
            async with asyncio.timeout(5):
                checked = await self._rules.addresses(target)
                _, writer = await asyncio.open_connection(checked[0], target.port)
                writer.close()
                await writer.wait_closed()
        except DeskError as error:
            return HealthCheck("replies", passed=False, detail=error.detail)
        except OSError:
            return HealthCheck("replies", passed=False, detail="the host cannot be reached")
        return HealthCheck("replies", passed=True, detail=f"{target.host} can be reached; nothing was posted")

    async def _check_polling(self, settings: MappedSettings, connection: ConnectionDetails) -> tuple[HealthCheck, ...]:
        if not settings.addresses["poll_url"]:
            return ()
        try:
            batch = await PolledFeed(self._caller, settings, connection).fetch({"at": settings.poll_start})
        except ChannelError as error:
            return (HealthCheck("news", passed=False, detail=error.detail),)
        return (HealthCheck("news", passed=True, detail=f"{len(batch.messages)} messages listed"),)


def _shown(item: Any, settings: MappedSettings) -> tuple[tuple[str, str], ...]:
    """What a sample becomes, for people."""
    try:
        message = message_of(item, settings)
    except InvalidInputError as error:
        return (("Could not be read", error.detail),)
    if isinstance(message, Ignored):
        return (("Nothing", message.reason),)
    who = {"customer": "the customer", "agent": "a colleague", "note": "a colleague, as an internal note"}
    rows = (
        ("Subject", message.subject),
        ("Text", message.body[:2_000]),
        ("Written by", who[message.author]),
        ("Customer", message.sender.name),
        ("Address", message.sender.address),
        ("Id of the customer", message.sender.external_id),
        ("Id of the ticket", message.external_ticket_id),
        ("Id of the message", message.key),
        ("Written at", message.sent_at.isoformat(" ") if message.sent_at else ""),
        ("Files", ", ".join(file.name for file in message.to_fetch)),
    )
    return tuple((label, value or "(nothing)") for label, value in rows)


def _settings(connection: ConnectionDetails) -> MappedSettings:
    try:
        return read_settings(connection.settings)
    except InvalidInputError as error:
        raise ChannelError("settings", error.detail) from error


def _of_reply(reply: OutgoingReply) -> tuple[MappedSettings, ConnectionDetails]:
    if reply.connection_id is None:
        msg = "a reply needs a connection to be sent by"
        raise InvalidInputError(msg)
    connection = ConnectionDetails(reply.connection_id, reply.tenant_id, reply.configuration)
    return read_settings(reply.configuration), connection
