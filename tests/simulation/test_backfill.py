"""Old mail comes over when it is asked for, once, and what both sides have is linked."""

from __future__ import annotations

from collections import Counter

import pytest

from sandbox.simulation.adapters import SimTable
from sandbox.simulation.world import Fate, Kind, World
from shared.model.words import Side, other
from shared.sync.backfill import Progress, start
from tests.support.scene import Scene

DAY = 86400.0


class Old(Scene):
    """Mailboxes with `count` old messages each, an hour apart, at the sides that `holds` names; the pair came later."""

    def __init__(self, count: int, *holds: Side) -> None:
        self.count, self.holds, self.dies = count, holds, set[int]()
        super().__init__(lambda scene: self._fill())

    def _fill(self) -> None:
        self.began = self.world.now
        for number in range(self.count):
            for side in self.holds:
                self.arrive(side, f"old{number}-{'' if len(self.holds) > 1 else side}", folder="inbox")
            self.world.now += 3600.0
        self.change_pair(since=self.world.now)

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        fate = super()._fate(world, kind, name)
        if kind == "effect" and self.calls["effect"] in self.dies:
            self.dies.remove(self.calls["effect"])
            fate.crash = True
        return fate

    def ask(self, since: float | None = None) -> None:
        table = SimTable(self.world, self.office._stored)
        start(table, self.stage.office._queue, self.pair, self.began - DAY if since is None else since)

    def finish(self, limit: float = 4 * 3600.0) -> Progress:
        end = self.world.now + limit
        while self.world.now < end:
            self.run(60.0)
            (row,) = self.rows("f:backfill")
            if row["ended"] is not None:
                self.run()
                return Progress(**row)
        raise AssertionError(f"not at its end: {self.rows('f:backfill')}")

    def copies(self, side: Side) -> Counter[str]:
        return Counter(message.message_id for message in self.box(side).messages())


@pytest.mark.parametrize("side", ["dingtalk", "outlook"])
def test_old_mail_comes_over_once(side: Side) -> None:
    scene = Old(200, side)
    assert not scene.copies(other(side)), "nothing old comes by itself"
    scene.ask()
    scene.finish()
    assert scene.copies(other(side)) == scene.copies(side)
    assert set(scene.copies(side).values()) == {1}
    assert len(scene.copies(side)) == 200


@pytest.mark.parametrize("side", ["dingtalk", "outlook"])
def test_a_worker_that_dies_in_the_middle_again_and_again_doubles_nothing(side: Side) -> None:
    scene = Old(100, side)
    scene.dies = {scene.calls["effect"] + at for at in (1, 7, 30, 31, 32, 70, 99)}
    scene.ask()
    scene.finish()
    assert not scene.dies, "each of them died"
    assert scene.copies(other(side)) == scene.copies(side)
    assert set(scene.copies(side).values()) == {1}
    assert len(scene.copies(side)) == 100


def test_mailboxes_that_hold_the_same_mail_are_linked_without_a_write() -> None:
    scene = Old(200, "dingtalk", "outlook")
    with scene.no_writes():
        scene.ask()
        scene.finish()
    assert len(scene.rows("l:")) == 200
    assert scene.journal().count("matched") == 200


def test_mail_that_is_older_than_what_was_asked_for_stays_where_it_is() -> None:
    scene = Old(50, "outlook")
    scene.ask(since=scene.began + 20 * 3600.0)
    scene.finish()
    assert sorted(scene.copies("dingtalk")) == sorted(f"old{n}-outlook@mail.example" for n in range(20, 50))
    scene.read("outlook", "old3-outlook")
    scene.run()
    assert not scene.all("dingtalk", "old3-outlook")


def test_new_mail_does_not_wait_for_the_old() -> None:
    scene = Old(200, "outlook")
    scene.ask()
    scene.run(30.0)
    scene.arrive("outlook", "new")
    scene.run(60.0)
    assert len(scene.all("dingtalk", "new")) == 1
    assert len(scene.copies("dingtalk")) < 200, "the old mail is still coming"
    scene.finish()
    assert len(scene.copies("dingtalk")) == 201


def test_a_second_backfill_finds_everything_done() -> None:
    scene = Old(50, "dingtalk")
    scene.ask()
    scene.finish()
    with scene.no_writes():
        scene.ask()
        scene.finish()
    assert not scene.rows("b:"), "no row of it is left but how it ended"
