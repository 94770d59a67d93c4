"""What an e-mail connection is configured with, and the check of its form."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from connectors.email.presets import GOOGLE, MICROSOFT, Security, SignIn, preset_for
from desk.egress import EgressRules
from desk.errors import InvalidInputError
from desk.ports import ConfiguredChannel
from desk.secret import Secret

SECURITIES = ("tls", "starttls", "none")
SIGN_INS = ("password", "google", "microsoft")
IMAP_PORTS = frozenset({143, 993})
SMTP_PORTS = frozenset({25, 465, 587, 2525})
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}@[^\s@<>()\[\],;:\\\"]{1,253}")
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Server:
    host: str
    port: int
    security: Security


@dataclass(frozen=True, slots=True)
class EmailSettings:
    address: str
    name: str
    sign_in: SignIn
    username: str
    imap: Server
    smtp: Server
    folder: str
    sent_folder: str
    """"" for the one the server marks as such."""
    save_sent: bool
    """Put a copy of every reply into the Sent folder, where the provider does not do so by itself."""
    plus_addresses: bool
    """Replies ask to be answered at `address+token`, by which their ticket is known."""
    trusted_authserv: str
    """The name under which the own mail server writes Authentication-Results; "" believes none."""
    client_id: str
    directory: str
    """Of Microsoft: the tenant's id or domain, else `common`."""
    reply_key: Secret
    password: Secret
    client_secret: Secret
    refresh_token: Secret

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


_TEXTS = (
    "address", "name", "sign_in", "username", "imap_host", "imap_security", "smtp_host", "smtp_security", "folder",
    "sent_folder", "trusted_authserv", "client_id", "directory",
)  # fmt: skip
_PORTS = ("imap_port", "smtp_port")
_FLAGS = ("save_sent", "plus_addresses")
_SECRETS = ("password", "client_secret", "refresh_token")
_GIVEN = frozenset({*_TEXTS, *_PORTS, *_FLAGS, *_SECRETS})


def read_settings(stored: Mapping[str, Any]) -> EmailSettings:
    """Of a stored connection. Raises InvalidInputError when something is missing."""
    try:
        return EmailSettings(
            address=str(stored["address"]),
            name=str(stored["name"]),
            sign_in=stored["sign_in"],
            username=str(stored["username"]),
            imap=Server(str(stored["imap_host"]), int(stored["imap_port"]), stored["imap_security"]),
            smtp=Server(str(stored["smtp_host"]), int(stored["smtp_port"]), stored["smtp_security"]),
            folder=str(stored["folder"]),
            sent_folder=str(stored["sent_folder"]),
            save_sent=bool(stored["save_sent"]),
            plus_addresses=bool(stored["plus_addresses"]),
            trusted_authserv=str(stored["trusted_authserv"]),
            client_id=str(stored["client_id"]),
            directory=str(stored["directory"]),
            reply_key=Secret(str(stored["reply_key"])),
            **{name: Secret(str(stored.get(name) or "")) for name in _SECRETS},
        )
    except (KeyError, TypeError, ValueError) as error:
        msg = f"this e-mail connection is not complete ({error}); fill in its form again"
        raise InvalidInputError(msg) from error


def configure(given: Mapping[str, Any], before: ConfiguredChannel | None, rules: EgressRules) -> ConfiguredChannel:
    """What is left out keeps its value; a new connection takes it from the provider's preset.

    Raises InvalidInputError or RefusedAddressError.
    """
    if unknown := sorted(set(given) - _GIVEN):
        msg = f"an e-mail connection has no setting {', '.join(unknown)}"
        raise InvalidInputError(msg)
    address = _text(given.get("address", before.configuration["address"] if before else ""), "address").lower()
    if not _ADDRESS.fullmatch(address):
        msg = "address must be an e-mail address, such as support@example.com"
        raise InvalidInputError(msg)
    values = {**(_defaults(address) if before is None else before.configuration), "address": address}
    for name in _TEXTS[1:]:
        if name in given:
            values[name] = _text(given[name], name)
    for name in _PORTS:
        if name in given:
            values[name] = _port(given[name], name)
    for name in _FLAGS:
        if name in given:
            values[name] = given[name] in (True, "1", "true", "on")
    values["username"] = values["username"] or address
    values["folder"] = values["folder"] or "INBOX"
    _check(values, rules)
    return ConfiguredChannel(values, _secrets(given, before, values))


def _defaults(address: str) -> dict[str, Any]:
    preset = preset_for(address)
    return {
        "name": "",
        "sign_in": preset.sign_in,
        "username": "",
        "imap_host": preset.imap_host,
        "imap_port": preset.imap_port,
        "imap_security": "tls",
        "smtp_host": preset.smtp_host,
        "smtp_port": preset.smtp_port,
        "smtp_security": preset.smtp_security,
        "folder": "INBOX",
        "sent_folder": "",
        "save_sent": not preset.saves_sent,
        "plus_addresses": True,
        "trusted_authserv": "",
        "client_id": "",
        "directory": "",
    }


def _check(values: Mapping[str, Any], rules: EgressRules) -> None:
    _one_of("sign_in", values["sign_in"], SIGN_INS)
    for part, ports in (("imap", IMAP_PORTS), ("smtp", SMTP_PORTS)):
        _one_of(f"{part}_security", values[f"{part}_security"], SECURITIES)
        target = rules.check_server(values[f"{part}_host"], values[f"{part}_port"], ports)
        if values[f"{part}_security"] == "none" and not target.allowed:
            msg = f"{part}_security must be tls or starttls: a password never travels in the open"
            raise InvalidInputError(msg)
    fixed = {"google": GOOGLE, "microsoft": MICROSOFT}.get(values["sign_in"])
    if fixed is not None:
        for part, host in (("imap", fixed.imap_host), ("smtp", fixed.smtp_host)):
            # A token of Google or Microsoft opens the whole mailbox: it is shown to their servers only.
            given, port = values[f"{part}_host"], values[f"{part}_port"]
            if given != host and not rules.check_server(given, port, {port}).allowed:
                msg = f"{part}_host must be {host} when signing in with {fixed.name}"
                raise InvalidInputError(msg)


def _secrets(given: Mapping[str, Any], before: ConfiguredChannel | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """An empty secret keeps the one before, except where it would be shown to another server than it was given for."""
    kept = dict(before.secrets) if before is not None else {}
    if before is not None and any(
        before.configuration[name] != values[name] for name in ("imap_host", "smtp_host", "username", "sign_in")
    ):
        kept = {name: value for name, value in kept.items() if name in {"reply_key", "client_secret"}}
    fresh = {name: _text(given[name], name) for name in _SECRETS if given.get(name)}
    if fresh.keys() & {"refresh_token", "client_secret"}:
        kept = {name: value for name, value in kept.items() if name not in {"access_token", "expires_at"}}
    made = {} if kept.get("reply_key") else {"reply_key": secrets.token_urlsafe(32)}
    return {**kept, **made, **fresh}


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        msg = f"{name} must be text"
        raise InvalidInputError(msg)
    # Google shows app passwords with blanks between; they belong to none of these values.
    text = value.strip()
    longest = _LONGEST if name not in _SECRETS else 20_000
    if len(text) > longest or any(ord(letter) < 32 for letter in text):
        msg = f"{name} must be one line of at most {longest:,} characters"
        raise InvalidInputError(msg)
    return text


def _port(value: object, name: str) -> int:
    try:
        return int(cast("str", value))
    except (TypeError, ValueError) as error:
        msg = f"{name} must be a port number"
        raise InvalidInputError(msg) from error


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        msg = f"{name} must be one of {', '.join(allowed)}"
        raise InvalidInputError(msg)
