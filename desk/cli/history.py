"""Ticket histories: imported to learn from, or replayed to see what the desk would have done."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import Progress, TaskID

from desk.cli.connecting import run_with_installation
from desk.cli.printing import print_json, progress_bar, write_json

if TYPE_CHECKING:
    from desk.installation import Installation

_HISTORY = click.Path(exists=True, path_type=Path)


@click.command("import-tickets")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--tenant", "slug", required=True, help="Slug of the tenant.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_tickets(file: Path, slug: str, *, as_json: bool) -> None:
    """Import a ticket history (JSON Lines) to learn from its replies. Nothing is sent and nothing is drafted.

    A ticket that was imported before is left as it is.
    """

    async def work(installation: Installation) -> dict[str, Any]:
        from desk.accounts.tenants import tenant_by_slug
        from desk.command_wiring import import_history

        tenant_id = await tenant_by_slug(installation.database, slug)
        refused: list[dict[str, Any]] = []
        with progress_bar() as bar:
            task = bar.add_task("Importing", total=_count_lines(file))
            counts = await import_history(
                installation,
                tenant_id,
                file,
                lambda line: refused.append({"line": line.line, "reason": line.reason}),
                lambda: bar.advance(task),
            )
        return {
            "imported": counts.tickets,
            "known": counts.known,
            "refused": refused,
            "messages": counts.messages,
            "examples": counts.examples,
        }

    report = run_with_installation(work)
    if as_json:
        print_json(report)
        return
    click.echo(
        f"{report['imported']} tickets imported with {report['messages']} messages; "
        f"{report['examples']} replies to learn from; {report['known']} were there already."
    )
    for one in report["refused"]:
        click.echo(f"Line {one['line']} was left out: {one['reason']}", err=True)


def _count_lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for line in lines if line.strip())


class _BacktestBar:
    """Shows how far a backtest is, and keeps what it could not read for the end."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}
        self.refused: list[str] = []

    def advanced(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage.capitalize(), total=total)
        self._bar.update(self._tasks[stage], completed=done, total=total)

    def refused_line(self, line: object) -> None:
        self.refused.append(str(line))

    def refused_document(self, path: Path, reason: str) -> None:
        self.refused.append(f"{path.name}: {reason}")


@click.command()
@click.argument("path", type=_HISTORY)
@click.option(
    "--knowledge",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of documents that drafts may quote from.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only so many tickets, the oldest.")
@click.option("--risk", type=float, default=0.05, show_default=True, help="Share of wrong automatic replies accepted.")
@click.option("--confidence", type=float, default=0.95, show_default=True, help="How sure the certificate must be.")
@click.option("--no-learning", is_flag=True, help="Learn from the first tickets only: what does learning bring?")
@click.option("--json", "target", metavar="OUT", help="Write the figures to a file as JSON; `-` for standard output.")
@click.option(
    "--html",
    "page",
    metavar="OUT",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write a report with curves, the ten best and the twenty worst drafts; replays without learning, too.",
)
def backtest(
    path: Path,
    knowledge: Path | None,
    limit: int | None,
    risk: float,
    confidence: float,
    *,
    no_learning: bool,
    target: str | None,
    page: Path | None,
) -> None:
    """Replay a ticket history in time order: what would have been drafted, and what could have been sent.

    PATH is a history file (one tenant) or a folder with one file a tenant. Sends nothing and leaves nothing.
    """
    from desk.command_wiring import explain_backtest, run_backtest, write_backtest_report

    if page is not None and no_learning:
        raise click.UsageError("--html shows both, with learning and without; leave --no-learning out.")
    asked: dict[str, Any] = {"knowledge": knowledge, "limit": limit, "risk": risk, "confidence": confidence}
    with progress_bar() as bar:
        shown = _BacktestBar(bar)
        if page is None:
            report = run_backtest(path, shown, **asked, learning=not no_learning)
        else:
            command = _command(path, asked)
            report = explain_backtest(
                path,
                shown,
                **asked,
                report=lambda account: write_backtest_report(
                    account,
                    page,
                    name=path.name,
                    command=command,
                    left_out=shown.refused,
                    documents=knowledge is not None,
                ),
            )
    for refused in shown.refused:
        click.echo(f"Left out: {refused}", err=True)
    if target is not None:
        write_json(report, target)
    if target != "-":
        click.echo(_summary(report))
        if page is not None:
            click.echo(f"The report is in {page}.")
    sys.stdout.flush()


def _command(path: Path, asked: dict[str, Any]) -> str:
    """What was asked for, without the folders of this machine."""
    given = [f"--{name} {value.name if isinstance(value, Path) else value}" for name, value in asked.items() if value]
    return " ".join(["desk backtest", path.name, *given])


def _summary(report: dict[str, Any]) -> str:
    similarity, confidence, sent = report["similarity"], report["confidence"], report["auto_send"]
    times = report["timings_ms"]
    surest = [f"{one['precision']:.0%} of the surest {one['coverage']:.0%}" for one in report["risk_coverage"]]
    lines = {
        "Tickets": f"{report['tickets']} of {report['tenants']} tenants, {report['drafted']} drafted",
        "Likeness to the reply really sent": f"{similarity['mean']:.3f} on average",
        "  over time, tenth by tenth": " ".join(f"{value:.2f}" for value in similarity["by_decile"]),
        "Good drafts (at least 0.70 alike)": f"{similarity['share_at_least_0.70']:.1%}",
        "  with the best earlier reply": f"{similarity['ceiling_share_at_least_0.70']:.1%}",
        "Good told from bad (AUROC)": f"{confidence['auroc']:.3f}",
        "Calibration error (ECE, Brier)": f"{confidence['ece']:.3f}, {confidence['brier']:.3f}",
        "Good among the surest drafts": ", ".join(surest),
        f"Sent automatically at {sent['risk']:.0%} risk": f"{sent['sent']} replies, {sent['coverage']:.1%} of all",
        "  wrong among them": f"{sent['realised_error']:.1%}",
        "  tenants with a certificate": f"{sent['certified_tenants']}",
        "Time of a draft (p50, p99)": f"{times['draft_p50']:.1f} ms, {times['draft_p99']:.1f} ms",
        "  retrieval alone (p50)": f"{times['retrieve_p50']:.1f} ms",
        "Time of the whole replay": f"{report['seconds']} s",
    }
    return "\n".join(f"{label:<36}{value}" for label, value in lines.items())
