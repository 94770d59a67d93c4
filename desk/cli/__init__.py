"""The `desk` command. Each module holds the commands of one subject."""

from __future__ import annotations

import sys

import click

from desk.cli.accounts import keys, tenants, users
from desk.cli.checking import check_edit, doctor
from desk.cli.history import backtest, import_tickets
from desk.cli.knowledge import ingest, reindex
from desk.cli.measuring import bench
from desk.cli.regress import regress
from desk.cli.serving import migrate, serve, up, worker
from desk.errors import DeskError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="draftdesk")
def cli() -> None:
    """Draftdesk: a support desk where a machine drafts every reply and a person stays in charge."""


for command in (
    up,
    serve,
    worker,
    migrate,
    tenants,
    users,
    keys,
    ingest,
    reindex,
    import_tickets,
    backtest,
    regress,
    check_edit,
    doctor,
    bench,
):
    cli.add_command(command)


def main() -> None:
    """Entry point: errors meant for people are one sentence, not a traceback."""
    try:
        cli.main(standalone_mode=True)
    except DeskError as error:
        click.echo(f"{error.title}: {error.detail}", err=True)
        sys.exit(1)
