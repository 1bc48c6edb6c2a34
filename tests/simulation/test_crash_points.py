"""One message and one state change each way, killed before and after every outside call."""

from __future__ import annotations

import pytest

from sandbox.simulation.crash import SCENARIOS, Play, points


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_crash_point_loses_or_doubles_anything(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    every = list(points(scenario))
    failures = [(str(point), Play(scenario, point).run()) for point in every]
    bad = [f"{where}: {violations}" for where, violations in failures if violations]
    with capsys.disabled():
        print(f"\n{scenario}: {len(every)} crash points, {len(bad)} failures")
    assert not bad, "\n".join(bad[:5])
    assert len(every) > 100
