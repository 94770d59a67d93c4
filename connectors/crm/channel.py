"""What every CRM's channel does alike, over its `Account`: it keeps tickets, is watched, and knows its customers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from connectors.crm.account import Account, as_channel_error
from connectors.crm.sending import LOOK_UP_AFTER_SECONDS, Sending
from connectors.crm.tickets import parse
from connectors.crm.watching import TicketFeed, look_at
from desk.calls import CallError, RefusedCallError
from desk.errors import ChannelError, DeskError, InvalidInputError, UnreadableMessageError
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
)


class CrmChannel(ABC):
    def __init__(self, clock: Clock, look_up_after: tuple[float, ...] = LOOK_UP_AFTER_SECONDS) -> None:
        self._clock = clock
        self._look_up_after = look_up_after

    @property
    @abstractmethod
    def kind(self) -> str: ...

    @property
    @abstractmethod
    def form(self) -> ChannelForm: ...

    @abstractmethod
    def configure(self, given: Mapping[str, Any], before: ConfiguredChannel | None) -> ConfiguredChannel: ...

    @abstractmethod
    def account(self, connection: ConnectionDetails) -> Account:
        """Opens no connection yet. Raises InvalidInputError for settings that are not complete."""
        ...

    def parse(self, raw: bytes, connection: ConnectionDetails) -> Inbound:
        try:
            words = self.account(connection).words
        except InvalidInputError as error:
            raise UnreadableMessageError(error.detail) from error
        return parse(raw, words)

    @asynccontextmanager
    async def watch(self, connection: ConnectionDetails) -> AsyncGenerator[Feed]:
        yield TicketFeed(self._account(connection), self._clock)

    async def look(self, connection: ConnectionDetails, external_ticket_id: str) -> tuple[RawMessage, ...]:
        try:
            return await look_at(self._account(connection), external_ticket_id, self._clock)
        except CallError as error:
            raise as_channel_error(error) from error

    async def fetch_file(self, connection: ConnectionDetails, reference: FileReference) -> InboundFile:
        try:
            content = await self._account(connection).file(reference.reference)
        except RefusedCallError as error:
            if error.code == "sign_in":
                raise as_channel_error(error) from error
            content = b""
        except CallError as error:
            raise as_channel_error(error) from error
        return InboundFile(reference.name, "application/octet-stream", content)

    async def send(self, reply: OutgoingReply) -> SendOutcome:
        try:
            sending, ticket_id = self._of_reply(reply)
        except DeskError as error:
            return SendOutcome("failed", error.detail)
        return await sending.reply(reply, ticket_id)

    async def reconcile(self, reply: OutgoingReply) -> SendOutcome:
        """Found in the ticket it was sent; not found says nothing yet, because the CRM may still be at work on it."""
        try:
            sending, ticket_id = self._of_reply(reply)
        except DeskError as error:
            return SendOutcome("uncertain", f"could not be looked up: {error.detail}")
        return await sending.find_reply(reply, ticket_id, reply.known_keys, "")

    async def change(self, change: OutgoingChange) -> ChangeOutcome:
        try:
            sending = self._of_change(change)
        except DeskError as error:
            return ChangeOutcome("failed", error.detail)
        return await sending.change(change)

    async def reconcile_change(self, change: OutgoingChange) -> ChangeOutcome:
        if change.field != "note":
            return await self.change(change)
        try:
            sending = self._of_change(change)
        except DeskError as error:
            return ChangeOutcome("uncertain", f"could not be looked up: {error.detail}")
        return await sending.find_note(change, change.known_keys, "")

    async def customer_facts(self, connection: ConnectionDetails, customer: KnownCustomer) -> tuple[FactSection, ...]:
        if customer.external_id.startswith("ticket:"):
            return ()
        try:
            return await self._account(connection).facts(customer.external_id)
        except CallError as error:
            raise as_channel_error(error) from error

    async def check(self, connection: ConnectionDetails) -> tuple[HealthCheck, ...]:
        try:
            account = self.account(connection)
        except DeskError as error:
            return (HealthCheck("settings", passed=False, detail=error.detail),)
        try:
            return await account.checks()
        except CallError as error:
            return (HealthCheck("sign-in", passed=False, detail=error.detail),)

    def _account(self, connection: ConnectionDetails) -> Account:
        try:
            return self.account(connection)
        except InvalidInputError as error:
            raise ChannelError("settings", error.detail) from error

    def _of_reply(self, reply: OutgoingReply) -> tuple[Sending, str]:
        if reply.connection_id is None:
            msg = "a reply needs a connection to be sent by"
            raise InvalidInputError(msg)
        account = self.account(ConnectionDetails(reply.connection_id, reply.tenant_id, reply.configuration))
        ticket_id = reply.external_ticket_id or str(reply.recipient.get("ticket_id") or "")
        if not ticket_id:
            msg = "this reply belongs to no ticket over there"
            raise InvalidInputError(msg)
        return Sending(account, self._look_up_after), ticket_id

    def _of_change(self, change: OutgoingChange) -> Sending:
        connection = ConnectionDetails(change.connection_id, change.tenant_id, change.configuration)
        return Sending(self.account(connection), self._look_up_after)
