"""Measures how often the language of a text is told, and told wrongly.

FILE is JSON Lines with `text` and `language`, an ISO 639-1 code, empty for a text that is in none.

    python -m retrieval.benchmarks.languages FILE [--json]
"""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import click

from retrieval.ingestion.languages import detect_language


@dataclass(frozen=True, slots=True)
class Measured:
    language: str
    """"" for the texts that are in none."""
    texts: int
    told: int
    """Given their own language; for texts in none, given none."""
    wrong: int
    """Given another language: what is not told is not wrong."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def main(file: Path, *, as_json: bool) -> None:
    """Tell the language of every text in FILE."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    detect_language("The first call loads the model.")
    given: dict[str, list[str]] = {}
    milliseconds: list[float] = []
    for line in lines:
        began = perf_counter()
        given.setdefault(line["language"], []).append(detect_language(line["text"]))
        milliseconds.append(1_000 * (perf_counter() - began))
    results = [
        Measured(
            language,
            len(guesses),
            sum(guess == language for guess in guesses),
            sum(guess not in {language, ""} for guess in guesses),
        )
        for language, guesses in sorted(given.items())
    ]
    for one in results:
        line = f"{one.language or 'none':<5} told {one.told:>4}, wrong {one.wrong:>3}  ({one.texts} texts)"
        click.echo(json.dumps(asdict(one)) if as_json else line)
    if not as_json:
        told = sum(one.told for one in results if one.language)
        texts = sum(one.texts for one in results if one.language)
        click.echo(f"told {told} of {texts} texts in a language; {statistics.median(milliseconds):.2f} ms a text")


if __name__ == "__main__":
    main()
