"""What Meta's error codes mean for a reply, in words for people (Cloud API error codes, v23.0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

Verdict = Literal["failed", "retry", "uncertain"]

_WORDS: dict[int, str] = {
    0: "Meta does not accept the access token; make a new one and enter it in the channel's settings",
    190: "the access token is no longer valid; make a new one and enter it in the channel's settings",
    3: "the app may not do this; give the system user the permission whatsapp_business_messaging",
    10: "the app may not do this; give the system user the permission whatsapp_business_messaging",
    100: "Meta refuses the request as wrong",
    131008: "Meta misses a part of the request",
    131009: "Meta refuses a value of the request",
    4: "Meta's limit of calls is reached",
    80007: "the business account's rate limit is reached",
    130429: "too many messages at once from this number",
    131056: "too many messages to this customer in a short time",
    131026: "WhatsApp cannot deliver to this number: no WhatsApp, an old version, or terms not accepted",
    131047: "more than 24 hours have passed since the customer's last message; send an approved template",
    131048: "WhatsApp holds this number's messages back because too many were reported",
    131049: "WhatsApp chose not to deliver this message to this customer",
    130472: "WhatsApp chose not to deliver this message to this customer",
    131050: "the customer does not want marketing messages from you",
    131031: "the WhatsApp account is locked; look into Meta's business settings",
    368: "the WhatsApp account is blocked for a breach of the terms; look into Meta's business settings",
    131042: "there is a problem with the payment method at Meta",
    131051: "WhatsApp does not take messages of this kind",
    131052: "WhatsApp could not fetch the customer's file",
    131053: "WhatsApp does not take this file",
    132000: "the template has another number of variables",
    132001: "there is no such template in this language; fetch the templates again",
    132005: "the template's text becomes too long with these values",
    132007: "the template breaks WhatsApp's rules",
    132012: "a value does not have the form the template wants",
    132015: "the template is paused because of its quality",
    132016: "the template was switched off because of its quality",
    133010: "this number is not registered with the Cloud API",
    133016: "this number was registered too often; wait some hours",
}
_RETRY = frozenset({4, 80007, 130429, 131056})
_UNKNOWN = frozenset({1, 2, 131000, 131016})
"""Temporary by Meta's own words, and no id was given: whether the message went out cannot be told."""
SIGN_IN = frozenset({0, 190})


def code_of(error: Mapping[str, Any]) -> int:
    try:
        return int(error.get("code", -1))
    except (TypeError, ValueError):
        return -1


def verdict_of(code: int, status: int) -> Verdict:
    if code in _RETRY or status == 429:
        return "retry"
    if code in _UNKNOWN or (status >= 500 and code not in _WORDS):
        return "uncertain"
    return "failed"


def words_of(error: Mapping[str, Any]) -> str:
    """Our sentence for the code, Meta's details, and the code itself."""
    code = code_of(error)
    data: object = error.get("error_data")
    details = str(cast("Mapping[str, Any]", data).get("details") or "") if isinstance(data, Mapping) else ""
    told = details or str(error.get("message") or error.get("title") or "")
    ours = _WORDS.get(code, "")
    if ours:
        return f"{ours} (Meta {code}{': ' + told[:200] if told else ''})"
    return f"{told[:300] or 'Meta gives no reason'} (Meta {code})"
