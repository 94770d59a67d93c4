"""Searches a set of texts by words, by vectors and by both, and tells how high the right one came."""

from __future__ import annotations

import hashlib
import json
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from uuid import NAMESPACE_URL, UUID, uuid5

import click
import numpy as np

from desk.ports import Vectors
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.lexical import LexicalIndex
from retrieval.source_index import SourceIndex
from retrieval.vectors import VectorArena

DEPTH = 50
"""Texts looked at for one question; several may belong to the same group."""
_CUT = 10
_EMBEDDED_TOGETHER = 64

Search = Callable[[str, Vectors], Sequence[UUID]]


@dataclass(frozen=True, slots=True)
class Measured:
    task: str
    search: str
    questions: int
    first_hit: float
    """Share of questions whose right group came first."""
    ndcg_at_10: float
    """With one right group a question: 1 / log2(1 + its rank), 0 beyond rank 10, averaged."""
    ndcg_of_halves: tuple[float, float]
    """The same of every other question, from the first and from the second on."""
    milliseconds: float
    """Median of one search, embedding not counted."""


@dataclass(frozen=True, slots=True)
class Task:
    """Questions with the group each belongs to, over texts with theirs: an article, a section, a FAQ."""

    name: str
    texts: Sequence[str]
    groups: Sequence[Hashable]
    questions: Sequence[str]
    wanted: Sequence[Hashable]
    headings: Sequence[Sequence[str]] | None = None
    """Of every text those it stands under, which only the product's own search is told apart from the text."""
    documents: Sequence[str] | None = None
    """Of every text the document it is a passage of; likewise."""


def embed_with_progress(texts: Sequence[str], label: str) -> Vectors:
    """Rows for `texts` from the local model, with a progress bar on stderr.

    Kept in the folder for temporary files, so that the next run of a benchmark over the same texts starts at once.
    """
    embedder = MiniLMEmbedder()
    kept = _kept_file(embedder.model, texts)
    if kept.is_file():
        return np.load(kept)
    rows = np.empty((len(texts), embedder.dimension), dtype=np.float32)
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    starts = range(0, len(texts), _EMBEDDED_TOGETHER)
    with click.progressbar(starts, label=label, file=sys.stderr) as progress:
        for start in progress:
            some = order[start : start + _EMBEDDED_TOGETHER]
            rows[some] = embedder.embed_now([texts[at] for at in some])
    _keep(kept, rows)
    return rows


def temporary_folder() -> Path:
    """Of this user's own; what takes long to make is kept there from one benchmark to the next."""
    folder = Path(tempfile.gettempdir(), f"desk-benchmark-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _kept_file(model: str, texts: Sequence[str]) -> Path:
    digest = hashlib.sha256(json.dumps([model, *texts]).encode()).hexdigest()[:32]
    return temporary_folder() / f"{digest}.npy"


def _keep(path: Path, rows: Vectors) -> None:
    fresh = path.with_suffix(f".{os.getpid()}.npy")
    np.save(fresh, rows)
    fresh.replace(path)


def item_ids(task: Task) -> list[UUID]:
    """By which a search names the task's texts, in their order."""
    return [UUID(int=number + 1) for number in range(len(task.texts))]


def index_of(task: Task, text_vectors: Vectors) -> SourceIndex:
    """The product's own index of the task's texts."""
    index = SourceIndex(text_vectors.shape[1])
    headings = task.headings or [()] * len(task.texts)
    documents = [uuid5(NAMESPACE_URL, one) for one in task.documents] if task.documents else [None] * len(task.texts)
    texts = zip(item_ids(task), task.texts, text_vectors, headings, documents, strict=True)
    for item_id, text, vector, above, document in texts:
        index.upsert(item_id, text, vector, above, document)
    return index


def measure(
    task: Task, text_vectors: Vectors, question_vectors: Vectors, further: Mapping[str, Search] | None = None
) -> list[Measured]:
    """Words alone (BM25), vectors alone, both, and `further` searches, each over the same texts and questions."""
    ids = item_ids(task)
    words, vectors = LexicalIndex(), VectorArena(text_vectors.shape[1])
    for item_id, text, vector in zip(ids, task.texts, text_vectors, strict=True):
        words.add(item_id, text)
        vectors.upsert(item_id, vector)
    both = index_of(task, text_vectors)
    group_of = dict(zip(ids, task.groups, strict=True))
    searches: dict[str, Search] = {
        "words": lambda text, _: [item_id for item_id, _ in words.search(text, DEPTH)],
        "vectors": lambda _, vector: [item_id for item_id, _ in vectors.search(vector, DEPTH)],
        "both": lambda text, vector: [found.item_id for found in both.search(text, vector, DEPTH)],
        **(further or {}),
    }
    return [_measured(task, name, search, group_of, question_vectors) for name, search in searches.items()]


def report(results: Sequence[Measured], *, as_json: bool) -> None:
    """One line a measurement on stdout, aligned or as JSON Lines."""
    for one in results:
        if as_json:
            click.echo(json.dumps(asdict(one)))
        else:
            click.echo(
                f"{one.task:<20} {one.search:<13} first hit {one.first_hit:.3f}  nDCG@10 {one.ndcg_at_10:.4f}  "
                f"(halves {one.ndcg_of_halves[0]:.4f}, {one.ndcg_of_halves[1]:.4f})  {one.milliseconds:6.2f} ms  "
                f"({one.questions} questions)"
            )


def _measured(
    task: Task, name: str, search: Search, group_of: dict[UUID, Hashable], question_vectors: Vectors
) -> Measured:
    ranks: list[float] = []
    milliseconds: list[float] = []
    for question, vector, wanted in zip(task.questions, question_vectors, task.wanted, strict=True):
        began = perf_counter()
        found = search(question, vector)
        milliseconds.append(1_000 * (perf_counter() - began))
        order = list(dict.fromkeys(group_of[item_id] for item_id in found))[:_CUT]
        ranks.append(1 + order.index(wanted) if wanted in order else math.inf)
    gains = [1 / math.log2(1 + rank) for rank in ranks]
    return Measured(
        task=task.name,
        search=name,
        questions=len(ranks),
        first_hit=statistics.fmean(rank == 1 for rank in ranks),
        ndcg_at_10=statistics.fmean(gains),
        ndcg_of_halves=(statistics.fmean(gains[::2]), statistics.fmean(gains[1::2] or gains)),
        milliseconds=statistics.median(milliseconds),
    )
