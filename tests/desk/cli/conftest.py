"""The `desk` command on a real database, run inside the test's process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from desk.cli import cli
from desk.db.crypto import key_ring
from desk.db.roles import DatabaseAddress
from tests.database import ENCRYPTION_KEY, SECRET_KEY


@dataclass(frozen=True)
class Command:
    environment: dict[str, str]

    def run(self, *arguments: str, text: str = "") -> Result:
        """Errors meant for people are raised as they are; `desk.cli.main` turns them into sentences."""
        return CliRunner(env=self.environment).invoke(cli, list(arguments), input=text, catch_exceptions=False)

    def json(self, *arguments: str, text: str = "") -> Any:
        result = self.run(*arguments, "--json", text=text)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def with_settings(self, **settings: str) -> Command:
        return replace(self, environment={**self.environment, **settings})

    def new_tenant(self) -> str:
        """Its slug."""
        return self.json("tenants", "create", f"Tenant {uuid4().hex[:8]}")["slug"]


@contextmanager
def command_on(address: DatabaseAddress, folder: Path) -> Generator[Command]:
    yield Command(
        {
            "DESK_DATA_DIR": str(folder),
            "DESK_DATABASE_URL": "",
            "DESK_DATABASE_APP_URL": address.app.render_as_string(hide_password=False),
            "DESK_SECRET_KEY": SECRET_KEY.reveal(),
            "DESK_ENCRYPTION_KEYS": ENCRYPTION_KEY.reveal(),
        }
    )
    key_ring.configure((ENCRYPTION_KEY,))


@pytest.fixture
def desk(database_address: DatabaseAddress, tmp_path: Path) -> Generator[Command]:
    """On the database of this test process: others' tenants are in it as well."""
    with command_on(database_address, tmp_path / "data") as command:
        yield command


@pytest.fixture
def fresh_desk(fresh_address: DatabaseAddress, tmp_path: Path) -> Generator[Command]:
    with command_on(fresh_address, tmp_path / "data") as command:
        yield command


async def in_thread(work: Callable[..., Any], *arguments: str, **options: str) -> Any:
    """Commands start an event loop of their own."""
    return await asyncio.to_thread(work, *arguments, **options)
