"""What a person would notice when a vendor fails in the middle: nothing."""

from __future__ import annotations

from collections.abc import Callable

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
