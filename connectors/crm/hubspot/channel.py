"""HubSpot as a channel of kind `hubspot`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.crm.account import as_channel_error
from connectors.crm.api import Turns
from connectors.crm.channel import CrmChannel
from connectors.crm.hubspot.account import THREAD, HubSpotAccount
from connectors.crm.hubspot.api import HubSpotApi
from connectors.crm.hubspot.calls import accept
from connectors.crm.hubspot.settings import FORM, configure, read_settings
from connectors.crm.sending import LOOK_UP_AFTER_SECONDS
from desk.access_tokens import AccessTokens
from desk.calls import CallError
from desk.egress import EgressRules
from desk.ports import (
    ChannelForm,
    Clock,
    ConfiguredChannel,
    ConnectionDetails,
    CredentialStore,
    RawMessage,
    WebhookAnswer,
    WebhookRequest,
)

MOST_AT_ONCE = 4
"""An app has 100 calls in ten seconds at the least, and searches five a second."""


class HubSpotChannel(CrmChannel):
    def __init__(
        self,
        rules: EgressRules,
        clock: Clock,
        store: CredentialStore,
        *,
        look_up_after: tuple[float, ...] = LOOK_UP_AFTER_SECONDS,
    ) -> None:
        super().__init__(clock, look_up_after)
        self._rules = rules
        self._tokens = AccessTokens(clock, store)
        self._turns = Turns(MOST_AT_ONCE)

    @property
    def kind(self) -> str:
        return "hubspot"

    @property
    def form(self) -> ChannelForm:
        return FORM

    def facts(self, connection: ConnectionDetails) -> tuple[tuple[str, str], ...]:
        portal = connection.settings.get("portal")
        return (("Hub ID", str(portal)),) if portal else ()

    def configure(self, given: Mapping[str, Any], before: ConfiguredChannel | None) -> ConfiguredChannel:
        return configure(given, before, self._rules)

    def accept(self, request: WebhookRequest, connection: ConnectionDetails) -> WebhookAnswer:
        return accept(request, read_settings(connection.settings), self._clock.now())

    def account(self, connection: ConnectionDetails) -> HubSpotAccount:
        settings = read_settings(connection.settings)
        api = HubSpotApi(settings, self._rules, connection, self._tokens, self._turns.of(connection))
        return HubSpotAccount(api, settings, self._clock)

    async def look(self, connection: ConnectionDetails, external_ticket_id: str) -> tuple[RawMessage, ...]:
        """A call about a conversation names it, not its ticket; one without a ticket is not for the desk."""
        ticket_id = external_ticket_id
        if ticket_id.startswith(THREAD):
            try:
                ticket_id = await self.account(connection).ticket_of_thread(ticket_id.removeprefix(THREAD))
            except CallError as error:
                raise as_channel_error(error) from error
        return await super().look(connection, ticket_id) if ticket_id else ()
