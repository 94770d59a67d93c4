"""A whole desk out of its parts, two web processes and two workers on an embedded PostgreSQL, and what befalls it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
from psycopg.rows import namedtuple_row

from desk.accounts.tenants import create_tenant
from desk.accounts.tokens import create_key
from desk.db.crypto import key_ring
from desk.db.embedded import EmbeddedDatabaseError, EmbeddedPostgres
from desk.db.roles import DatabaseAddress, address_from_urls
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.first_run import prepare_database
from desk.models import Connection
from tests.database import ENCRYPTION_KEY, SECRET_KEY
from tests.whole.desk_process import DESK, ROOT, free_port

LEASE_SECONDS = 3
SITE = Path(__file__).parent / "site"
_TEMPLATE = "template_desk"
_AWAY = (OSError, psycopg.Error, TimeoutError)


@dataclass
class Desk:
    """`without`: names of guards that are taken out of its processes (`tests.faults.guards`). `webs`: 1 or 2. `server`:
    where the database lives, for several desks one after another; else in `folder`."""

    folder: Path
    without: Sequence[str] = ()
    webs: int = 2
    workers: int = 2
    server: Path | None = None
    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    address: DatabaseAddress | None = None
    blows: list[tuple[float, float, str]] = field(default_factory=list[tuple[float, float, str]])
    """Begin, end and kind of what has befallen it, in seconds since the epoch."""
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, "subprocess.Popen[bytes]"])
    _closing: bool = False

    def __post_init__(self) -> None:
        self._data = self.server or self.folder
        self._server = EmbeddedPostgres(self._data)
        self._database = f"desk_{self.folder.name.replace('-', '_')}"
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def urls(self) -> tuple[str, str]:
        return f"http://127.0.0.1:{self.ports[0]}", f"http://127.0.0.1:{self.ports[self.webs - 1]}"

    async def start(self) -> None:
        """Of whoever is asked to end from now on, the desk's processes end as well: the caller closes it."""
        running = asyncio.current_task()
        assert running is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
        key_ring.configure((ENCRYPTION_KEY,))
        self._place = await asyncio.to_thread(self._server.start)
        async with await self._connect("postgres") as connection:
            found = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_TEMPLATE,))
            if await found.fetchone() is None:
                await connection.execute(f'CREATE DATABASE "{_TEMPLATE}"'.encode())
                await prepare_database(self._template())
            await connection.execute(f'CREATE DATABASE "{self._database}" TEMPLATE "{_TEMPLATE}"'.encode())
        template = self._template()
        self.address = replace(template, app=template.app.set(database=self._database))

    def _template(self) -> DatabaseAddress:
        place = self._place
        owner = place.asyncpg_url(place.superuser, place.password, _TEMPLATE)
        return address_from_urls(owner.reveal(), None, SECRET_KEY)

    async def start_processes(self) -> None:
        self.tend()
        deadline = time.monotonic() + 180
        async with httpx.AsyncClient(timeout=5) as client:
            for url in self.urls:
                while not await _is_well(client, url):
                    assert time.monotonic() < deadline, self.log()[-3000:]
                    await asyncio.sleep(0.2)

    def tend(self) -> None:
        """Start again what has ended, as a service manager does."""
        if self._closing:
            return
        for name in self._names():
            process = self._processes.get(name)
            if process is None or process.poll() is not None:
                self._processes[name] = self._launch(name)

    def _names(self) -> list[str]:
        return [f"{kind} {at}" for kind, many in (("web", self.webs), ("worker", self.workers)) for at in range(many)]

    def _launch(self, name: str) -> subprocess.Popen[bytes]:
        kind, number = name.split()
        assert self.address is not None
        clean = {
            key: value for key, value in os.environ.items() if not key.startswith("DESK_") and "API_KEY" not in key
        }
        environment = {
            **clean,
            "PYTHONPATH": f"{SITE}:{ROOT}",
            "DESK_FAULTS_WITHOUT": ",".join(self.without),
            "DESK_DATA_DIR": str(self.folder),
            "DESK_DATABASE_APP_URL": self.address.app.render_as_string(hide_password=False),
            "DESK_SECRET_KEY": SECRET_KEY.reveal(),
            "DESK_ENCRYPTION_KEYS": ENCRYPTION_KEY.reveal(),
            "DESK_PORT": str(self.ports[int(number)]),
            "DESK_PUBLIC_URL": self.urls[0],
            "DESK_ALLOWED_HOSTS": "127.0.0.1",
            "DESK_TRUSTED_PROXIES": "127.0.0.1",
            "DESK_EGRESS_ALLOWED_HOSTS": "127.0.0.1",
            "DESK_DEMO": "0",
            "DESK_UNDO_SECONDS": "0",
            "DESK_DEBOUNCE_SECONDS": "0",
            "DESK_LEASE_SECONDS": str(LEASE_SECONDS),
            "DESK_POLL_SECONDS": "0.5",
            "DESK_LOG_FORMAT": "json",
        }
        command = [sys.executable, DESK, "serve" if kind == "web" else "worker"]
        with (self.folder / "desk.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    async def secrets(self, connection_id: str) -> dict[str, Any]:
        """What a connection keeps encrypted."""
        assert self.address is not None
        (row,) = await self.rows("SELECT tenant_id FROM connections WHERE id = %s", connection_id)
        database = Database.connect(self.address.app, pool_size=1)
        try:
            async with database.transaction(Scope(row.tenant_id)) as session:
                kept: dict[str, Any] = json.loads((await session.get_one(Connection, UUID(connection_id))).secrets)
                return kept
        finally:
            await database.close()

    async def tenant(self, name: str) -> httpx.AsyncClient:
        """A new tenant's API, at the first web process; give a full address to reach the second."""
        assert self.address is not None
        database = Database.connect(self.address.app, pool_size=1)
        try:
            made = await create_tenant(database, name, name.lower())
            key = await create_key(database, Scope(made.id), "faults")
        finally:
            await database.close()
        limits = httpx.Limits(max_connections=60, max_keepalive_connections=30)
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.AsyncClient(base_url=self.urls[0], headers=headers, timeout=40, limits=limits)

    # What befalls it -------------------------------------------------------------------------------------------

    async def befall(self, kind: str, which: int) -> None:
        what, _, whom = kind.partition(" ")
        name = f"{whom} {which}"
        async with self._locks[name]:
            await self._strike(kind, what, name)
        self.tend()

    async def _strike(self, kind: str, what: str, name: str) -> None:
        """A process that has not come up again yet cannot be hurt: that one is struck when it has."""
        if name in self._processes and not await self._has_come_up(name):
            return
        begun = time.time()
        if kind == "kill database":
            await self._kill_database()
        elif kind == "end connections":
            await self.attempt(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
                " AND random() < 0.7",
                self._database,
            )
        elif kind == "empty queue":
            await self.attempt("TRUNCATE saq.saq_jobs")
        elif what == "kill":
            self._signal(name, signal.SIGKILL)
        else:
            self._signal(name, signal.SIGSTOP)
            await asyncio.sleep(2 * LEASE_SECONDS)
            self._signal(name, signal.SIGCONT)
        self.blows.append((begun, time.time(), kind))

    async def _has_come_up(self, name: str) -> bool:
        deadline = time.monotonic() + 120
        async with httpx.AsyncClient(timeout=5) as client:
            while time.monotonic() < deadline:
                self.tend()
                kind, number = name.split()
                if kind == "web":
                    is_up = await _is_well(client, f"http://127.0.0.1:{self.ports[int(number)]}")
                else:
                    is_up = f'"process": {self._processes[name].pid}, ' in self.log()
                if is_up:
                    return True
                await asyncio.sleep(0.2)
        return False

    async def _kill_database(self) -> None:
        """An immediate shutdown: every process of the server ends at once, and the log is replayed."""
        pid_file = next(self._data.glob("postgres/**/postmaster.pid"))
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGQUIT)
        await asyncio.to_thread(self._restart_database)

    def _restart_database(self) -> None:
        for _ in range(20):
            with contextlib.suppress(EmbeddedDatabaseError):
                if not self._server.running():
                    self._server.start()
                if self._server.running():
                    return
            time.sleep(0.3)

    def _signal(self, name: str, number: signal.Signals) -> None:
        """To the process and everything below it: a web server has a child that serves."""
        process = self._processes.get(name)
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
                if number == signal.SIGKILL:
                    process.wait(10)

    # Looking into it -------------------------------------------------------------------------------------------

    async def rows(self, statement: str, *values: Any) -> list[Any]:
        """As the superuser, over all tenants; while the database is away it is asked again."""
        for _ in range(200):
            with contextlib.suppress(*_AWAY):
                async with await self._connect(self._database) as connection:
                    return await (await connection.execute(statement.encode(), values)).fetchall()
            await asyncio.sleep(0.3)
        raise AssertionError("the database did not come back")

    async def execute(self, statement: str, *values: Any) -> None:
        async with await self._connect(self._database) as connection:
            await connection.execute(statement.encode(), values)

    async def attempt(self, statement: str, *values: Any) -> None:
        """When the database is away, it is away."""
        with contextlib.suppress(*_AWAY):
            await self.execute(statement, *values)

    async def _connect(self, database: str) -> psycopg.AsyncConnection[Any]:
        url = self._place.superuser_url(database).reveal()
        return await psycopg.AsyncConnection.connect(
            url, autocommit=True, row_factory=namedtuple_row, connect_timeout=5
        )

    def processor_seconds(self, kind: str) -> float:
        """Of all the desk's processes of this kind, their children among them."""
        ticks = 0
        sessions = {process.pid for name, process in self._processes.items() if name.startswith(kind)}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if os.getsid(int(entry.name)) in sessions:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def log(self) -> str:
        path = self.folder / "desk.log"
        return path.read_text(errors="replace") if path.exists() else ""

    async def close(self) -> None:
        self._closing = True
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        if self.server is not None:
            await self._drop()
        await asyncio.to_thread(self._server.stop)

    async def _drop(self) -> None:
        """The next desk on this server has one of its own."""
        with contextlib.suppress(*_AWAY):
            async with await self._connect("postgres") as connection:
                await connection.execute(f'DROP DATABASE "{self._database}" WITH (FORCE)'.encode())


async def _is_well(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/health")).status_code == 200
    except httpx.HTTPError:
        return False
