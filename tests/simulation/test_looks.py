"""Looks at DingTalk in the whole product: how often, by day and by night, and by which function."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sandbox.simulation.office import SETTINGS
from shared.sync.service import Service
from tests.support.counted_state import counted_state
from tests.support.quiet_scene import Scene

FOLDERS = "GET /v2/users/{u}/mailFolders"
"""With which every look begins."""


def looks(scene: Scene, seconds: float) -> int:
    before = scene.stage.dingtalk.counts[FOLDERS]
    scene.run(seconds)
    return scene.stage.dingtalk.counts[FOLDERS] - before


@pytest.fixture
def nightly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings with a night from 15 to 13 UTC; the simulation begins at 14:13."""
    for name, value in {"NIGHT_POLL_SECONDS": "300", "DAY": "13-15", "TIME_ZONE": "UTC"}.items():
        monkeypatch.setitem(SETTINGS, f"TANDEM_{name}", value)


@pytest.mark.usefixtures("nightly")
def test_at_night_mailboxes_are_looked_at_every_five_minutes_and_still_kept_the_same() -> None:
    scene = Scene()
    assert datetime.fromtimestamp(scene.world.now, UTC).hour == 14
    assert 19 <= looks(scene, 600.0) <= 21
    scene.run(3600.0)
    assert datetime.fromtimestamp(scene.world.now, UTC).hour == 15
    assert 5 <= looks(scene, 1800.0) <= 7
    scene.arrive("dingtalk")
    scene.run(420.0)
    assert scene.equal()
    assert len(scene.shown("outlook")) == 1


@pytest.mark.parametrize("here", [True, False])
def test_a_timer_that_looks_itself_needs_no_messages_for_it_and_sees_as_much(
    here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick = Service.tick

    def other_tick(service: Service, **_: bool) -> None:
        tick(service, here)

    monkeypatch.setattr(Service, "tick", other_tick)
    with counted_state() as counts:
        scene = Scene()
        scene.run(60.0)
        before = counts["queue"]
        assert 9 <= looks(scene, 300.0) <= 11
        messages = (counts["queue"] - before) // 3
    assert messages <= 2 if here else messages >= 9
    scene.arrive("dingtalk")
    scene.run(120.0)
    assert scene.equal()
    assert len(scene.shown("outlook")) == 1
