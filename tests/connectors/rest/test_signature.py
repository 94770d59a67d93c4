"""Standard Webhooks signatures: the specification's vector, an independent implementation, and malformed input."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from connectors.rest.signature import decode_secret, sign, verify
from desk.errors import DeskError, InvalidInputError, NotAllowedError
from desk.secret import Secret

SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
OTHER = Secret("whsec_" + base64.b64encode(b"another key of thirty-two bytes!").decode())
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SENT = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
NOW = datetime.fromtimestamp(SENT, UTC)


def headers(**changes: str | None) -> dict[str, str]:
    given = {"Webhook-Id": ID, "webhook-timestamp": str(SENT), "webhook-signature": SIGNATURE}
    given |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in given.items() if value is not None}


def test_the_vector_of_the_specification() -> None:
    assert sign(ID, SENT, BODY, [SECRET]) == SIGNATURE
    verified = verify(headers(), BODY, [SECRET], NOW)
    assert (verified.webhook_id, verified.sent_at) == (ID, NOW)


def test_two_secrets_are_good_while_one_is_being_replaced() -> None:
    both = sign(ID, SENT, BODY, [OTHER, SECRET])
    assert both.endswith(f" {SIGNATURE}")
    for active in ([SECRET], [OTHER], [OTHER, SECRET]):
        verify(headers(webhook_signature=both), BODY, active, NOW)
    with pytest.raises(NotAllowedError):
        verify(headers(), BODY, [OTHER], NOW)


@given(st.text(min_size=1).map(str.encode), st.binary(min_size=24, max_size=64))
def test_it_agrees_with_an_independent_implementation(body: bytes, key: bytes) -> None:
    secret = Secret("whsec_" + base64.b64encode(key).decode())
    now = int(time.time())
    independent = Webhook(secret.reveal())
    sent = {"webhook-id": ID, "webhook-timestamp": str(now), "webhook-signature": sign(ID, now, body, [secret])}
    independent.verify(body, sent, json_parse=False)
    theirs = independent.sign(ID, datetime.fromtimestamp(now, UTC), body.decode())
    verify(sent | {"webhook-signature": theirs}, body, [secret], datetime.fromtimestamp(now, UTC))


@pytest.mark.parametrize("seconds", [-360, -301, 301, 360, 86400])
def test_five_minutes_either_way_and_no_more(seconds: int) -> None:
    verify(headers(), BODY, [SECRET], NOW + timedelta(seconds=300 if seconds > 0 else -300))
    with pytest.raises(NotAllowedError, match="clock"):
        verify(headers(), BODY, [SECRET], NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({}, BODY + b" "),
        ({"webhook_timestamp": str(SENT + 1)}, BODY),
        ({"Webhook_Id": ID + "x"}, BODY),
        ({"webhook_signature": "v1," + base64.b64encode(b"x" * 32).decode()}, BODY),
        ({"webhook_signature": "v1a," + SIGNATURE.removeprefix("v1,")}, BODY),
        ({"webhook_signature": "v1,"}, BODY),
    ],
)
def test_anything_else_than_what_was_signed_is_turned_away(changes: dict[str, str], body: bytes) -> None:
    with pytest.raises(NotAllowedError, match="signature"):
        verify(headers(**changes), body, [SECRET], NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"Webhook_Id": None},
        {"webhook_timestamp": None},
        {"webhook_signature": None},
        {"webhook_signature": " "},
        {"webhook_signature": "g0hM9SsE"},
        {"webhook_signature": "v1,not base64!"},
        {"webhook_signature": "v1,äöü"},
        {"webhook_signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE"},
        {"webhook_signature": " ".join([SIGNATURE] * 17)},
        {"webhook_timestamp": "yesterday"},
        {"webhook_timestamp": "1614265330.5"},
        {"webhook_timestamp": "-1614265330"},
        {"webhook_timestamp": "٣"},
        {"webhook_timestamp": "999999999999"},
        {"webhook_timestamp": "1e400"},
        {"Webhook_Id": "x" * 257},
        {"Webhook_Id": "with\nbreak"},
    ],
)
def test_malformed_headers_are_named(changes: dict[str, str | None]) -> None:
    with pytest.raises(InvalidInputError, match=r"webhook-signature|webhook-timestamp|webhook-id"):
        verify(headers(**changes), BODY, [SECRET], NOW)


@given(
    st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()), st.binary()
)
def test_no_input_whatever_raises_anything_but_a_refusal(given_headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(DeskError) as refused:
        verify(given_headers, body, [SECRET], NOW)
    assert refused.value.status in (400, 403)


@pytest.mark.parametrize(
    "text", ["", "abc", "whsec_", "whsec_abc", "whsec_" + "A" * 31, "whsec_ä" + "A" * 40, "whsec_" + "A" * 90]
)
def test_a_secret_that_is_too_weak_or_none_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        decode_secret(Secret(text))
    assert "AAAA" not in refused.value.detail


def test_without_a_secret_nothing_is_accepted() -> None:
    with pytest.raises(NotAllowedError):
        verify(headers(), BODY, [], NOW)
