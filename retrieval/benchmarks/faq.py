"""Measures search over short questions: does a customer's wording find the FAQ it means?

FOLDER holds `faq.jsonl` with {"id", "question"} and `queries.jsonl` with {"query", "faq_id"}.

    python -m retrieval.benchmarks.faq FOLDER [--json]
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from retrieval.benchmarks.ranking import Task, embed_with_progress, measure, report


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def main(folder: Path, *, as_json: bool) -> None:
    """Search the FAQ questions in FOLDER with the queries beside them."""
    entries, queries = _lines(folder / "faq.jsonl"), _lines(folder / "queries.jsonl")
    task = Task(
        "query to FAQ",
        [entry["question"] for entry in entries],
        [entry["id"] for entry in entries],
        [query["query"] for query in queries],
        [query["faq_id"] for query in queries],
    )
    text_vectors = embed_with_progress(task.texts, f"Embedding {len(task.texts)} questions")
    report(measure(task, text_vectors, embed_with_progress(task.questions, task.name)), as_json=as_json)


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise click.ClickException(f"{path.name} is missing in this folder.")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


if __name__ == "__main__":
    main()
