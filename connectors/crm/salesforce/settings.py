"""What a Salesforce connection is configured with, and its form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from connectors.crm.api import check_host
from connectors.crm.words import BEGIN, MEANINGS, POLL, SHARE_CHANGES, SHARE_NOTES, STATUSES_OUT, TicketWords
from desk.calls import RefusedCallError
from desk.egress import EgressRules
from desk.errors import InvalidInputError
from desk.ports import ChannelForm, ConfiguredChannel, FormField, SetupStep
from desk.secret import Secret

HOSTS = (".salesforce.com", ".force.com")
WORDS = TicketWords(
    meanings={
        "new": ("open",),
        "working": ("open", "pending"),
        "waiting on customer": ("pending",),
        "on hold": ("on_hold",),
        "escalated": ("open",),
        "closed": ("closed", "resolved"),
    },
    statuses={"open": "New", "pending": "Working", "resolved": "Closed", "closed": "Closed"},
    priorities={"low": ("low",), "medium": ("normal",), "high": ("high", "urgent")},
    priorities_out={"low": "Low", "normal": "Medium", "high": "High", "urgent": "High"},
)
_PEM = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL)
_ORG = re.compile(r"00D[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?")
_SIGN_IN = ("domain", "client_id", "sign_in", "username", "sandbox")

FORM = ChannelForm(
    title="Salesforce",
    summary="Cases with their e-mails and comments in both directions, and what Salesforce knows of the contact.",
    group="CRMs and other systems",
    fields=(
        FormField(
            "domain",
            "My Domain address",
            required=True,
            placeholder="https://acme.my.salesforce.com",
            help="Under Setup > My Domain. login.salesforce.com does not do.",
        ),
        FormField(
            "sign_in",
            "Signing in",
            kind="choice",
            choices=(
                ("client", "Client credentials with a run-as user"),
                ("jwt", "A signed token (JWT) for a user"),
                ("refresh", "A refresh token"),
            ),
        ),
        FormField("client_id", "Consumer key", required=True),
        FormField("client_secret", "Consumer secret", kind="secret", help="Not needed for a signed token."),
        FormField(
            "reply_as",
            "Replies go out as",
            kind="choice",
            choices=(
                ("email", "E-mail that Salesforce sends and logs on the case"),
                ("comment", "Public case comment, for a portal"),
            ),
        ),
        FormField(
            "from_address",
            "E-mails come from",
            placeholder="support@example.com",
            help="A verified organisation-wide address. Empty: the address of the user the desk signs in as.",
        ),
        BEGIN,
        SHARE_CHANGES,
        SHARE_NOTES,
        FormField("username", "User name", is_advanced=True, help="For a signed token."),
        FormField("private_key", "Private key (PEM)", kind="secret", is_advanced=True, help="For a signed token."),
        FormField("sandbox", "This is a sandbox", kind="switch", is_advanced=True),
        FormField("refresh_token", "Refresh token", kind="secret", is_advanced=True),
        FormField(
            "org",
            "Organisation ID",
            is_advanced=True,
            placeholder="00D000000000001",
            help="Only for outbound messages: calls that name another organisation are turned away.",
        ),
        MEANINGS,
        STATUSES_OUT,
        POLL,
    ),
    steps=(
        SetupStep(
            "In Salesforce open Setup > External Client App Manager and create an app with OAuth, the scopes api and "
            "refresh_token, and the client credentials flow. In its policies name a run-as user."
        ),
        SetupStep(
            "The run-as user needs API Enabled and a permission set that reads Case, Contact and EmailMessage, edits "
            "Case, and creates CaseComment and EmailMessage. Nothing else."
        ),
        SetupStep("Copy consumer key and consumer secret into the form below. News are looked for by polling."),
        SetupStep(
            "So that news are here at once, an outbound message of a flow on Case may be sent to this address, with "
            "the field Id. Enter the organisation ID below then.",
            shows="webhook",
        ),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SalesforceSettings:
    domain: str
    sign_in: str
    client_id: str
    client_secret: Secret
    username: str
    private_key: Secret
    audience: str
    """Whom a signed token is for."""
    refresh_token: Secret
    reply_as: str
    from_address: str
    org: str
    begins_with_open: bool
    share_changes: bool
    share_notes: bool
    words: TicketWords
    poll_seconds: float


def configure(given: Mapping[str, Any], before: ConfiguredChannel | None, rules: EgressRules) -> ConfiguredChannel:
    """Raises InvalidInputError or RefusedAddressError."""
    before_domain = str(before.configuration["domain"]).rstrip("/") if before else ""
    if before is not None and str(given.get("domain", before_domain)).strip().rstrip("/") != before_domain:
        # Stored secrets are shown to the server they were given for, and to no other one.
        before = ConfiguredChannel(before.configuration, {})
    configured = FORM.read(given, before)
    stored = dict(configured.secrets)
    if before is not None and (
        any(stored.get(name) != before.secrets.get(name) for name in ("client_secret", "private_key", "refresh_token"))
        or any(configured.configuration[name] != before.configuration.get(name) for name in _SIGN_IN)
    ):
        stored.pop("access_token", None)
    made = ConfiguredChannel(configured.configuration, stored)
    settings = _read({**made.configuration, **made.secrets})
    try:
        check_host(rules, settings.domain, HOSTS, "Salesforce")
    except RefusedCallError as error:
        raise InvalidInputError(error.detail) from error
    _check(settings)
    return made


def _check(settings: SalesforceSettings) -> None:
    needed = {
        "client": (("Consumer secret", settings.client_secret),),
        "jwt": (("User name", settings.username), ("Private key", settings.private_key)),
        "refresh": (("Refresh token", settings.refresh_token),),
    }
    for label, value in needed[settings.sign_in]:
        if not value:
            msg = f"{label} is needed for this way of signing in"
            raise InvalidInputError(msg)
    if settings.sign_in == "client" and settings.domain.split("//")[-1] in {
        "login.salesforce.com", "test.salesforce.com",
    }:  # fmt: skip
        msg = "client credentials are taken by the My Domain address only, not by login.salesforce.com"
        raise InvalidInputError(msg)
    if settings.private_key:
        read_key(settings.private_key)
    if settings.org and not _ORG.fullmatch(settings.org):
        msg = "Organisation ID begins with 00D and has 15 or 18 characters"
        raise InvalidInputError(msg)


def read_key(given: Secret) -> RSAPrivateKey:
    """A field on one line loses the line ends of a PEM file; they are put back. Raises InvalidInputError."""
    found = _PEM.search(given.reveal())
    msg = "Private key must be an RSA key in a PEM file, without a password"
    if found is None:
        raise InvalidInputError(msg)
    kind, body = found.group(1), "".join(found.group(2).split())
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    try:
        key = load_pem_private_key(f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n".encode(), None)
    except (ValueError, TypeError) as error:
        raise InvalidInputError(msg) from error
    if not isinstance(key, RSAPrivateKey):
        raise InvalidInputError(msg)
    return key


def read_settings(stored: Mapping[str, Any]) -> SalesforceSettings:
    """Of a stored connection. Raises InvalidInputError."""
    try:
        return _read(stored)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"this Salesforce connection is not complete ({error}); fill in its form again"
        raise InvalidInputError(msg) from error


def _read(stored: Mapping[str, Any]) -> SalesforceSettings:
    return SalesforceSettings(
        domain=str(stored["domain"]).rstrip("/"),
        sign_in=str(stored["sign_in"]),
        client_id=str(stored["client_id"]),
        client_secret=Secret(str(stored.get("client_secret") or "")),
        username=str(stored["username"]),
        private_key=Secret(str(stored.get("private_key") or "")),
        audience="https://test.salesforce.com" if stored["sandbox"] else "https://login.salesforce.com",
        refresh_token=Secret(str(stored.get("refresh_token") or "")),
        reply_as=str(stored["reply_as"]),
        from_address=str(stored["from_address"]),
        org=str(stored["org"]),
        begins_with_open=stored["begin"] == "open",
        share_changes=bool(stored["share_changes"]),
        share_notes=bool(stored["share_notes"]),
        words=WORDS.with_own(str(stored["statuses"]), str(stored["statuses_out"])),
        poll_seconds=max(float(stored["poll_seconds"]), 60.0),
    )
