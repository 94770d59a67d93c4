"""Measures the FAQ lane: does a customer's wording find the FAQ it means, may its answer go out, and how fast?

FOLDER holds `faq.jsonl` with {"id", "question"} and `queries.jsonl` with {"query", "faq_id"}. Questions about other
things come from JSON Lines files given as --unrelated, with a `text`, `subject` or `query` in every line.

    python -m retrieval.benchmarks.faq FOLDER [--unrelated FILE ...] [--size 10000] [--alternatives] [--json]
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from desk.ports import Vectors
from retrieval.benchmarks.faq_answers import (
    Answered,
    Texts,
    ask,
    fitted_probability,
    halfway,
    nearest_wrong_wording,
    validate,
    with_phrasings,
    without_their_faq,
)
from retrieval.benchmarks.faq_speed import Timed, time_search
from retrieval.benchmarks.fusions import alternatives
from retrieval.benchmarks.ranking import Search, Task, embed_with_progress, item_ids, measure, report
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.faq.index import FaqIndex

_PHRASINGS = (0, 1, 3)
"""Further wordings given to every FAQ."""
_MOST_UNRELATED = 1_500
"""Of each file, evenly over its length."""
_DEPTH = 50


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--unrelated",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Questions no FAQ in FOLDER answers; several times for several files.",
)
@click.option("--size", type=click.IntRange(min=100), default=10_000, show_default=True, help="FAQs for the timing.")
@click.option("--alternatives", "with_alternatives", is_flag=True, help="Other fusions beside the product's own.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def main(folder: Path, unrelated: Sequence[Path], size: int, *, with_alternatives: bool, as_json: bool) -> None:
    """Search the FAQ questions in FOLDER with the queries beside them."""
    faqs, queries = _embedded(*read_questions(folder))
    foreign = _unrelated(unrelated)
    task = Task("query to FAQ", faqs.texts, faqs.faqs, queries.texts, queries.faqs)
    further = {"lane": _lane(task, faqs.vectors)}
    if with_alternatives:
        further |= alternatives(task, faqs.vectors)
    report(measure(task, faqs.vectors, queries.vectors, further), as_json=as_json)
    if len(faqs.texts) > 1:
        _report_answers(faqs, queries, foreign, as_json=as_json)
    timed = time_search(faqs, queries, size)
    _say(_timing(timed), asdict(timed), as_json=as_json)


def _report_answers(faqs: Texts, queries: Texts, foreign: Texts, *, as_json: bool) -> None:
    halves = validate(faqs, queries, foreign)
    _say(
        f"set on half, tried on the rest, {halves.rounds} times: threshold {halves.mean_threshold:.3f} "
        f"({halves.lowest_threshold:.3f} to {halves.highest_threshold:.3f}), sent {halves.sent}, wrong {halves.wrong}, "
        f"precision {halves.precision:.4f} (at least {halves.precision_at_least:.4f}), coverage {halves.coverage:.3f}, "
        f"{halves.foreign} questions without an answer",
        {"measured": "cross-validation", **asdict(halves)},
        as_json=as_json,
    )
    nearest = nearest_wrong_wording(faqs, queries)
    probability = fitted_probability(faqs, queries, foreign)
    _say(
        f"constants these texts give: threshold {halfway(nearest):.3f} (nearest wrong wording {nearest:.3f}), "
        f"probability {', '.join(f'{one:.1f}' for one in probability)}",
        {"measured": "constants", "threshold": halfway(nearest), "nearest_wrong": nearest, "probability": probability},
        as_json=as_json,
    )
    for each in _PHRASINGS:
        published, rest = with_phrasings(faqs, queries, each)
        if not rest.texts:
            continue
        outcomes = {"own": ask(published, rest), "not published": without_their_faq(published, rest)}
        if foreign.texts:
            outcomes["unrelated"] = ask(published, foreign)
        for name, outcome in outcomes.items():
            figures = {"measured": "as shipped", "phrasings": each, "questions": name, **asdict(outcome)}
            _say(f"{each} further phrasings, {name:<13} {_outcome(outcome)}", figures, as_json=as_json)


def _outcome(outcome: Answered) -> str:
    return (
        f"sent {outcome.sent:>4}, wrong {outcome.wrong}, coverage {outcome.coverage:.3f}; shown {outcome.shown:>4}, "
        f"wrong {outcome.shown_wrong:>3}  ({outcome.asked + outcome.foreign} questions)"
    )


def _timing(timed: Timed) -> str:
    return (
        f"{timed.faqs} FAQs: search p50 {timed.search_p50:.2f} ms, p95 {timed.search_p95:.2f} ms, embedding p50 "
        f"{timed.embed_p50:.2f} ms, p95 of both {timed.both_p95:.2f} ms; difflib {timed.difflib_p50:.0f} ms, "
        f"{timed.difflib_p50 / timed.search_p50:.0f} times the search"
    )


def _say(line: str, figures: Mapping[str, Any], *, as_json: bool) -> None:
    click.echo(json.dumps(figures) if as_json else line)


def _lane(task: Task, vectors: Vectors) -> Search:
    index = FaqIndex(vectors.shape[1])
    for item_id, text, vector in zip(item_ids(task), task.texts, vectors, strict=True):
        index.upsert(item_id, item_id, text, vector)
    return lambda text, vector: [found.faq_id for found in index.search(text, vector, _DEPTH)]


@dataclass(frozen=True, slots=True)
class Questions:
    texts: Sequence[str]
    faqs: Sequence[int]
    """Of each text the number of the FAQ it is, or means."""


def read_questions(folder: Path) -> tuple[Questions, Questions]:
    """The FAQs of a folder and the queries that mean one. Raises ClickException for a missing file."""
    entries, queries = _lines(folder / "faq.jsonl"), _lines(folder / "queries.jsonl")
    number = {entry["id"]: at for at, entry in enumerate(entries)}
    return (
        Questions([str(entry["question"]) for entry in entries], [*number.values()]),
        Questions([str(query["query"]) for query in queries], [number[query["faq_id"]] for query in queries]),
    )


def _embedded(faqs: Questions, queries: Questions) -> tuple[Texts, Texts]:
    return (
        Texts(faqs.texts, embed_with_progress(faqs.texts, f"Embedding {len(faqs.texts)} questions"), faqs.faqs),
        Texts(queries.texts, embed_with_progress(queries.texts, "query to FAQ"), queries.faqs),
    )


def _unrelated(paths: Sequence[Path]) -> Texts:
    texts: list[str] = []
    for path in paths:
        lines = _lines(path)
        step = max(1, len(lines) // _MOST_UNRELATED)
        texts += [_question(path, line) for line in lines[::step]]
    if not texts:
        return Texts([], np.empty((0, MiniLMEmbedder().dimension), dtype=np.float32), [])
    return Texts(texts, embed_with_progress(texts, f"Embedding {len(texts)} other questions"), [-1] * len(texts))


def _question(path: Path, line: Mapping[str, Any]) -> str:
    for name in ("text", "subject", "query"):
        if name in line:
            return str(line[name])
    raise click.ClickException(f"{path.name} has a line without text, subject or query.")


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise click.ClickException(f"{path.name} is missing in this folder.")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


if __name__ == "__main__":
    main()
