"""The host site's word on who its visitor is: short-lived tokens, signatures for compatibility, logging out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.errors import NotAllowedError
from desk.models import Connection
from desk.secret import Secret
from desk.widget.configuration import WidgetConfiguration
from desk.widget.identity import (
    CLOCK_SKEW_SECONDS,
    LONGEST_LIFE_SECONDS,
    user_by_signature,
    user_by_token,
    user_signature,
)
from desk.widget.visitors import Particulars
from tests.connectors.widget.conftest import Visitor
from tests.connectors.widget.test_access import StoppedClock, some_widget
from tests.desk.api.world import call
from tests.desk.conftest import Client, Person

NEW, OLD = Secret("whsec_" + 8 * "new-key-"), Secret("whsec_" + 8 * "old-key-")
NOW = StoppedClock().now()
NOBODY = Particulars()


def token(secret: Secret = NEW, algorithm: str = "HS256", leave_out: str = "", **changes: Any) -> str:
    claims = {"sub": "u-1", "aud": "wk_x", "iat": NOW, "exp": NOW + timedelta(minutes=5), **changes}
    claims.pop(leave_out, None)
    return jwt.encode(claims, secret.reveal(), algorithm=algorithm)


def test_a_token_names_the_user_and_both_secrets_count_while_one_is_being_replaced() -> None:
    widget = some_widget(secrets=(NEW, OLD))
    for secret in (NEW, OLD):
        known = user_by_token(widget, token(secret, name="Uma", email="uma@example.com"), Particulars("Umi"), NOW)
        assert (known.user_id, known.proved, known.said) == (
            "u-1",
            Particulars("Uma", "uma@example.com"),
            Particulars("Umi"),
        )


def test_what_is_wrong_with_a_token_is_never_overlooked() -> None:
    widget = some_widget(secrets=(NEW, OLD))
    claims = {"sub": "u-1", "aud": "wk_x", "iat": NOW, "exp": NOW + timedelta(minutes=5)}
    forged = [
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, "", algorithm="none"),
        token(Secret("another secret that nobody knows here")),
        token(algorithm="HS512"),
        token(aud="wk_y"),
        token(aud=["wk_y", "wk_z"]),
        token(exp=NOW + timedelta(seconds=LONGEST_LIFE_SECONDS + 1)),
        token(exp=NOW - timedelta(seconds=CLOCK_SKEW_SECONDS)),
        token(iat=NOW + timedelta(hours=1), exp=NOW + timedelta(hours=1, minutes=5)),
        token(sub=""),
        token(sub="x" * 201),
        token(sub="two\nlines"),
        *(token(leave_out=name) for name in ("sub", "aud", "iat", "exp")),
        "x" * 5_000,
        "a.b.c",
        "",
    ]
    for each in forged:
        with pytest.raises(NotAllowedError):
            user_by_token(widget, each, NOBODY, NOW)
    with pytest.raises(NotAllowedError):
        user_by_token(some_widget(secrets=()), token(), NOBODY, NOW)


@given(st.integers(-3600, 3600), st.integers(1, 1200))
def test_a_token_counts_from_its_beginning_to_its_end_and_never_longer_than_ten_minutes(begin: int, life: int) -> None:
    """With a minute's grace for the host site's clock."""
    issued = NOW + timedelta(seconds=begin)
    made = token(iat=issued, exp=issued + timedelta(seconds=life))
    good = life <= 600 and begin <= 60 and begin + life > -60
    if good:
        assert user_by_token(some_widget(secrets=(NEW,)), made, NOBODY, NOW).user_id == "u-1"
    else:
        with pytest.raises(NotAllowedError):
            user_by_token(some_widget(secrets=(NEW,)), made, NOBODY, NOW)


def test_a_widget_may_refuse_the_signature_that_is_good_for_ever() -> None:
    signature = user_signature(NEW, "u-1")
    assert user_by_signature(some_widget(secrets=(NEW,)), "u-1", signature, NOBODY).user_id == "u-1"
    strict = some_widget(secrets=(NEW,), configuration=WidgetConfiguration(signed_tokens_only=True))
    with pytest.raises(NotAllowedError, match="tokens alone"):
        user_by_signature(strict, "u-1", signature, NOBODY)


async def signed(client: Client, owner: Person, widget: Connection, **claims: Any) -> dict[str, str]:
    """What a host site's server hands to its page, by the real clock."""
    made = await call(client, owner, "POST", f"/connections/{widget.id}/signing-secret")
    now = int(datetime.now(UTC).timestamp())
    body = {"aud": widget.public_key, "iat": now, "exp": now + 300, **claims}
    return {"token": jwt.encode(body, made["signing_secret"], algorithm="HS256")}


async def test_what_is_signed_is_verified_what_is_said_is_not_and_logging_out_ends_it(
    visitor: Visitor, client: Client, owner: Person, widget: Connection
) -> None:
    uma = await signed(client, owner, widget, sub="u-1", name="Uma", email="uma@example.com")
    answered = await visitor.call("POST", "/identify", json={**uma, "name": "Somebody", "email": "else@example.com"})
    assert answered.status_code == 200, answered.text
    visitor.token = answered.json()["token"]
    await visitor.write("A question of a user who is signed in")
    customer = (await call(client, owner, "GET", "/tickets"))["items"][0]["customer"]
    assert (customer["name"], customer["email"]) == ("Uma", "uma@example.com")

    other = await signed(client, owner, widget, sub="u-2")
    second = await visitor.call("POST", "/identify", json=other)
    assert (await Visitor(client, visitor.key, token=second.json()["token"]).call("GET", "/conversations")).json() == {
        "conversations": []
    }
    mine = f"/conversations/{visitor.conversation}/messages"
    assert (await Visitor(client, visitor.key, token=second.json()["token"]).call("GET", mine)).status_code == 404

    assert (await visitor.call("GET", mine)).status_code == 200
    assert (await visitor.call("POST", "/logout")).status_code == 204
    assert (await visitor.call("GET", mine)).status_code == 401
    assert (await visitor.write("As if nothing had happened")).status_code == 401
