"""What a WHMCS connection is configured with, and its form."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connectors.whmcs.statuses import StatusWords, read_lines
from desk.egress import EgressRules
from desk.errors import InvalidInputError
from desk.ports import ChannelForm, ConfiguredChannel, FormField, SetupStep
from desk.secret import Secret

SHORTEST_POLL_SECONDS = 60
"""WHMCS runs on small servers and has no way to ask for what has changed."""
_ACCESS_KEY = re.compile(r"[A-Za-z0-9!@#$%.()*\[\]_-]*")

FORM = ChannelForm(
    title="WHMCS",
    summary="Support tickets of WHMCS in both directions, with what it knows of the client beside them.",
    group="Ticket systems",
    fields=(
        FormField(
            "url",
            "Address of WHMCS",
            required=True,
            placeholder="https://billing.example.com",
            help="Where clients open WHMCS, with the folder it lies in if there is one.",
        ),
        FormField("identifier", "API identifier", required=True),
        FormField("secret", "API secret", kind="secret", required=True),
        FormField(
            "admin",
            "Replies are written as",
            required=True,
            placeholder="support",
            help="User name of an admin in WHMCS. Replies from the desk appear under this name.",
        ),
        FormField(
            "time_zone",
            "Time zone of WHMCS",
            default="UTC",
            placeholder="Europe/Berlin",
            help="WHMCS gives times without a zone. It is the zone of its PHP, under Utilities > System > PHP Info.",
        ),
        FormField(
            "begin",
            "Tickets to begin with",
            kind="choice",
            choices=(
                ("new", "Only what is new from now on"),
                ("waiting", "Also tickets that wait for a reply now"),
            ),
        ),
        FormField(
            "share_changes",
            "Hand over status, priority and department when they are changed in the desk",
            kind="switch",
            default="1",
        ),
        FormField("share_notes", "Hand over notes that are written in the desk", kind="switch", default="1"),
        FormField(
            "departments",
            "Departments",
            kind="lines",
            is_advanced=True,
            help="One name a line. Empty: the tickets of every department are read.",
        ),
        FormField(
            "statuses",
            "What WHMCS statuses mean",
            kind="lines",
            is_advanced=True,
            placeholder="Waiting for vendor = on_hold",
            help="One a line: the status in WHMCS, then open, pending, on_hold, resolved or closed. The statuses WHMCS "
            "comes with are known.",
        ),
        FormField(
            "statuses_out",
            "Statuses to set in WHMCS",
            kind="lines",
            is_advanced=True,
            placeholder="on_hold = Waiting for vendor",
            help="One a line: the status in the desk, then the one to set in WHMCS.",
        ),
        FormField(
            "admin_folder",
            "Admin folder",
            default="admin",
            is_advanced=True,
            help="The folder of the WHMCS admin area, for links from the desk. It may have been renamed.",
        ),
        FormField(
            "access_key",
            "API access key",
            kind="secret",
            is_advanced=True,
            help="Only where configuration.php sets $api_access_key. It lifts the restriction to certain addresses.",
        ),
        FormField(
            "poll_seconds",
            "Look for news every",
            kind="choice",
            is_advanced=True,
            choices=(("60", "minute"), ("120", "2 minutes"), ("300", "5 minutes"), ("900", "15 minutes")),
        ),
    ),
    steps=(
        SetupStep(
            "In WHMCS open Configuration > System Settings > API Roles and create a role that allows GetTickets, "
            "GetTicket, GetTicketAttachment, AddTicketReply, AddTicketNote, UpdateTicket, GetSupportDepartments, "
            "GetSupportStatuses, GetClientsDetails, GetClientsProducts, GetClientsDomains and GetInvoices."
        ),
        SetupStep(
            "Under Configuration > System Settings > Manage API Credentials create credentials with this role for an "
            "admin whose own role has the permission API Access, and copy identifier and secret into the form."
        ),
        SetupStep(
            "Under General Settings > Security > API IP Access Restriction add the address the desk calls from. "
            "When it is missing, the check below names it."
        ),
        SetupStep(
            "So that new messages are here within seconds instead of a minute, put this file into the folder "
            "includes/hooks of WHMCS. It only says which ticket has changed, and never holds WHMCS up.",
            offers_file=True,
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class WhmcsSettings:
    url: str
    """Without a slash at the end."""
    identifier: str
    secret: Secret
    access_key: Secret
    hook_secret: Secret
    admin: str
    zone: ZoneInfo
    begins_with_waiting: bool
    share_changes: bool
    share_notes: bool
    departments: frozenset[str]
    """Case-folded names; empty: all."""
    words: StatusWords
    admin_folder: str
    poll_seconds: float

    def ticket_url(self, ticket_id: str) -> str:
        return f"{self.url}/{self.admin_folder}/supporttickets.php?action=view&id={ticket_id}"


def configure(given: Mapping[str, Any], before: ConfiguredChannel | None, rules: EgressRules) -> ConfiguredChannel:
    """Raises InvalidInputError or RefusedAddressError."""
    address = str(given.get("url", before.configuration.get("url", "") if before else "")).strip().rstrip("/")
    if before is not None and address != before.configuration.get("url"):
        # Stored secrets are shown to the server they were given for, and to no other one.
        before = ConfiguredChannel(before.configuration, _hook_secret_only(before.secrets))
    configured = FORM.read({**given, **({"url": address} if "url" in given else {})}, before)
    rules.check_url(f"{address}/")
    if urlsplit(address).query or urlsplit(address).fragment:
        msg = "Address of WHMCS must be its address alone, without ? and #"
        raise InvalidInputError(msg)
    made = {} if configured.secrets.get("hook_secret") else {"hook_secret": secrets.token_urlsafe(32)}
    stored = ConfiguredChannel(configured.configuration, {**configured.secrets, **made})
    _read({**stored.configuration, **stored.secrets})
    return stored


def read_settings(stored: Mapping[str, Any]) -> WhmcsSettings:
    """Of a stored connection. Raises InvalidInputError."""
    try:
        return _read(stored)
    except (KeyError, TypeError, ValueError) as error:
        msg = f"this WHMCS connection is not complete ({error}); fill in its form again"
        raise InvalidInputError(msg) from error


def _read(stored: Mapping[str, Any]) -> WhmcsSettings:
    access_key = str(stored.get("access_key") or "")
    if not _ACCESS_KEY.fullmatch(access_key):
        msg = "API access key has letters, digits and ! @ # $ % . ( ) * [ ] - _ only"
        raise InvalidInputError(msg)
    folder = str(stored["admin_folder"]).strip("/") or "admin"
    if not re.fullmatch(r"[\w./-]+", folder):
        msg = "Admin folder must be the name of a folder"
        raise InvalidInputError(msg)
    return WhmcsSettings(
        url=str(stored["url"]),
        identifier=str(stored["identifier"]),
        secret=Secret(str(stored["secret"])),
        access_key=Secret(access_key),
        hook_secret=Secret(str(stored["hook_secret"])),
        admin=str(stored["admin"]),
        zone=_zone(str(stored["time_zone"]) or "UTC"),
        begins_with_waiting=stored["begin"] == "waiting",
        share_changes=bool(stored["share_changes"]),
        share_notes=bool(stored["share_notes"]),
        departments=frozenset(
            line.strip().casefold() for line in str(stored["departments"]).splitlines() if line.strip()
        ),
        words=StatusWords.of(
            read_lines("What WHMCS statuses mean", str(stored["statuses"])),
            read_lines("Statuses to set in WHMCS", str(stored["statuses_out"])),
        ),
        admin_folder=folder,
        poll_seconds=max(float(stored["poll_seconds"]), SHORTEST_POLL_SECONDS),
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        msg = "Time zone of WHMCS must be a name such as Europe/Berlin"
        raise InvalidInputError(msg) from error


def _hook_secret_only(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stored.items() if name == "hook_secret"}
