"""Where a sweep stands, and what it goes on from."""

from __future__ import annotations

import pytest

from shared.dingtalk.sweeping import Place, after
from shared.model.mail import Row
from shared.sync.sweep import Sweep, duration


def rows(*dates: float) -> list[Row]:
    return [Row(f"m{number}", "2", False, "none", date, "") for number, date in enumerate(dates)]


def test_a_walk_goes_on_from_the_date_it_has_reached() -> None:
    place = after(Place(), rows(30.0, 20.0), "next")
    assert place == Place(20.0)
    assert after(place, rows(20.0, 10.0), "next") == Place(10.0)
    assert after(Place(10.0), rows(10.0), "") is None


def test_a_second_that_fills_a_page_is_walked_by_the_vendors_cursor_and_left_by_date() -> None:
    inside = after(Place(20.0), rows(20.0, 20.0), "next")
    assert inside == Place(20.0, "next")
    assert after(inside, rows(20.0, 10.0), "later") == Place(10.0)


def test_where_dates_are_not_honoured_or_missing_the_walk_keeps_to_the_vendors_cursor() -> None:
    ignored = after(Place(20.0), rows(30.0, 20.0), "next")
    assert ignored == Place(None, "next")
    assert after(ignored, rows(20.0, 10.0), "later") == Place(None, "later")
    assert after(Place(), rows(30.0, 0.0), "next") == Place(None, "next")


def test_a_place_is_read_back_as_written_and_anything_else_is_the_newest() -> None:
    assert Place.load(Place(20.0, "next").dump()) == Place(20.0, "next")
    assert Place.load("") == Place.load("7") == Place()


def test_a_sweep_goes_through_every_folder_once_whatever_comes_and_goes() -> None:
    sweep = Sweep().aim(["a", "b"], 5.0)
    assert (sweep.folder, sweep.began) == ("a", 5.0)
    sweep = sweep.turned("older", ()).aim(["a", "b"], 6.0)
    assert (sweep.folder, sweep.place) == ("a", "older")
    sweep = sweep.aim(["b", "c"], 7.0)
    assert (sweep.folder, sweep.place) == ("b", "")
    sweep = sweep.turned(None, ()).aim(["b", "c"], 8.0).turned(None, ()).aim(["b", "c"], 9.0)
    assert sweep.folder == ""
    assert sweep.finished(9.0, doubted=False).done == ((5.0, 9.0),)
    assert Sweep.load(sweep.dump()) == sweep


def test_only_two_sweeps_in_which_listings_and_reads_agree_prove_anything() -> None:
    once = Sweep(began=1.0).finished(2.0, doubted=False)
    assert once.proves is None
    twice = Sweep(began=3.0, done=once.done).finished(4.0, doubted=False)
    assert twice.proves == 1.0
    assert Sweep(began=5.0, done=twice.done).finished(6.0, doubted=True).proves is None


@pytest.mark.parametrize("messages", [5_000, 50_000])
def test_how_long_a_full_sweep_takes_is_told(messages: int, capsys: pytest.CaptureFixture[str]) -> None:
    seconds = duration(messages, 20, 30.0)
    with capsys.disabled():
        print(f"\n{messages} messages in 20 folders at a page in 30 s: {seconds / 3600:.2f} h")
    assert messages / 100 * 30.0 < seconds < (messages / 90 + 20) * 30.0
