"""A tenant with a mailbox."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from desk.db.roles import DatabaseAddress
from desk.installation import Installation
from desk.settings import load_settings
from desk.wiring import build
from tests.conftest import new_owner
from tests.connectors.email.servers import Imap, Outbox, dovecot, smtp_server
from tests.database import ENCRYPTION_KEY, SECRET_KEY
from tests.desk.inbound.mail_desk import MailDesk, at_work


@pytest.fixture(scope="session")
def imap() -> Generator[Imap]:
    with dovecot() as running:
        yield running


@pytest.fixture
def outbox() -> Generator[Outbox]:
    with smtp_server() as running:
        yield running


@pytest.fixture
async def mail_installation(fresh_address: DatabaseAddress, tmp_path: Path) -> AsyncGenerator[Installation]:
    settings = load_settings(
        {
            "DESK_DATA_DIR": str(tmp_path),
            "DESK_SECRET_KEY": SECRET_KEY.reveal(),
            "DESK_ENCRYPTION_KEYS": ENCRYPTION_KEY.reveal(),
            "DESK_DEBOUNCE_SECONDS": "0",
            "DESK_PUBLIC_URL": "http://desk.test",
            "DESK_EGRESS_ALLOWED_HOSTS": "127.0.0.1",
        }
    )
    installation = build(settings, fresh_address)
    await installation.queue.connect()
    yield installation
    await installation.queue.disconnect()
    await installation.database.close()


@pytest.fixture
async def mail_desk(mail_installation: Installation, imap: Imap, outbox: Outbox) -> AsyncGenerator[MailDesk]:
    """Connected to an empty mailbox of its own, with the worker reading and sending."""
    actor = await new_owner(mail_installation.database)
    address = f"support-{actor.tenant_id.hex[:10]}@acme.test"
    desk = MailDesk(mail_installation, actor, imap, outbox, address)
    await desk.connect()
    await mail_installation.watches.sync(actor, desk.connection_id)
    async with at_work(mail_installation, "inbox", "deliveries"):
        yield desk
