"""A tenant's calibrated probability, from the reviews of its own drafts."""

from __future__ import annotations

import math
from time import monotonic
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.models import Draft, Review
from desk.ports import Evidence
from learning.calibration import FEATURES, Calibrator, draft_features

ENOUGH_LABELS = 20
"""Below this many reviewed drafts no probability is shown: the score over the filled sources speaks instead."""
MOST_LABELS = 2_000
"""The newest ones; an older habit of the agents' says little about today."""


class TenantCalibration:
    """Fulfils `desk.ports.Calibration`. A draft is good when it was sent with its meaning unchanged."""

    def __init__(self, database: Database, recheck_seconds: float = 0.0) -> None:
        """`recheck_seconds`: for how long a fit is used before the reviews are looked at again."""
        self._database = database
        self._recheck_seconds = recheck_seconds
        self._checked: dict[UUID, float] = {}
        self._fitted: dict[UUID, tuple[str, Calibrator | None]] = {}

    def features(self, evidence: Evidence, body: str, writer: str) -> tuple[float, ...]:
        return draft_features(evidence, body, writer)

    async def probability(self, tenant_id: UUID, features: tuple[float, ...]) -> float | None:
        calibrator = await self._calibrator(tenant_id)
        return None if calibrator is None else calibrator.probability(features)

    async def _calibrator(self, tenant_id: UUID) -> Calibrator | None:
        """Fitted anew when anything about the reviews has changed since it was looked at; None with too few of them."""
        if monotonic() - self._checked.get(tenant_id, -math.inf) < self._recheck_seconds:
            return self._fitted[tenant_id][1]
        async with self._database.transaction(Scope(tenant_id)) as session:
            state = await session.execute(select(func.count(Review.id), func.max(Review.updated_at)).where(*_counts()))
            reviewed = str(state.one())
            known = self._fitted.get(tenant_id)
            if known is not None and known[0] == reviewed:
                self._checked[tenant_id] = monotonic()
                return known[1]
            rows = await session.execute(
                select(Draft.features, Review.action, Review.meaning_changed)
                .join(Draft, Draft.id == Review.draft_id)
                .where(*_counts(), Draft.features.is_not(None))
                .order_by(Review.id.desc())
                .limit(MOST_LABELS)
            )
            labelled = [
                (features, action != "rejected" and not changed)
                for features, action, changed in rows
                if features is not None and len(features) == len(FEATURES)
            ]
        fitted = None
        if len(labelled) >= ENOUGH_LABELS:
            fitted = Calibrator.fit([features for features, _ in labelled], [good for _, good in labelled])
        self._fitted[tenant_id] = (reviewed, fitted)
        self._checked[tenant_id] = monotonic()
        return fitted


def _counts() -> tuple[ColumnElement[bool], ...]:
    """Reviews that say something about a draft; undone ones and replies written without one do not."""
    return (Review.draft_id.is_not(None), Review.state != "cancelled")
