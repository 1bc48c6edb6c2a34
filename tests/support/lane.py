"""Scenes with large mail: what is large is set to few bytes here, so that a scene is quick."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sandbox.simulation.office import Worker
from sandbox.simulation.stage import INVISIBLE
from sandbox.simulation.world import Fate, Kind, World
from sandbox.truth import Stored
from shared.model.words import Side, other
from shared.sync.rows import CARRY, INTENT
from tests.support.scene import Scene

LARGE, LARGEST = 50_000, 400_000
SLOW = 100.0
"""Seconds that the request takes which carries a large message."""


class Lane(Scene):
    """Large are more than 50 kB, too large more than 400 kB; what is large takes its time. `fate` may be changed."""

    def __init__(self, **policy: Any) -> None:
        self.sent = 0
        self.policy = {"large": LARGE, "largest": LARGEST, **policy}
        self.fates: Callable[[Kind, str, Fate], Fate] = lambda kind, name, fate: fate
        super().__init__(self._smaller)

    def _smaller(self, scene: Scene) -> None:
        make = self.stage._worker

        def smaller() -> Worker:
            worker = make()
            for part in (worker.product.service, worker.product.carrier):
                part._policy = replace(part._policy, **self.policy)
            return worker

        self.stage._worker = smaller  # type: ignore[method-assign]
        self.restart_workers()

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        fate = super()._fate(world, kind, name)
        if kind == "effect" and name.rpartition(" ")[2].isdigit() and int(name.rpartition(" ")[2]) > LARGE:
            self.sent += 1
            fate = replace(fate, effect_after=SLOW - 1.0, answer_after=SLOW)
        return self.fates(kind, name, fate)

    def large(self, side: Side, id: str = "large", size: int = 100_000, **more: Any) -> str:
        return self.arrive(side, id, attachments={"plan.pdf": bytes(range(256)) * (size // 256)}, **more)

    def until(self, happened: Callable[[], object], step: float = 1.0) -> float:
        """-> after how many seconds it had happened, give or take `step`."""
        began = self.world.now
        while not happened():
            assert self.world.now < began + 3000.0, "it doesn't happen"
            self.run(step)
        return self.world.now - began

    def when(self, happened: Callable[[], object], act: Callable[[], object]) -> None:
        """Once, as soon as it has happened; also in the middle of somebody's request."""
        if happened():
            act()
        else:
            self.world.after(0.5, lambda: self.when(happened, act))

    def is_carried(self) -> bool:
        return any(row.get("until", 0.0) > self.world.now for row in self.rows(CARRY))

    def allow(self, largest: int) -> None:
        self.policy["largest"] = largest
        self.restart_workers()

    def carries(self) -> int:
        """How many requests with a large message in them have left."""
        return self.sent

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


class Dying(Lane):
    """The first carrier dies in its call of this number, which has its effect or hasn't. Its message is hidden for ten
    minutes then, as at the real queue. `own`: the kinds of its calls."""

    def __init__(self, number: int | None, lands: bool = True) -> None:
        self.number, self.lands = number, lands
        self.inside, self.died = 0, False
        self.own: list[Kind] = []
        super().__init__()
        self.stage.restart = lambda: INVISIBLE
        for worker in self.stage.workers:
            self._watch(worker)

    def _watch(self, worker: Worker) -> None:
        work = worker.product.carrier.work

        def watched(message: Mapping[str, Any]) -> None:
            self.inside += 1
            try:
                work(message)
            finally:
                self.inside -= 1

        worker.product.carrier.work = watched  # type: ignore[method-assign]

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        fate = super()._fate(world, kind, name)
        if not self.inside or any(worker.busy for worker in self.stage.workers[1:]):
            return fate
        self.own.append(kind)
        if self.number is not None and len(self.own) == self.number + 1:
            self.died = True
            return replace(fate, crash=True, effect_after=fate.effect_after if self.lands else None)
        return fate
