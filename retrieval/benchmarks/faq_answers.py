"""How often the FAQ lane answers without a person, and how often wrongly, on questions it was not set with.

Wrong matches come from three places: queries whose first FAQ is another's, queries whose own FAQ is not published (the
nearest there is, written about the same things), and questions about something else altogether.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from desk.policy.certificate import upper_bound
from desk.ports import Vectors
from retrieval.faq.answering import CALIBRATED_MODEL, LARGEST_LEAD, REWORDED_COSINE, Verdict, is_rewording, judge
from retrieval.faq.index import FaqIndex
from retrieval.faq.wording import difference

_ROUNDS = 20
_COMPARED = 8
_CONFIDENCE = 0.95
_RIDGE = 1e-3
_SEED = 7


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts with their vectors, and of which FAQ each is (-1: of none)."""

    texts: Sequence[str]
    vectors: Vectors
    faqs: Sequence[int]

    def of(self, chosen: Iterable[int]) -> Texts:
        positions = list(chosen)
        return Texts([self.texts[at] for at in positions], self.vectors[positions], [self.faqs[at] for at in positions])


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a set of questions."""

    asked: int
    """Questions whose FAQ was published."""
    foreign: int
    """Questions whose answer was not there."""
    sent: int
    wrong: int
    shown: int
    """Answers proposed to an agent, the sent ones among them."""
    shown_wrong: int

    @property
    def precision(self) -> float:
        return 1.0 if not self.sent else 1.0 - self.wrong / self.sent

    @property
    def coverage(self) -> float:
        return (self.sent - self.wrong) / self.asked if self.asked else 0.0


@dataclass(frozen=True, slots=True)
class Validated:
    """The threshold set on one half of the FAQs, tried on the other half, over several random halves."""

    rounds: int
    lowest_threshold: float
    mean_threshold: float
    highest_threshold: float
    sent: int
    wrong: int
    precision: float
    precision_at_least: float
    """Exact lower bound at 95 %, as if all that was sent were independent."""
    coverage: float
    foreign: int
    """Questions without an answer that were asked, over all rounds."""


def ask(published: Texts, questions: Texts, threshold: float = REWORDED_COSINE) -> Answered:
    """`questions` of an index that holds the texts of `published`."""
    index = FaqIndex(published.vectors.shape[1])
    for at, (text, vector, faq) in enumerate(zip(published.texts, published.vectors, published.faqs, strict=True)):
        index.upsert(UUID(int=at + 1), UUID(int=faq + 1), text, vector)
    there = set(published.faqs)
    judged = list(_judged(index, questions, threshold))
    return Answered(
        asked=sum(faq in there for faq in questions.faqs),
        foreign=sum(faq not in there for faq in questions.faqs),
        sent=sum(verdict.certain for verdict, _ in judged),
        wrong=sum(verdict.certain and not right for verdict, right in judged),
        shown=len(judged),
        shown_wrong=sum(not right for _, right in judged),
    )


def nearest_wrong_wording(faqs: Texts, questions: Texts) -> float:
    """The greatest cosine between two wordings of different FAQs that the rules on words would let pass.

    Every question counts as a phrasing somebody may have published, which is harder than the FAQs as they are.
    """
    wordings = _together(faqs, questions)
    groups = np.array(wordings.faqs)
    related = np.flatnonzero(groups >= 0)
    cosines = wordings.vectors @ wordings.vectors[related].T
    cosines[(groups[:, np.newaxis] == groups[related]) & (groups[:, np.newaxis] >= 0)] = -1.0
    for flat in np.argsort(-cosines, axis=None):
        row, column = divmod(int(flat), len(related))
        if is_rewording(difference(wordings.texts[row], wordings.texts[int(related[column])])):
            return float(cosines[row, column])
    return 0.0


def halfway(nearest_wrong: float) -> float:
    """The threshold in the middle between the nearest wrong match and identity, the greatest margin to both."""
    return (1.0 + nearest_wrong) / 2.0


def validate(faqs: Texts, queries: Texts, unrelated: Texts) -> Validated:
    """The threshold comes from the wordings of one random half of the FAQs and half of the unrelated questions. It is
    tried on the other half of the FAQs, with all the queries: those of the first half have no answer there."""
    shuffled = random.Random(_SEED)  # noqa: S311 - the same halves every time
    thresholds: list[float] = []
    outcomes: list[Answered] = []
    for _ in range(_ROUNDS):
        order = shuffled.sample(range(len(faqs.texts)), len(faqs.texts))
        others = shuffled.sample(range(len(unrelated.texts)), len(unrelated.texts))
        middle, cut = len(order) // 2, len(others) // 2
        known = faqs.of(order[:middle])
        theirs = queries.of(at for at, faq in enumerate(queries.faqs) if faq in set(known.faqs))
        nearest = nearest_wrong_wording(known, _together(theirs, unrelated.of(others[:cut])))
        thresholds.append(halfway(nearest))
        questions = _together(queries, unrelated.of(others[cut:]))
        outcomes.append(ask(faqs.of(order[middle:]), questions, thresholds[-1]))
    sent, wrong = sum(one.sent for one in outcomes), sum(one.wrong for one in outcomes)
    return Validated(
        rounds=_ROUNDS,
        lowest_threshold=min(thresholds),
        mean_threshold=statistics.fmean(thresholds),
        highest_threshold=max(thresholds),
        sent=sent,
        wrong=wrong,
        precision=1.0 - wrong / sent if sent else 1.0,
        precision_at_least=1.0 - upper_bound(wrong, sent, _CONFIDENCE),
        coverage=statistics.fmean(one.coverage for one in outcomes),
        foreign=sum(one.foreign for one in outcomes),
    )


def with_phrasings(faqs: Texts, queries: Texts, each: int) -> tuple[Texts, Texts]:
    """`each` queries of every FAQ become further phrasings of it; what is published, and the queries that are left."""
    shuffled = random.Random(_SEED)  # noqa: S311 - the same phrasings every time
    taken: set[int] = set()
    for faq in faqs.faqs:
        own = [at for at, wanted in enumerate(queries.faqs) if wanted == faq]
        taken.update(shuffled.sample(own, min(each, len(own))))
    rest = [at for at in range(len(queries.texts)) if at not in taken]
    return _together(faqs, queries.of(sorted(taken))), queries.of(rest)


def without_their_faq(published: Texts, queries: Texts) -> Answered:
    """Every query asked where everything but its own FAQ is published."""
    parts = [
        ask(
            published.of(at for at, other in enumerate(published.faqs) if other != faq),
            queries.of(at for at, wanted in enumerate(queries.faqs) if wanted == faq),
        )
        for faq in dict.fromkeys(queries.faqs)
    ]
    return Answered(
        asked=0,
        foreign=sum(part.foreign for part in parts),
        sent=sum(part.sent for part in parts),
        wrong=sum(part.wrong for part in parts),
        shown=sum(part.shown for part in parts),
        shown_wrong=sum(part.shown_wrong for part in parts),
    )


def fitted_probability(faqs: Texts, queries: Texts, unrelated: Texts) -> tuple[float, float, float]:
    """Intercept, weight of the cosine and of the lead: a logistic model of whether the first FAQ is meant.

    Queries with and without their FAQ published and the unrelated questions count 2 : 1 : 1, however many they are.
    """
    cosines = queries.vectors @ faqs.vectors.T
    own = np.array([faqs.faqs.index(faq) for faq in queries.faqs])
    removed = cosines.copy()
    removed[np.arange(len(own)), own] = -1.0
    foreign = unrelated.vectors @ faqs.vectors.T
    parts = [(cosines, cosines.argmax(axis=1) == own, 2.0), (removed, np.zeros(len(own), dtype=np.bool_), 1.0)]
    if len(foreign):
        parts.append((foreign, np.zeros(len(foreign), dtype=np.bool_), 1.0))
    features = np.vstack([_features(part) for part, _, _ in parts])
    labels = np.concatenate([right for _, right, _ in parts]).astype(np.float64)
    weights = np.concatenate([np.full(len(right), share * len(own) / len(right)) for _, right, share in parts])
    coefficients = np.zeros(3)
    for _ in range(60):
        predicted = 1.0 / (1.0 + np.exp(-features @ coefficients))
        curvature = features.T @ (features * (weights * predicted * (1.0 - predicted))[:, np.newaxis])
        gradient = features.T @ (weights * (labels - predicted)) - _RIDGE * coefficients
        coefficients += np.linalg.solve(curvature + _RIDGE * np.eye(3), gradient)
    return float(coefficients[0]), float(coefficients[1]), float(coefficients[2])


def _features(cosines: NDArray[np.float32]) -> NDArray[np.float64]:
    best = np.sort(cosines, axis=1)[:, ::-1].astype(np.float64)
    lead = np.minimum(best[:, 0] - best[:, 1], LARGEST_LEAD)
    return np.column_stack([np.ones(len(best)), best[:, 0], lead])


def _judged(index: FaqIndex, questions: Texts, threshold: float) -> Iterator[tuple[Verdict, bool]]:
    for text, vector, wanted in zip(questions.texts, questions.vectors, questions.faqs, strict=True):
        found = index.search(text, vector, _COMPARED)
        verdict = judge(text, found, CALIBRATED_MODEL, threshold)
        if verdict is not None:
            yield verdict, found[0].faq_id == UUID(int=wanted + 1)


def _together(first: Texts, second: Texts) -> Texts:
    return Texts([*first.texts, *second.texts], np.vstack([first.vectors, second.vectors]), [*first.faqs, *second.faqs])
