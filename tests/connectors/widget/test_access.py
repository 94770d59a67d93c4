"""Who may use a widget from where: origins, tokens, signed users, limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.errors import InvalidInputError, SignInRequiredError
from desk.installation import Installation
from desk.models import Connection
from desk.secret import Secret
from desk.widget.access import VisitorClaim, VisitorTokens, Widget
from desk.widget.configuration import Opening, WidgetConfiguration, is_open, origin_of, read_configuration, texts_for
from desk.widget.identity import user_signature
from desk.widget.limits import visitor_address
from tests.connectors.widget.conftest import SHOP, Visitor
from tests.database import SECRET_KEY
from tests.desk.api.world import call
from tests.desk.conftest import Client, People, Person
from tests.desk.live_chat import HARD, configure


class StoppedClock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


def some_widget(**changes: Any) -> Widget:
    return replace(Widget("wk_x", uuid4(), uuid4(), WidgetConfiguration(), (Secret("s" * 20),)), **changes)


async def test_only_the_pages_on_the_list_may_talk_to_the_widget_and_are_named_exactly(visitor: Visitor) -> None:
    allowed = await visitor.call("GET", "/configuration")
    assert allowed.headers["access-control-allow-origin"] == SHOP
    assert "Origin" in allowed.headers["vary"]
    assert "access-control-allow-credentials" not in allowed.headers
    assert allowed.headers["cross-origin-resource-policy"] == "cross-origin"
    for origin in (
        "https://evil.example",
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example.evil.example",
        "https://www.shop.example",
        "https://SHOP.example",
        "null",
    ):
        refused = await visitor.call("GET", "/configuration", headers={"Origin": origin})
        assert refused.status_code == 403, origin
        assert "access-control-allow-origin" not in refused.headers
        preflight = await visitor.call("OPTIONS", "/messages", headers={"Origin": origin})
        assert preflight.status_code == 403
        assert "access-control-allow-origin" not in preflight.headers
    visitor.origin = None
    assert (await visitor.call("GET", "/configuration")).status_code == 200
    hidden = await visitor.call("GET", "/configuration", headers={"Sec-Fetch-Site": "cross-site"})
    assert hidden.status_code == 403


async def test_a_preflight_allows_what_the_widget_sends_and_a_cookie_means_nothing(
    visitor: Visitor, client: Client
) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    preflight = await visitor.call("OPTIONS", "/messages", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == SHOP
    assert "POST" in preflight.headers["access-control-allow-methods"]
    for header in ("Authorization", "Content-Type", "Last-Event-ID"):
        assert header in preflight.headers["access-control-allow-headers"]
    visitor.token = ""
    with_cookie = await visitor.call("GET", "/conversations", headers={"Cookie": "desk=" + "a" * 64})
    assert with_cookie.status_code == 401
    assert "set-cookie" not in with_cookie.headers


async def test_a_token_opens_its_own_widget_and_nothing_else(
    visitor: Visitor, client: Client, people: People, installation: Installation, owner: Person
) -> None:
    await visitor.write(HARD)
    other_owner = await people.person(await people.tenant("Other"), "owner", "owner@other.test")
    other = await configure(installation, other_owner, "widget", allowed_origins=[SHOP])
    stranger = Visitor(client, other.public_key or "", token=visitor.token)
    for method, path in (
        ("GET", "/conversations"),
        ("POST", "/session"),
        ("GET", f"/conversations/{visitor.conversation}/messages"),
        ("GET", f"/conversations/{visitor.conversation}/stream"),
        ("POST", f"/conversations/{visitor.conversation}/person"),
    ):
        assert (await stranger.call(method, path)).status_code == 401, path
    second = Visitor(client, visitor.key)
    await second.begin()
    second.conversation = visitor.conversation
    for path in ("messages", "stream"):
        assert (await second.call("GET", f"/conversations/{visitor.conversation}/{path}")).status_code == 404
    assert (await second.write("Let me in")).status_code == 404
    for path in ("person", "typing"):
        assert (await second.call("POST", f"/conversations/{visitor.conversation}/{path}")).status_code == 404
    api = await client.get("/api/v1/tickets", headers={"Authorization": f"Bearer {visitor.token}"})
    assert api.status_code == 401
    for credential in (owner.token, "nonsense", ""):
        visitor.token = credential or "x"
        assert (await visitor.call("GET", "/conversations")).status_code == 401
    assert (await Visitor(client, "wk_unknown").call("GET", "/configuration")).status_code == 404


async def test_a_widget_that_is_switched_off_is_gone(
    visitor: Visitor, client: Client, owner: Person, widget: Connection
) -> None:
    await call(client, owner, "PUT", f"/connections/{widget.id}", json={"active": False})
    assert (await visitor.call("GET", "/configuration")).status_code == 404


def test_forged_and_expired_tokens_are_refused() -> None:
    clock, widget, claim = StoppedClock(), some_widget(), VisitorClaim(uuid4(), 0)
    tokens = VisitorTokens(SECRET_KEY, clock)
    token, expires = tokens.issue(widget, claim)
    assert tokens.read(widget, token) == claim
    claims = jwt.decode(token, options={"verify_signature": False})
    forged = [
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, SECRET_KEY.reveal(), algorithm="HS256"),
        jwt.encode(claims, "k" * 64, algorithm="HS512"),
        token[:-2] + ("AA" if not token.endswith("AA") else "BB"),
        *(jwt.encode({**claims, "aud": aud}, "x" * 64, algorithm="HS256") for aud in ("widget:x", "draftdesk-api")),
    ]
    for each in forged:
        with pytest.raises(SignInRequiredError):
            tokens.read(widget, each)
    with pytest.raises(SignInRequiredError):
        tokens.read(some_widget(), token)
    clock.moment = expires + timedelta(seconds=1)
    with pytest.raises(SignInRequiredError, match="expired"):
        tokens.read(widget, token)


async def test_a_signed_user_takes_this_browsers_conversation_along_and_finds_the_earlier_ones(
    visitor: Visitor, client: Client, owner: Person, widget: Connection
) -> None:
    made = await call(client, owner, "POST", f"/connections/{widget.id}/signing-secret")
    secret = Secret(made["signing_secret"])
    await visitor.write("Written before anybody knew me")
    before = visitor.token
    wrong = {"user_id": "u-1", "signature": user_signature(secret, "u-2")}
    assert (await visitor.call("POST", "/identify", json=wrong)).status_code == 403
    signed = {"user_id": "u-1", "signature": user_signature(secret, "u-1"), "name": "Uma"}
    known = await visitor.call("POST", "/identify", json=signed)
    assert known.status_code == 200
    assert known.json()["identified"]
    visitor.token = known.json()["token"]
    assert len((await visitor.call("GET", "/conversations")).json()["conversations"]) == 1
    old = Visitor(client, visitor.key, token=before)
    assert (await old.call("GET", "/conversations")).status_code == 401

    elsewhere = Visitor(client, visitor.key)
    await elsewhere.begin()
    await elsewhere.write("From my telephone")
    stale = Visitor(client, visitor.key, token=elsewhere.token)
    elsewhere.token = (await elsewhere.call("POST", "/identify", json=signed)).json()["token"]
    assert (await stale.call("GET", "/conversations")).status_code == 401
    assert len((await elsewhere.call("GET", "/conversations")).json()["conversations"]) == 2
    assert len((await visitor.call("GET", "/conversations")).json()["conversations"]) == 2
    tickets = (await call(client, owner, "GET", "/tickets"))["items"]
    assert {(ticket["customer"]["id"], ticket["customer"]["name"]) for ticket in tickets} == {
        (tickets[0]["customer"]["id"], "Uma")
    }

    other = {"user_id": "u-2", "signature": user_signature(secret, "u-2")}
    visitor.token = (await visitor.call("POST", "/identify", json=other)).json()["token"]
    assert (await visitor.call("GET", "/conversations")).json()["conversations"] == []

    renewed = await call(client, owner, "POST", f"/connections/{widget.id}/signing-secret")
    fresh = {"user_id": "u-1", "signature": user_signature(Secret(renewed["signing_secret"]), "u-1")}
    for body in (fresh, signed):
        assert (await elsewhere.call("POST", "/identify", json=body)).status_code == 200
    await call(client, owner, "POST", f"/connections/{widget.id}/signing-secret")
    assert (await elsewhere.call("POST", "/identify", json=signed)).status_code == 403


async def test_without_a_secret_nobody_can_be_identified(visitor: Visitor) -> None:
    empty = {"user_id": "u-1", "signature": user_signature(Secret(""), "u-1")}
    assert (await visitor.call("POST", "/identify", json=empty)).status_code == 403


async def test_ten_messages_a_minute_from_one_address_and_then_a_friendly_no(
    visitor: Visitor, client: Client, installation: Installation, owner: Person
) -> None:
    for number in range(10):
        assert (await visitor.write(f"Message {number}")).status_code == 201
    refused = await visitor.write("One too many")
    assert refused.status_code == 429
    assert 50 <= int(refused.headers["retry-after"]) <= 60
    assert "wait" in refused.json()["detail"]
    assert refused.headers["access-control-expose-headers"] == "Retry-After"
    neighbour = Visitor(client, visitor.key)
    await neighbour.begin()
    assert (await neighbour.write("Another visitor at the same address")).status_code == 429
    page = await visitor.page()
    assert len(page["messages"]) == 10


async def test_long_empty_and_odd_messages(visitor: Visitor) -> None:
    assert (await visitor.write("x" * 4000)).status_code == 201
    long = await visitor.write("x" * 4001)
    assert long.status_code == 413
    assert "4,000" in long.json()["detail"]
    assert (await visitor.write("   \n ")).status_code == 400
    odd = "NUL \x00 lone \ud800 bidi \u202e zero\u200bwidth"
    taken = await visitor.call(
        "POST",
        "/messages",
        content=b'{"client_message_id": "%s", "body": "NUL \\u0000 lone \\ud800 x"}' % str(uuid4()).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert taken.status_code in {201, 400}, odd
    assert (await visitor.write("title", page_title="<b>\u0000", page_url="javascript:alert(1)")).status_code in {
        201,
        400,
    }


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "expected"),
    [
        ("203.0.113.9", "", (), "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", (), "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", ("10.0.0.0/8",), "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", ("10.0.0.0/8",), "198.51.100.1"),
        ("10.0.0.1", "nonsense", ("10.0.0.0/8",), "unknown"),
        ("2001:db8:1:2:aaaa::1", "", (), "2001:db8:1:2::/64"),
    ],
)
def test_the_address_is_the_last_one_that_no_trusted_proxy_wrote(
    peer: str, forwarded: str, trusted: tuple[str, ...], expected: str
) -> None:
    assert visitor_address(peer, forwarded, trusted) == expected


@given(st.text(max_size=40))
def test_an_origin_is_kept_as_browsers_write_it_or_refused(text: str) -> None:
    try:
        kept = origin_of(text)
    except InvalidInputError:
        return
    except UnicodeError:
        pytest.fail("an origin that cannot be encoded must be refused with a sentence")
    assert origin_of(kept) == kept


def test_origins_hours_and_texts() -> None:
    assert origin_of("HTTPS://Shop.Example:443/") == "https://shop.example"
    assert origin_of("http://localhost:8080") == "http://localhost:8080"
    for wrong in ("https://*.shop.example", "shop.example", "https://shop.example/cart", "ftp://x", "https://a@b", ""):
        with pytest.raises(InvalidInputError):
            origin_of(wrong)
    hours = WidgetConfiguration(time_zone="Europe/Berlin", openings=(Opening(0, "09:00", "17:00"),))
    monday = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
    assert is_open(hours, monday)
    assert not is_open(hours, monday + timedelta(hours=8))
    assert not is_open(hours, monday + timedelta(days=1))
    assert texts_for(hours, "de-at")[1]["send"] == "Senden"
    assert texts_for(hours, "xx")[0] == "en"
    own = WidgetConfiguration(texts={"en": {"title": "Ask the bakery"}})
    assert texts_for(own, "en")[1]["title"] == "Ask the bakery"
    assert texts_for(own, "en")[1]["send"] == "Send"
    for wrong_document in (
        {"colour": "red"},
        {"colour": "#12345"},
        {"logo_url": "javascript:alert(1)"},
        {"texts": {"en": {"nonsense": "x"}}},
        {"openings": [{"day": 7, "opens": "09:00", "closes": "10:00"}]},
        {"time_zone": "Mars/Olympus"},
        {"unknown": 1},
        {"longest_message": 10**9},
    ):
        with pytest.raises(InvalidInputError):
            read_configuration(wrong_document)
