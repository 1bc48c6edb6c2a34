from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.host.cron import Cron

START = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)  # a Tuesday


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("*/10 * * * * *", datetime(2026, 11, 24, 12, 0, 10, tzinfo=UTC)),
        ("0 */5 * * * *", datetime(2026, 11, 24, 12, 5, 0, tzinfo=UTC)),
        ("0 30 9 * * MON-FRI", datetime(2026, 11, 25, 9, 30, 0, tzinfo=UTC)),
        ("0 0 9 * * sun,sat", datetime(2026, 11, 28, 9, 0, 0, tzinfo=UTC)),
        ("0 0 0 1 JAN *", datetime(2027, 1, 1, tzinfo=UTC)),
        ("5/20 * * * * *", datetime(2026, 11, 24, 12, 0, 5, tzinfo=UTC)),
        ("10-20/5 * * * * *", datetime(2026, 11, 24, 12, 0, 10, tzinfo=UTC)),
        ("0 0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
        ("0 0 0 31 * *", datetime(2026, 12, 31, tzinfo=UTC)),
    ],
)
def test_the_next_time_is_the_first_that_every_field_allows(schedule: str, due: datetime) -> None:
    assert Cron.parse(schedule).next(START) == due


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ("", "has 0 fields"),
        ("*/5 * * * *", "has 5 fields"),
        ("60 * * * * *", "second"),
        ("* * 24 * * *", "hour"),
        ("* * * 0 * *", "day"),
        ("* * * * 13 *", "month"),
        ("* * * * * 7", "day of week"),
        ("* * * * FOO *", "month"),
        ("5-1 * * * * *", "second"),
        ("*/0 * * * * *", "second"),
        ("*/-1 * * * * *", "second"),
        ("1,,2 * * * * *", "second"),
        ("every five minutes or so yes", "second"),
    ],
)
def test_a_schedule_that_is_wrong_is_refused_with_the_field_that_is(schedule: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Cron.parse(schedule)


def test_a_date_that_never_comes_is_an_error_and_no_endless_search() -> None:
    with pytest.raises(ValueError, match="never comes"):
        Cron.parse("0 0 0 30 2 *").next(START)


@given(st.integers(0, 59), st.integers(1, 59), st.integers(0, 86_400 * 400))
def test_the_next_time_is_later_and_nothing_before_it_is_due(second: int, step: int, offset: int) -> None:
    cron = Cron.parse(f"{second} */{step} * * * *")
    after = START + timedelta(seconds=offset, microseconds=1)
    due = cron.next(after)
    assert due > after
    assert (due.second, due.minute % step) == (second, 0)
    assert cron.next(due - timedelta(seconds=1)) == due
