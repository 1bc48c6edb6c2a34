"""One message and one state change each way, killed before and after every outside call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.simulation.crash import SCENARIOS, Play, points


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_crash_point_loses_or_doubles_anything(
    scenario: str, record_property: Callable[[str, object], None]
) -> None:
    every = list(points(scenario))
    failures = [(str(point), Play(scenario, point).run()) for point in every]
    bad = [f"{where}: {violations}" for where, violations in failures if violations]
    print(f"{scenario}: {len(every)} crash points")
    record_property("crash_points", len(every))
    assert not bad, "\n".join(bad[:5])
    assert len(every) > 100
