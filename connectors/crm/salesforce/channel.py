"""Salesforce as a channel of kind `salesforce`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.crm.api import Turns
from connectors.crm.channel import CrmChannel
from connectors.crm.salesforce.account import SalesforceAccount
from connectors.crm.salesforce.api import SalesforceApi, Usage
from connectors.crm.salesforce.calls import accept
from connectors.crm.salesforce.settings import FORM, configure, read_settings
from connectors.crm.sending import LOOK_UP_AFTER_SECONDS
from desk.access_tokens import AccessTokens
from desk.egress import EgressRules
from desk.ports import (
    ChannelForm,
    Clock,
    ConfiguredChannel,
    ConnectionDetails,
    CredentialStore,
    WebhookAnswer,
    WebhookRequest,
)

MOST_AT_ONCE = 4


class SalesforceChannel(CrmChannel):
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
        self._usage = Usage()

    @property
    def kind(self) -> str:
        return "salesforce"

    @property
    def form(self) -> ChannelForm:
        return FORM

    def facts(self, connection: ConnectionDetails) -> tuple[tuple[str, str], ...]:
        domain = connection.settings.get("domain")
        return (("My Domain", str(domain)),) if domain else ()

    def configure(self, given: Mapping[str, Any], before: ConfiguredChannel | None) -> ConfiguredChannel:
        return configure(given, before, self._rules)

    def accept(self, request: WebhookRequest, connection: ConnectionDetails) -> WebhookAnswer:
        return accept(request, read_settings(connection.settings))

    def account(self, connection: ConnectionDetails) -> SalesforceAccount:
        settings, turns = read_settings(connection.settings), self._turns.of(connection)
        api = SalesforceApi(settings, self._rules, connection, self._tokens, turns, self._usage, self._clock)
        return SalesforceAccount(api, settings, self._clock)
