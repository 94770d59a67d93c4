"""Handing one message to an SMTP server, once (RFC 5321, 6409), through aiosmtplib.

Until the last byte of the message is sent, nothing has been accepted. After it, only the server's answer tells.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import aiosmtplib

from connectors.email.settings import SMTP_PORTS, EmailSettings
from connectors.email.sockets import open_socket, trusted_authorities
from desk.egress import EgressRules
from desk.errors import ChannelError
from desk.ports import SendOutcome

ANSWER_SECONDS = 60.0
GREYLISTED_SECONDS = 300.0


async def submit(
    settings: EmailSettings, rules: EgressRules, token: str, *, recipient: str, message: bytes
) -> SendOutcome:
    """Raises nothing for what the server does."""
    try:
        async with signed_in(settings, rules, token) as client:
            return await _hand_over(client, settings, recipient, message)
    except ChannelError as error:
        return SendOutcome("failed" if error.reason in {"sign_in", "settings"} else "retry", error.detail)


@asynccontextmanager
async def signed_in(settings: EmailSettings, rules: EgressRules, token: str) -> AsyncGenerator[aiosmtplib.SMTP]:
    """Raises ChannelError; what happens inside is the caller's."""
    connected = await open_socket(rules, settings.smtp, SMTP_PORTS)
    client = aiosmtplib.SMTP(
        hostname=settings.smtp.host,
        sock=connected,
        use_tls=settings.smtp.security == "tls",
        # Required: where the server does not offer it (or somebody in between hides it) nothing is said any more.
        start_tls=settings.smtp.security == "starttls",
        tls_context=None if settings.smtp.security == "none" else trusted_authorities(),
        timeout=ANSWER_SECONDS,
        local_hostname=settings.domain,
    )
    try:
        await _connect(client, settings, token)
        yield client
    finally:
        with suppress(aiosmtplib.SMTPException, OSError):
            client.close()
        connected.close()


async def _connect(client: aiosmtplib.SMTP, settings: EmailSettings, token: str) -> None:
    try:
        await client.connect()
        if settings.sign_in != "password":
            await client.auth_xoauth2(settings.username, token)
        elif settings.password:
            await client.login(settings.username, settings.password.reveal())
        else:
            await client.ehlo()
    except (aiosmtplib.SMTPAuthenticationError, aiosmtplib.SMTPNotSupported) as error:
        code = error.code if isinstance(error, aiosmtplib.SMTPAuthenticationError) else 535
        passing = 400 <= code < 500
        words = f"the server refused the sign-in: {_words(error)}"
        raise ChannelError("network" if passing else "sign_in", words) from error
    except ssl.SSLError as error:
        raise ChannelError("tls", f"no trusted encrypted connection: {error}") from error
    except aiosmtplib.SMTPResponseException as error:
        raise ChannelError("network" if error.code < 500 else "settings", _words(error)) from error
    except (aiosmtplib.SMTPException, OSError) as error:  # TimeoutError is an OSError
        if isinstance(error.__cause__, ssl.SSLError):
            raise ChannelError("tls", f"no trusted encrypted connection: {error.__cause__}") from error
        raise ChannelError("network", f"the connection was lost: {_words(error)}") from error


async def _hand_over(client: aiosmtplib.SMTP, settings: EmailSettings, recipient: str, message: bytes) -> SendOutcome:
    size = str(client.esmtp_extensions.get("size") or "")
    if size.isdigit() and 0 < int(size) < len(message):
        return SendOutcome("failed", f"the message has {len(message):,} bytes and the server takes {int(size):,}")
    try:
        await client.mail(settings.address, options=_options(client, settings.address, recipient))
        await client.rcpt(recipient)
    except aiosmtplib.SMTPResponseException as error:
        return _refused(error)
    except (aiosmtplib.SMTPException, OSError) as error:
        return SendOutcome("retry", f"the connection was lost before anything was sent ({_words(error)})")
    try:
        answer = await client.data(message)
    except aiosmtplib.SMTPResponseException as error:
        return _refused(error)
    except (aiosmtplib.SMTPException, OSError, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError):
            raise
        return SendOutcome("uncertain", f"the connection was lost while it was being sent ({_words(error)})")
    with suppress(aiosmtplib.SMTPException, OSError):
        await client.quit()
    return SendOutcome("sent", " ".join(str(answer.message).split())[:200])


def _options(client: aiosmtplib.SMTP, *addresses: str) -> list[str]:
    plain = all(address.isascii() for address in addresses)
    return [] if plain or not client.supports_extension("smtputf8") else ["SMTPUTF8"]


def _refused(error: aiosmtplib.SMTPResponseException) -> SendOutcome:
    """4xx: not now. 5xx: never as it is (RFC 5321 section 4.2.1)."""
    words = _words(error)
    if 400 <= error.code < 500:
        # Greylisting wants some minutes, and a too early second try makes some servers start over.
        return SendOutcome("retry", words, retry_after_seconds=GREYLISTED_SECONDS)
    return SendOutcome("failed", words)


def _words(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {' '.join(str(error.message).split())}"[:300]
    return (str(error).strip() or type(error).__name__)[:300]
