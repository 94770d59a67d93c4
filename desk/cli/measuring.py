"""Performance figures, each beside a yardstick measured in the same run."""

from __future__ import annotations

import asyncio
import os
import platform
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from desk.cli.connecting import settings_with_database
from desk.cli.printing import progress_bar, write_json
from desk.logs import configure_logs

if TYPE_CHECKING:
    from desk.measuring.figures import Figure
    from desk.settings import Settings


@click.command()
@click.option("--json", "target", metavar="OUT", help="Write the figures to a file as JSON; `-` for standard output.")
@click.option(
    "--full",
    is_flag=True,
    help="Also up to 100,000 items a source and 1,000 tenants; takes many minutes.",
)
def bench(target: str | None, *, full: bool) -> None:
    """Measure search, drafts, edit analysis, jobs and processes, each beside a plainer way to do the same.

    Works on a database of its own that is thrown away; takes about a minute.
    """
    from desk.command_wiring import measure_edits, measure_search

    configure_logs("warning", "text")
    figures: list[Figure] = []
    with progress_bar() as bar:
        task = bar.add_task("Search", total=4)
        figures += [*measure_search(blas_threads=1, full=full), *measure_search(blas_threads=2, full=full)]
        bar.update(task, advance=1, description="Edit analysis")
        figures += asyncio.run(measure_edits())
        bar.update(task, advance=1, description="Drafts and jobs")
        with tempfile.TemporaryDirectory(prefix="desk-") as folder:
            environment = {"DESK_DATA_DIR": folder, "DESK_DEMO": "0"}
            with settings_with_database(environment) as settings:
                figures += asyncio.run(_measure_work(settings, full=full))
                bar.update(task, advance=1, description="Processes")
                figures += _measure_processes(settings, Path(folder))
        bar.advance(task)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    if target is not None:
        write_json({"machine": machine, "figures": [figure.as_json() for figure in figures]}, target)
    if target != "-":
        click.echo(f"{machine}; medians of interleaved rounds")
        for figure in figures:
            click.echo(_line(figure))


def _line(figure: Figure) -> str:
    measured = f"{figure.value:.2f} {figure.unit}"
    yardstick = f"{figure.yardstick_value:.2f} {figure.unit}"
    return f"{measured:>12}  {figure.name}\n{yardstick:>12}  {figure.yardstick}: {figure.ratio:.2f} times that\n"


async def _measure_work(settings: Settings, *, full: bool) -> list[Figure]:
    from desk.first_run import prepare_database
    from desk.measuring.drafts import DraftBench
    from desk.measuring.jobs import measure_job_start
    from desk.measuring.requests import measure_requests
    from desk.measuring.scratch import grow_tenant
    from desk.measuring.tenants import TenantsBench
    from desk.wiring import database_address, running

    address = database_address(settings)
    await prepare_database(address)
    figures: list[Figure] = []
    async with running(settings, address) as installation:
        if full:  # first, while there is no global knowledge whose search would hide the tenants' own
            figures += await TenantsBench(installation).measure()
        tenant = await grow_tenant(installation)
        figures += await DraftBench(installation, tenant).measure()
        figures += await measure_requests(installation, tenant)
        figures.append(await measure_job_start(installation, address, tenant))
    return figures


def _measure_processes(settings: Settings, folder: Path) -> list[Figure]:
    from desk.measuring.processes import measure_processes
    from desk.wiring import database_address

    return measure_processes(
        {
            "DESK_DATA_DIR": str(folder),
            "DESK_DATABASE_URL": "",
            "DESK_DATABASE_APP_URL": database_address(settings).app.render_as_string(hide_password=False),
        }
    )
