"""What a connection to the Cloud API is set up with."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from desk.egress import EgressRules
from desk.errors import InvalidInputError
from desk.ports import ChannelForm, ConfiguredChannel, FormField, SetupStep
from desk.secret import Secret

GRAPH = "https://graph.facebook.com"
VERSION = "v23.0"
_DIGITS = re.compile(r"[0-9]{5,25}")
_VERSION = re.compile(r"v[0-9]{1,3}\.[0-9]{1,2}")
_NUMBER = re.compile(r"\+?[0-9]{6,15}")

FORM = ChannelForm(
    title="WhatsApp by Meta",
    summary="Messages to your number become tickets and replies go out, straight through Meta's Cloud API.",
    fields=(
        FormField("phone_number_id", "Phone number id", help="Of the number, not the number itself.", required=True),
        FormField("business_account_id", "WhatsApp Business Account id", required=True),
        FormField(
            "access_token",
            "Access token",
            "secret",
            help="Of a system user, so that it does not expire, with whatsapp_business_messaging and "
            "whatsapp_business_management. Stored encrypted, never shown again.",
            required=True,
        ),
        FormField("app_secret", "App secret", "secret", help="Proves that a call comes from Meta.", required=True),
        FormField(
            "test_number",
            "Number for tests",
            help="Your own WhatsApp, with country code. Write to the desk's number from it first.",
            placeholder="+4915112345678",
        ),
        FormField("version", "Version of the Graph API", default=VERSION, is_advanced=True),
        FormField("api_address", "Address of the Graph API", default=GRAPH, is_advanced=True),
    ),
    steps=(
        SetupStep(
            "In Meta's developer pages make an app of the type Business and add WhatsApp to it.",
            link="https://developers.facebook.com/apps",
        ),
        SetupStep(
            "Under WhatsApp, API setup you find the phone number id and the account id; under App settings, Basic the "
            "app secret; under Business settings, System users you make the access token. Enter them below."
        ),
        SetupStep("Under WhatsApp, Configuration, Webhook enter this as the callback URL:", shows="webhook"),
        SetupStep("And this as the verify token, then press Verify and save:", shows="verify_token"),
        SetupStep(
            "Subscribe to the field messages there. The check below subscribes your app to the account if it is not."
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class MetaSettings:
    phone_number_id: str
    business_account_id: str
    version: str
    api_address: str
    test_number: str
    verify_token: str
    access_token: Secret
    app_secret: Secret

    def address(self, path: str) -> str:
        return f"{self.api_address}/{self.version}/{path}"


def configure(given: Mapping[str, Any], before: ConfiguredChannel | None, rules: EgressRules) -> ConfiguredChannel:
    """Raises InvalidInputError or RefusedAddressError."""
    read = FORM.read(given, before)
    values, kept = dict(read.configuration), dict(read.secrets)
    for name, label in (("phone_number_id", "Phone number id"), ("business_account_id", "Account id")):
        if not _DIGITS.fullmatch(values[name]):
            msg = f"{label} must be digits only"
            raise InvalidInputError(msg)
    if not _VERSION.fullmatch(values["version"]):
        msg = f"Version of the Graph API must look like {VERSION}"
        raise InvalidInputError(msg)
    if values["test_number"] and not _NUMBER.fullmatch(values["test_number"].replace(" ", "")):
        msg = "Number for tests must be a number with its country code, such as +4915112345678"
        raise InvalidInputError(msg)
    values["api_address"] = values["api_address"].rstrip("/")
    rules.check_url(values["api_address"])
    if before and before.configuration["api_address"] != values["api_address"] and not given.get("access_token"):
        msg = "enter the access token again: it was given for another address"
        raise InvalidInputError(msg)
    kept.setdefault("verify_token", secrets.token_urlsafe(24))
    return ConfiguredChannel(values, kept)


def read_settings(stored: Mapping[str, Any]) -> MetaSettings:
    """Raises InvalidInputError when something is missing."""
    try:
        return MetaSettings(
            phone_number_id=_checked(_DIGITS, stored["phone_number_id"]),
            business_account_id=_checked(_DIGITS, stored["business_account_id"]),
            version=_checked(_VERSION, stored["version"]),
            api_address=str(stored["api_address"]),
            test_number=str(stored.get("test_number") or ""),
            verify_token=str(stored["verify_token"]),
            access_token=Secret(str(stored["access_token"])),
            app_secret=Secret(str(stored["app_secret"])),
        )
    except (KeyError, ValueError) as error:
        msg = f"this WhatsApp connection is not complete ({error}); fill in its form again"
        raise InvalidInputError(msg) from error


def _checked(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        msg = f"not {pattern.pattern}"
        raise ValueError(msg)
    return value
