"""A worker dies with a pair in hand, and the message it had taken stays hidden for ten minutes: others go on, as soon
as the lease allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from sandbox.simulation.stage import INVISIBLE, TICK
from sandbox.simulation.world import Fate, Kind, World
from shared.model.words import Side, other
from shared.sync.lease import LOST
from shared.sync.rows import INTENT
from shared.sync.rows import LEASE as LEASE_ROW
from shared.sync.run import Policy
from shared.sync.service import CATCH_UP
from tests.support.scene import Scene

LEASE = 140.0
"""Longer than any request, and so much shorter than the time between two catch-ups that these don't help."""
LATE = 2 * TICK + 5.0
"""What becomes visible to a tick, and the run that it asks for."""
LOOKS = Policy().reread + 2 * Policy().busy
"""What the outcome of a request in flight needs: a second look, a minute later."""

Act = Callable[[Scene, Side], object]
ACTS: dict[str, tuple[Act, Callable[[Scene, Side], bool]]] = {
    "a message arrives": (
        lambda scene, side: scene.arrive(side, "new"),
        lambda scene, side: len(scene.all(other(side), "new")) == 1,
    ),
    "a message is read": (
        lambda scene, side: scene.read(side, "old"),
        lambda scene, side: scene.one(other(side), "old").read,
    ),
}


class Killing(Scene):
    """Right after a catch-up, somebody acts, and whoever takes up work first dies in its call of this number, whose
    effect lands. `held`: it had the lease; `under_way`: it had an intent open."""

    def __init__(self, number: int) -> None:
        self._left: int | None = None
        self.died: float | None = None
        self.held = self.under_way = False
        super().__init__()
        self.set_policy(lease=LEASE)
        self.linked("outlook", "old")
        self.run(self.office.rows("schedule")["catch-up"]["at"] + CATCH_UP + TICK - self.world.now)
        self.stage.restart = lambda: INVISIBLE
        for worker in self.stage.workers:
            worker.service.work = self._killed(worker.service.work, number)  # type: ignore[method-assign]

    def _killed(self, work: Callable[..., None], number: int) -> Callable[..., None]:
        def killed(message: Mapping[str, Any], bulk: bool = False) -> None:
            self._left = number if self.died is None else None
            work(message, bulk)
            self._left = None

        return killed

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        fate = super()._fate(world, kind, name)
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                self._left, self.died, fate.crash = None, world.now, True
                world.after(0.001, self._look)
        return fate

    def _look(self) -> None:
        (lease,) = self.rows(LEASE_ROW)
        self.held, self.under_way = lease["expiry"] > self.world.now, bool(self.rows(INTENT))


def deaths(what: str, side: Side) -> Iterator[tuple[Killing, float]]:
    """Each third of the calls made until the other side shows it, and how long that takes after a death there."""
    act, is_there = ACTS[what]
    for number in range(0, 1000, 3):
        scene = Killing(number)
        act(scene, side)
        scene.stage.push()
        began = scene.world.now
        while not is_there(scene, side) and scene.world.now < began + 2 * INVISIBLE:
            scene.run(1.0)
        if scene.died is None or scene.world.now < scene.died + 1.5:
            return
        yield scene, scene.world.now - scene.died


@pytest.mark.parametrize("side", ["outlook", "dingtalk"])
@pytest.mark.parametrize("what", ACTS)
def test_after_a_death_a_pair_is_served_again_as_soon_as_its_lease_is_over(
    what: str, side: Side, capsys: pytest.CaptureFixture[str]
) -> None:
    times: dict[str, list[float]] = {"in the queue": [], "in a run": [], "in a request": []}
    for scene, seconds in deaths(what, side):
        phase = "in the queue" if not scene.held else "in a request" if scene.under_way else "in a run"
        times[phase].append(seconds)
    with capsys.disabled():
        print(f"\n{what} in {side}, seconds from a death to the other side, by where it fell:")
        print("\n".join(f"  {phase}: {', '.join(f'{s:.0f}' for s in some)}" for phase, some in times.items()))
    assert all(times[phase] for phase in ("in the queue", "in a run"))
    assert max(times["in the queue"]) <= LOST + LATE
    assert max(times["in a run"]) <= LEASE + LATE
    assert max(times["in a request"], default=0.0) <= LEASE + LATE + LOOKS
