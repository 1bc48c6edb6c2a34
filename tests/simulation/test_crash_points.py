"""One message and one state change each way, killed before and after every outside call."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from sandbox.simulation.crash import LANDINGS, RESTARTS, SCENARIOS, Point, play

SOME = 97
"""One of so many points is played from the beginning too; it has nothing in common with landings times restarts."""


@pytest.mark.slow
@pytest.mark.longest
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_crash_point_loses_or_doubles_anything(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = _every_point(scenario)
    bad = [f"{Point(**outcome['point'])}: {outcome['violations']}" for outcome in outcomes if outcome["violations"]]
    with capsys.disabled():
        print(f"\n{scenario}: {len(outcomes)} crash points, {len(bad)} failures")
    assert not bad, "\n".join(bad[:5])
    assert len(outcomes) > 100
    assert len({json.dumps(outcome["point"]) for outcome in outcomes}) == len(outcomes)
    assert len(outcomes) == max(o["point"]["number"] for o in outcomes) * len(LANDINGS) * len(RESTARTS)
    for outcome in outcomes[::SOME]:
        whole = play(Point(**outcome["point"]))
        assert not whole.run()
        assert whole.world.hash == outcome["hash"], "a play from the middle is the play from the beginning"


def _every_point(scenario: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "sandbox.simulation.crash_points", scenario]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    outcomes: list[dict[str, Any]] = json.loads(ran.stdout)
    return outcomes
