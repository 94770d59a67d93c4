"""Makes learning/calibration_prior.json: where every tenant's probability model starts.

    python scripts/fit_calibration_prior.py HISTORY [HISTORY ...] --limit 2000

Replays each ticket history (a file or a folder, as for `desk backtest`), takes what every draft rested on and whether
it was at least 70 % like the reply really sent, and fits one logistic model over all of them. Every history counts the
same however long it is. Only features go in and only one number per feature comes out: no text, no tenant.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from learning.backtest.history import RefusedLine
from learning.backtest.replay import Judged
from learning.backtest.run import BacktestOptions, BlockingEmbedder, replay
from learning.calibration import FEATURES, Prior, ridge_logistic
from retrieval.embedding.minilm import MiniLMEmbedder

_LABELS_WORTH = 600
"""What all histories together weigh, in labels: beyond that the ridge decides nothing any more."""
_RIDGE = 1.0


class _Printed:
    def advanced(self, stage: str, done: int, total: int) -> None:
        if done == total or done % 1000 == 0:
            print(f"{stage}: {done} of {total}", flush=True)  # noqa: T201 -- a script for a terminal

    def refused_line(self, line: RefusedLine) -> None:
        print(line)  # noqa: T201 -- a script for a terminal

    def refused_document(self, path: Path, reason: str) -> None:
        print(f"{path}: {reason}")  # noqa: T201 -- a script for a terminal


def fit_prior(histories: Sequence[Sequence[Judged]]) -> Prior:
    """One prior from the drafts of several histories, each history weighing the same."""
    drafts = [one for history in histories for one in history]
    features = np.array([one.features for one in drafts], dtype=np.float64)
    labels = np.array([one.good for one in drafts], dtype=np.float64)
    weights = np.concatenate([np.full(len(history), 1.0 / len(history)) for history in histories])
    weights /= weights.sum()
    centre = weights @ features
    spread = np.sqrt(weights @ (features - centre) ** 2)
    # A feature that never varied here (no model wrote these drafts) says nothing; a scale of 1 leaves it so.
    scale = np.where(spread > 1e-9, spread, 1.0)
    unfitted = Prior(centre, scale, np.zeros(len(FEATURES) + 1), 0)
    precision = np.full(len(FEATURES) + 1, _RIDGE)
    precision[0] = 1e-6
    coefficients, _ = ridge_logistic(
        unfitted.design(features), labels, weights * _LABELS_WORTH, np.zeros(len(FEATURES) + 1), precision
    )
    return Prior(centre, scale, coefficients, len(drafts))


def main(embedder: BlockingEmbedder | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("histories", nargs="+", type=Path)
    parser.add_argument("--limit", type=int, help="replay only so many tickets of each history")
    arguments = parser.parse_args()
    chosen = embedder or MiniLMEmbedder()
    histories = [
        replay(BacktestOptions(path=path, limit=arguments.limit), _Printed(), chosen).judged
        for path in arguments.histories
    ]
    target = Path(__file__).parents[1] / "learning" / "calibration_prior.json"
    target.write_text(json.dumps(fit_prior(histories).to_json(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
