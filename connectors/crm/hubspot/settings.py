"""What a HubSpot connection is configured with, and its form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.crm.api import check_host
from connectors.crm.words import BEGIN, MEANINGS, POLL, SHARE_CHANGES, SHARE_NOTES, STATUSES_OUT, TicketWords
from desk.calls import RefusedCallError
from desk.egress import EgressRules
from desk.errors import InvalidInputError
from desk.ports import ChannelForm, ConfiguredChannel, FormField, SetupStep
from desk.secret import Secret

API = "https://api.hubapi.com"
WORDS = TicketWords(
    meanings={
        # The stages of the pipeline that every account begins with; the form names those of others by their ids.
        "1": ("open",),
        "2": ("pending",),
        "3": ("open",),
        "4": ("closed", "resolved"),
    },
    statuses={"open": "1", "pending": "2", "on_hold": "3", "resolved": "4", "closed": "4"},
    priorities={"low": ("low",), "medium": ("normal",), "high": ("high",), "urgent": ("urgent",)},
    priorities_out={"low": "LOW", "normal": "MEDIUM", "high": "HIGH", "urgent": "URGENT"},
)

FORM = ChannelForm(
    title="HubSpot",
    summary="Tickets with their conversations in both directions, and what HubSpot knows of the contact.",
    group="CRMs and other systems",
    fields=(
        FormField(
            "sign_in",
            "Signing in",
            kind="choice",
            choices=(("token", "Access token of a private app"), ("oauth", "OAuth app with a refresh token")),
        ),
        FormField("token", "Access token", kind="secret", help="Of the private app; begins with pat-."),
        FormField(
            "client_secret",
            "Client secret of the app",
            kind="secret",
            help="HubSpot signs its calls with it. Without it no calls are taken, and news come by polling.",
        ),
        FormField(
            "portal",
            "Hub ID",
            required=True,
            placeholder="12345678",
            help="The number of the account, shown at the top right in HubSpot.",
        ),
        FormField(
            "user",
            "Replies are written by",
            required=True,
            placeholder="51234567",
            help="Id of a HubSpot user, under Settings > Users & Teams. Replies appear under this name.",
        ),
        BEGIN,
        SHARE_CHANGES,
        SHARE_NOTES,
        FormField("client_id", "Client ID of the OAuth app", is_advanced=True),
        FormField("refresh_token", "Refresh token", kind="secret", is_advanced=True),
        FormField(
            "pipelines",
            "Pipelines",
            kind="lines",
            is_advanced=True,
            help="Ids, one a line. Empty: the tickets of every pipeline are read.",
        ),
        MEANINGS,
        STATUSES_OUT,
        FormField(
            "api_url",
            "Address of the API",
            is_advanced=True,
            default=API,
            help="Another one only for a proxy of your own that the operator has allowed.",
        ),
        POLL,
    ),
    steps=(
        SetupStep(
            "In HubSpot open Settings > Integrations > Private Apps and create an app with the scopes tickets, "
            "crm.objects.contacts.read, crm.objects.companies.read, conversations.read, conversations.write and files."
        ),
        SetupStep("Copy its access token and its client secret into the form below."),
        SetupStep(
            "In the app, under Webhooks, enter this address and subscribe to ticket created, deleted, merged and "
            "changed (subject, stage, priority), conversation new message, and contact privacy deletion.",
            shows="webhook",
        ),
        SetupStep(
            "Pipelines with stages of your own: name their ids under 'What its statuses mean', such as "
            "'8834211 = on_hold'. The check below lists them."
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class HubSpotSettings:
    api_url: str
    sign_in: str
    token: Secret
    client_id: str
    client_secret: Secret
    refresh_token: Secret
    portal: str
    user: str
    begins_with_open: bool
    share_changes: bool
    share_notes: bool
    pipelines: frozenset[str]
    words: TicketWords
    poll_seconds: float

    def ticket_url(self, ticket_id: str) -> str:
        return f"https://app.hubspot.com/contacts/{self.portal}/ticket/{ticket_id}"


def configure(given: Mapping[str, Any], before: ConfiguredChannel | None, rules: EgressRules) -> ConfiguredChannel:
    """Raises InvalidInputError or RefusedAddressError."""
    if before is not None and str(given.get("api_url", before.configuration["api_url"])).strip().rstrip("/") != str(
        before.configuration["api_url"]
    ).rstrip("/"):
        # Stored secrets are shown to the server they were given for, and to no other one.
        before = ConfiguredChannel(before.configuration, {})
    configured = FORM.read(given, before)
    stored = dict(configured.secrets)
    if before is not None and any(stored.get(name) != before.secrets.get(name) for name in ("token", "refresh_token")):
        stored.pop("access_token", None)
    made = ConfiguredChannel(configured.configuration, stored)
    settings = _read({**made.configuration, **made.secrets})
    try:
        check_host(rules, settings.api_url, ("api.hubapi.com",), "HubSpot")
    except RefusedCallError as error:
        raise InvalidInputError(error.detail) from error
    needed = (
        (("Access token", settings.token),)
        if settings.sign_in == "token"
        else (("Refresh token", settings.refresh_token), ("Client secret of the app", settings.client_secret))
    )
    for label, value in needed:
        if not value:
            msg = f"{label} is needed for this way of signing in"
            raise InvalidInputError(msg)
    if not settings.portal.isdecimal() or not settings.user.isdecimal():
        msg = "Hub ID and the user that replies are written by must be numbers"
        raise InvalidInputError(msg)
    return made


def read_settings(stored: Mapping[str, Any]) -> HubSpotSettings:
    """Of a stored connection. Raises InvalidInputError."""
    try:
        return _read(stored)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"this HubSpot connection is not complete ({error}); fill in its form again"
        raise InvalidInputError(msg) from error


def _read(stored: Mapping[str, Any]) -> HubSpotSettings:
    return HubSpotSettings(
        api_url=str(stored["api_url"]).rstrip("/") or API,
        sign_in=str(stored["sign_in"]),
        token=Secret(str(stored.get("token") or "")),
        client_id=str(stored["client_id"]),
        client_secret=Secret(str(stored.get("client_secret") or "")),
        refresh_token=Secret(str(stored.get("refresh_token") or "")),
        portal=str(stored["portal"]),
        user=str(stored["user"]).removeprefix("A-"),
        begins_with_open=stored["begin"] == "open",
        share_changes=bool(stored["share_changes"]),
        share_notes=bool(stored["share_notes"]),
        pipelines=frozenset(re.split(r"\s+", str(stored["pipelines"]).strip())) - {""},
        words=WORDS.with_own(str(stored["statuses"]), str(stored["statuses_out"])),
        poll_seconds=max(float(stored["poll_seconds"]), 60.0),
    )
