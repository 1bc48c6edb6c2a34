"""Hundreds of folders: what changes in all of them at once, and mail that rules file into them."""

from __future__ import annotations

import pytest

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
