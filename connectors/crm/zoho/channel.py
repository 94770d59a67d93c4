"""Zoho Desk as a channel of kind `zoho`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.crm.api import Turns
from connectors.crm.channel import CrmChannel
from connectors.crm.sending import LOOK_UP_AFTER_SECONDS
from connectors.crm.zoho.account import ThreadContents, ZohoAccount
from connectors.crm.zoho.api import ZohoApi
from connectors.crm.zoho.calls import accept
from connectors.crm.zoho.settings import FORM, configure, read_settings
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

MOST_AT_ONCE = 3
"""The smallest edition takes five at once, and others call it too."""


class ZohoChannel(CrmChannel):
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
        self._store = store
        self._tokens = AccessTokens(clock, store)
        self._turns = Turns(MOST_AT_ONCE)
        self._threads = ThreadContents()

    @property
    def kind(self) -> str:
        return "zoho"

    @property
    def form(self) -> ChannelForm:
        return FORM

    def facts(self, connection: ConnectionDetails) -> tuple[tuple[str, str], ...]:
        stored = connection.settings
        return tuple(
            (label, str(stored[name]))
            for label, name in (("Organisation", "org"), ("Replies come from", "from_address"))
            if stored.get(name)
        )

    def configure(self, given: Mapping[str, Any], before: ConfiguredChannel | None) -> ConfiguredChannel:
        return configure(given, before, self._rules)

    def accept(self, request: WebhookRequest, connection: ConnectionDetails) -> WebhookAnswer:
        return accept(request, read_settings(connection.settings))

    def account(self, connection: ConnectionDetails) -> ZohoAccount:
        settings = read_settings(connection.settings)
        api = ZohoApi(settings, self._rules, connection, self._tokens, self._turns.of(connection))
        return ZohoAccount(api, settings, connection, self._threads, self._rules, self._clock, self._store)
