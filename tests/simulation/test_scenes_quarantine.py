"""What a person would notice of messages that one side keeps refusing."""

from __future__ import annotations

import pytest

from shared.model.errors import MailboxFull
from shared.model.metrics import SET_ASIDE
from shared.model.words import SIDES, Side, other
from shared.sync.quarantine import TRIES
from tests.support.door import Door
from tests.support.scene import PUT_OFF, SETTLED, Scene
from tests.support.watching import Watching

BOTH_WAYS = pytest.mark.parametrize("side", SIDES)
HOUR = 3600.0 + PUT_OFF


@BOTH_WAYS
def test_a_message_that_keeps_being_refused_is_put_aside_after_an_hour_and_nothing_else_waits_for_it(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()
    door = Door(monkeypatch, other(side))
    scene.arrive(side, "bad", subject="strange")
    scene.run()
    scene.linked(side, "good")
    assert scene.waiting() == [(side, "ErrorStrange")]
    scene.run(HOUR)
    assert scene.waiting() == [(side, "quarantined")]
    assert door.tries == TRIES
    scene.run(HOUR)
    scene.linked(side, "later")
    assert door.tries == TRIES, "it is tried no more"
    assert len(scene.all(side, "bad")) == 1


@BOTH_WAYS
def test_it_is_tried_again_when_somebody_asks_and_crosses_once_it_is_taken(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, door = _aside(side, monkeypatch)
    quarantine = scene.office.product().quarantine
    (shown,) = quarantine.show(scene.pair)
    assert shown.item is not None
    assert (shown.item.subject, shown.case.side, shown.case.failing.why) == ("strange", side, "ErrorStrange")
    assert quarantine.retry(scene.pair, shown.case.id) == 1
    scene.run()
    assert door.tries == TRIES + 1
    assert quarantine.cases(scene.pair) == ()
    door.shut = False
    scene.run(PUT_OFF)
    assert scene.places("bad") == {s: ["inbox"] for s in SIDES}
    assert [key for key in scene.office.rows() if key.startswith(("failing:", "asked:"))] == []


@BOTH_WAYS
def test_what_is_dropped_is_left_alone_on_both_sides_and_journaled(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, door = _aside(side, monkeypatch)
    quarantine = scene.office.product().quarantine
    (case,) = quarantine.cases(scene.pair)
    quarantine.drop(scene.pair, case.id)
    door.shut = False
    scene.run(HOUR)
    assert scene.waiting() == [(side, "left alone")]
    assert scene.places("bad") == {side: ["inbox"], other(side): []}
    assert scene.journal().count("drop asked") == 1
    assert quarantine.retry(scene.pair, None) == 0, "all means what waits for somebody to ask"
    quarantine.retry(scene.pair, case.id)
    scene.run()
    assert scene.places("bad") == {s: ["inbox"] for s in SIDES}


@BOTH_WAYS
def test_a_change_that_keeps_being_refused_is_put_aside_too(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    scene.linked(side, "bad", subject="strange")
    door = Door(monkeypatch, other(side))
    scene.read(side, "bad")
    scene.run(SETTLED + HOUR)
    assert scene.held_back() == ["quarantined"]
    assert door.tries == TRIES
    scene.flag(side, "bad", "flagged")
    scene.run(HOUR)
    assert (door.tries, scene.held_back()) == (TRIES, ["quarantined"])
    door.shut = False
    assert scene.office.product().quarantine.retry(scene.pair, None) == 1
    scene.run()
    assert scene.state(other(side), "bad") == ("inbox", True, "flagged")
    assert scene.held_back() == []
    assert [key for key in scene.office.rows() if key.startswith(("failing:", "asked:"))] == []


def test_a_message_put_aside_and_then_thrown_away_is_asked_about_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, _ = _aside("outlook", monkeypatch)
    scene.purge("outlook", "bad")
    scene.run()
    assert scene.office.product().quarantine.retry(scene.pair, None) <= 1
    scene.run(PUT_OFF)
    assert scene.waiting() == []
    assert scene.office.product().quarantine.cases(scene.pair) == ()


@BOTH_WAYS
def test_a_full_mailbox_is_no_fault_of_the_message(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    door = Door(monkeypatch, other(side), MailboxFull("full", code="full"))
    scene.arrive(side, "bad", subject="strange")
    scene.run(HOUR + HOUR)
    assert door.tries > TRIES
    assert scene.waiting() == [(side, "mailbox full")]


def test_how_many_stand_aside_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watching()
    scene = Scene(telemetry=watching.telemetry)
    door = Door(monkeypatch, "dingtalk")
    for id in ("a", "b"):
        scene.arrive("outlook", id, subject="strange")
    scene.run(HOUR)
    assert _told(watching) == [2]
    door.shut = False
    quarantine = scene.office.product().quarantine
    quarantine.retry(scene.pair, quarantine.cases(scene.pair)[0].id)
    scene.run()
    assert _told(watching) == [1]


def _told(watching: Watching) -> list[float]:
    return [point.value for point in watching.points() if point.name == SET_ASIDE.name]


def _aside(side: Side, monkeypatch: pytest.MonkeyPatch) -> tuple[Scene, Door]:
    scene = Scene()
    door = Door(monkeypatch, other(side))
    scene.arrive(side, "bad", subject="strange")
    scene.run(HOUR)
    assert scene.waiting() == [(side, "quarantined")]
    return scene, door
