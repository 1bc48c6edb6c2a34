"""Large mail crosses beside the live runs: nothing waits for it, and nothing that happens to it on its way loses or
doubles it. What is large is set to few bytes here, so that a scene is quick."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from sandbox.simulation.office import Worker
from sandbox.simulation.world import Fate, Kind, World
from sandbox.truth import Stored
from shared.model.words import SIDES, Side, other
from shared.sync.rows import CARRY, INTENT
from tests.support.scene import Scene

LARGE, LARGEST = 50_000, 400_000
SLOW = 100.0
"""Seconds that the request takes which carries a large message."""


class Lane(Scene):
    """Large are more than 50 kB, too large more than 400 kB; what is large takes its time. `fate` may be changed."""

    def __init__(self, **policy: Any) -> None:
        self.policy = {"large": LARGE, "largest": LARGEST, **policy}
        self.fates: Callable[[Kind, str, Fate], Fate] = lambda kind, name, fate: fate
        super().__init__(self._smaller)

    def _smaller(self, scene: Scene) -> None:
        make = self.stage._worker

        def smaller() -> Worker:
            worker = make()
            for part in (worker.product.service, worker.product.carrier):
                part._policy = replace(part._policy, **self.policy)  # type: ignore[attr-defined]
            return worker

        self.stage._worker = smaller  # type: ignore[method-assign]
        self.restart_workers()

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        fate = super()._fate(world, kind, name)
        if kind == "effect" and name.rpartition(" ")[2].isdigit() and int(name.rpartition(" ")[2]) > LARGE:
            fate = replace(fate, effect_after=SLOW - 1.0, answer_after=SLOW)
        return self.fates(kind, name, fate)

    def large(self, side: Side, id: str = "large", size: int = 100_000, **more: Any) -> str:
        return self.arrive(side, id, attachments={"plan.pdf": bytes(range(256)) * (size // 256)}, **more)

    def until(self, happened: Callable[[], object], most: float = 3000.0) -> float:
        """-> after how many seconds it had happened."""
        began = self.world.now
        while not happened():
            assert self.world.now < began + most, "it doesn't happen"
            self.run(1.0)
        return self.world.now - began

    def when(self, happened: Callable[[], object], act: Callable[[], object]) -> None:
        """Once, as soon as it has happened; also in the middle of somebody's request."""
        if happened():
            act()
        else:
            self.world.after(0.5, lambda: self.when(happened, act))

    def is_carried(self) -> bool:
        return any(row.get("until", 0.0) > self.world.now for row in self.rows(CARRY))

    def crossed(self, side: Side, id: str = "large") -> bool:
        """Whole, once, linked, as the original stands, and with nothing left of its way."""
        copies, originals = self.all(other(side), id), self.all(side, id)
        assert len(copies) <= 1
        return (
            [self.look(other(side), copy) for copy in copies] == [self.look(side, original) for original in originals]
            and any(row["copy"] == other(side) and not row["stub"] for row in self.rows("l:"))
            and not self.rows(INTENT)
            and not self.rows(CARRY)
            and not self.waiting()
        )

    def look(self, side: Side, message: Stored) -> tuple[object, ...]:
        hashes = [one.sha256 for one in message.attachments]
        return message.subject, hashes, message.read, message.flag, self.place(side, message)


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
