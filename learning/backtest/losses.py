"""Where good drafts are lost: `python -m learning.backtest.losses PATH [--limit N]`, PATH as for `desk backtest`.

Of all drafts, for how many an answer at least 0.70 alike to the reply really sent
- had been written before the ticket came,
- was among the approved answers that were found for it (the rest is lost by retrieval),
- was the one that was drafted from (lost by the choice),
- was still one after it had been fitted to the customer (lost by the slots);
and beside them the same share for the answer of the nearest question as it stands.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from learning.backtest.history import RefusedLine
from learning.backtest.replay import GOOD, Judged
from learning.backtest.run import BacktestOptions, replay
from retrieval.embedding.minilm import MiniLMEmbedder


@dataclass(frozen=True, slots=True)
class Losses:
    """Shares of all drafts, in [0, 1]."""

    written: float
    """A good answer had been written before the ticket came."""
    found: float
    chosen: float
    drafted: float
    nearest: float
    """The answer of the nearest question, as it stands."""


def losses_of(judged: Sequence[Judged]) -> Losses:
    """Each share is of the same drafts, so the difference of two is what the step between them loses."""

    def share(similarities: list[float]) -> float:
        return sum(value >= GOOD for value in similarities) / len(similarities) if similarities else 0.0

    return Losses(
        written=share([one.best_earlier for one in judged]),
        found=share([one.best_found for one in judged]),
        chosen=share([one.chosen for one in judged]),
        drafted=share([one.similarity for one in judged]),
        nearest=share([one.nearest for one in judged]),
    )


class _OnStandardError:
    def advanced(self, stage: str, done: int, total: int) -> None:
        if done == total:
            sys.stderr.write(f"{stage}: {total}\n")

    def refused_line(self, line: RefusedLine) -> None:
        sys.stderr.write(f"{line}\n")

    def refused_document(self, path: Path, reason: str) -> None:
        sys.stderr.write(f"{path}: {reason}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--limit", type=int, help="replay only so many tickets, the oldest")
    arguments = parser.parse_args()
    options = BacktestOptions(path=arguments.path, limit=arguments.limit)
    found = losses_of(replay(options, _OnStandardError(), MiniLMEmbedder()).judged)
    sys.stdout.write(
        f"a good answer had been written  {found.written:.3f}\n"
        f"  lost by retrieval             {found.written - found.found:.3f}\n"
        f"it was among those found        {found.found:.3f}\n"
        f"  lost by the choice            {found.found - found.chosen:.3f}\n"
        f"it was drafted from             {found.chosen:.3f}\n"
        f"  lost by fitting               {found.chosen - found.drafted:.3f}\n"
        f"the draft is good               {found.drafted:.3f}\n"
        f"the nearest question's answer   {found.nearest:.3f}\n"
    )


if __name__ == "__main__":
    main()
