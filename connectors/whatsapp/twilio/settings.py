"""What a connection to Twilio is set up with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from desk.egress import EgressRules
from desk.errors import InvalidInputError
from desk.ports import ChannelForm, ConfiguredChannel, FormField, SetupStep
from desk.secret import Secret

API = "https://api.twilio.com"
CONTENT = "https://content.twilio.com"
_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")
_KEY = re.compile(r"SK[0-9a-fA-F]{32}")
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
_NUMBER = re.compile(r"\+[0-9]{6,15}")

FORM = ChannelForm(
    title="WhatsApp by Twilio",
    summary="Messages to your Twilio number become tickets and replies go out. The sandbox works as well.",
    fields=(
        FormField("account_sid", "Account SID", placeholder="AC...", required=True),
        FormField(
            "auth_token",
            "Auth token",
            "secret",
            help="The account's primary one: Twilio signs its calls with it. Stored encrypted, never shown again.",
            required=True,
        ),
        FormField(
            "number",
            "WhatsApp number",
            help="With country code. The sandbox is +14155238886.",
            placeholder="+14155238886",
            required=True,
        ),
        FormField(
            "test_number",
            "Number for tests",
            help="Your own WhatsApp, with country code. Write to the desk's number from it first.",
            placeholder="+4915112345678",
        ),
        FormField("api_key", "API key SID", placeholder="SK...", help="Better than the auth token.", is_advanced=True),
        FormField("api_key_secret", "API key secret", "secret", is_advanced=True),
        FormField("messaging_service", "Messaging service SID", placeholder="MG...", is_advanced=True),
        FormField("api_address", "Address of the API", default=API, is_advanced=True),
        FormField("content_address", "Address of the Content API", default=CONTENT, is_advanced=True),
    ),
    steps=(
        SetupStep(
            "In Twilio's console copy the Account SID and the auth token of your account and enter them below.",
            link="https://console.twilio.com",
        ),
        SetupStep(
            "Under Messaging, Senders, WhatsApp senders (or in the sandbox settings) enter this address for incoming "
            "messages, method POST. What follows the # makes Twilio repeat a call that failed.",
            shows="webhook",
            after="#rc=3&rp=all",
        ),
        SetupStep("As the fallback address and as the status callback address enter:", shows="webhook"),
        SetupStep("Write to the number from your own WhatsApp: a ticket appears here."),
    ),
)


@dataclass(frozen=True, slots=True)
class TwilioSettings:
    account_sid: str
    number: str
    messaging_service: str
    api_key: str
    api_address: str
    content_address: str
    test_number: str
    auth_token: Secret
    previous_auth_token: Secret
    """Still believed in signatures after a change, until the next one."""
    api_key_secret: Secret

    @property
    def sender(self) -> str:
        return f"whatsapp:{self.number}"

    @property
    def credentials(self) -> tuple[str, str]:
        """User name and password of every call."""
        if self.api_key:
            return self.api_key, self.api_key_secret.reveal()
        return self.account_sid, self.auth_token.reveal()

    @property
    def is_real(self) -> bool:
        return self.api_address == API


def configure(given: Mapping[str, Any], before: ConfiguredChannel | None, rules: EgressRules) -> ConfiguredChannel:
    """Raises InvalidInputError or RefusedAddressError."""
    read = FORM.read(given, before)
    values, kept = dict(read.configuration), dict(read.secrets)
    values["number"] = _number(values["number"], "WhatsApp number")
    values["test_number"] = _number(values["test_number"], "Number for tests") if values["test_number"] else ""
    for name, pattern, label in (
        ("account_sid", _ACCOUNT, "Account SID"),
        ("api_key", _KEY, "API key SID"),
        ("messaging_service", _SERVICE, "Messaging service SID"),
    ):
        if values[name] and not pattern.fullmatch(values[name]):
            msg = f"{label} must be {pattern.pattern[:2]} and 32 hexadecimal digits"
            raise InvalidInputError(msg)
    for name in ("api_address", "content_address"):
        values[name] = values[name].rstrip("/")
        rules.check_url(values[name])
        if before and before.configuration[name] != values[name] and not given.get("auth_token"):
            msg = "enter the auth token again: it was given for another address"
            raise InvalidInputError(msg)
    if values["api_key"] and not kept.get("api_key_secret"):
        msg = "an API key needs its secret"
        raise InvalidInputError(msg)
    old = before.secrets.get("auth_token") if before else None
    if old and old != kept["auth_token"]:
        kept["previous_auth_token"] = old
    return ConfiguredChannel(values, kept)


def _number(given: str, label: str) -> str:
    number = re.sub(r"[ ()/.-]", "", given.removeprefix("whatsapp:"))
    if not _NUMBER.fullmatch(number):
        msg = f"{label} must begin with + and the country code, such as +4915112345678"
        raise InvalidInputError(msg)
    return number


def read_settings(stored: Mapping[str, Any]) -> TwilioSettings:
    """Raises InvalidInputError when something is missing."""
    try:
        return TwilioSettings(
            account_sid=_checked(_ACCOUNT, stored["account_sid"]),
            number=_checked(_NUMBER, stored["number"]),
            messaging_service=str(stored.get("messaging_service") or ""),
            api_key=str(stored.get("api_key") or ""),
            api_address=str(stored["api_address"]),
            content_address=str(stored.get("content_address") or CONTENT),
            test_number=str(stored.get("test_number") or ""),
            auth_token=Secret(str(stored["auth_token"])),
            previous_auth_token=Secret(str(stored.get("previous_auth_token") or "")),
            api_key_secret=Secret(str(stored.get("api_key_secret") or "")),
        )
    except (KeyError, ValueError) as error:
        msg = f"this WhatsApp connection is not complete ({error}); fill in its form again"
        raise InvalidInputError(msg) from error


def _checked(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        msg = f"not {pattern.pattern}"
        raise ValueError(msg)
    return value
