"""A short run of the whole: all goes wrong, and nothing is lost, taken in twice, answered twice or sent twice."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest

from tests.faults.plan import Weather, make_plan
from tests.faults.run import CHANNELS, carry_out

pytestmark = [pytest.mark.processes, pytest.mark.long, pytest.mark.timeout(600)]


def test_nothing_is_lost_and_nothing_happens_twice_whatever_befalls_the_desk() -> None:
    plan = make_plan(7, Weather(CHANNELS, 60, per_second=4.0, seconds_between_blows=4.0))
    with tempfile.TemporaryDirectory(prefix="desk-faults-") as folder:
        Path(folder).chmod(0o755)  # the embedded server has an account of its own
        result = asyncio.run(carry_out(plan, Path(folder)))
    assert result.breaches == [], result.figures
    assert result.figures["messages kept"] == 60
    assert sum(result.figures["blows"].values()) >= 3


def test_a_seed_gives_the_same_plan_and_another_seed_another_one() -> None:
    weather = Weather(("rest", "widget"), 200)
    assert make_plan(7, weather) == make_plan(7, weather)
    assert make_plan(7, weather).fingerprint() != make_plan(8, weather).fingerprint()
    assert make_plan(7, weather).messages == 200
