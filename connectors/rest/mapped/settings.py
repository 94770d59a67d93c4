"""A connection to a system that speaks JSON, as it is stored and as it is used."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from connectors.rest.mapped.expressions import Expression
from connectors.rest.mapped.form import FORM, LOOK_UP_VALUES, REPLY_VALUES
from connectors.rest.mapped.templates import check_address, check_body
from connectors.rest.signature import decode_secret
from desk.egress import EgressRules
from desk.errors import InvalidInputError
from desk.ports import ConfiguredChannel
from desk.secret import Secret

SHORTEST_SECRET = 16
_MESSAGE = (
    "items", "body", "subject", "ticket_id", "message_id", "customer_id", "customer_email", "customer_name",
    "attachments", "sent_at", "author", "skip", "sent_when", "reply_id", "lookup_found", "lookup_id", "poll_items",
    "poll_cursor",
)  # fmt: skip
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OURS = frozenset({
    "host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect",
    "idempotency-key", "webhook-id", "webhook-timestamp", "webhook-signature", "accept-encoding", "cookie",
})  # fmt: skip
"""Headers that a tenant's form does not set."""
_ADDRESSES = {
    "reply_url": REPLY_VALUES,
    "lookup_url": LOOK_UP_VALUES,
    "poll_url": frozenset({"cursor"}),
    "contact_url": frozenset({"customer_id"}),
    "token_url": frozenset[str](),
}


@dataclass(frozen=True, slots=True)
class MappedSettings:
    signature: str
    signing_secrets: tuple[Secret, ...]
    """Newest first; two while one is being replaced."""
    signature_header: str
    """In lower case."""
    signature_prefix: str
    signature_encoding: str
    body_kind: str
    found_at: Mapping[str, Expression]
    """By the name of the field of the form."""
    addresses: Mapping[str, str] = field(repr=False)
    auth: str
    auth_name: str
    auth_secret: Secret
    scope: str
    reply_method: str
    reply_template: str
    retry_statuses: frozenset[int]
    is_idempotent: bool
    poll_start: str
    poll_seconds: float
    facts: Mapping[str, Expression]
    """What to show of a customer, by its label, in order."""


def configure(given: Mapping[str, Any], before: ConfiguredChannel | None, rules: EgressRules) -> ConfiguredChannel:
    """Raises InvalidInputError or RefusedAddressError."""
    if before is not None and _moves(given, before):
        # Stored credentials are shown to the hosts they were given for, and to no other ones.
        kept = {name: value for name, value in before.secrets.items() if not name.startswith(("auth_", "access_"))}
        before = ConfiguredChannel(before.configuration, kept)
    configured = FORM.read(given, before)
    stored = dict(configured.secrets)
    known = str(before.secrets.get("signing_secret") or "") if before else ""
    if not stored.get("signing_secret"):
        stored["signing_secret"] = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    elif known and stored["signing_secret"] != known:
        stored["previous_signing_secret"] = known
    if configured.configuration["auth"] == "oauth" and (before is None or stored != dict(before.secrets)):
        stored.pop("access_token", None)
    for name, allowed in _ADDRESSES.items():
        if address := str(configured.configuration[name]):
            check_address(_label(name), address, allowed, rules)
    check_body(_label("reply_template"), str(configured.configuration["reply_template"]), REPLY_VALUES)
    made = ConfiguredChannel(configured.configuration, stored)
    _check(_read({**made.configuration, **made.secrets}))
    return made


def read_settings(stored: Mapping[str, Any]) -> MappedSettings:
    """Of a stored connection. Raises InvalidInputError."""
    try:
        return _read(stored)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"this connection is not complete ({error}); fill in its form again"
        raise InvalidInputError(msg) from error


def _read(stored: Mapping[str, Any]) -> MappedSettings:
    signature = str(stored["signature"])
    header = str(stored["signature_header"]) or ("Authorization" if signature == "token" else "X-Signature")
    prefix = str(stored["signature_prefix"])
    if not prefix and signature == "token" and header.lower() == "authorization":
        prefix = "Bearer"
    previous = str(stored.get("previous_signing_secret") or "")
    return MappedSettings(
        signature=signature,
        signing_secrets=tuple(Secret(each) for each in (str(stored["signing_secret"]), previous) if each),
        signature_header=header.lower(),
        signature_prefix=prefix,
        signature_encoding=str(stored["signature_encoding"]),
        body_kind=str(stored["body_kind"]),
        found_at={name: Expression(_label(name), str(stored[name])) for name in _MESSAGE},
        addresses={name: str(stored[name]) for name in _ADDRESSES},
        auth=str(stored["auth"]),
        auth_name=str(stored["auth_name"]),
        auth_secret=Secret(str(stored.get("auth_secret") or "")),
        scope=str(stored["scope"]),
        reply_method=str(stored["reply_method"]),
        reply_template=str(stored["reply_template"]),
        retry_statuses=_statuses(str(stored["retry_statuses"])),
        is_idempotent=bool(stored["is_idempotent"]),
        poll_start=str(stored["poll_start"]),
        poll_seconds=max(float(stored["poll_seconds"]), 15.0),
        facts=_facts(str(stored["contact_facts"])),
    )


def _check(settings: MappedSettings) -> None:
    """What only matters together. Raises InvalidInputError."""
    for secret in settings.signing_secrets[:1]:
        if settings.signature == "standard":
            decode_secret(secret)
        elif len(secret.reveal()) < SHORTEST_SECRET:
            msg = f"Secret must have at least {SHORTEST_SECRET} characters"
            raise InvalidInputError(msg)
    if not _HEADER.fullmatch(settings.signature_header):
        msg = f"{_label('signature_header')}: this is no name of a header"
        raise InvalidInputError(msg)
    if settings.auth != "none" and not settings.auth_secret:
        msg = f"{_label('auth_secret')} is needed for this way of signing in"
        raise InvalidInputError(msg)
    if settings.auth == "header" and (not _HEADER.fullmatch(settings.auth_name) or settings.auth_name.lower() in _OURS):
        msg = f"{_label('auth_name')}: '{settings.auth_name}' is no header that can be set"
        raise InvalidInputError(msg)
    if settings.auth == "oauth" and not settings.addresses["token_url"]:
        msg = "Token address is needed for OAuth 2"
        raise InvalidInputError(msg)
    if not settings.auth_secret.reveal().isprintable():
        msg = f"{_label('auth_secret')} must be on one line"
        raise InvalidInputError(msg)
    if settings.addresses["lookup_url"] and not settings.found_at["lookup_found"]:
        msg = f"{_label('lookup_found')} is needed where a reply can be looked up"
        raise InvalidInputError(msg)


def _label(name: str) -> str:
    return next(each.label for each in FORM.fields if each.name == name)


def _statuses(written: str) -> frozenset[int]:
    try:
        found = frozenset(int(each) for each in re.split(r"[\s,;]+", written) if each)
    except ValueError as error:
        msg = f"{_label('retry_statuses')} must be numbers such as 429"
        raise InvalidInputError(msg) from error
    if any(not 400 <= each <= 599 for each in found):
        msg = f"{_label('retry_statuses')} must lie between 400 and 599"
        raise InvalidInputError(msg)
    return found


def _facts(written: str) -> dict[str, Expression]:
    found: dict[str, Expression] = {}
    for line in filter(str.strip, written.splitlines()):
        label, sign, expression = line.partition("=")
        if not sign or not label.strip() or not expression.strip():
            msg = f"{_label('contact_facts')}: write one a line, such as 'Plan = plan.name'; this is none: {line!r}"
            raise InvalidInputError(msg)
        found[label.strip()] = Expression(label.strip(), expression.strip())
    return found


def _moves(given: Mapping[str, Any], before: ConfiguredChannel) -> bool:
    """Whether an address that is signed in to now leads to another host."""

    def host(address: object) -> str:
        return urlsplit(str(address or "")).netloc.lower()

    names = [name for name in _ADDRESSES if name in given]
    known = {host(before.configuration.get(name)) for name in _ADDRESSES} - {""}
    return bool(known) and any(host(given[name]) not in {*known, ""} for name in names)
