"""A live experiment with two prompts."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from desk.accounts.identity import Actor, Permission
from desk.api.fields import Answer, Asked
from desk.comparing.experiments import (
    ArmFigures,
    ExperimentView,
    end_experiment,
    newest_experiment,
    start_experiment,
)
from desk.errors import NotFoundError
from desk.installation import Installation
from desk.web.permissions import needs


class AskedExperiment(Asked):
    prompt_id: UUID
    """Tried against the active one."""


class AskedEnd(Asked):
    winner: Literal["a", "b"] | None = None
    """Its prompt is used for all drafts from now on; without one nothing else changes."""


class ArmAnswer(Answer):
    prompt_id: UUID
    prompt: str
    drafts: int
    reviewed: int
    unchanged: int
    edited: int
    """Sent with another wording."""
    meaning_changed: int
    rejected: int
    share_good: float
    """Of the reviewed ones, sent and not changed in meaning."""
    similarity: float | None
    usd: str


class ExperimentAnswer(Answer):
    id: UUID
    state: Literal["running", "ended"]
    winner: Literal["a", "b"] | None
    """The one that was chosen at the end."""
    started_by: str
    created_at: datetime
    ended_at: datetime | None
    a: ArmAnswer
    b: ArmAnswer
    difference: list[float]
    """Limits of b's share of good drafts less a's, that hold however often one looks."""
    clear: Literal["a", "b"] | None
    """Which is better for certain; null: not yet clear."""


class ExperimentController(Controller):
    path = "/experiments"
    tags = ("comparisons",)

    @post("/", opt=needs(Permission.TUNING))
    async def start(
        self,
        data: JSONBody[AskedExperiment],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> ExperimentAnswer:
        """From now on half of the tickets are drafted with this prompt, the others with the active one."""
        async with installation.database.transaction(actor.scope) as session:
            await start_experiment(session, actor, data.prompt_id)
            return _answer(await newest_experiment(session))

    @get("/current", opt=needs(Permission.SIGNED_IN))
    async def show(
        self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> ExperimentAnswer:
        """The one that is running, else the last one."""
        async with installation.database.transaction(actor.scope) as session:
            return _answer(await newest_experiment(session))

    @post("/current/end", status_code=200, opt=needs(Permission.TUNING))
    async def end(
        self,
        data: JSONBody[AskedEnd],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> ExperimentAnswer:
        async with installation.database.transaction(actor.scope) as session:
            await end_experiment(session, data.winner)
            return _answer(await newest_experiment(session))


def _answer(view: ExperimentView | None) -> ExperimentAnswer:
    if view is None:
        msg = "there has been no experiment"
        raise NotFoundError(msg)
    row = view.experiment
    return ExperimentAnswer(
        id=row.id,
        state="running" if row.state == "running" else "ended",
        winner="a" if row.winner == "a" else "b" if row.winner == "b" else None,
        started_by=row.started_by,
        created_at=row.created_at,
        ended_at=row.ended_at,
        a=_arm(view.a),
        b=_arm(view.b),
        difference=[round(limit, 4) for limit in view.difference],
        clear=view.clear_winner,
    )


def _arm(arm: ArmFigures) -> ArmAnswer:
    return ArmAnswer(
        prompt_id=arm.prompt.id,
        prompt=f"{arm.prompt.name}, version {arm.prompt.number}",
        drafts=arm.drafts,
        reviewed=arm.reviewed,
        unchanged=arm.unchanged,
        edited=arm.edited,
        meaning_changed=arm.meaning_changed,
        rejected=arm.rejected,
        share_good=round(arm.share_good, 4),
        similarity=None if arm.similarity is None else round(arm.similarity, 4),
        usd=f"{arm.usd:.6f}",
    )
