"""Looking at things: what an edit changed, and whether the installation is well."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from desk.cli.connecting import settings_with_database
from desk.cli.printing import print_json

if TYPE_CHECKING:
    from desk.doctor import Finding

_TEXT = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("check-edit")
@click.argument("draft_file", type=_TEXT)
@click.argument("sent_file", type=_TEXT)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_edit(draft_file: Path, sent_file: Path, *, as_json: bool) -> None:
    """Compare a draft with the reply that was sent: what changed, and would it change what the customer is told?"""
    from desk.command_wiring import edit_report

    report = edit_report(_text(draft_file), _text(sent_file))
    if as_json:
        print_json(report)
        return
    changed = "the meaning changed" if report["meaning_changed"] else "the meaning stayed"
    click.echo(f"{report['similarity']:.0%} alike, {changed}: would be learned as {report['verdict']}.")
    for change in report["changes"]:
        click.echo(f"  {change['kind']}: {change['before'] or '(nothing)'} -> {change['after'] or '(nothing)'}")


def _text(path: Path) -> str:
    """Raises InvalidInputError when it is not UTF-8."""
    from desk.errors import InvalidInputError

    try:
        # Line ends as they stand in the file, so that the spans are places in it.
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 text"
        raise InvalidInputError(msg) from error


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(*, as_json: bool) -> None:
    """Check the installation: database, isolation, keys, queue, worker, indexes, disk, clock, channels, models.

    Exit code 0 when everything works; warnings do not change it. A stopped worker is a failure when work is due.
    """
    findings = _examined()
    well = all(finding.ok for finding in findings)
    if as_json:
        checks = [{"name": one.name, "ok": one.ok, "outcome": one.outcome, "detail": one.detail} for one in findings]
        print_json({"ok": well, "checks": checks})
    else:
        for one in findings:
            click.echo(f"{one.outcome:<5} {one.name:<15} {one.detail}")
    sys.exit(0 if well else 1)


def _examined() -> list[Finding]:
    from desk.db.embedded import EmbeddedDatabaseError
    from desk.doctor import Finding, examine
    from desk.wiring import build, database_address

    async def work() -> list[Finding]:
        address = database_address(settings)
        installation = build(settings, address)
        try:
            return await examine(installation, address)
        finally:
            await installation.models.close()
            await installation.database.close()

    try:
        with settings_with_database() as settings:
            return asyncio.run(work())
    except EmbeddedDatabaseError as error:
        return [Finding("database", "fail", error.detail)]
