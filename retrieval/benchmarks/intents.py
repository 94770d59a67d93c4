"""Measures the intent classifier, the same for every set: how often the intent is right, and are strangers noticed?

FILE is JSON Lines with `text`, `intent` and `split`. Where some lines are `test`, those that are `train` are learned
from; test lines of an intent that no train line has are out of scope. Where all are `train`, so many of each intent are
drawn as --each says, and the rest is the test, over --seeds draws. The intents' names serve as their titles.

    python -m retrieval.benchmarks.intents FILE [FILE ...] [--each 10] [--seeds 5] [--json]
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import click
import numpy as np
from numpy.typing import NDArray

from desk.ports import Vectors
from retrieval.benchmarks.ranking import embed_with_progress
from retrieval.intents import IntentCategory, IntentClassifier, LabelledText, texts_of


@dataclass(frozen=True, slots=True)
class Measured:
    file: str
    intents: int
    learned_from: int
    draws: int
    in_scope: int
    """Test questions of one draw."""
    accuracy: float
    """Of the questions in scope, the share whose likeliest intent is right; mean of the draws."""
    nearest: float
    """The same for the intent of the nearest known text by cosine."""
    out_of_scope: int
    auroc: float | None
    """Of the probability that a question is in scope; None without strangers."""
    nearest_auroc: float | None
    """The same for the cosine of the nearest known text."""
    training_seconds: float
    milliseconds: float
    """Median of one guess, embedding not counted."""


@dataclass(frozen=True, slots=True)
class _Set:
    name: str
    texts: Sequence[str]
    intents: Sequence[str]
    vectors: Vectors
    is_test: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Outcome:
    right: list[bool]
    nearest_right: list[bool]
    known: list[float]
    nearest: list[float]
    is_stranger: list[bool]
    training_seconds: float
    milliseconds: float


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--each", type=click.IntRange(min=2), default=10, show_default=True, help="Drawn of every intent.")
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="Draws.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def main(files: Sequence[Path], each: int, seeds: int, *, as_json: bool) -> None:
    """Learn from a part of every FILE and ask for the rest."""
    for path in files:
        measured = measure(_read(path), each, seeds)
        if as_json:
            click.echo(json.dumps(asdict(measured)))
            continue
        strangers = (
            ""
            if measured.auroc is None
            else f"; {measured.out_of_scope} out of scope: AUROC {measured.auroc:.3f} "
            f"(nearest text {measured.nearest_auroc:.3f})"
        )
        click.echo(
            f"{measured.file}: {measured.intents} intents, {measured.learned_from} texts learned from, "
            f"{measured.draws} draw(s), {measured.in_scope} in scope: accuracy {measured.accuracy:.4f} "
            f"(nearest text {measured.nearest:.4f}){strangers}; trained in {measured.training_seconds:.1f} s, "
            f"{measured.milliseconds:.2f} ms a guess"
        )


def measure(given: _Set, each: int, seeds: int) -> Measured:
    draws = [_outcome(given, train, test) for train, test in _draws(given, each, seeds)]
    first = draws[0]
    in_scope = first.is_stranger.count(False)
    learned_from = len(next(_draws(given, each, seeds))[0])
    has_strangers = any(first.is_stranger)
    return Measured(
        file=given.name,
        intents=len({given.intents[row] for row in next(_draws(given, each, seeds))[0]}),
        learned_from=learned_from,
        draws=len(draws),
        in_scope=in_scope,
        accuracy=statistics.fmean(statistics.fmean(one.right) for one in draws),
        nearest=statistics.fmean(statistics.fmean(one.nearest_right) for one in draws),
        out_of_scope=first.is_stranger.count(True),
        auroc=_auroc(first.known, first.is_stranger) if has_strangers else None,
        nearest_auroc=_auroc(first.nearest, first.is_stranger) if has_strangers else None,
        training_seconds=statistics.median(one.training_seconds for one in draws),
        milliseconds=statistics.median(one.milliseconds for one in draws),
    )


def _draws(given: _Set, each: int, seeds: int) -> Iterator[tuple[list[int], list[int]]]:
    everything = np.arange(len(given.texts))
    if given.is_test.any():
        yield everything[~given.is_test].tolist(), everything[given.is_test].tolist()
        return
    intents = np.array(given.intents)
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        of_each = [np.flatnonzero(intents == intent) for intent in sorted(set(given.intents))]
        drawn = np.concatenate([random.choice(rows, min(each, len(rows)), replace=False) for rows in of_each])
        yield drawn.tolist(), np.setdiff1d(everything, drawn).tolist()


def _outcome(given: _Set, train: Sequence[int], test: Sequence[int]) -> _Outcome:
    names = sorted({given.intents[row] for row in train})
    categories = [IntentCategory(name, name.replace("_", " ").lower(), {}, 1.0, False, ()) for name in names]
    titles = embed_with_progress(texts_of(categories), "titles")
    labelled = [LabelledText(given.intents[row], given.texts[row], given.vectors[row]) for row in train]
    began = perf_counter()
    classifier = IntentClassifier(categories, titles, labelled)
    trained = perf_counter() - began
    cosines = given.vectors[list(test)] @ given.vectors[list(train)].T
    found = _Outcome([], [], [], cosines.max(axis=1).tolist(), [], trained, 0.0)
    milliseconds: list[float] = []
    for row, nearest in zip(test, cosines.argmax(axis=1).tolist(), strict=True):
        began = perf_counter()
        known, shares = classifier.judge(given.texts[row], given.vectors[row])
        milliseconds.append(1_000 * (perf_counter() - began))
        is_stranger = given.intents[row] not in names
        found.known.append(known)
        found.is_stranger.append(is_stranger)
        if not is_stranger:
            found.right.append(names[int(shares.argmax())] == given.intents[row])
            found.nearest_right.append(given.intents[train[nearest]] == given.intents[row])
    return _Outcome(
        found.right,
        found.nearest_right,
        found.known,
        found.nearest,
        found.is_stranger,
        trained,
        statistics.median(milliseconds),
    )


def _auroc(scores: Sequence[float], is_stranger: Sequence[bool]) -> float:
    """The chance that a question in scope scores above a stranger; ties count half."""
    strangers = np.sort([score for score, stranger in zip(scores, is_stranger, strict=True) if stranger])
    inside = np.array([score for score, stranger in zip(scores, is_stranger, strict=True) if not stranger])
    below, through = np.searchsorted(strangers, inside, "left"), np.searchsorted(strangers, inside, "right")
    return float((below + through).mean() / (2 * len(strangers)))


def _read(path: Path) -> _Set:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines:
        raise click.ClickException(f"{path.name} is empty.")
    texts = [str(line["text"]) for line in lines]
    vectors = embed_with_progress(texts, f"Embedding {len(texts)} texts")
    is_test = np.array([line.get("split") == "test" for line in lines])
    return _Set(path.name, texts, [str(line["intent"]) for line in lines], vectors, is_test)


if __name__ == "__main__":
    main()
