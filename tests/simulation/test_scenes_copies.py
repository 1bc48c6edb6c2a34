"""Copies that people make at their mailboxes: each is a message of its own, with a state of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from shared.model.words import SIDES, Side, other
from tests.support.scene import Scene

BOTH_WAYS = pytest.mark.parametrize("side", SIDES)
MANY = 20


def copy(scene: Scene, side: Side, id: str, of: str, to: str) -> str:
    """Of a message in folder `of`; -> the id of the new one."""
    source = next(m for m in scene.all(side, id) if scene.place(side, m) == of)
    return scene.box(side).copy(source.id, scene.folder(side, to))


def states(scene: Scene, side: Side, id: str) -> list[tuple[str, bool, str]]:
    return sorted((scene.place(side, m), m.read, m.flag) for m in scene.all(side, id))


@BOTH_WAYS
def test_twenty_copies_of_one_message_in_one_folder_cross_once_each(side: Side) -> None:
    scene = Scene()
    scene.linked(side, "a")
    for _ in range(MANY):
        copy(scene, side, "a", "inbox", "Shipments")
    scene.run(900)
    for s in SIDES:
        assert Counter(scene.places("a")[s]) == {"inbox": 1, "Shipments": MANY}
    with scene.no_writes():
        scene.run(900)


@BOTH_WAYS
def test_the_state_of_each_copy_crosses_to_its_own_twin_alone(side: Side) -> None:
    """Acts on the originals' side first, then on the other one."""
    scene = Scene()
    for number in range(MANY):
        scene.box(side).make_folder(f"P{number}")
    scene.linked(side, "a")
    for number in range(MANY):
        copy(scene, side, "a", "inbox", f"P{number}")
    scene.run(900)
    assert states(scene, "outlook", "a") == states(scene, "dingtalk", "a")
    for first, on in ((0, side), (10, other(side))):
        ids = {scene.place(on, message): message.id for message in scene.all(on, "a")}
        box = scene.box(on)
        box.set_read(ids[f"P{first}"], True)
        box.set_flag(ids[f"P{first + 1}"], "flagged")
        box.move(ids[f"P{first + 2}"], scene.folder(on, "trash"))
        box.move(ids[f"P{first + 3}"], scene.folder(on, "报关"))
        scene.run(600)
    shown = states(scene, side, "a")
    assert shown == states(scene, other(side), "a")
    alike = [(f"P{number}", False, "none") for number in range(MANY) if number % 10 > 3]
    acted = [("P0", True, "none"), ("P10", True, "none"), ("P1", False, "flagged"), ("P11", False, "flagged")]
    moved = [("trash", False, "none"), ("报关", False, "none")] * 2
    assert shown == sorted([("inbox", False, "none"), *alike, *acted, *moved])


@BOTH_WAYS
@pytest.mark.parametrize("seconds", [0, 5, 600])
@pytest.mark.parametrize("removed", ["trash", "for good"])
def test_a_copy_whose_original_is_thrown_away_stays_on_both_sides(side: Side, seconds: float, removed: str) -> None:
    scene = Scene()
    scene.linked(side, "a")
    original = scene.one(side, "a").id
    copy(scene, side, "a", "inbox", "Shipments")
    scene.run(seconds)
    if removed == "trash":
        scene.box(side).move(original, scene.folder(side, "trash"))
    else:
        scene.box(side).purge(original)
    scene.run(1800)
    live = {s: [place for place in scene.places("a")[s] if place != "trash"] for s in SIDES}
    assert live[side] == ["Shipments"]
    assert live[other(side)] in (["Shipments"], ["Shipments", "inbox"])
    assert removed != "trash" or live[other(side)] == ["Shipments"]
    with scene.no_writes():
        scene.run(900)


@BOTH_WAYS
def test_a_copy_of_a_copy_crosses_once(side: Side) -> None:
    scene = Scene()
    scene.linked(side, "a")
    copy(scene, side, "a", "inbox", "Shipments")
    copy(scene, side, "a", "Shipments", "报关")
    scene.run(900)
    copy(scene, side, "a", "报关", "archive" if side == "outlook" else "sent")
    scene.run(900)
    places = scene.places("a")
    assert len(places["outlook"]) == len(places["dingtalk"]) == 4
    assert scene.waiting() == []
    with scene.no_writes():
        scene.run(900)


# ---- of our own copy, whose key a copy carries, or not
@BOTH_WAYS
@pytest.mark.parametrize("keeps_key", [True, False])
def test_a_copy_of_our_copy_in_another_folder_crosses_once_and_our_copy_stays(side: Side, keeps_key: bool) -> None:
    scene, there = Scene(), other(side)
    vendor = scene.office.microsoft
    vendor.switches = replace(vendor.switches, copy_keeps_key=keeps_key)
    scene.linked(side, "a")
    copy(scene, there, "a", "inbox", "Shipments")
    scene.run(1200)
    assert scene.places("a") == {"outlook": ["Shipments", "inbox"], "dingtalk": ["Shipments", "inbox"]}
    assert scene.waiting() == []
    (filed,) = (m for m in scene.all(side, "a") if scene.place(side, m) == "Shipments")
    scene.box(side).set_read(filed.id, True)
    scene.run()
    for s in SIDES:
        assert states(scene, s, "a") == [("Shipments", True, "none"), ("inbox", False, "none")]
    with scene.no_writes():
        scene.run(900)


@BOTH_WAYS
def test_a_copy_of_our_copy_whose_linked_one_is_thrown_away_stays_on_both_sides(side: Side) -> None:
    scene, there = Scene(), other(side)
    scene.linked(side, "a")
    copy(scene, there, "a", "inbox", "Shipments")
    scene.run(5)
    (ours,) = (m for m in scene.all(there, "a") if scene.place(there, m) == "inbox")
    scene.box(there).move(ours.id, scene.folder(there, "trash"))
    scene.run(1200)
    assert scene.places("a") == {s: ["Shipments", "trash"] for s in SIDES}


@BOTH_WAYS
def test_beside_our_copy_in_its_own_folder_a_second_one_is_left_alone_and_shown_for_it_may_be_our_double(
    side: Side,
) -> None:
    scene, there = Scene(), other(side)
    scene.linked(side, "a")
    with scene.no_writes():
        copy(scene, there, "a", "inbox", "inbox")
        scene.run(1800)
    assert scene.places("a") == {side: ["inbox"], there: ["inbox", "inbox"]}
    assert scene.waiting() == [(there, "copy")]
