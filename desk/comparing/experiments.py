"""A live experiment: drafts of some tickets are written with one prompt, those of the others with another.

A ticket's id decides which, so every draft of one ticket is written with the same prompt.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.identity import Actor
from desk.db.leases import database_time
from desk.db.unit_of_work import announce
from desk.drafting.prompts import activate, active_prompt, deactivate_own, get_prompt
from desk.errors import ConflictError, InvalidInputError
from desk.models import GLOBAL_TENANT_ID, Draft, Experiment, PromptVersion, Review
from desk.policy.endings import end_all

Arm = Literal["a", "b"]
ERROR = 0.05
"""How likely it is at most that two prompts that are equally good are ever called different."""
_TUNED_TO = 25.0
"""The bound is tightest near four times so many reviews an arm."""


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """What agents made of one prompt's drafts. Those nobody has decided about are not among them."""

    prompt: PromptVersion
    drafts: int
    unchanged: int
    edited: int
    """Sent with another wording."""
    meaning_changed: int
    rejected: int
    similarity: float | None
    """Mean likeness of what was sent to the draft."""
    usd: float
    """Of all its drafts."""

    @property
    def reviewed(self) -> int:
        return self.unchanged + self.edited + self.meaning_changed + self.rejected

    @property
    def share_good(self) -> float:
        """Sent, and not changed in meaning."""
        return (self.unchanged + self.edited) / self.reviewed if self.reviewed else 0.0


@dataclass(frozen=True, slots=True)
class ExperimentView:
    experiment: Experiment
    a: ArmFigures
    b: ArmFigures

    @property
    def difference(self) -> tuple[float, float]:
        """Between which limits the share of good drafts of b is above that of a, whenever one looks."""
        return difference_limits(
            self.a.share_good * self.a.reviewed, self.a.reviewed, self.b.share_good * self.b.reviewed, self.b.reviewed
        )

    @property
    def clear_winner(self) -> Arm | None:
        low, high = self.difference
        return "b" if low > 0 else "a" if high < 0 else None


def arm_of(experiment_id: UUID, ticket_id: UUID) -> Arm:
    digest = hashlib.sha256(experiment_id.bytes + ticket_id.bytes).digest()
    return "a" if digest[0] % 2 == 0 else "b"


def radius(number: int, error: float) -> float:
    """Half the width of an interval for a mean of `number` values in [0, 1] that holds at every number at once.

    The two-sided normal mixture bound of Robbins (1970), as in Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform,
    nonparametric, nonasymptotic confidence sequences" (2021), equation 14, with the variance of a value at most 1/4.
    """
    if number == 0:
        return 1.0
    spread = number / 4 + _TUNED_TO
    return min(1.0, math.sqrt(spread * math.log(spread / (_TUNED_TO * error**2))) / number)


def difference_limits(good_a: float, number_a: int, good_b: float, number_b: int) -> tuple[float, float]:
    """Limits of the share of b less that of a; the two intervals share the error."""
    if not number_a or not number_b:
        return -1.0, 1.0
    difference = good_b / number_b - good_a / number_a
    reach = radius(number_a, ERROR / 2) + radius(number_b, ERROR / 2)
    return max(-1.0, difference - reach), min(1.0, difference + reach)


async def running_experiment(session: AsyncSession) -> Experiment | None:
    return (await session.execute(select(Experiment).where(Experiment.state == "running"))).scalar_one_or_none()


async def prompt_for(session: AsyncSession, ticket_id: UUID) -> tuple[PromptVersion, UUID | None, Arm | None]:
    """The prompt a draft for this ticket is written with, and the experiment and arm that chose it."""
    found = await session.execute(
        select(PromptVersion, Experiment)
        .outerjoin(Experiment, Experiment.state == "running")
        .where(PromptVersion.is_active)
        .order_by((PromptVersion.tenant_id == GLOBAL_TENANT_ID).asc())
        .limit(1)
    )
    row = found.one_or_none()
    if row is None:
        return await active_prompt(session), None, None
    active = row[0]
    experiment = cast("Experiment | None", row[1])
    if experiment is None:
        return active, None, None
    arm = arm_of(experiment.id, ticket_id)
    prompt = await get_prompt(session, experiment.prompt_a_id if arm == "a" else experiment.prompt_b_id)
    return prompt, experiment.id, arm


async def start_experiment(session: AsyncSession, actor: Actor, prompt_b_id: UUID) -> Experiment:
    """The active prompt against this one. Raises NotFoundError, InvalidInputError, ConflictError."""
    if await running_experiment(session) is not None:
        msg = "an experiment is running already; end it first"
        raise ConflictError(msg)
    active, other = await active_prompt(session), await get_prompt(session, prompt_b_id)
    if other.tenant_id != actor.tenant_id or other.id == active.id:
        msg = "choose a version of your own that is not the active one"
        raise InvalidInputError(msg)
    experiment = Experiment(
        id=uuid7(), prompt_a_id=active.id, prompt_b_id=other.id, started_by=actor.label, state="running"
    )
    session.add(experiment)
    await session.flush()
    await end_all(session, "an experiment with another prompt was started")
    await announce(session, actor.tenant_id, "comparison")
    return experiment


async def end_experiment(session: AsyncSession, winner: Arm | None) -> Experiment:
    """End it; the winner's prompt is used for all drafts from now on. Without one nothing else changes.

    Raises ConflictError when none is running.
    """
    experiment = await running_experiment(session)
    if experiment is None:
        msg = "no experiment is running"
        raise ConflictError(msg)
    experiment.state, experiment.winner = "ended", winner
    experiment.ended_at = await database_time(session)
    await session.flush()
    if winner is not None:
        prompt = await get_prompt(session, experiment.prompt_a_id if winner == "a" else experiment.prompt_b_id)
        if prompt.tenant_id == GLOBAL_TENANT_ID:
            await deactivate_own(session)
        else:
            await activate(session, prompt.id)
    await end_all(session, "an experiment with another prompt was ended")
    return experiment


async def newest_experiment(session: AsyncSession) -> ExperimentView | None:
    """The one that is running, else the last one."""
    found = await session.execute(select(Experiment).order_by(Experiment.id.desc()).limit(1))
    experiment = found.scalar_one_or_none()
    if experiment is None:
        return None
    return ExperimentView(
        experiment,
        await _figures(session, experiment, "a", experiment.prompt_a_id),
        await _figures(session, experiment, "b", experiment.prompt_b_id),
    )


async def _figures(session: AsyncSession, experiment: Experiment, arm: Arm, prompt_id: UUID) -> ArmFigures:
    mine = (Draft.experiment_id == experiment.id, Draft.arm == arm)
    drafted = (await session.execute(select(func.count(), func.sum(Draft.usd)).where(*mine))).one()
    approved, edited = Review.action == "approved", Review.action == "edited"
    same = Review.meaning_changed.is_(False)
    reviewed: Any = (
        await session.execute(
            select(
                func.count().filter(approved & same),
                func.count().filter(edited & same),
                func.count().filter((approved | edited) & ~same),
                func.count().filter(Review.action == "rejected"),
                func.avg(Review.similarity),
            )
            .join(Draft, Draft.id == Review.draft_id)
            .where(*mine, Review.state != "cancelled")
        )
    ).one()
    return ArmFigures(
        await get_prompt(session, prompt_id),
        int(drafted[0]),
        int(reviewed[0]),
        int(reviewed[1]),
        int(reviewed[2]),
        int(reviewed[3]),
        None if reviewed[4] is None else float(reviewed[4]),
        float(drafted[1] or 0),
    )
