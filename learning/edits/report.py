"""Precision and recall of the analysis on labelled edits: `python -m learning.edits.report CORPUS... [--wrong]`.

A CORPUS is a JSON Lines file or a folder of them, each counted apart; one edit a line: `draft`, `sent`, `verdict`, and
`kinds`, the kinds of change a reader names. Wording and formatting beside other changes are too slight to be named, so
their precision is not counted.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .analysis import analyse

SLIGHT = frozenset({"wording", "formatting"})


@dataclass(frozen=True, slots=True)
class LabelledEdit:
    source: str
    """File and line."""
    draft: str
    sent: str
    verdict: str
    kinds: frozenset[str]


@dataclass
class Scores:
    """Counts over a corpus; `wrong` describes every edit that was not analysed as labelled."""

    edits: int = 0
    verdicts: int = 0
    """Right verdicts."""
    right: Counter[str] = field(default_factory=Counter[str])
    found: Counter[str] = field(default_factory=Counter[str])
    labelled: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])

    def precision(self, kind: str) -> float:
        return self.right[kind] / self.found[kind] if self.found[kind] else 1.0

    def recall(self, kind: str) -> float:
        return self.right[kind] / self.labelled[kind] if self.labelled[kind] else 1.0


def read_corpus(path: Path) -> list[LabelledEdit]:
    """The edits of a file, or of every .jsonl file of a folder. Raises ValueError naming a line that is malformed."""
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    edits: list[LabelledEdit] = []
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
            if not line:
                continue
            source = f"{file.name}:{number}"
            try:
                row = json.loads(line)
                edit = LabelledEdit(source, row["draft"], row["sent"], row["verdict"], frozenset(row["kinds"]))
            except (KeyError, json.JSONDecodeError) as error:
                msg = f"{source}: not a labelled edit ({error})"
                raise ValueError(msg) from error
            edits.append(edit)
    return edits


def score(edits: Iterable[LabelledEdit]) -> Scores:
    scores = Scores()
    for edit in edits:
        analysis = analyse(edit.draft, edit.sent)
        kinds = {change.kind for change in analysis.changes}
        if edit.kinds - SLIGHT or not edit.kinds:
            kinds -= SLIGHT - edit.kinds
        scores.edits += 1
        scores.verdicts += analysis.verdict == edit.verdict
        scores.right.update(kinds & edit.kinds)
        scores.found.update(kinds)
        scores.labelled.update(edit.kinds)
        if analysis.verdict != edit.verdict or (kinds ^ edit.kinds) - SLIGHT or not edit.kinds <= kinds:
            scores.wrong.append(
                f"{edit.source}: {edit.verdict} {sorted(edit.kinds)}, got {analysis.verdict} {sorted(kinds)}\n"
                f"  draft {edit.draft!r}\n  sent  {edit.sent!r}\n"
                + "".join(f"    {c.kind}: {c.before!r} -> {c.after!r} {c.meaning}\n" for c in analysis.changes)
            )
    return scores


def table(scores: Scores) -> str:
    lines = [f"{'kind':14}{'labelled':>9}{'found':>7}{'precision':>11}{'recall':>8}"]
    for kind in sorted({*scores.labelled, *scores.found}):
        precision = "" if kind in SLIGHT else f"{scores.precision(kind):.3f}"
        lines.append(
            f"{kind:14}{scores.labelled[kind]:9}{scores.found[kind]:7}{precision:>11}{scores.recall(kind):8.3f}"
        )
    lines.append(f"verdicts right: {scores.verdicts} of {scores.edits}")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    paths = [argument for argument in arguments if argument != "--wrong"]
    if not paths:
        sys.stderr.write("usage: python -m learning.edits.report CORPUS... [--wrong]\n")
        return 2
    for path in paths:
        scores = score(read_corpus(Path(path)))
        if len(paths) > 1:
            sys.stdout.write(f"\n{path}\n")
        if "--wrong" in arguments:
            sys.stdout.write("\n".join(scores.wrong) + "\n")
        sys.stdout.write(table(scores) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
