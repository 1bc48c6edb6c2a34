"""`plan`: what a run would do now, item by item, with nothing written anywhere."""

from __future__ import annotations

from dataclasses import replace

from shared.sync.desk import Planned
from tests.support.scene import Scene


def test_a_preview_names_each_copy_and_each_change_and_writes_nothing() -> None:
    scene = Scene()
    scene.linked("outlook", "old")
    scene.linked("dingtalk", "kept")
    scene.change_pair(paused=True)
    scene.arrive("outlook", "new", attachments={"list.pdf": b"%PDF"})
    scene.arrive("dingtalk", "answer")
    scene.read("outlook", "old")
    scene.move("dingtalk", "kept", "trash")
    with scene.no_writes():
        before = scene.office.rows()
        steps = scene.desk().preview(scene.pair).steps
        assert scene.office.rows() == before, "not even a row"
        scene.run()
    shown = {_name(step): (step.kind, step.side, dict(step.want), step.held) for step in steps}
    assert shown == {
        "new": ("create", "dingtalk", {}, False),
        "answer": ("create", "outlook", {}, False),
        "old": ("write", "dingtalk", {"read": True}, False),
        "kept": ("write", "outlook", {"folder": "trash"}, False),
    }
    scene.change_pair(paused=False)
    scene.run()
    assert scene.desk().preview(scene.pair).steps == ()


def test_a_preview_shows_what_the_brake_would_hold() -> None:
    scene = Scene()
    scene.set_policy(brake_some=2)
    for number in range(6):
        scene.arrive("outlook", f"m{number}")
    scene.run()
    scene.change_pair(paused=True)
    for number in range(4):
        scene.move("outlook", f"m{number}", "trash")
    desk = scene.desk(brake_some=2)
    assert [step.held for step in desk.preview(scene.pair).steps] == [True] * 4
    assert desk.status(scene.pair).brake is None, "a preview leaves the brake as it is"


def _name(step: Planned) -> str:
    assert step.item is not None
    return step.item.message_id.partition("@")[0]


def test_a_preview_finds_a_message_that_dingtalk_gave_another_id_and_says_where_it_will_go() -> None:
    scene = Scene()
    scene.office.dingtalk.switches = replace(scene.office.dingtalk.switches, move_keeps_id=False, tag_routes=True)
    scene.set_policy(categories=True)
    scene.linked("outlook", "a")
    scene.change_pair(paused=True)
    scene.move("dingtalk", "a", "Shipments")
    scene.read("outlook", "a")
    scene.run(5.0)
    with scene.no_writes():
        before = scene.office.rows()
        steps = scene.desk(categories=True).preview(scene.pair).steps
        assert scene.office.rows() == before
    assert {step.side: (step.kind, dict(step.want)) for step in steps} == {
        "outlook": ("write", {"folder": "Shipments"}),
        "dingtalk": ("write", {"read": True}),
    }
