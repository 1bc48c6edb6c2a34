"""Messages that Outlook doesn't take in one request, carried by the whole product: wherever a carrier dies, one whole
message is there in the end, and nothing is left of the way."""

from __future__ import annotations

import pytest

from sandbox.microsoft import GraphMailbox
from sandbox.microsoft.properties import canonical
from shared.outlook.mapping import KEY
from shared.outlook.staging import LONGEST, NAME
from tests.support import lane
from tests.support.lane import Dying
from tests.support.scene import PUT_OFF, Scene

SIZE = 6_000_000
"""Bytes: two pieces of an upload session."""


def crosses(number: int | None = None, lands: bool = True) -> Dying:
    """The first carrier dies in its call of this number."""
    scene = Dying(number, lands)
    scene.large("dingtalk", size=SIZE)
    scene.until(lambda: scene.crossed("dingtalk"), 5.0)
    scene.run(PUT_OFF)
    assert scene.crossed("dingtalk"), (number, lands)
    assert scene.stage.errors == []
    folders = {folder.id for folder in scene.box("outlook").folders() if folder.name == NAME}
    assert len(folders) == 1
    assert [m for m in scene.box("outlook").messages() if m.folder in folders] == []
    return scene


def test_what_crashes_have_left_is_thrown_away_by_a_catch_up() -> None:
    scene = Scene()
    box = scene.box("outlook")
    assert isinstance(box, GraphMailbox)
    store, before = box.store, len(scene.box("dingtalk").messages())
    folder = store.make_folder(NAME, store.folder("msgfolderroot"), hidden=True)
    fields = {"by": "client", "properties": {canonical(KEY): "left"}}
    young, old = store.add(folder.id, fields), store.add(folder.id, fields)
    keyless = store.add(folder.id, {"by": "person"})
    for message in (old, keyless):
        store.change(message, created=scene.world.now - LONGEST - 60)
    scene.restart_workers()
    scene.run()
    left = {message.id for message in box.messages() if message.folder == folder.id}
    assert left == {young.id, keyless.id}
    assert len(scene.box("dingtalk").messages()) == before
    assert scene.stage.errors == []


@pytest.mark.slow
def test_wherever_a_carrier_dies_over_a_message_that_it_puts_together_it_is_there_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lane, "LARGEST", 20_000_000)
    _folder, message, _session, first, last, move = [n for n, kind in enumerate(crosses().own) if kind == "effect"]
    assert first < last
    for number in (message, last, move):
        for lands in (True, False):
            assert crosses(number, lands).died
