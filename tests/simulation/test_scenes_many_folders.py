"""Hundreds of folders: what changes in all of them at once, and mail that rules file into them."""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import median

import pytest

from shared.model.words import SIDES, Side, other
from tests.support.scene import Scene

MANY = 480


@pytest.mark.slow
def test_when_hundreds_of_folders_change_between_two_looks_everything_in_them_crosses() -> None:
    """More folders than one message can tell of."""

    def before(scene: Scene) -> None:
        for number in range(MANY):
            scene.box("dingtalk").make_folder(f"P{number}")

    scene = Scene(before)
    scene.run(1200)
    for number in range(MANY):
        scene.arrive("dingtalk", f"m{number}", folder=f"P{number}")
    scene.run(1800)
    assert scene.stage.errors == []
    copies = {m.message_id.partition("@")[0]: scene.place("outlook", m) for m in scene.box("outlook").messages()}
    assert copies == {f"m{number}": f"P{number}" for number in range(MANY)}
    with scene.no_writes():
        scene.run(300)


# ---- rules
FILED, POLL = 50, 30.0


@pytest.mark.parametrize("side", SIDES)
def test_mail_that_a_rule_files_into_any_of_fifty_folders_is_in_the_paired_folder_within_two_polls(
    side: Side, capsys: pytest.CaptureFixture[str]
) -> None:
    def before(scene: Scene) -> None:
        for number in range(FILED):
            scene.box(side).make_folder(f"P{number}")

    scene, dice = Scene(before), random.Random(5)
    scene.run(900)
    times: list[float] = []
    for number in range(FILED):
        folder, id = f"P{dice.randrange(FILED)}", f"m{number}"
        scene.arrive(side, id, folder=folder)
        came = scene.world.now
        while not scene.all(other(side), id):
            scene.run(1.0)
            assert scene.world.now - came < 2 * POLL + 15.0, f"{id} in {folder}"
        times.append(scene.world.now - came)
        assert scene.places(id) == {s: [folder] for s in SIDES}
        scene.run(dice.uniform(0.0, POLL))
    with capsys.disabled():
        print(
            f"\n{FILED} messages filed by a rule in {side}: in the paired folder after {median(times):.0f} s in the"
            f" median, {max(times):.0f} s at the latest"
        )


@pytest.mark.parametrize("keeps_id", [True, False])
@pytest.mark.parametrize("appenduid", [True, False])
def test_a_rule_that_files_our_copies_as_they_land_files_the_originals_too_and_doubles_nothing(
    keeps_id: bool, appenduid: bool
) -> None:
    scene = Scene()
    vendor = scene.office.dingtalk
    vendor.switches = replace(vendor.switches, append_files_into="Shipments")
    vendor.switches = replace(vendor.switches, move_keeps_id=keeps_id, appenduid=appenduid)
    for number in range(5):
        scene.arrive("outlook", f"m{number}")
        scene.run(20)
    scene.run(900)
    for number in range(5):
        assert scene.places(f"m{number}") == {s: ["Shipments"] for s in SIDES}
    scene.move("outlook", "m0", "inbox")
    scene.read("dingtalk", "m1")
    scene.run()
    assert scene.places("m0") == {s: ["inbox"] for s in SIDES}
    assert scene.one("outlook", "m1").read
    with scene.no_writes():
        scene.run(900)
