"""Running the desk: everything under one parent, or its parts apart."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import click
import structlog

from desk.cli.connecting import embedded_owner_url, settings_with_database
from desk.db.embedded import EmbeddedPostgres
from desk.logs import configure_logs
from desk.settings import Settings, load_settings
from desk.supervisor import ChildSpec, Supervisor

_log = structlog.get_logger(__name__)
WORKER_NICENESS = 5
"""Where web and worker share the processors, whoever waits at a page goes before drafts that nobody waits for."""
WORKER_GRACE_SECONDS = 20.0


@click.command()
@click.option("--demo-off", is_flag=True, help="Start with an empty desk (DESK_DEMO=0).")
def up(*, demo_off: bool) -> None:
    """Start database, web server and worker under one parent."""
    started = time.monotonic()
    settings = load_settings({**os.environ, "DESK_DEMO": "0"} if demo_off else None)
    configure_logs(settings.log_level, settings.log_format)
    database = None if settings.database_url or settings.database_app_url else EmbeddedPostgres(settings.data_dir)
    environment = _prepare(settings, database)
    supervisor = Supervisor(_children(settings, environment), database, lambda: _announce(settings, started))
    sys.exit(supervisor.run())


def _prepare(settings: Settings, database: EmbeddedPostgres | None) -> dict[str, str]:
    """Migrate and seed, and return what the children need to know: never the owner's password."""
    from dataclasses import replace

    from desk.demo import seed_demo
    from desk.first_run import prepare_database
    from desk.wiring import database_address, running, vector_dimension

    if database is not None:
        database.start()
        settings = replace(settings, database_url=embedded_owner_url(database.start()))
    address = database_address(settings)

    async def work() -> None:
        if address.owner is not None:
            await prepare_database(address, vector_dimension(settings))
        if settings.demo:
            async with running(settings, address) as installation:
                await seed_demo(installation)

    asyncio.run(work())
    return {
        "DESK_DATABASE_URL": "",
        "DESK_DATABASE_APP_URL": address.app.render_as_string(hide_password=False),
        "DESK_DATA_DIR": str(settings.data_dir),
        "DESK_DEMO": "1" if settings.demo else "0",
    }


def _children(settings: Settings, environment: dict[str, str]) -> tuple[ChildSpec, ...]:
    program = str(Path(sys.executable).with_name("desk"))
    return (
        ChildSpec("web", [program, "serve"], environment, lambda: _answers(settings), grace=10.0),
        ChildSpec("worker", [program, "worker"], environment, grace=WORKER_GRACE_SECONDS + 5),
    )


def _answers(settings: Settings) -> bool:
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104 - only recognised
    try:
        with urllib.request.urlopen(f"http://{host}:{settings.port}/health/live", timeout=1) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _announce(settings: Settings, started: float) -> None:
    click.echo(f"\n  Draftdesk is ready after {time.monotonic() - started:.1f} s: {settings.public_url}")
    notes = settings.data_dir / "demo-logins.txt"
    if settings.demo and notes.exists():
        click.echo("\n" + "\n".join(f"  {line}" for line in notes.read_text(encoding="utf-8").splitlines()))
    click.echo("\n  Ctrl-C stops everything.\n")


@click.command()
def serve() -> None:
    """Run the web server only; any number of them may run."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    from granian.constants import Interfaces
    from granian.server import Server

    Server(
        "desk.wiring:web_application",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.web_workers,
        workers_kill_timeout=5,
        respawn_failed_workers=True,
        log_access=False,
        http1_settings=None,
    ).serve()


@click.command()
def worker() -> None:
    """Run the worker only; any number of them may run."""
    with settings_with_database() as settings:
        configure_logs(settings.log_level, settings.log_format)
        asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    from desk.garbage import settle
    from desk.wiring import build, database_address
    from desk.work import start_worker

    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    installation = build(settings, database_address(settings))
    os.nice(WORKER_NICENESS)
    async with start_worker(installation) as work_loop:
        settle()
        _log.info("worker_started", process=os.getpid())
        running = asyncio.create_task(work_loop.run())
        await asyncio.wait({running, asyncio.create_task(stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
        await work_loop.stop(WORKER_GRACE_SECONDS)
        with suppress(asyncio.CancelledError):
            await running


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; fail when the schema and the code disagree.")
def migrate(*, check: bool) -> None:
    """Bring the database to the newest schema."""
    from desk.db.migrate import pending_changes
    from desk.first_run import prepare_database
    from desk.wiring import database_address, vector_dimension

    with settings_with_database() as settings:
        address = database_address(settings)
        if check:
            pending = asyncio.run(pending_changes(address))
            for line in pending:
                click.echo(line, err=True)
            sys.exit(1 if pending else 0)
        asyncio.run(prepare_database(address, vector_dimension(settings)))
        click.echo("The database is up to date.")
