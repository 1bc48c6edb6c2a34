"""How far a backfill is, in figures and in words, and what it asks of the vendors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.cli.backfill import figures, line
from shared.sync.backfill import Progress
from shared.sync.backfill_cost import COPIED, NOTHING, Asked, asked, seconds

RUNNING = Progress(since=0, top=5000, position=4000, reached=4000, began=1000, called=1090, total=1000, passed=250)


def test_the_figures_tell_the_rate_and_the_time_left() -> None:
    told = figures(RUNNING, now=1100.0)
    assert (told["state"], told["share"], told["rate"], told["left"]) == ("running", 0.25, 2.5, 300)
    assert line(told) == "250 of 1000 messages, 2.5 a second, about 5 min left"


def test_before_the_first_message_no_time_is_promised() -> None:
    told = figures(replace(RUNNING, passed=0), now=1100.0)
    assert (told["rate"], told["left"]) == (0.0, None)
    assert line(told) == "0 of 1000 messages, 0.0 a second"


def test_the_second_pass_and_the_end_are_said_so() -> None:
    checking = figures(replace(RUNNING, passes=1, passed=1000), now=1500.0)
    assert (checking["state"], checking["share"]) == ("checking", 0.99)
    ended = figures(replace(RUNNING, passes=1, passed=1000, ended=1400.0), now=9000.0)
    assert (ended["state"], ended["share"], ended["rate"], ended["left"]) == ("ended", 1.0, 2.5, None)
    assert line(ended).startswith("all over since ")


@pytest.mark.parametrize(
    ("wanted", "upload", "least"),
    [
        (Asked(10_000, 0, 0), 0, 600),
        (Asked(0, 24_000, 0), 0, 600),
        (NOTHING, 150 * 1024 * 1024, 300),
        (Asked(0, 0, 10**6), 0, 0),
    ],
)
def test_the_slowest_limit_counts_and_old_mail_may_use_six_tenths_of_it(
    wanted: Asked, upload: int, least: float
) -> None:
    assert seconds(wanted, upload) == pytest.approx(least / 0.6)


def test_what_is_linked_asks_for_less_than_what_is_copied() -> None:
    copies = asked({"outlook": 50, "dingtalk": 50}, 0, 100)
    links = asked({"outlook": 0, "dingtalk": 0}, 50, 100)
    assert links.imap == 0 < copies.imap
    assert links.graph < copies.graph
    assert copies.imap == COPIED["outlook"].times(50).imap
