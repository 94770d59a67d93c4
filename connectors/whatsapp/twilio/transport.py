"""Twilio's SDK over the desk's own guarded client: its default one has no timeout and connects anywhere."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from connectors.whatsapp.twilio.settings import API, CONTENT, TwilioSettings
from desk.egress import Caps, EgressRules, guarded_client

ANSWER_BYTES = 4_000_000


class GuardedClient(AsyncHttpClient):
    """One exchange at a time, each by a client of its own. Raises what httpx and the egress rules raise."""

    def __init__(self, rules: EgressRules, settings: TwilioSettings, seconds: float) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True)
        self._rules = rules
        self._caps = Caps(seconds, ANSWER_BYTES)
        self._places = {
            urlsplit(API).netloc: urlsplit(settings.api_address),
            urlsplit(CONTENT).netloc: urlsplit(settings.content_address),
        }

    async def request(  # type: ignore[override] - the SDK's own signature, whose mappings are invariant
        self,
        method: str,
        uri: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the SDK's own signature
        allow_redirects: bool = False,
    ) -> Response:
        del timeout, allow_redirects
        async with guarded_client(self._rules, self._caps) as client:
            answer = await client.request(
                method, self._placed(uri), params=params or None, data=data or None, headers=headers, auth=auth
            )
        return Response(answer.status_code, answer.text, answer.headers)

    def _placed(self, uri: str) -> str:
        """Where the settings say the API is. The SDK has no option for its address."""
        asked = urlsplit(uri)
        place = self._places.get(asked.netloc)
        if place is None:
            return uri
        return urlunsplit((place.scheme, place.netloc, f"{place.path}{asked.path}", asked.query, ""))


def client_of(rules: EgressRules, settings: TwilioSettings, seconds: float) -> Client:
    user, password = settings.credentials
    return Client(user, password, settings.account_sid, http_client=GuardedClient(rules, settings, seconds))
