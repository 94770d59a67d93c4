"""What a Zoho Desk connection is configured with, and its form."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

from connectors.crm.api import check_host
from connectors.crm.words import BEGIN, MEANINGS, POLL, SHARE_CHANGES, SHARE_NOTES, STATUSES_OUT, TicketWords
from desk.calls import RefusedCallError
from desk.egress import EgressRules
from desk.errors import InvalidInputError
from desk.ports import ChannelForm, ConfiguredChannel, FormField, SetupStep
from desk.secret import Secret

CENTRES: Mapping[str, tuple[str, str]] = {
    "com": ("zoho.com", "United States (zoho.com)"),
    "eu": ("zoho.eu", "Europe (zoho.eu)"),
    "in": ("zoho.in", "India (zoho.in)"),
    "com.au": ("zoho.com.au", "Australia (zoho.com.au)"),
    "jp": ("zoho.jp", "Japan (zoho.jp)"),
    "com.cn": ("zoho.com.cn", "China (zoho.com.cn)"),
    "sa": ("zoho.sa", "Saudi Arabia (zoho.sa)"),
    "ca": ("zohocloud.ca", "Canada (zohocloud.ca)"),
}
SCOPES = (
    "Desk.tickets.READ,Desk.tickets.CREATE,Desk.tickets.UPDATE,Desk.contacts.READ,Desk.basic.READ,Desk.settings.READ,"
    "Desk.search.READ,Desk.events.ALL"
)
WORDS = TicketWords(
    meanings={
        "open": ("open",),
        "on hold": ("on_hold",),
        "escalated": ("open",),
        "in progress": ("open", "pending"),
        "waiting on customer": ("pending",),
        "closed": ("closed", "resolved"),
    },
    statuses={"open": "Open", "on_hold": "On Hold", "resolved": "Closed", "closed": "Closed"},
    priorities={"low": ("low",), "medium": ("normal",), "high": ("high", "urgent")},
    priorities_out={"low": "Low", "normal": "Medium", "high": "High", "urgent": "High"},
)
_CODE = ("grant_code", "client_id", "client_secret")

FORM = ChannelForm(
    title="Zoho Desk",
    summary="Tickets with their threads and comments in both directions, and what Zoho knows of the contact.",
    group="CRMs and other systems",
    fields=(
        FormField(
            "centre",
            "Data centre",
            kind="choice",
            choices=tuple((key, words) for key, (_, words) in CENTRES.items()),
            help="The end of the address under which you open Zoho Desk. Another one refuses to sign in.",
        ),
        FormField(
            "org",
            "Organisation ID",
            required=True,
            placeholder="60001280952",
            help="In Zoho Desk under Setup > Developer Space > API.",
        ),
        FormField("client_id", "Client ID", required=True, placeholder="1000.ABC"),
        FormField("client_secret", "Client secret", kind="secret", required=True),
        FormField(
            "grant_code",
            "Code of the self client",
            kind="secret",
            help="Works for some minutes and once; a new one is needed only when Zoho takes the permission back.",
        ),
        FormField(
            "from_address",
            "Replies come from",
            required=True,
            placeholder="support@example.com",
            help="One of the addresses set up in Zoho Desk under Channels > Email.",
        ),
        BEGIN,
        SHARE_CHANGES,
        SHARE_NOTES,
        FormField(
            "refresh_token",
            "Refresh token",
            kind="secret",
            is_advanced=True,
            help="Where there is one already; instead of the code.",
        ),
        FormField(
            "departments",
            "Departments",
            kind="lines",
            is_advanced=True,
            help="Ids, one a line. Empty: the tickets of every department are read.",
        ),
        MEANINGS,
        STATUSES_OUT,
        FormField(
            "accounts_url",
            "Address of the sign-in",
            is_advanced=True,
            help="Only for a proxy of your own that the operator has allowed.",
        ),
        FormField(
            "desk_url",
            "Address of the API",
            is_advanced=True,
            help="Only for a proxy of your own that the operator has allowed.",
        ),
        POLL,
    ),
    steps=(
        SetupStep(
            "Open Zoho's API console, add a self client and copy its client ID and secret into the form.",
            link="https://api-console.zoho.com",
        ),
        SetupStep(f"There, under Generate Code, ask for these scopes: {SCOPES}. Copy the code into the form at once."),
        SetupStep(
            "In Zoho Desk open Setup > Developer Space > Webhooks, enter this address and choose ticket added, updated "
            "and deleted, thread added and comment added (Professional and above; other editions are polled).",
            shows="webhook",
        ),
        SetupStep(
            "As the source to ignore enter this id, so that Zoho does not call about what the desk itself has written.",
            shows="source_id",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class ZohoSettings:
    accounts_url: str
    desk_url: str
    org: str
    client_id: str
    client_secret: Secret
    grant_code: Secret
    refresh_token: Secret
    source_id: str
    """Of everything the desk writes there."""
    keys: str
    """With which Zoho signs its calls: a JSON web key set, "" until it was fetched."""
    from_address: str
    begins_with_open: bool
    share_changes: bool
    share_notes: bool
    departments: frozenset[str]
    words: TicketWords
    poll_seconds: float


def configure(given: Mapping[str, Any], before: ConfiguredChannel | None, rules: EgressRules) -> ConfiguredChannel:
    """Raises InvalidInputError or RefusedAddressError."""
    if before is not None and any(
        name in given and str(given[name]).strip().rstrip("/") != str(before.configuration.get(name) or "").rstrip("/")
        for name in ("centre", "accounts_url", "desk_url")
    ):
        # Stored secrets are shown to the servers they were given for, and to no other ones.
        kept = {name: value for name, value in before.secrets.items() if name == "source_id"}
        before = ConfiguredChannel(before.configuration, kept)
    configured = FORM.read(given, before)
    stored = dict(configured.secrets)
    known: Mapping[str, Any] = before.secrets if before else {}
    if stored.get("grant_code") != known.get("grant_code") and not given.get("refresh_token"):
        stored.pop("refresh_token", None)
    if any(stored.get(name) != known.get(name) for name in (*_CODE, "refresh_token")):
        stored.pop("access_token", None)
    stored.setdefault("source_id", str(uuid.uuid4()))
    made = ConfiguredChannel(configured.configuration, stored)
    settings = _read({**made.configuration, **made.secrets})
    domain = CENTRES[str(configured.configuration["centre"])][0]
    try:
        check_host(rules, settings.accounts_url, (f"accounts.{domain}",), "Zoho")
        check_host(rules, settings.desk_url, (f"desk.{domain}",), "Zoho")
    except RefusedCallError as error:
        raise InvalidInputError(error.detail) from error
    if not settings.org.isdecimal():
        msg = "Organisation ID must be a number"
        raise InvalidInputError(msg)
    if not settings.grant_code and not settings.refresh_token:
        msg = "Code of the self client is needed"
        raise InvalidInputError(msg)
    if "@" not in parseaddr(settings.from_address)[1]:
        msg = "Replies come from must be an e-mail address"
        raise InvalidInputError(msg)
    return made


def read_settings(stored: Mapping[str, Any]) -> ZohoSettings:
    """Of a stored connection. Raises InvalidInputError."""
    try:
        return _read(stored)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"this Zoho Desk connection is not complete ({error}); fill in its form again"
        raise InvalidInputError(msg) from error


def _read(stored: Mapping[str, Any]) -> ZohoSettings:
    domain = CENTRES[str(stored["centre"])][0]
    return ZohoSettings(
        accounts_url=str(stored["accounts_url"]).rstrip("/") or f"https://accounts.{domain}",
        desk_url=str(stored["desk_url"]).rstrip("/") or f"https://desk.{domain}",
        org=str(stored["org"]),
        client_id=str(stored["client_id"]),
        client_secret=Secret(str(stored.get("client_secret") or "")),
        grant_code=Secret(str(stored.get("grant_code") or "")),
        refresh_token=Secret(str(stored.get("refresh_token") or "")),
        source_id=str(stored.get("source_id") or ""),
        keys=str(stored.get("keys") or ""),
        from_address=str(stored["from_address"]),
        begins_with_open=stored["begin"] == "open",
        share_changes=bool(stored["share_changes"]),
        share_notes=bool(stored["share_notes"]),
        departments=frozenset(re.split(r"\s+", str(stored["departments"]).strip())) - {""},
        words=WORDS.with_own(str(stored["statuses"]), str(stored["statuses_out"])),
        poll_seconds=max(float(stored["poll_seconds"]), 60.0),
    )
