"""What a person would notice when a vendor fails in the middle: nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sandbox.simulation.world import Fate, Kind, World, calm
from shared.model.words import SIDES, Side, other
from tests.support.scene import ADDRESS, Scene, mail

BOTH_WAYS = pytest.mark.parametrize("side", SIDES)
HELD_OVER = 200.0
"""Longer than a mail to both accounts is held for its twin."""


class Faulty(Scene):
    """`spoil` changes the fate of effects; it is asked for each and answers whether it was used up."""

    def __init__(self) -> None:
        self.spoil: Callable[[str, Fate], bool] | None = None
        super().__init__()

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        fate = calm(world, kind, name)
        if kind == "effect" and self.spoil is not None and self.spoil(name, fate):
            self.spoil = None
        return fate

    def late_twin(self, side: Side, id: str) -> None:
        """A mail to both accounts that came to the other account first, and to `side` after our copy was made."""
        letter = mail(id, to=tuple(ADDRESS.values()), at=self.world.now)
        self.box(other(side)).deliver(letter)
        self.run(HELD_OVER)
        self.box(side).deliver(letter)

    def live(self, side: Side, id: str) -> list[str]:
        """Who made the messages that are not in the trash."""
        trash = self.folder(side, "trash")
        return [message.by for message in self.all(side, id) if message.folder != trash]


def lost_answer(name: str, fate: Fate) -> bool:
    fate.answer = False
    return True


def never_done(name: str, fate: Fate) -> bool:
    fate.effect_after, fate.answer = None, False
    return True


def late(name: str, fate: Fate) -> bool:
    fate.effect_after, fate.answer = 40.0, False
    return True


def only(word: str, spoil: Callable[[str, Fate], bool]) -> Callable[[str, Fate], bool]:
    """Spoil the first effect whose request names `word`."""
    return lambda name, fate: word in name and spoil(name, fate)


@BOTH_WAYS
@pytest.mark.parametrize("fault", [lost_answer, never_done, late])
def test_a_late_twin_ends_as_one_on_each_side_whatever_becomes_of_the_move(
    side: Side, fault: Callable[[str, Fate], bool]
) -> None:
    scene = Faulty()
    scene.late_twin(side, "a")
    scene.spoil = only("/move", fault)
    scene.run(900.0)
    assert scene.spoil is None, "the move of our copy was never asked for"
    assert scene.live(side, "a") == ["person"]
    assert scene.live(other(side), "a") == ["person"]
    with scene.no_writes():
        scene.run(900.0)


@BOTH_WAYS
def test_our_copy_that_a_person_filed_stays_when_its_original_comes_late(side: Side) -> None:
    scene = Faulty()
    filed: list[str] = []

    def file_it(name: str, fate: Fate) -> bool:
        """A person files our copy just before it would go into the trash; that attempt gets no answer."""
        if "/move" not in name:
            return False
        copy = next(m for m in scene.all(side, "a") if m.by == "client")
        filed.append(scene.box(side).move(copy.id, scene.folder(side, "Shipments")))
        return never_done(name, fate)

    scene.late_twin(side, "a")
    scene.spoil = file_it
    scene.run(900.0)
    assert filed
    assert sorted(scene.live(side, "a")) == ["client", "person"]
    assert scene.live(other(side), "a") == ["person"]
    with scene.no_writes():
        scene.run(900.0)


@BOTH_WAYS
@pytest.mark.parametrize("fault", [lost_answer, never_done, late])
def test_a_change_of_state_crosses_once_whatever_becomes_of_its_request(
    side: Side, fault: Callable[[str, Fate], bool]
) -> None:
    scene = Faulty()
    scene.linked(side, "a")
    scene.spoil = fault
    scene.read(side, "a")
    scene.run(900.0)
    assert scene.spoil is None
    assert scene.one(other(side), "a").read
    with scene.no_writes():
        scene.run(900.0)


def test_a_message_that_vanished_from_outlook_and_comes_back_is_linked_again() -> None:
    scene = Scene()
    scene.linked("outlook", "a")
    scene.purge("outlook", "a")
    scene.run(400.0)
    scene.arrive("outlook", "a")
    scene.run(400.0)
    scene.flag("outlook", "a", "flagged")
    scene.run(400.0)
    assert scene.one("dingtalk", "a").flag == "flagged"


def test_a_copy_that_outlook_took_and_never_had_is_made_again_once() -> None:
    scene = Scene()
    scene.arrive("dingtalk", "a")
    scene.stage.push = lambda: None  # type: ignore[method-assign]  # a push would show the copy before it is lost
    first = _lost_when_made(scene)
    second = _lost_when_made(scene)
    assert second != first
    scene.world.run_until(scene.world.now + 4000.0)
    assert scene.all("outlook", "a") == [], "made a third time"
    assert scene.held_back() == ["vanished_after_copy"]


def _lost_when_made(scene: Scene) -> str:
    """Wait for the copy, and let the vendor lose it before any stream shows it; -> its id."""
    for _ in range(4000):
        if scene.all("outlook", "a"):
            break
        scene.world.run_until(scene.world.now + 0.5)
    id = scene.one("outlook", "a").id
    _lose(scene)
    return id


def _lose(scene: Scene) -> None:
    """The vendor has never heard of the copy: it is in no folder, and no stream says that it was there or went."""
    store = scene.office.microsoft.mailboxes[ADDRESS["outlook"]].store
    for message in list(store.items.values()):
        store.purge(message)
    for log in store.index._logs.values():
        log.clear()


@BOTH_WAYS
def test_a_change_whose_message_is_deleted_while_nobody_knows_what_became_of_it_leaves_nothing_open(side: Side) -> None:
    scene, there = Faulty(), other(side)
    scene.linked(side, "a")

    def deleted_meanwhile(name: str, fate: Fate) -> bool:
        scene.purge(there, "a")
        return lost_answer(name, fate)

    scene.spoil = deleted_meanwhile
    scene.read(side, "a")
    scene.run(2400.0)
    assert scene.spoil is None
    assert scene.places("a") == {side: ["inbox"], there: []}
    assert scene.status.open_intents == 0
    with scene.no_writes():
        scene.run(900.0)


@pytest.mark.parametrize("fault", [lost_answer, late])
def test_a_move_in_dingtalk_without_an_answer_is_found_under_the_id_that_it_gave_the_message(
    fault: Callable[[str, Fate], bool],
) -> None:
    scene = Faulty()
    scene.office.dingtalk.switches = replace(scene.office.dingtalk.switches, move_keeps_id=False)
    scene.linked("outlook", "a")
    before = scene.one("dingtalk", "a").id
    scene.spoil = fault
    scene.move("outlook", "a", "Shipments")
    scene.run(900.0)
    assert scene.spoil is None
    assert scene.places("a") == {s: ["Shipments"] for s in SIDES}
    assert scene.one("dingtalk", "a").id != before
    scene.read("dingtalk", "a")
    scene.run()
    assert scene.one("outlook", "a").read


@BOTH_WAYS
def test_our_copy_that_a_person_deletes_just_when_its_original_came_late_is_gone_and_the_rest_stays(side: Side) -> None:
    scene = Faulty()

    def delete_it(name: str, fate: Fate) -> bool:
        if "/move" not in name:
            return False
        scene.box(side).purge(next(m for m in scene.all(side, "a") if m.by == "client").id)
        return never_done(name, fate)

    scene.late_twin(side, "a")
    scene.spoil = delete_it
    scene.run(900.0)
    assert scene.spoil is None
    assert scene.live(side, "a") == scene.live(other(side), "a") == ["person"]
    assert scene.status.open_intents == 0
    with scene.no_writes():
        scene.run(900.0)


class Blind(Faulty):
    """While `blind`, DingTalk shows no message by its id; `refused` counts how often it was asked."""

    def __init__(self) -> None:
        self.blind, self.refused = False, 0
        super().__init__()

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        fate = super()._fate(world, kind, name)
        if self.blind and kind == "read" and "alimail" in name and "/messages/" in name:
            self.refused += 1
            fate.effect_after, fate.refuse = None, 503
        return fate


def test_a_change_whose_answer_was_lost_is_looked_at_until_the_vendor_can_say_what_became_of_it() -> None:
    scene = Blind()
    scene.linked("outlook", "a")

    def goes_blind(name: str, fate: Fate) -> bool:
        scene.blind = True
        return lost_answer(name, fate)

    scene.spoil = goes_blind
    scene.read("outlook", "a")
    scene.run(900.0)
    assert scene.refused > 3
    assert scene.status.open_intents == 1
    scene.blind = False
    with scene.no_writes():
        scene.run(900.0)
    assert scene.state("dingtalk", "a") == ("inbox", True, "none")
    assert scene.status.open_intents == 0
