"""Reading a mailbox by IMAP (RFC 3501, 2177), through IMAPClient in a thread of its own.

The cursor is UIDVALIDITY and the next UID, never the \\Seen flag, because people read the same mailbox. A message is
only looked at (`BODY.PEEK`), so nothing changes for them.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any, TypeVar, cast

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError
from imapclient.imap4 import IMAP4WithTimeout
from imapclient.imapclient import SEEN, SENT
from imapclient.tls import IMAP4_TLS

from connectors.email.incoming import raw_message
from connectors.email.settings import IMAP_PORTS, EmailSettings, Server
from connectors.email.sockets import open_socket, trusted_authorities
from desk.egress import EgressRules
from desk.errors import ChannelError
from desk.ports import Batch, RawMessage

ANSWER_SECONDS = 30.0
IDLE_SECONDS = 240.0
"""Below the 5 minutes after which some networks forget a silent connection, and the 29 of RFC 2177."""
GAP_SECONDS = 60.0
"""How often a mailbox is looked at in any case: a server may forget to tell."""
POLL_SECONDS = 15.0
"""Where the server cannot tell by itself."""
LARGEST_MESSAGE = 25_000_000
BATCH = 20
_SLICE_SECONDS = 2.0
_CODE = re.compile(r"\[([A-Z]+)[^\]]*\]")

_Result = TypeVar("_Result")
_Client = Any
"""An IMAPClient, whose methods are only partly typed."""


class _PinnedClient(IMAPClient):
    """IMAPClient on a socket that is connected already, to an address that was checked."""

    def __init__(self, server: Server, connected: socket.socket) -> None:
        self._connected = connected
        super().__init__(server.host, server.port, ssl=server.security == "tls", timeout=ANSWER_SECONDS)

    def _create_IMAP4(self) -> Any:  # noqa: N802 - IMAPClient's name
        connected, host, port = self._connected, self.host, self.port

        class Tls(IMAP4_TLS):
            def _create_socket(self, timeout: float | None = None) -> socket.socket:
                connected.settimeout(timeout or ANSWER_SECONDS)
                return trusted_authorities().wrap_socket(connected, server_hostname=host)

        class Plain(IMAP4WithTimeout):
            def _create_socket(self, timeout: float | None = None) -> socket.socket:
                connected.settimeout(timeout or ANSWER_SECONDS)
                return connected

        return Tls(host, port, trusted_authorities(), ANSWER_SECONDS) if self.ssl else Plain(host, port, ANSWER_SECONDS)


class Mailbox:
    """One signed-in connection. All its work runs in one thread; cancelling closes the socket under it."""

    def __init__(self, client: IMAPClient, thread: ThreadPoolExecutor) -> None:
        self._client = client
        self._thread = thread

    async def run(self, work: Callable[[_Client], _Result]) -> _Result:
        """Raises ChannelError."""
        running = asyncio.get_running_loop().run_in_executor(self._thread, work, self._client)
        try:
            return await running
        except asyncio.CancelledError:
            self.cut()
            raise
        except (IMAPClientError, OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise as_channel_error(error) from error

    def cut(self) -> None:
        with suppress(OSError, AttributeError):
            self._client.socket().shutdown(socket.SHUT_RDWR)


@asynccontextmanager
async def open_mailbox(settings: EmailSettings, rules: EgressRules, token: str) -> AsyncGenerator[Mailbox]:
    """`token` is the access token where the connection signs in by OAuth. Raises ChannelError."""
    connected = await open_socket(rules, settings.imap, IMAP_PORTS)
    connected.setblocking(True)
    thread = ThreadPoolExecutor(1, thread_name_prefix="mailbox")
    try:
        client = await _in_thread(thread, connected, lambda: _signed_in(settings, connected, token))
        mailbox = Mailbox(client, thread)
        try:
            yield mailbox
        finally:
            mailbox.cut()
            thread.submit(_close, client)
    finally:
        connected.close()
        thread.shutdown(wait=False)


def _close(client: IMAPClient) -> None:
    with suppress(OSError, IMAPClientError, AttributeError):
        client.shutdown()


async def _in_thread(thread: ThreadPoolExecutor, connected: socket.socket, work: Callable[[], _Result]) -> _Result:
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, work)
    except asyncio.CancelledError:
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)
        raise
    except (IMAPClientError, OSError, ValueError) as error:
        raise as_channel_error(error) from error


def _signed_in(settings: EmailSettings, connected: socket.socket, token: str) -> IMAPClient:
    with ExitStack() as unless_signed_in:
        client = _PinnedClient(settings.imap, connected)
        unless_signed_in.callback(_close, client)
        if settings.imap.security == "starttls":
            # Required: where the server does not offer it (or somebody in between hides it) nothing is said any more.
            client.starttls(trusted_authorities())  # pyright: ignore[reportUnknownMemberType] - partly typed
        if settings.sign_in == "password":
            client.login(settings.username, settings.password.reveal())
        else:
            try:
                client.oauth2_login(settings.username, token)
            except IMAPClientError as error:
                raise LoginError(str(error)) from error
        unless_signed_in.pop_all()
    return client


def as_channel_error(error: Exception) -> ChannelError:
    """By what the server said, else by what went wrong on the way (the sheet's table of errors)."""
    words = str(error).strip()[:300] or type(error).__name__
    code = found[1] if (found := _CODE.search(words.upper())) else ""
    if code in {"UNAVAILABLE", "INUSE", "SERVERBUG"}:
        return ChannelError("network", words)
    if isinstance(error, LoginError) or code in {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED"}:
        return ChannelError("sign_in", f"the server refused the sign-in: {words}")
    if isinstance(error, ssl.SSLError):
        return ChannelError("tls", f"no trusted encrypted connection: {words}")
    if code in {"OVERQUOTA"}:
        return ChannelError("quota", words)
    if isinstance(error, OSError | IMAPClient.AbortError):
        return ChannelError("network", f"the connection was lost: {words}")
    return ChannelError("protocol", words)


class MailboxFeed:
    """`desk.ports.Feed` over one folder."""

    def __init__(self, mailbox: Mailbox, settings: EmailSettings) -> None:
        self._mailbox = mailbox
        self._settings = settings
        self._idles: bool | None = None
        self._next = 0

    async def fetch(self, cursor: Mapping[str, Any]) -> Batch:
        batch = await self._mailbox.run(lambda client: self._fetch(client, cursor))
        self._next = int(batch.cursor["next"])
        return batch

    def _fetch(self, client: _Client, cursor: Mapping[str, Any]) -> Batch:
        status = cast("Mapping[bytes, Any]", client.select_folder(self._settings.folder, readonly=True))
        validity, following = int(status[b"UIDVALIDITY"]), int(status.get(b"UIDNEXT") or 0)
        if not cursor:
            # A new connection begins with what comes from now on: a mailbox of years is not answered.
            return Batch((), {"validity": validity, "next": following or _newest(client) + 1})
        # Another validity means that all numbers are new: everything is read again, and what is known has no effect.
        start = int(cursor["next"]) if cursor["validity"] == validity else 1
        # `n:*` names the last message even when its number is below n (RFC 3501 section 6.4.8).
        found = sorted(uid for uid in cast("list[int]", client.search(["UID", f"{start}:*"])) if uid >= start)
        taken = found[:BATCH]
        messages = tuple(message for uid in taken if (message := _read(client, uid)) is not None)
        position = taken[-1] + 1 if taken else max(start, following)
        return Batch(messages, {"validity": validity, "next": position}, more=len(found) > len(taken))

    async def wait(self, seconds: float) -> None:
        if self._idles is None:
            self._idles = await self._mailbox.run(lambda client: bool(client.has_capability("IDLE")))
        if not self._idles:
            await asyncio.sleep(min(POLL_SECONDS, seconds))
            return
        if await self._mailbox.run(self._begin_idling):
            return
        ends = asyncio.get_running_loop().time() + min(seconds, GAP_SECONDS, IDLE_SECONDS)
        told = False
        while not told and (left := ends - asyncio.get_running_loop().time()) > 0:
            told = await self._mailbox.run(lambda client, left=left: _told_of_more(client, min(left, _SLICE_SECONDS)))
        await self._mailbox.run(lambda client: client.idle_done())

    def _begin_idling(self, client: _Client) -> bool:
        """True when there is something new already. The folder is opened anew just before, because what a server tells
        in the middle of other commands is not told again."""
        status = cast("Mapping[bytes, Any]", client.select_folder(self._settings.folder, readonly=True))
        if int(status.get(b"UIDNEXT") or 0) > self._next:
            return True
        client.idle()
        return False


def _told_of_more(client: _Client, seconds: float) -> bool:
    answers = cast("list[tuple[Any, ...]]", client.idle_check(timeout=seconds))
    return any(len(each) > 1 and each[1] in {b"EXISTS", b"RECENT"} for each in answers)


def _newest(client: _Client) -> int:
    return max(cast("list[int]", client.search(["UID", "*"])), default=0)


def _read(client: _Client, uid: int) -> RawMessage | None:
    """None when somebody has deleted it meanwhile."""
    sizes = cast("Mapping[int, Mapping[bytes, Any]]", client.fetch([uid], ["RFC822.SIZE"]))
    if uid not in sizes:
        return None
    size = int(sizes[uid][b"RFC822.SIZE"])
    wanted = "BODY.PEEK[]" if size <= LARGEST_MESSAGE else "BODY.PEEK[HEADER]"
    parts = cast("Mapping[int, Mapping[bytes, Any]]", client.fetch([uid], [wanted])).get(uid)
    if parts is None:
        return None
    raw = cast("bytes", parts[b"BODY[]" if size <= LARGEST_MESSAGE else b"BODY[HEADER]"])
    return raw_message(raw if size <= LARGEST_MESSAGE else left_out(raw, size))


def left_out(header: bytes, size: int) -> bytes:
    """The header of a message that is too large to fetch, with a note of its size before its own lines."""
    return f"X-Desk-Left-Out: {size}\r\n".encode() + header


def look_around(client: _Client, settings: EmailSettings) -> bool:
    """Open the folder; whether the server tells of new mail by itself."""
    client.select_folder(settings.folder, readonly=True)
    return bool(client.has_capability("IDLE"))


def sent_folder(client: _Client, settings: EmailSettings) -> str | None:
    return settings.sent_folder or client.find_special_folder(SENT)


def find_sent(client: _Client, settings: EmailSettings, message_id: str) -> bool:
    """Whether a copy lies in the Sent folder."""
    folder = sent_folder(client, settings)
    if folder is None:
        return False
    client.select_folder(folder, readonly=True)
    return bool(cast("list[int]", client.search(["HEADER", "Message-ID", message_id])))


def save_sent(client: _Client, settings: EmailSettings, message: bytes) -> bool:
    folder = sent_folder(client, settings)
    if folder is None:
        return False
    client.append(folder, message, flags=[SEEN])
    return True
