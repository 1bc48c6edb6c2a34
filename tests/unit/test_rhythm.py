"""How often DingTalk is looked at, by day and by night."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from shared.sync.rhythm import Rhythm
from shared.wiring.settings import load_settings
from tests.unit.test_product import environment

HONG_KONG = ZoneInfo("Asia/Hong_Kong")
LOOKS = Rhythm(30.0, 300.0, 7, 23, HONG_KONG)


def at(hour: int, minute: int = 0) -> float:
    return datetime(2026, 11, 24, hour, minute, tzinfo=HONG_KONG).timestamp()


@pytest.mark.parametrize(
    ("since", "until", "day", "night"),
    [(7, 23, (7, 12, 22), (23, 0, 6)), (20, 4, (20, 23, 0, 3), (4, 12, 19)), (0, 0, (0, 7, 23), ())],
)
def test_the_hours_of_the_day_may_cross_midnight_or_never_end(
    since: int, until: int, day: tuple[int, ...], night: tuple[int, ...]
) -> None:
    looks = Rhythm(30.0, 300.0, since, until, HONG_KONG)
    assert {looks.every(at(hour)) for hour in day} == {30.0}
    assert {looks.every(at(hour)) for hour in night} <= {300.0}


def test_the_hours_are_those_of_the_zone() -> None:
    midnight = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
    assert LOOKS.every(midnight) == 30.0, "eight in the morning in Hong Kong"
    assert Rhythm(30.0, 300.0, 7, 23, ZoneInfo("UTC")).every(midnight) == 300.0


@pytest.mark.parametrize(("hour", "seconds"), [(12, 30.0), (2, 300.0)])
def test_each_look_has_the_next_number_though_timers_fire_a_little_early_or_late(hour: int, seconds: float) -> None:
    beside = (0.0, 0.9, -0.9, 1.0, 0.0, -1.0, 0.4)
    turns = [LOOKS.turn(at(hour) + number * seconds + late) for number, late in enumerate(beside)]
    assert all(later - earlier == 1 for earlier, later in pairwise(turns))


@pytest.mark.parametrize(
    ("given", "day", "night"),
    [
        ({}, 30.0, 300.0),
        ({"TANDEM_POLL_SECONDS": "2"}, 2.0, 2.0),
        ({"TANDEM_POLL_SECONDS": "2", "TANDEM_NIGHT_POLL_SECONDS": "60"}, 2.0, 60.0),
        ({"TANDEM_NIGHT_POLL_SECONDS": "30"}, 30.0, 30.0),
    ],
)
def test_whoever_says_how_often_is_looked_for_day_and_night(
    tmp_path: Path, given: dict[str, str], day: float, night: float
) -> None:
    rhythm = load_settings(environment(tmp_path, **given)).rhythm
    noon = datetime(2026, 11, 24, 12, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()
    assert (rhythm.every(noon), rhythm.every(noon + 12 * 3600.0)) == (day, night)
