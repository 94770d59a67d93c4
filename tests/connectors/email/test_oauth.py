"""Access tokens of mailboxes: renewed in time, kept, and a withdrawn permission is a person's to give again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from connectors.email.oauth import TokenSource, consent_address
from connectors.email.settings import configure, read_settings
from desk.egress import EgressRules
from desk.errors import ChannelError, InvalidInputError
from desk.ports import ConnectionDetails
from tests.connectors.contract import Credentials
from tests.loopback_server import serving

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RULES = EgressRules(frozenset({"127.0.0.1"}))
FORM = {"address": "support@gmail.com", "client_id": "id", "client_secret": "hidden", "refresh_token": "r-1"}
CONFIGURED = configure(FORM, None, RULES)
SETTINGS = read_settings({**CONFIGURED.configuration, **CONFIGURED.secrets})
CONNECTION = ConnectionDetails(uuid4(), uuid4(), {})


class Clock:
    def now(self) -> datetime:
        return NOW


async def renew(stored: dict[str, Any], status: int, answer: dict[str, Any]) -> tuple[str, list[str], Credentials]:
    asked: list[str] = []

    async def token_server(reader: Any, writer: Any) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
        asked.append((await reader.readexactly(length)).decode())
        body = json.dumps(answer).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()

    store = Credentials(stored)
    async with serving(token_server) as port:
        source = TokenSource(RULES, Clock(), store, f"http://127.0.0.1:{port}/token")
        return await source.access_token(SETTINGS, CONNECTION), asked, store


async def test_a_token_that_still_holds_is_used() -> None:
    stored = {"access_token": "a-1", "expires_at": NOW.timestamp() + 600, "refresh_token": "r-1"}
    token, asked, _ = await renew(stored, 500, {})
    assert (token, asked) == ("a-1", [])


async def test_an_expiring_one_is_renewed_and_a_new_refresh_token_kept() -> None:
    stored = {"access_token": "a-1", "expires_at": NOW.timestamp() + 60, "refresh_token": "r-1"}
    token, (asked,), store = await renew(
        stored, 200, {"access_token": "a-2", "refresh_token": "r-2", "expires_in": 3600}
    )
    assert token == store.stored["access_token"] == "a-2"
    assert store.stored["refresh_token"] == "r-2"
    assert parse_qs(asked)["refresh_token"] == ["r-1"]


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [(400, {"error": "invalid_grant"}, "sign_in"), (503, {}, "network"), (200, {}, "network")],
)
async def test_only_a_withdrawn_permission_needs_a_person(status: int, answer: dict[str, Any], reason: str) -> None:
    with pytest.raises(ChannelError) as refused:
        await renew({"refresh_token": "r-1"}, status, answer)
    assert refused.value.reason == reason


async def test_without_a_permission_nobody_is_asked() -> None:
    with pytest.raises(ChannelError, match="nobody has allowed"):
        await renew({}, 200, {"access_token": "x"})


def test_consent_asks_for_mail_only_with_a_proof_key() -> None:
    asked = parse_qs(urlsplit(consent_address(SETTINGS, "https://desk.test/back", "s", "v" * 43)).query)
    assert asked["scope"] == ["https://mail.google.com/"]
    assert (asked["code_challenge_method"], asked["state"]) == (["S256"], ["s"])
    assert "v" * 43 not in str(asked)


def test_tokens_of_google_are_shown_to_google_only() -> None:
    with pytest.raises(InvalidInputError, match=r"imap\.gmail\.com"):
        configure({**FORM, "imap_host": "imap.evil.test"}, None, EgressRules())


def test_a_password_stays_with_the_server_it_was_given_for() -> None:
    own = {"address": "a@acme.test", "password": "secret"}
    before = configure(own, None, EgressRules())
    moved = configure({"imap_host": "imap.evil.test"}, before, EgressRules())
    assert "password" not in moved.secrets
    kept = configure({"name": "Support"}, before, EgressRules())
    assert kept.secrets["password"] == "secret"
