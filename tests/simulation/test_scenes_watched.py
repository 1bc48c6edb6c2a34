"""What whoever watches is told when something needs a person."""

from __future__ import annotations

import pytest

from sandbox.simulation.adapters import SimTable
from shared.model.metrics import BRAKE, LAG, LEASE_CONTENTION, MIRRORED, POLLED, SUBSCRIPTION_FAILED
from shared.model.words import SIDES
from shared.ports.state import Op
from shared.sync.lease import Leases
from shared.sync.pushes import SUBSCRIPTIONS
from shared.wiring.pairs import Pairs
from tests.support.scene import PUT_OFF, Scene
from tests.support.watching import Point, Watching


@pytest.fixture
def watching() -> Watching:
    return Watching()


def only(watching: Watching, name: str) -> Point:
    (point,) = [point for point in watching.points() if point.name == name]
    return point


def test_the_brake_is_told_again_and_again_while_it_is_on_and_no_longer(watching: Watching) -> None:
    scene = Scene(telemetry=watching.telemetry)
    scene.set_policy(brake_some=8)
    for number in range(12):
        scene.arrive("outlook", f"m{number}")
    scene.run()
    for number in range(10):
        scene.move("outlook", f"m{number}", "trash")
    scene.run()
    for _ in range(2):
        told = only(watching, BRAKE.name)
        assert (told.value, told.unit, told.dimensions) == (1, "1", {"pair": "pair-1"})
        scene.run(PUT_OFF)
    shown = scene.desk().status(scene.pair).brake
    assert shown is not None
    scene.desk().approve(scene.pair, shown.hash)
    scene.run()
    watching.points()
    scene.run(PUT_OFF)
    assert BRAKE.name not in {point.name for point in watching.points()}


def test_a_subscription_that_cannot_be_made_is_told_at_each_try(watching: Watching) -> None:
    scene = Scene(telemetry=watching.telemetry)
    assert SUBSCRIPTION_FAILED.name not in {point.name for point in watching.points()}
    scene.stage.microsoft.subscriptions.post = lambda url, headers, body: (500, b"")
    SimTable(scene.world, scene.office._stored).transact(SUBSCRIPTIONS, [Op("delete", "pair:pair-1")])
    scene.run(60.0)
    told = only(watching, SUBSCRIPTION_FAILED.name)
    assert told.value >= 3
    assert (told.unit, told.dimensions) == ("{attempt}", {"pair": "pair-1"})


def test_a_pair_in_other_hands_is_told(watching: Watching) -> None:
    scene = Scene(telemetry=watching.telemetry)
    before = {point.name: point.value for point in watching.points()}.get(LEASE_CONTENTION.name, 0.0)
    Leases(SimTable(scene.world, scene.office._stored), "pair-1:mail", 240.0).take("somebody else")
    scene.stage.workers[0].service.work({"pair": "pair-1", "kind": "mail", "cause": "asked"})
    told = only(watching, LEASE_CONTENTION.name)
    assert told.value > before
    assert (told.unit, told.dimensions) == ("{time}", {"pair": "pair-1"})


def test_a_change_is_counted_by_where_it_was_made_and_timed_from_when_it_was_noticed(watching: Watching) -> None:
    scene = Scene(telemetry=watching.telemetry)
    scene.arrive("outlook", "m")
    scene.run()
    scene.read("dingtalk", "m")
    scene.run()
    told = {(p.name, p.dimensions.get("side")): p.value for p in watching.points()}
    assert [told[MIRRORED.name, side] for side in SIDES] == [1, 1]
    assert all(0 < told[LAG.name, side] < 60 for side in SIDES)
    effects = [span.attributes["effect"] for span in watching.spans() if span.name == "mirrored" and span.attributes]
    assert effects == ["create", "write"]


def test_a_deployment_without_pairs_is_not_silent(watching: Watching) -> None:
    scene = Scene(telemetry=watching.telemetry)
    looked = only(watching, POLLED.name).value
    Pairs(SimTable(scene.world, scene.office._stored)).update("pair-1", paused=True)
    scene.run(60.0)
    told = only(watching, POLLED.name)
    assert looked > 0
    assert told.value == looked
