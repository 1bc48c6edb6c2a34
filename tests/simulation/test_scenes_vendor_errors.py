"""What a person would notice when a vendor answers with errors: to one message for ever, or to everything for hours."""

from __future__ import annotations

import pytest

from sandbox.simulation.world import Fate, Kind, World
from shared.model.words import SIDES, Side, other
from shared.sync.quarantine import FAILS, TRIES
from tests.support.scene import Scene

BOTH_WAYS = pytest.mark.parametrize("side", SIDES)
LARGE = 20_000
"""Bytes of a request that only the large message needs."""
PDF = {"scan.pdf": bytes(LARGE)}


class Failing(Scene):
    """Effects over `limit` bytes meet an error of the vendor, before anything is done; `met` counts them."""

    def __init__(self) -> None:
        self.limit, self.met = float("inf"), 0
        super().__init__()

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        fate = super()._fate(world, kind, name)
        if kind == "effect" and int(name.rpartition(" ")[2]) >= self.limit:
            self.met += 1
            fate.effect_after, fate.refuse = None, 503
        return fate

    def others_cross(self, side: Side, count: int, every: float) -> None:
        """Small messages come one after the other, and each has its copy before the next."""
        for _ in range(count):
            id = f"other-{self.world.now:.0f}"
            self.arrive(side, id)
            self.run(every)
            assert len(self.all(other(side), id)) == 1


@BOTH_WAYS
def test_a_message_on_which_the_vendor_alone_fails_is_put_aside_after_an_hour_and_others_cross_meanwhile(
    side: Side,
) -> None:
    scene = Failing()
    scene.limit = LARGE
    scene.arrive(side, "bad", attachments=PDF)
    scene.others_cross(side, 4, 600.0)
    assert (side, "quarantined") not in scene.waiting(), "an hour isn't over"
    scene.others_cross(side, 5, 600.0)
    assert scene.waiting() == [(side, "quarantined")]
    assert [failing.why for failing in scene.status.set_aside] == [FAILS]
    met = scene.met
    assert met >= TRIES
    scene.others_cross(side, 1, 1800.0)
    assert scene.met == met, "it is tried no more"
    scene.limit = float("inf")
    assert scene.office.product().quarantine.retry(scene.pair, None) == 1
    scene.run()
    assert scene.places("bad") == {s: ["inbox"] for s in SIDES}
    assert (scene.rows("failing:"), scene.waiting()) == ([], [])


@BOTH_WAYS
def test_while_the_vendor_fails_on_everything_nothing_is_put_aside_however_long_it_lasts(side: Side) -> None:
    scene = Failing()
    scene.limit = 0.0
    ids = ["a", "b", "c"]
    for id in ids:
        scene.arrive(side, id)
    scene.run(1.5 * 3600.0)
    assert scene.met > len(ids) * TRIES
    assert "quarantined" not in [reason for _, reason in scene.waiting()]
    scene.limit = float("inf")
    scene.run(900.0)
    assert all(scene.places(id) == {s: ["inbox"] for s in SIDES} for id in ids)
    assert (scene.rows("failing:"), scene.waiting()) == ([], [])


@BOTH_WAYS
def test_a_message_that_failed_through_an_outage_is_not_put_aside_for_what_comes_right_after_it(side: Side) -> None:
    scene = Failing()
    scene.limit = 0.0
    scene.arrive(side, "bad", attachments=PDF)
    scene.run(3600.0 + 600.0)
    scene.limit = LARGE
    scene.others_cross(side, 2, 600.0)
    assert (side, "quarantined") not in scene.waiting()
    scene.limit = float("inf")
    scene.run(900.0)
    assert scene.places("bad") == {s: ["inbox"] for s in SIDES}
