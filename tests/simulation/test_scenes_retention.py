"""Old mail that one side's own rules take away or archive: the other side loses nothing, and nothing comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from sandbox.microsoft import names
from sandbox.microsoft.person import GraphMailbox
from shared.model.words import SIDES, Side, other
from tests.support.many_links import link_many
from tests.support.scene import Scene

BOTH_WAYS = pytest.mark.parametrize("side", SIDES)


def old_mail(count: int) -> Scene:
    """So many linked messages in both inboxes, and processes that have just begun."""
    scene = Scene()
    link_many(scene, count)
    scene.run(330)
    scene.restart_workers()
    return scene


def oldest(scene: Scene, side: Side, count: int) -> list[str]:
    messages = sorted(scene.box(side).messages(), key=lambda message: message.received_at)
    return [message.id for message in messages[:count]]


def places(scene: Scene, side: Side) -> Counter[str]:
    return Counter(scene.place(side, message) for message in scene.box(side).messages())


def purge(scene: Scene, id: str) -> None:
    """Also what moving it into an online archive looks like from outside."""
    scene.box("outlook").purge(id)


def recover(scene: Scene, id: str) -> None:
    """Deleted, and for some days kept where an administrator finds it."""
    box = scene.box("outlook")
    assert isinstance(box, GraphMailbox)
    box.store.move(box.store.find(id), box.store.folder(names.RECOVERABLE).id)


@pytest.mark.parametrize("remove", [purge, recover])
def test_what_outlooks_retention_takes_away_stays_in_dingtalk_and_is_never_copied_back(
    remove: Callable[[Scene, str], None],
) -> None:
    scene, many, old = old_mail(150), 150, 120
    with scene.no_writes():
        for id in oldest(scene, "outlook", old):
            remove(scene, id)
        scene.run(1800)
        assert places(scene, "dingtalk") == {"inbox": many}
        assert (scene.status.gone, scene.status.links, scene.status.brake) == (old, many, None)
        scene.restart_workers()
        scene.office.microsoft.expire_delta_tokens()
        scene.read("dingtalk", "m0")
        scene.move("dingtalk", "m1", "Shipments")
        scene.move("dingtalk", "m2", "trash")
        scene.run(900)
    assert places(scene, "outlook") == {"inbox": many - old}
    assert (scene.waiting(), scene.held_back()) == ([], [])
    scene.linked("outlook", "new")
    scene.linked("dingtalk", "newer")


def test_what_dingtalks_retention_takes_away_stays_in_outlook_and_is_never_copied_back() -> None:
    scene, many, old = old_mail(60), 60, 40
    with scene.no_writes():
        for id in oldest(scene, "dingtalk", old):
            scene.box("dingtalk").purge(id)
        scene.run(1800)
        scene.read("outlook", "m0")
        scene.move("outlook", "m1", "Shipments")
        scene.run(1800)
    assert places(scene, "outlook") == {"inbox": many - 1, "Shipments": 1}
    assert places(scene, "dingtalk") == {"inbox": many - old}
    scene.linked("outlook", "new")
    scene.linked("dingtalk", "newer")


@BOTH_WAYS
def test_old_mail_that_a_rule_archives_is_archived_on_the_other_side_and_comes_out_of_it_again(side: Side) -> None:
    scene, many, old = old_mail(60), 60, 40
    scene.arrive("outlook", "first", folder="archive")
    scene.run()
    archive: dict[Side, str] = {"outlook": "archive", "dingtalk": "归档"}
    assert scene.places("first") == {s: [archive[s]] for s in SIDES}
    for id in oldest(scene, side, old):
        scene.box(side).move(id, scene.folder(side, archive[side]))
    scene.run(900)
    for s in SIDES:
        assert places(scene, s) == {"inbox": many - old, archive[s]: old + 1}
    assert scene.status.brake is None
    scene.move(other(side), "m0", "inbox")
    scene.run()
    assert scene.places("m0") == {s: ["inbox"] for s in SIDES}
    with scene.no_writes():
        scene.run(900)
