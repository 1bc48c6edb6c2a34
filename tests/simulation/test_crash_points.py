"""Small scenarios, killed before and after outside calls. `tandem simulate --crash-points` plays every call; here it is
one in so many of each."""

from __future__ import annotations

import json

import pytest

from sandbox.simulation.crash import LANDINGS, RESTARTS, SCENARIOS, Point, play
from sandbox.simulation.crash_points import ask

ONE_IN = 5
SOME = 31
"""One of so many points is played from the beginning too; it has nothing in common with landings times restarts."""


@pytest.mark.slow
@pytest.mark.longest
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_crash_point_loses_or_doubles_anything(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    calls, outcomes = ask(scenario, ONE_IN)
    bad = [f"{Point(**outcome['point'])}: {outcome['violations']}" for outcome in outcomes if outcome["violations"]]
    with capsys.disabled():
        print(f"\n{scenario}: {calls} calls, {len(outcomes)} crash points played, {len(bad)} failures")
    assert not bad, "\n".join(bad[:5])
    assert calls > 20
    assert len({json.dumps(outcome["point"]) for outcome in outcomes}) == len(outcomes)
    assert len(outcomes) // (len(LANDINGS) * len(RESTARTS)) in (calls // ONE_IN, calls // ONE_IN + 1)
    for outcome in outcomes[::SOME]:
        whole = play(Point(**outcome["point"]))
        assert not whole.run()
        assert whole.world.hash == outcome["hash"], "a play from the middle is the play from the beginning"
