"""Large mail crosses beside the live runs: nothing waits for it, and nothing that happens to it on its way loses or
doubles it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from sandbox.simulation.world import Fate, Kind
from shared.model.words import SIDES, Side, other
from shared.sync.lane import LOST
from shared.sync.rows import CARRY, INTENT
from tests.support.lane import SLOW, Dying, Lane
from tests.support.scene import PUT_OFF, Scene


@pytest.mark.parametrize("side", SIDES)
def test_a_small_message_overtakes_a_large_one(side: Side) -> None:
    scene, there = Lane(), dict[str, float]()

    def note(id: str, sent: float) -> None:
        there[id] = scene.world.now - sent

    def send() -> None:
        sent = scene.world.now
        scene.arrive(side, "small")
        scene.arrive(other(side), "back")
        for where, id in ((other(side), "small"), (side, "back"), (other(side), "large")):
            scene.when(partial(scene.all, where, id), partial(note, id, sent))

    scene.large(side)
    scene.when(scene.is_carried, send)
    scene.until(lambda: scene.crossed(side))
    assert there["small"] < 40.0 > there["back"]
    assert there["large"] > SLOW - 10.0
    assert scene.stage.errors == []


# ---- carriers that die, or are held up
@pytest.mark.slow
@pytest.mark.parametrize("side", SIDES)
def test_wherever_a_carrier_dies_the_message_crosses_once(side: Side) -> None:
    whole = Dying(None)
    whole.large(side)
    whole.until(lambda: whole.crossed(side))
    assert len(whole.own) > 10
    for number, kind in enumerate(whole.own):
        for lands in (True, False) if kind in ("effect", "ledger") else (True,):
            scene = Dying(number, lands)
            scene.large(side)
            scene.until(lambda: scene.crossed(side), 60.0)  # noqa: B023
            scene.run()
            assert scene.crossed(side), (number, lands)
            assert scene.died
            assert scene.stage.errors == []


@pytest.mark.parametrize("side", SIDES)
def test_a_carrier_that_was_held_up_for_too_long_sends_nothing_more(side: Side) -> None:
    scene, held = Lane(), list[float]()

    def hold_up(kind: Kind, name: str, fate: Fate) -> Fate:
        if scene.is_carried() and not held and is_content(name):
            held.append(scene.world.now)
            return replace(fate, answer_after=2000.0)
        return fate

    scene.fates = hold_up
    scene.large(side)
    scene.when(lambda: scene.crossed(side), lambda: held.append(scene.world.now))
    scene.run(3000.0)
    assert scene.crossed(side)
    assert held[1] - held[0] < 600.0 + SLOW, "another one carried it meanwhile"
    assert scene.carries() == 1, "the one that was held up sent nothing"
    assert scene.stage.errors == []


def is_content(name: str) -> bool:
    """Is it the call that reads what a message holds?"""
    return name.endswith("$value 0") or name.startswith("imap UID")


@pytest.mark.parametrize("side", SIDES)
def test_a_message_to_carriers_that_is_lost_or_comes_twice_changes_nothing(side: Side) -> None:
    scene = Lane()
    deliver, lost = scene.stage.deliver, list[object]()

    def unreliable(queue: str, message: Mapping[str, Any], tries: int = 0) -> None:
        if queue == "bulk" and not lost:
            lost.append(message)
            return
        for _ in range(2 if queue == "bulk" else 1):
            deliver(queue, message, tries)

    scene.office._queue._deliver = unreliable
    scene.large(side)
    assert scene.until(lambda: scene.crossed(side)) < 600.0
    assert (len(lost), scene.carries()) == (1, 1)
    scene.run()
    assert scene.crossed(side)


def test_large_messages_of_a_pair_cross_one_at_a_time_and_the_newest_first() -> None:
    scene, most, order = Lane(), list[int](), list[str]()
    ids = ("one", "two", "three", "four")

    def count() -> None:
        most.append(sum(row.get("until", 0.0) > scene.world.now for row in scene.rows(CARRY)))
        order.extend(id for id in ids if id not in order and scene.all("dingtalk", id))
        scene.world.after(1.0, count)

    def more() -> None:
        for id in ids[1:]:
            scene.large("outlook", id)
            scene.run(2.0)

    scene.large("outlook", "one")
    scene.when(scene.is_carried, more)
    count()
    scene.until(lambda: all(scene.crossed("outlook", id) for id in ids))
    assert max(most) == 1
    assert order == ["one", "four", "three", "two"]
    assert scene.carries() == 4
    assert scene.stage.errors == []


# ---- what people do meanwhile
@pytest.mark.parametrize("side", SIDES)
def test_a_pair_that_is_paused_in_the_middle_gets_its_copy_after_the_pause(side: Side) -> None:
    scene = Lane()

    def pause(kind: Kind, name: str, fate: Fate) -> Fate:
        if scene.is_carried() and is_content(name) and not scene.pair.paused:
            scene.world.after(0.01, lambda: scene.change_pair(paused=True))
            scene.fates = lambda kind, name, fate: fate
        return fate

    scene.fates = pause
    scene.large(side)
    scene.run(900.0)
    assert scene.all(other(side), "large") == []
    assert not scene.is_carried(), "nobody goes on with it"
    scene.change_pair(paused=False)
    scene.until(lambda: scene.crossed(side))


@pytest.mark.parametrize("side", SIDES)
def test_a_pair_that_is_removed_in_the_middle_gets_no_copy_and_leaves_no_row(side: Side) -> None:
    scene = Lane()

    def leave() -> None:
        scene.office.product().people.remove(scene.pair)

    def remove(kind: Kind, name: str, fate: Fate) -> Fate:
        if scene.is_carried() and is_content(name):
            scene.fates = lambda kind, name, fate: fate
            scene.world.after(0.01, leave)
        return fate

    scene.fates = remove
    scene.large(side)
    scene.run(1000.0)
    assert scene.all(other(side), "large") == []
    assert scene.office.rows() == {}
    assert scene.stage.errors == []


@pytest.mark.parametrize("side", SIDES)
def test_what_happens_to_the_original_in_the_middle_happens_to_its_copy(side: Side) -> None:
    acts: tuple[Callable[[Scene], object], ...] = (
        lambda scene: scene.move(side, "large", "Shipments"),
        lambda scene: scene.read(side, "large"),
        lambda scene: scene.flag(side, "large", "flagged"),
        lambda scene: scene.move(side, "large", "trash"),
    )
    for act in acts:
        scene = Lane()
        scene.large(side)
        scene.when(scene.is_carried, partial(act, scene))
        scene.run(60.0)
        scene.until(lambda: scene.crossed(side))  # noqa: B023


@pytest.mark.parametrize("side", SIDES)
def test_an_original_that_is_gone_in_the_middle_leaves_at_most_what_was_copied(side: Side) -> None:
    scene = Lane()
    scene.large(side)
    scene.when(scene.is_carried, lambda: scene.purge(side, "large"))
    scene.run(3000.0)
    assert scene.all(side, "large") == []
    assert len(scene.all(other(side), "large")) <= 1
    assert not scene.rows(INTENT)
    assert not scene.rows(CARRY)
    assert scene.stage.errors == []


# ---- what goes wrong again and again
def test_a_message_of_which_every_carrier_dies_is_put_aside_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.sync.quarantine.TRIES", 3)
    monkeypatch.setattr("shared.sync.quarantine.SPAN", 600.0)
    scene, tries = Lane(), list[float]()

    def die(kind: Kind, name: str, fate: Fate) -> Fate:
        if scene.is_carried() and name.endswith("$value 0"):
            tries.append(scene.world.now)
            return replace(fate, crash=True)
        return fate

    scene.fates = die
    scene.large("outlook")
    scene.until(lambda: scene.waiting() == [("outlook", "quarantined")], 60.0)
    assert len(tries) == 3
    assert scene.waiting() == [("outlook", "quarantined")]
    (case,) = scene.office.product().quarantine.cases(scene.pair)
    assert case.failing.why == LOST
    scene.run(PUT_OFF)
    assert len(tries) == 3
    scene.linked("outlook", "small")


@pytest.mark.parametrize("side", SIDES)
def test_a_carrier_asks_the_store_a_few_times_only(side: Side, capsys: pytest.CaptureFixture[str]) -> None:
    scene = Dying(None)
    scene.large(side)
    scene.until(lambda: scene.crossed(side))
    with capsys.disabled():
        print(f"\na carrier from {side}: {dict(counts := Counter(scene.own))}")
    assert counts["queue"] == 1
    assert counts["ledger"] <= 16
