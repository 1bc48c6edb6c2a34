"""Where a sweep stands, and what it goes on from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.cli import standing
from shared.dingtalk.poll import Cursor, page_hash, unexplained
from shared.dingtalk.sweeping import Place, after
from shared.model.mail import Row, Unexplained
from shared.model.pairs import Pair
from shared.sync.desk import Status
from shared.sync.sweep import LAG, REST, Moved, Sweep, duration


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


def test_after_a_sweep_of_a_small_mailbox_the_next_one_waits_for_its_turn() -> None:
    """So long from beginning to beginning."""
    done = Sweep(began=100.0).finished(400.0, doubted=False)
    assert done.is_resting(400.0, 30.0)
    assert done.is_resting(100.0 + REST * 30.0 - 1.0, 30.0)
    assert not done.is_resting(100.0 + REST * 30.0, 30.0)
    assert not Sweep().is_resting(0.0, 30.0)
    assert not Sweep(began=100.0).finished(9000.0, doubted=False).is_resting(9000.0, 30.0)


@pytest.mark.parametrize(
    ("total", "unread", "messages"),
    [
        pytest.param(0, 1, 1, id="one marked unread"),
        pytest.param(0, -3, 3, id="three read"),
        pytest.param(2, 1, 2, id="two came in"),
        pytest.param(1, -1, 2, id="one came in and one was read"),
        pytest.param(-2, -1, 0, id="two left"),
        pytest.param(-1, -3, 2, id="one left and two were read"),
    ],
)
def test_counters_say_how_many_messages_at_least_are_to_be_met(total: int, unread: int, messages: int) -> None:
    first = rows(*range(200, 100, -1))
    cursor = Cursor((300, 50), page_hash(first), 200.0)
    found = unexplained("2", first, cursor, (300 + total, 50 + unread))
    assert (found.messages if found else 0) == messages
    assert found is None or (Place.load(found.place).until == 101.0 and found.came == (total > 0))
    assert unexplained("2", rows(*range(201, 101, -1))[::-1], cursor, (301, 50)) is None, "its first page is news"
    assert unexplained("2", first[:-1], cursor, (301, 50)) is None, "there is no other page"


def test_a_folder_is_read_through_until_what_moved_its_counters_was_met_and_once_more_in_vain() -> None:
    what = Unexplained("2", 2, (300, 48), False, "second page")
    moved = Moved.of(what, 10.0).turned("third page", 1, 11.0)
    assert (moved.wanted, moved.place, moved.is_done) == (1, "third page", False)
    assert moved.turned("fourth page", 1, 12.0).is_done
    again = moved.turned(None, 0, 12.0)
    assert (again.place, again.due, again.is_done) == ("", 12.0 + LAG, False)
    assert again.turned("second page", 0, 60.0).turned(None, 0, 61.0).is_done
    assert Sweep.load(Sweep(moved=(again,)).dump()).moved == (again,)


def test_status_says_how_long_a_full_sweep_takes_and_when_the_last_one_ended() -> None:
    sweep = Sweep(began=0.0).finished(2400.0, doubted=False)
    plain = Status(5000, 0, 0, (), (), 0, None, None, "", None, (), None, 20, Sweep())
    pair = Pair("pair-1", "", "a@office.example", "a@factory.example", since=0.0)
    told = standing._told(pair, plain, True, 0.0, 30.0)
    assert told["sweep"] == {"ended": None, "took": None, "takes": 2130.0, "every": 2130.0, "pages": 0}
    assert dict(standing._lines(pair, told))["full sweep"] == "takes about 36 min, one in 36 min; none has ended yet"
    told = standing._told(pair, replace(plain, sweep=sweep), True, 0.0, 30.0)
    assert (told["sweep"]["took"], told["sweep"]["ended"]) == (2400.0, 2400.0)
    assert "takes about 40 min, one in 40 min" in dict(standing._lines(pair, told))["full sweep"]


@pytest.mark.parametrize("messages", [5_000, 50_000])
def test_how_long_a_full_sweep_takes_is_told(messages: int, capsys: pytest.CaptureFixture[str]) -> None:
    seconds = duration(messages, 20, 30.0)
    with capsys.disabled():
        print(f"\n{messages} messages in 20 folders at a page in 30 s: {seconds / 3600:.2f} h")
    assert messages / 100 * 30.0 < seconds < (messages / 90 + 20) * 30.0
