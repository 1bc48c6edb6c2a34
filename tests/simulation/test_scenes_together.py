"""Mail that comes all at once, and a fault in the middle of its copying: each has its one copy in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sandbox.simulation.world import Fate
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side, other
from tests.simulation.test_scenes_faults import BOTH_WAYS, Faulty, late, lost_answer, never_done, only

COUNT = 7
SENT_AS = {OUTLOOK: "/$batch", DINGTALK: "literal"}
"""What the request that makes copies there is told by."""


class Together(Faulty):
    """Messages that come to `side` within a moment."""

    def __init__(self, side: Side) -> None:
        super().__init__()
        self.side = side
        self.ids = [f"m{number}" for number in range(COUNT)]

    def come(self) -> None:
        for id in self.ids:
            self.arrive(self.side, id)

    def settle(self) -> None:
        """Everybody has one copy, and nothing moves any more."""
        self.run(1200.0)
        for id in self.ids:
            assert self.places(id) == {side: ["inbox"] for side in SIDES}
        assert len(self.box(other(self.side)).messages()) == COUNT
        with self.no_writes():
            self.run(900.0)


def refused(status: int) -> Callable[[str, Fate], bool]:
    def spoil(name: str, fate: Fate) -> bool:
        fate.effect_after, fate.refuse = None, status
        return True

    return spoil


@BOTH_WAYS
def test_they_go_together(side: Side) -> None:
    scene = Together(side)
    vendor = scene.office.microsoft if side == DINGTALK else scene.office.dingtalk
    before, effects = vendor.counts.copy(), scene.world.effects
    scene.come()
    scene.settle()
    asked = vendor.counts - before
    if side == DINGTALK:
        assert scene.world.effects - effects == 1, "one batch makes them all"
    else:
        assert asked["IMAP APPEND"] == COUNT
        assert asked["IMAP LOGIN"] == 3


@BOTH_WAYS
@pytest.mark.parametrize("fault", [lost_answer, never_done, late])
def test_whatever_becomes_of_the_request_nothing_is_lost_or_doubled(
    side: Side, fault: Callable[[str, Fate], bool]
) -> None:
    scene = Together(side)
    scene.spoil = only(SENT_AS[other(side)], fault)
    scene.come()
    scene.settle()
    assert scene.spoil is None, "no such request was made"


@pytest.mark.parametrize("status", [400, 413, 429, 503])
def test_a_batch_that_is_refused_as_a_whole_is_made_all_the_same(status: int) -> None:
    scene = Together(DINGTALK)
    scene.spoil = only("/$batch", refused(status))
    scene.come()
    scene.settle()
    assert scene.spoil is None, "no batch was sent"


def test_a_part_that_is_throttled_comes_later() -> None:
    scene = Together(DINGTALK)

    def throttle(name: str, fate: Fate) -> bool:
        scene.world.after(0.0, lambda: scene.office.microsoft.throttle.force(2, 60))
        return True

    scene.spoil = only("/$batch", throttle)
    scene.come()
    scene.settle()
    assert scene.spoil is None, "no batch was sent"


def test_for_one_that_is_too_large_for_the_server_a_stub_stands_and_the_others_come() -> None:
    scene = Together(OUTLOOK)
    switches = scene.office.dingtalk.switches
    scene.office.dingtalk.switches = replace(switches, max_append=5000)
    scene.arrive(OUTLOOK, "long", attachments={"a.pdf": b"x" * 6000})
    scene.come()
    scene.run(600.0)
    assert all(len(scene.all(DINGTALK, id)) == 1 for id in scene.ids)
    (stub,) = scene.all(DINGTALK, "long")
    assert stub.attachments == ()
    assert [failing.why for failing in scene.status.set_aside] == ["too large"]


def test_one_whose_content_can_not_be_had_does_not_hold_up_the_others() -> None:
    scene = Together(DINGTALK)

    def vanish(name: str, fate: Fate) -> bool:
        """It is deleted for good right after it was read."""
        scene.purge(DINGTALK, "extra")
        return True

    scene.arrive(DINGTALK, "extra", attachments={"a.pdf": b"x"})
    scene.come()
    scene.spoil = only("/$batch", vanish)
    scene.run(1200.0)
    for id in scene.ids:
        assert scene.places(id) == {side: ["inbox"] for side in SIDES}
