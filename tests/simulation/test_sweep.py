"""Old mail in DingTalk: what a person does to it there is seen, with counters that show it and without."""

from __future__ import annotations

import pytest

from sandbox.truth import Mailbox
from tests.support.quiet_scene import DINGTALK, OUTLOOK, Scene

POLL = 30.0
OLD = 130
"""Messages in one folder, so that the oldest stand on its second page."""


def crowded_scene() -> Scene:
    """The oldest message is far from the first page, and all are on both sides."""
    scene = Scene()
    for _ in range(OLD):
        scene.arrive(DINGTALK)
        scene.world.run_until(scene.world.now + 1.0)
    scene.run(900.0)
    assert len(scene.shown(OUTLOOK)) == OLD
    assert scene.equal()
    return scene


def oldest(box: Mailbox) -> str:
    return min(box.messages(), key=lambda m: m.received_at).id


@pytest.mark.parametrize("what", ["read", "flag", "move", "trash"])
def test_an_old_message_that_changes_is_seen_at_the_next_poll_or_by_the_sweep(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = crowded_scene()
    box = scene.boxes[DINGTALK]
    id, began = oldest(box), scene.world.now
    if what == "read":
        box.set_read(id, True)
    elif what == "flag":
        box.set_flag(id, "flagged")
    else:
        box.move(id, box.role("trash") if what == "trash" else box.make_folder("Done"))
    while not scene.equal() and scene.world.now < began + 3600.0:
        scene.run(5.0)
    with capsys.disabled():
        print(f"\nold message, {what}: in Outlook after {scene.world.now - began:.0f} s")
    assert scene.equal()
    assert scene.world.now - began <= (600.0 if what == "flag" else 60.0)
