"""From what a draft rests on to the probability that an agent would send it unchanged in meaning.

A logistic model per tenant, refitted as reviews come in. It starts from a prior that knows only what the features
mean, not any tenant's texts, and moves away from it as far as the tenant's own labels ask for. Probabilities are
averaged over what the labels leave open (MacKay 1992, "The evidence framework applied to classification networks"),
so that little evidence shows as caution.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from desk.drafting.voting import MOST_VOTERS, vote
from desk.errors import InvalidInputError
from desk.ports import Evidence, Hit

FEATURES = (
    "nearest_score",
    "vote_share",
    "sharp_vote_share",
    "wide_vote_share",
    "wording_vote_share",
    "likeness_to_near_replies",
    "likeness_to_closest_reply",
    "agreement_of_near_replies",
    "repeated_replies",
    "times_said",
    "since_last_said",
    "history_size",
    "kb_similarity",
    "correction_safety",
    "from_passages",
    "from_model",
)
"""The order of a feature vector; stored vectors of another length belong to an earlier version and are not used."""

_NEAR = 8
_INTERCEPT_DEVIATION = 0.7
"""Standard deviation of the prior on a tenant's own base rate, in logits: tenants differ widely."""
_COEFFICIENT_DEVIATION = 0.15
"""Of each coefficient around the prior's, per deviation of its feature: these differ less between tenants."""
_MOST_STEPS = 50
_SETTLED = 1e-8

Vector = NDArray[np.float64]


def draft_features(evidence: Evidence, body: str, writer: str) -> tuple[float, ...]:
    """One number per name in `FEATURES`, for live drafts and the backtest alike."""
    values = {
        **dict.fromkeys(FEATURES, 0.0),
        **(_of_neighbours(evidence, body) if evidence.neighbours else {}),
        "kb_similarity": evidence.confidence.parts.kb_similarity,
        "correction_safety": evidence.confidence.parts.correction_safety,
        "from_passages": float(writer == "passages"),
        "from_model": float(writer == "llm"),
    }
    return tuple(values[name] for name in FEATURES)


def _of_neighbours(evidence: Evidence, body: str) -> dict[str, float]:
    """How near the approved answers are, how far they agree, and how far the draft goes with them."""
    neighbours = evidence.neighbours[:MOST_VOTERS]
    held = max(evidence.approved_answers, len(neighbours))
    result = vote(neighbours, held)
    texts = [body.strip().lower(), *(hit.text.strip().lower() for hit in neighbours[:_NEAR])]
    likeness = process.cdist(texts, texts, scorer=Levenshtein.normalized_similarity, dtype=np.float32)
    between = likeness[1:, 1:][np.triu_indices(len(texts) - 1, k=1)]
    repeated = (result.similarity > 0).sum(axis=1) > 1
    return {
        "nearest_score": neighbours[0].score,
        "vote_share": result.share,
        "sharp_vote_share": result.sharp_share,
        "wide_vote_share": result.wide_share,
        "wording_vote_share": result.wording_share,
        "likeness_to_near_replies": float(likeness[0, 1:].mean()),
        "likeness_to_closest_reply": float(likeness[0, 1:].max()),
        "agreement_of_near_replies": float(between.mean()) if between.size else 0.0,
        "repeated_replies": float(repeated[:_NEAR].mean()),
        "times_said": math.log(len(result.members)),
        "since_last_said": _since_last_said(neighbours, result.members),
        "history_size": math.log1p(held),
    }


def _since_last_said(neighbours: Sequence[Hit], members: Sequence[int]) -> float:
    """How long the chosen answer has not been given, against the usual age of answers; below 0 when lately."""
    days = np.array([hit.created_at.timestamp() / 86_400 if hit.created_at else np.nan for hit in neighbours])
    if np.isnan(days).any():
        return 0.0
    newest = float(days.max())
    return math.log1p(newest - float(days[list(members)].max())) - math.log1p(newest - float(np.median(days)))


@dataclass(frozen=True, slots=True)
class Prior:
    """Where every tenant starts. Features are standardised by `centre` and `scale` before anything else."""

    centre: Vector
    scale: Vector
    coefficients: Vector
    """Shape (1 + features,), the intercept first."""
    labels: int
    """How many labels it was fitted on."""

    def __post_init__(self) -> None:
        if not len(self.centre) == len(self.scale) == len(self.coefficients) - 1 == len(FEATURES):
            raise InvalidInputError("The calibration prior belongs to other features; make it anew with its script.")

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        if tuple(stored["features"]) != FEATURES:
            raise InvalidInputError("The calibration prior belongs to other features; make it anew with its script.")
        return cls(
            np.array(stored["centre"], dtype=np.float64),
            np.array(stored["scale"], dtype=np.float64),
            np.array(stored["coefficients"], dtype=np.float64),
            int(stored["labels"]),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "features": list(FEATURES),
            "centre": self.centre.round(6).tolist(),
            "scale": self.scale.round(6).tolist(),
            "coefficients": self.coefficients.round(6).tolist(),
            "labels": self.labels,
        }

    def design(self, features: NDArray[np.floating[Any]]) -> Vector:
        """Standardised rows with a leading 1, cut at three deviations so that no odd draft decides alone."""
        standardised = np.clip((np.asarray(features, dtype=np.float64) - self.centre) / self.scale, -3.0, 3.0)
        return np.hstack([np.ones((len(standardised), 1)), standardised])


@cache
def shipped_prior() -> Prior:
    """The prior of `calibration_prior.json`, made by `scripts/fit_calibration_prior.py`."""
    return Prior.from_json(json.loads(files("learning").joinpath("calibration_prior.json").read_text(encoding="utf-8")))


class Calibrator:
    """One tenant's probability model; immutable."""

    def __init__(self, prior: Prior, coefficients: Vector, covariance: Vector, evidence: int) -> None:
        self._prior = prior
        self._coefficients = coefficients
        self._covariance = covariance
        self.evidence = evidence
        """How many of the tenant's own labels it was fitted on."""

    @classmethod
    def unfitted(cls, prior: Prior | None = None) -> Self:
        """The prior alone, before any label of the tenant."""
        chosen = prior or shipped_prior()
        return cls(chosen, chosen.coefficients, np.diag(1.0 / _precision()), 0)

    @classmethod
    def fit(
        cls,
        features: NDArray[np.floating[Any]] | Sequence[Sequence[float]],
        labels: Sequence[bool] | NDArray[np.bool_],
        prior: Prior | None = None,
    ) -> Self:
        """`features` has the shape (labels, len(FEATURES)); a label is True for a draft that was good."""
        rows = np.asarray(features, dtype=np.float64).reshape(-1, len(FEATURES))
        outcome = np.asarray(labels, dtype=np.float64)
        if len(rows) != len(outcome):
            raise InvalidInputError(f"{len(rows)} feature rows cannot go with {len(outcome)} labels.")
        if not np.isfinite(rows).all():
            raise InvalidInputError("A feature is not a finite number.")
        chosen = prior or shipped_prior()
        coefficients, covariance = ridge_logistic(
            chosen.design(rows), outcome, np.ones(len(outcome)), chosen.coefficients, _precision()
        )
        return cls(chosen, coefficients, covariance, len(outcome))

    def probability(self, features: Sequence[float]) -> float:
        """That the draft is good, strictly between 0 and 1."""
        row = self._prior.design(np.asarray(features, dtype=np.float64).reshape(1, -1))[0]
        doubt = float(row @ self._covariance @ row)
        logit = float(row @ self._coefficients) / math.sqrt(1.0 + math.pi * doubt / 8.0)
        return 1.0 / (1.0 + math.exp(-logit))

    def to_json(self) -> dict[str, Any]:
        return {
            "prior": self._prior.to_json(),
            "coefficients": self._coefficients.tolist(),
            "covariance": self._covariance.tolist(),
            "evidence": self.evidence,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Raises InvalidInputError when it was stored for other features."""
        return cls(
            Prior.from_json(stored["prior"]),
            np.array(stored["coefficients"], dtype=np.float64),
            np.array(stored["covariance"], dtype=np.float64),
            int(stored["evidence"]),
        )


def ridge_logistic(
    design: Vector, outcome: Vector, weights: Vector, centre: Vector, precision: Vector
) -> tuple[Vector, Vector]:
    """Coefficients of greatest posterior density and their covariance there (Laplace), by Newton's method.

    `design` (rows, columns), `outcome` 0 or 1 and `weights` (rows,); each coefficient has a normal prior around
    `centre` with `precision` (columns,). Steps are halved while they lead uphill.
    """
    coefficients = centre.copy()

    def loss(at: Vector) -> float:
        logits = design @ at
        fit = weights @ (np.logaddexp(0.0, logits) - outcome * logits)
        return float(fit + 0.5 * precision @ (at - centre) ** 2)

    current = loss(coefficients)
    for _ in range(_MOST_STEPS):
        step = np.linalg.solve(*_newton(design, outcome, weights, coefficients, centre, precision))
        size = 1.0
        while (after := loss(coefficients - size * step)) > current and size > 1e-6:
            size /= 2
        coefficients = coefficients - size * step
        if current - after < _SETTLED * (1.0 + abs(current)):
            break
        current = after
    curvature, _ = _newton(design, outcome, weights, coefficients, centre, precision)
    return coefficients, np.linalg.inv(curvature).astype(np.float64)


def _newton(
    design: Vector, outcome: Vector, weights: Vector, at: Vector, centre: Vector, precision: Vector
) -> tuple[Vector, Vector]:
    """Curvature and gradient of the loss."""
    probability = 0.5 * (1.0 + np.tanh(0.5 * (design @ at)))
    spread = weights * probability * (1.0 - probability)
    curvature = (design * spread[:, np.newaxis]).T @ design + np.diag(precision)
    gradient = design.T @ (weights * (probability - outcome)) + precision * (at - centre)
    return curvature, gradient


def _precision() -> Vector:
    deviations = np.full(len(FEATURES) + 1, _COEFFICIENT_DEVIATION)
    deviations[0] = _INTERCEPT_DEVIATION
    return 1.0 / deviations**2
