"""`python -m tests.faults`: a desk under fire, and the verdict. See docs/faults.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from desk.db.embedded import lease_server
from tests.faults.guards import GUARDS
from tests.faults.plan import EVERY_BLOW, Weather, make_plan
from tests.faults.run import CHANNELS, Result, carry_out


def main() -> int:
    arguments = _arguments()
    if arguments.every_guard or arguments.without:
        if arguments.every_guard:
            return _guards([name for name in GUARDS if not arguments.guards or name in arguments.guards], arguments)
        return _guard_run(arguments.without.split("+"), arguments)
    weather = Weather(
        tuple(arguments.channels.split(",")) if arguments.channels else CHANNELS,
        arguments.messages,
        arguments.per_second,
        () if arguments.calm else EVERY_BLOW,
    )
    result = _run(arguments.seed, weather, settle_seconds=arguments.settle, keep=arguments.keep)
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
    parser.add_argument("--guards", nargs="*", help="with --every-guard: only these")
    parser.add_argument("--keep", type=Path, help="a folder for the desk's log and the journal, to look at afterwards")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _run(
    seed: int,
    weather: Weather,
    *,
    without: Sequence[str] = (),
    settle_seconds: float,
    keep: Path | None = None,
    server: Path | None = None,
) -> Result:
    with tempfile.TemporaryDirectory(prefix="desk-faults-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        plan = make_plan(seed, weather)
        try:
            return asyncio.run(carry_out(plan, folder, without=without, settle_seconds=settle_seconds, server=server))
        finally:
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                for kept in ("desk.log", "journal.jsonl"):
                    shutil.copy(folder / kept, keep / kept)


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
        say(f"  {name:<42} {_on_one_line(value)}\n")
    kinds = Counter(breach.kind for breach in result.breaches)
    for kind in ("lost", "taken in twice", "answered twice", "sent twice"):
        say(f"  {kind:<42} {kinds.pop(kind, 0)}\n")
    for kind, number in kinds.items():
        say(f"  {kind:<42} {number}\n")
    for breach in result.breaches[:40]:
        say(f"    {breach.kind}: {breach.detail}\n")
    say("passed\n" if result.passed else "FAILED\n")


def _on_one_line(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    counts = cast("dict[str, float]", value)
    return ", ".join(
        f"{key} {number:.1f}" if isinstance(number, float) else f"{key} {number}" for key, number in counts.items()
    )


def _guard_run(names: Sequence[str], arguments: argparse.Namespace) -> int:
    """Fails, as a run without a guard must."""
    guard = GUARDS[names[0]]
    result = _run(
        arguments.seed, guard.weather, without=names, settle_seconds=guard.settle_seconds, keep=arguments.keep
    )
    _show(result)
    _keep(arguments.json, described(result))
    return 0 if result.passed else 1


def _guards(names: Sequence[str], arguments: argparse.Namespace) -> int:
    """Each with those that stand behind it, on one database server. Zero when every one of them was missed."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="desk-faults-server-") as folder:
        Path(folder).chmod(0o755)
        with lease_server(Path(folder)):
            for name in names:
                rows.append(_without(name, arguments.seed, Path(folder)))
                _keep(arguments.json, {"seed": arguments.seed, "guards": rows})
    return 0 if all(row["is missed"] for row in rows) else 1


def _without(name: str, seed: int, server: Path) -> dict[str, Any]:
    guard, begun = GUARDS[name], time.monotonic()
    without = (name, *guard.together_with)
    result = _run(seed, guard.weather, without=without, settle_seconds=guard.settle_seconds, server=server)
    kinds = Counter(breach.kind for breach in result.breaches)
    is_missed = any(kind in kinds for kind in guard.breaches)
    found = ", ".join(f"{number} {kind}" for kind, number in kinds.items()) or "nothing was broken"
    sys.stdout.write(f"{'missed' if is_missed else 'NOT MISSED'}: {' and '.join(without)}: {found}\n")
    sys.stdout.flush()
    return {
        "guard": name,
        "promise": guard.promise,
        "taken out with it": list(guard.together_with),
        "is missed": is_missed,
        "breaches": dict(kinds),
        "seconds": round(time.monotonic() - begun),
    }


def _keep(path: Path | None, told: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
