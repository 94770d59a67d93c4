"""`python -m tests.faults`: a desk under fire, and the verdict. See docs/faults.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.faults.guards import GUARDS
from tests.faults.plan import EVERY_BLOW, Weather, make_plan
from tests.faults.run import CHANNELS, Result, carry_out


def main() -> int:
    arguments = _arguments()
    if arguments.every_guard or arguments.without:
        names = list(GUARDS) if arguments.every_guard else arguments.without.split("+")
        return _guards(names, arguments) if arguments.every_guard else _guard_run(names, arguments)
    weather = Weather(
        tuple(arguments.channels.split(",")) if arguments.channels else CHANNELS,
        arguments.messages,
        arguments.per_second,
        () if arguments.calm else EVERY_BLOW,
    )
    result = _run(arguments.seed, weather, settle_seconds=arguments.settle)
    _show(result)
    _keep(arguments.json, described(result))
    return 0 if result.passed else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--per-second", type=float, default=5.0, help="messages that are written a second")
    parser.add_argument("--channels", default="", help=f"comma separated; all of them: {','.join(CHANNELS)}")
    parser.add_argument("--calm", action="store_true", help="nothing befalls the desk itself")
    parser.add_argument("--settle", type=float, default=240.0, help="seconds the desk has for what is left at the end")
    parser.add_argument("--without", default="", help="a guard to take out, or several joined by +; it must fail")
    parser.add_argument("--every-guard", action="store_true", help="one after another; each must fail")
    parser.add_argument("--keep", type=Path, help="a folder for the desk's data and log, to look at afterwards")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _run(seed: int, weather: Weather, *, without: Sequence[str] = (), settle_seconds: float) -> Result:
    with tempfile.TemporaryDirectory(prefix="desk-faults-") as folder:
        Path(folder).chmod(0o755)
        return asyncio.run(
            carry_out(make_plan(seed, weather), Path(folder), without=without, settle_seconds=settle_seconds)
        )


def described(result: Result) -> dict[str, Any]:
    return {
        "seed": result.plan.seed,
        "plan": result.plan.fingerprint(),
        "without": list(result.without),
        "passed": result.passed,
        **result.figures,
        "breaches": dict(Counter(breach.kind for breach in result.breaches)),
        "examples": [f"{breach.kind}: {breach.detail}" for breach in result.breaches[:40]],
    }


def _show(result: Result) -> None:
    told = described(result)
    say = sys.stdout.write
    say(f"\nseed {told['seed']}, plan {told['plan']}\n")
    for name, value in told.items():
        if name in {"seed", "plan", "breaches", "examples", "passed", "without"}:
            continue
        if isinstance(value, dict):
            value = ", ".join(
                f"{key} {number:.1f}" if isinstance(number, float) else f"{key} {number}"
                for key, number in value.items()
            )
        say(f"  {name:<42} {value}\n")
    kinds = Counter(breach.kind for breach in result.breaches)
    for kind in ("lost", "taken in twice", "answered twice", "sent twice"):
        say(f"  {kind:<42} {kinds.pop(kind, 0)}\n")
    for kind, number in kinds.items():
        say(f"  {kind:<42} {number}\n")
    for breach in result.breaches[:40]:
        say(f"    {breach.kind}: {breach.detail}\n")
    say("passed\n" if result.passed else "FAILED\n")


def _guard_run(names: Sequence[str], arguments: argparse.Namespace) -> int:
    """Fails, as a run without a guard must."""
    guard = GUARDS[names[0]]
    result = _run(arguments.seed, guard.weather, without=names, settle_seconds=guard.settle_seconds)
    _show(result)
    _keep(arguments.json, described(result))
    return 0 if result.passed else 1


def _guards(names: Sequence[str], arguments: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = []
    for name in names:
        guard, begun = GUARDS[name], time.monotonic()
        result = _run(arguments.seed, guard.weather, without=(name,), settle_seconds=guard.settle_seconds)
        kinds = Counter(breach.kind for breach in result.breaches)
        row: dict[str, Any] = {
            "guard": name,
            "promise": guard.promise,
            "breaches": dict(kinds),
            "expected": list(guard.breaches),
            "failed": any(kind in kinds for kind in guard.breaches),
            "stands_behind": guard.stands_behind,
            "seconds": round(time.monotonic() - begun),
        }
        rows.append(row)
        found = ", ".join(f"{number} {kind}" for kind, number in kinds.items()) or "nothing"
        sys.stdout.write(f"{'fails' if row['failed'] else 'HOLDS':<6} without {name:<28} {found}\n")
        sys.stdout.flush()
    _keep(arguments.json, {"seed": arguments.seed, "guards": rows})
    return 0 if all(row["failed"] or row["stands_behind"] for row in rows) else 1


def _keep(path: Path | None, told: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
