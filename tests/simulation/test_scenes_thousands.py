"""Thousands of messages at once: changes in one delta, an expired token, and an old-mail rule that throws away."""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from shared.model.words import SIDES, Side, other
from shared.outlook.delta import LONGEST
from shared.sync.rows import LEASE, SWEPT
from tests.support.many_links import link_many
from tests.support.scene import PUT_OFF, Scene

pytestmark = pytest.mark.slow

COUNT, PAGE = 6000, 500
LOOK = 330.0
"""Long enough for a catch-up."""


@pytest.fixture(scope="module")
def scene() -> Scene:
    scene = Scene()
    link_many(scene, COUNT)
    scene.run(LOOK)
    return scene


@dataclass
class Spent:
    """`requests` by vendor; `ledger`: operations; `writes` at the vendors; `seconds` of this machine; `peak`: MB."""

    outlook: int = 0
    dingtalk: int = 0
    ledger: int = 0
    writes: int = 0
    seconds: float = 0.0
    peak: float = 0.0


@contextmanager
def spent(scene: Scene, what: str, capsys: pytest.CaptureFixture[str]) -> Iterator[Spent]:
    def now() -> tuple[int, int, int, int]:
        office = scene.office
        return (
            office.microsoft.counts.total(),
            office.dingtalk.counts.total(),
            scene.calls["ledger"],
            scene.world.effects,
        )

    seen, before, began = Spent(), now(), time.process_time()
    tracemalloc.start()
    yield seen
    seen.peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    seen.outlook, seen.dingtalk, seen.ledger, seen.writes = (a - b for a, b in zip(now(), before, strict=True))
    seen.seconds = time.process_time() - began
    with capsys.disabled():
        print(
            f"\n{what}: {seen.outlook} requests to Graph, {seen.dingtalk} to Alimail, {seen.writes} writes there,"
            f" {seen.ledger} operations of the ledger, {seen.seconds:.1f} s of processor, peak {seen.peak:.0f} MB"
        )


def lasting(scene: Scene) -> Mapping[str, Any]:
    """The ledger but for what says when it was looked at, and how far."""
    moving = (LEASE, "c:", "walked:", SWEPT)
    return {key: value for key, value in scene.office.rows().items() if not key.startswith(moving)}


def test_a_delta_of_thousands_of_changes_that_do_not_cross_costs_its_pages_and_the_few_that_do_cross(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    box = scene.box("outlook")
    inbox = [message.id for message in box.messages()]
    for id in inbox:
        box.set_categories(id, ["Blue"])
    for id in inbox[::300]:
        box.set_read(id, True)
    scene.office.microsoft.take_notifications()
    with spent(scene, f"a delta of {COUNT} changes, {len(inbox[::300])} of which cross", capsys) as seen:
        scene.run(3 * LOOK)
    assert sum(message.read for message in scene.box("dingtalk").messages()) == len(inbox[::300]) == seen.writes
    assert LONGEST * PAGE < COUNT, "the delta takes more than one look"
    assert seen.outlook <= COUNT / PAGE + 3 * 4
    assert seen.peak < 60


def test_an_expired_token_at_thousands_of_linked_messages_writes_nothing_anywhere(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.run(3 * LOOK)
    before = lasting(scene)
    scene.office.microsoft.expire_delta_tokens()
    with spent(scene, f"an expired token at {COUNT} linked messages", capsys) as seen, scene.no_writes():
        scene.run(LOOK)
    assert lasting(scene) == before
    assert seen.outlook <= COUNT / PAGE + 2 * 4
    assert seen.peak < 90


# ---- many at once that do cross
def test_hundreds_of_messages_marked_as_read_at_once_cross_without_being_read_again_and_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scene, many = Scene(), 300
    link_many(scene, many)
    scene.run(LOOK)
    for message in scene.box("outlook").messages():
        scene.box("outlook").set_read(message.id, True)
    with spent(scene, f"{many} messages marked as read in Outlook", capsys) as seen:
        scene.run(180)
        assert sum(message.read for message in scene.box("dingtalk").messages()) > many / 10, "they begin at once"
        scene.run(900)
    assert all(message.read for message in scene.box("dingtalk").messages())
    assert seen.writes == many
    assert seen.outlook + seen.dingtalk <= 6 * many


@pytest.mark.parametrize("side", SIDES)
def test_a_rule_that_throws_hundreds_away_is_held_before_the_first_and_goes_on_whole_once_approved(
    side: Side,
) -> None:
    scene, there, many, thrown = Scene(), other(side), 600, 520
    link_many(scene, many)
    scene.run(LOOK)
    box, trash = scene.box(side), scene.folder(side, "trash")
    for message in sorted(box.messages(), key=lambda message: message.received_at)[:thrown]:
        box.move(message.id, trash)
    scene.run(PUT_OFF)
    assert _places(scene, there)["trash"] == 0
    desk = scene.desk()
    held = desk.status(scene.pair).brake
    assert held is not None
    assert desk.approve(scene.pair, held.hash) == len(held.links) == thrown
    scene.run(2 * PUT_OFF)
    assert _places(scene, there)["trash"] == thrown
    assert _places(scene, there)["inbox"] == many - thrown


def _places(scene: Scene, side: Side) -> Counter[str]:
    return Counter(scene.place(side, message) for message in scene.box(side).messages() if message.by == "person")
