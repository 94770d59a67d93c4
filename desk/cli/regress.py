"""Corrections as regression cases."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from desk.cli.connecting import run_with_installation
from desk.cli.printing import print_json, progress_bar

if TYPE_CHECKING:
    from desk.comparing.reading import ComparisonView
    from desk.installation import Installation
    from desk.models import ComparisonCase
    from desk.ports import SourceWeights

_LEASE_SECONDS = 3_600.0
_SHOWN = 300


def _weights(_: click.Context, __: click.Parameter, given: str | None) -> SourceWeights | None:
    from desk.ports import SourceWeights

    if given is None:
        return None
    try:
        values = [float(part) for part in given.split(",")]
        return SourceWeights(*values) if len(values) == 4 else _refuse()
    except ValueError:
        return _refuse()


def _refuse() -> SourceWeights:
    msg = "give four numbers: global_kb,tenant_kb,example,correction, such as 0.2,0.3,0.35,0.15"
    raise click.BadParameter(msg)


@click.command()
@click.option("--tenant", "slug", required=True, help="Slug of the tenant.")
@click.option("--prompt", "prompt_id", type=click.UUID, help="As if this prompt version were the active one.")
@click.option("--weights", callback=_weights, metavar="G,T,E,C", help="As if the sources were weighed like this.")
@click.option("--most", type=click.IntRange(1, 200), help="Check at most so many corrections.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def regress(
    slug: str, prompt_id: UUID | None, weights: SourceWeights | None, most: int | None, *, as_json: bool
) -> None:
    """Replay the corrections of a tenant: does a draft say again what must not be used?

    Drafts are made with the present prompt, weights, model and knowledge; with --prompt or --weights also with these,
    and what they would break is told. Nothing is sent, published or learned. Exit code 1: something is broken.
    """
    with progress_bar() as bar:
        task = bar.add_task("Corrections", total=None)

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        found = run_with_installation(lambda installation: _run(installation, slug, prompt_id, weights, most, told))
    view, cases = found
    if as_json:
        print_json(_as_json(view, cases))
    else:
        click.echo(_told(view, cases))
    sys.exit(1 if view.counts.get("broken") else 0)


async def _run(
    installation: Installation,
    slug: str,
    prompt_id: UUID | None,
    weights: SourceWeights | None,
    most: int | None,
    told: Callable[[int, int], None],
) -> tuple[ComparisonView, list[ComparisonCase]]:
    from desk.accounts.identity import ROLES, Actor
    from desk.accounts.tenants import tenant_by_slug
    from desk.comparing.candidates import Candidate
    from desk.comparing.cases import most_cases
    from desk.comparing.reading import list_cases, view_comparison
    from desk.comparing.requests import ask_for_regression
    from desk.db.leases import claim_these
    from desk.models import Comparison
    from desk.paging import LARGEST_PAGE

    database = installation.database
    tenant_id = await tenant_by_slug(database, slug)
    actor = Actor(tenant_id, "owner", "desk regress", ROLES["owner"])
    usual = most_cases(has_model=await installation.models.for_tenant(tenant_id) is not None)
    async with database.transaction(actor.scope) as session:
        candidate = Candidate(prompt_id=prompt_id, weights=weights)
        asked = await ask_for_regression(session, actor, candidate, most=most or usual)
        total = (await view_comparison(session, asked.id)).total
        # Claimed with what asks for it, so that no worker takes it away.
        claims = await claim_these(session, Comparison, [asked.id], _LEASE_SECONDS)
    done = 0

    def one_more() -> None:
        nonlocal done
        done += 1
        told(done, total)

    for held in claims:
        await installation.comparisons.work(held, one_more)
    async with database.transaction(actor.scope) as session:
        view = await view_comparison(session, asked.id)
        page = await list_cases(session, asked.id, outcome=None, limit=LARGEST_PAGE, offset=0)
    return view, list(page.items)


def _as_json(view: ComparisonView, cases: list[ComparisonCase]) -> dict[str, Any]:
    return {
        "id": str(view.comparison.id),
        "title": view.comparison.title,
        "corrections": view.comparison.available,
        "checked": view.done,
        **{name: view.counts.get(name, 0) for name in ("broken", "fixed", "unchanged")},
        "still_wrong": view.still_wrong,
        "cases": [
            {
                "correction_id": str(case.correction_id),
                "outcome": case.outcome,
                "wrong": case.is_wrong,
                "question": case.question,
                "old_draft": case.avoid if view.comparison.before is None else case.before_body,
                "new_draft": case.after_body,
                "agent_said": case.wanted,
                "why": case.reasons,
            }
            for case in cases
        ],
    }


def _told(view: ComparisonView, cases: list[ComparisonCase]) -> str:
    counts = view.counts
    lines = [
        f"{view.comparison.title}: {view.done} of {view.comparison.available} corrections checked.",
        ", ".join(f"{counts.get(name, 0)} {name}" for name in ("broken", "fixed", "unchanged"))
        + f" ({view.still_wrong} of these wrong before and after)",
    ]
    for case in cases:
        if not case.is_wrong:
            continue
        lines += ["", f"{case.outcome}: {_short(case.question)}"]
        lines += [f"  says: {_short(one['said'] or '(nothing)')}" for one in case.reasons]
        lines += [
            f"  use instead: {_short(one['instead'] or case.wanted or '(no reply was given)')}" for one in case.reasons
        ]
    return "\n".join(lines)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[:_SHOWN].rstrip() + "…"
