"""Real counterparts on loopback: Dovecot for IMAP, and an SMTP server that does as it is told."""

from __future__ import annotations

import asyncio
import getpass
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from imapclient import IMAPClient

USER, PASSWORD = "support@acme.test", "opensesame"
DOVECOT = shutil.which("dovecot") or ("/usr/sbin/dovecot" if Path("/usr/sbin/dovecot").exists() else None)
needs_dovecot = pytest.mark.skipif(DOVECOT is None, reason="Dovecot is not installed (Debian: dovecot-imapd)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Imap:
    port: int
    folder: Path

    def client(self, user: str = USER) -> Any:
        """An IMAPClient, whose methods are only partly typed."""
        client = IMAPClient("127.0.0.1", self.port, ssl=False, timeout=10)
        client.login(user, PASSWORD)
        return client

    def deliver(self, *mails: bytes, user: str = USER, mailbox: str = "INBOX") -> None:
        client = self.client(user)
        for mail in mails:
            client.append(mailbox, mail)
        client.logout()

    def content(self, mailbox: str, user: str = USER) -> list[EmailMessage]:
        client = self.client(user)
        client.select_folder(mailbox, readonly=True)
        found = client.fetch(client.search(), ["BODY.PEEK[]"])
        client.logout()
        return [message_from_bytes(each[b"BODY[]"], policy=default) for each in found.values()]

    def seen(self, user: str = USER) -> int:
        client = self.client(user)
        client.select_folder("INBOX", readonly=True)
        number = len(client.search(["SEEN"]))
        client.logout()
        return number

    def renew_validity(self, user: str = USER) -> None:
        """As a restored or rebuilt mailbox: the same mails under new numbers."""
        mails = [mail.as_bytes() for mail in self.content("INBOX", user)]
        shutil.rmtree(self.folder / "mail" / user)
        time.sleep(1.1)  # a validity is made of the second in which its mailbox was
        self.deliver(*mails, user=user)


@contextmanager
def dovecot() -> Generator[Imap]:
    """A Dovecot of its own: any user signs in with one password. Its folder is where its other users may go."""
    with tempfile.TemporaryDirectory(prefix="dovecot-") as folder:
        Path(folder).chmod(0o755)
        yield from _dovecot(Path(folder))


def _dovecot(folder: Path) -> Generator[Imap]:
    assert DOVECOT is not None
    port = free_port()
    me = "nobody" if os.getuid() == 0 else getpass.getuser()
    group = grp.getgrgid(pwd.getpwnam(me).pw_gid).gr_name
    mail = folder / "mail"
    mail.mkdir(exist_ok=True)
    if os.getuid() == 0:
        shutil.chown(mail, me, group)
    own_users = f"default_internal_user = {me}\ndefault_login_user = {me}\ndefault_internal_group = {group}"
    configuration = folder / "dovecot.conf"
    configuration.write_text(
        f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
{own_users if os.getuid() != 0 else ""}
mail_location = sdbox:{mail}/%u
mail_uid = {me}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
mailbox_idle_check_interval = 1 secs
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={me} gid={group} home={mail}/%u
}}
namespace inbox {{
  inbox = yes
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
""",
        encoding="utf-8",
    )
    process = subprocess.Popen([DOVECOT, "-F", "-c", str(configuration)], stdout=subprocess.DEVNULL)
    try:
        _wait_for_port(port, process, folder / "dovecot.log")
        yield Imap(port, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text() if log.exists() else "Dovecot ended at once"
        time.sleep(0.05)
    raise AssertionError("Dovecot did not listen")


@dataclass
class Outbox:
    """What an SMTP server was handed, and how it is to answer: by recipient, or to the data of the next mails."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list[EmailMessage])
    raw: list[bytes] = field(default_factory=list[bytes])
    recipients: list[str] = field(default_factory=list[str])
    refuse: dict[str, str] = field(default_factory=dict[str, str])
    after_data: list[str] = field(default_factory=list[str])
    """In turn: an answer such as `451 try later`, or `drop` for taking the mail and hanging up, or "" for yes."""
    on_mail: Callable[[bytes, str], None] | None = None
    decide: Callable[[bytes, str], str] | None = None
    """Asked for what to do with each mail, in words as above; `drop untaken` hangs up without having taken it."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's names
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        what = self.after_data.pop(0) if self.after_data else ""
        if self.decide is not None:
            what = await asyncio.to_thread(self.decide, raw, envelope.rcpt_tos[0])
        if what == "drop untaken":
            self._hang_up(server)
        if what and what != "drop":
            return what
        self.raw.append(raw)
        self.mails.append(message_from_bytes(raw, policy=default))
        self.recipients += envelope.rcpt_tos
        if self.on_mail is not None:
            await asyncio.to_thread(self.on_mail, raw, envelope.rcpt_tos[0])
        if what == "drop":
            self._hang_up(server)
        return "250 2.0.0 taken"

    @staticmethod
    def _hang_up(server: SMTP) -> None:
        transport: Any = server.transport
        transport.abort()


def _authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    right = getattr(data, "password", b"") == PASSWORD.encode()
    return AuthResult(success=right, handled=False)


@contextmanager
def smtp_server(*, sign_in: bool = True) -> Generator[Outbox]:
    outbox = Outbox()
    controller = Controller(
        outbox,
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=_authenticate if sign_in else None,
        auth_require_tls=False,
    )
    controller.start()
    outbox.port = controller.port
    try:
        yield outbox
    finally:
        controller.stop()
