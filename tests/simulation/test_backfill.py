"""Old mail comes over when it is asked for, once, and what both sides have is linked."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from shared.model.words import SIDES, Side, other
from shared.sync.backfill import CHUNK
from tests.support.old_mail import OldMail

TURN, POLL = 15.0, 32.0
"""Seconds that a turn may take with its last effects, and between two looks at DingTalk."""


@pytest.mark.parametrize("side", ["dingtalk", "outlook"])
def test_old_mail_comes_over_once(side: Side) -> None:
    scene = OldMail(200, side)
    assert not scene.copies(other(side)), "nothing old comes by itself"
    scene.ask()
    scene.finish()
    assert scene.copies(other(side)) == scene.copies(side)
    assert set(scene.copies(side).values()) == {1}
    assert len(scene.copies(side)) == 200


@pytest.mark.parametrize("side", ["dingtalk", "outlook"])
def test_a_worker_that_dies_in_the_middle_again_and_again_doubles_nothing(side: Side) -> None:
    scene = OldMail(60, side)
    began = scene.calls.total()
    scene.dies = set(range(began + 20, began + 2500, 83))
    deaths = len(scene.dies)
    scene.ask()
    scene.finish(24 * 3600.0)
    assert deaths - len(scene.dies) > 20, "workers died"
    assert scene.copies(other(side)) == scene.copies(side)
    assert set(scene.copies(side).values()) == {1}
    assert len(scene.copies(side)) == 60


def test_mailboxes_that_hold_the_same_mail_are_linked_without_a_write() -> None:
    scene = OldMail(200, "dingtalk", "outlook")
    with scene.no_writes():
        scene.ask()
        scene.finish()
    assert len(scene.rows("l:")) == 200
    assert scene.journal().count("matched") == 200


def test_mail_that_is_older_than_what_was_asked_for_stays_where_it_is() -> None:
    scene = OldMail(50, "outlook")
    scene.ask(since=scene.began + 20 * 3600.0)
    scene.finish()
    assert sorted(scene.copies("dingtalk")) == sorted(f"old{n}-outlook@mail.example" for n in range(20, 50))
    scene.read("outlook", "old3-outlook")
    scene.run()
    assert not scene.all("dingtalk", "old3-outlook")


def test_new_mail_does_not_wait_for_the_old_of_which_the_newest_comes_first() -> None:
    scene, lags = OldMail(300, "outlook"), []
    scene.ask()
    scene.run(3.0)
    for number in range(3):
        lags.append(scene.lag("dingtalk" if number == 1 else "outlook", f"new{number}"))
    came = sorted(n for n in range(300) if scene.all("dingtalk", f"old{n}-outlook"))
    assert came, "old mail comes in between"
    assert 300 - CHUNK > len(came) >= 300 - came[0] - CHUNK, "the newest first, but for those that go together"
    assert max(lags[::2]) < TURN, "pushed, it waits for a turn at most"
    assert lags[1] < POLL + TURN


def test_mail_that_one_side_lacks_is_copied_and_the_rest_linked() -> None:
    scene = OldMail(40, "outlook", "dingtalk", lacks={0: "outlook", 2: "dingtalk"})
    assert (len(scene.copies("outlook")), len(scene.copies("dingtalk"))) == (30, 30)
    scene.ask()
    scene.finish()
    assert scene.copies("outlook") == scene.copies("dingtalk")
    assert len(scene.rows("l:")) == len(scene.copies("outlook")) == 40
    assert (scene.journal().count("matched"), scene.created()) == (20, 20)


def test_what_was_done_to_either_of_two_equal_messages_is_done_to_both() -> None:
    scene = OldMail(4, "outlook", "dingtalk")
    scene.read("outlook", "old0-")
    scene.flag("dingtalk", "old1-", "flagged")
    scene.move("dingtalk", "old2-", "trash")
    scene.read("outlook", "old3-")
    scene.flag("dingtalk", "old3-", "complete")
    scene.ask()
    scene.finish()
    wanted = [
        ("inbox", True, "none"),
        ("inbox", False, "flagged"),
        ("trash", False, "none"),
        ("inbox", True, "complete"),
    ]
    for side in SIDES:
        assert [scene.state(side, f"old{number}-") for number in range(4)] == wanted
    assert scene.created() == 0


def test_two_equal_messages_on_one_side_stay_two() -> None:
    scene = OldMail(3, "outlook", "dingtalk")
    scene.change_pair(paused=True)
    scene.arrive("dingtalk", "old1-", at=scene.began)
    scene.world.now += 60.0
    scene.change_pair(paused=False, since=scene.world.now)
    scene.ask()
    scene.finish()
    assert len(scene.all("dingtalk", "old1-")) == 2
    assert scene.copies("outlook") == scene.copies("dingtalk")


def test_a_second_backfill_finds_everything_done() -> None:
    scene = OldMail(50, "dingtalk")
    scene.ask()
    scene.finish()
    with scene.no_writes():
        scene.ask()
        scene.finish()
    assert not scene.rows("b:"), "no row of it is left but how it ended"


def test_the_requests_that_were_foreseen_are_about_those_it_takes() -> None:
    scene = OldMail(120, "outlook", "dingtalk", lacks={0: "outlook", 2: "dingtalk"})
    seen = scene.desk().foresee(scene.pair, 0.0, lambda count: None)
    assert {side: copied.total() for side, copied in seen.copied.items()} == {"outlook": 30, "dingtalk": 30}
    asked, began = [scene.asked()], scene.world.now
    scene.ask(since=0.0)
    ended = scene.finish()
    asked, spent = [*asked, scene.asked()], scene.world.now - began
    scene.run(spent)
    asked.append(scene.asked())
    for name, count in asdict(seen.asked).items():
        first, second, third = (at[name] for at in asked)
        taken = (second - first) - (third - second)  # beside what it asks when it is quiet
        assert 0.6 * taken <= count <= 1.5 * taken, (name, count, taken)
    assert 0 < seen.seconds < (ended.ended or 0.0) - ended.began


def test_a_folder_that_is_left_out_is_named_and_nothing_comes_from_it() -> None:
    scene = OldMail(3, "outlook")
    scene.change_pair(paused=True)
    scene.arrive("outlook", "filed", folder="Shipments")
    scene.world.now += 60.0
    left_out = f"outlook/{scene.folder('outlook', 'Shipments')}"
    scene.change_pair(paused=False, since=scene.world.now, exclude_folders=(left_out,))
    scene.run()
    seen = scene.desk().foresee(scene.pair, 0.0, lambda count: None)
    assert "Shipments" in seen.outside["outlook"]
    assert seen.copied["outlook"].total() + seen.linked == 3
    scene.ask(since=0.0)
    scene.finish()
    assert not scene.all("dingtalk", "filed")
    assert len(scene.copies("dingtalk")) == 3


def test_what_was_foreseen_is_what_comes() -> None:
    scene = OldMail(40, "outlook", "dingtalk")
    scene.change_pair(paused=True)
    for side, id in (("outlook", "mine"), ("dingtalk", "yours"), ("outlook", "trashed")):
        scene.arrive(side, id, folder="trash" if id == "trashed" else "inbox")  # type: ignore[arg-type]
    scene.world.now += 60.0
    scene.change_pair(paused=False, since=scene.world.now)
    heard: list[int] = []
    with scene.no_writes():
        rows = scene.office.rows()
        seen = scene.desk().foresee(scene.pair, scene.began, heard.append)
        assert scene.office.rows() == rows, "not even a row"
    assert heard[-1] == seen.total == 83
    assert {side: copied.total() for side, copied in seen.copied.items()} == {"outlook": 1, "dingtalk": 1}
    assert seen.twins + seen.linked == 80, "the last day was looked at when the pair was new"
    assert seen.twins > 0
    assert dict(seen.left) == {"trash": 1}
    scene.ask()
    assert scene.finish().passed == seen.total
    assert len(scene.rows("l:")) == 42
    assert not scene.all("dingtalk", "trashed")
