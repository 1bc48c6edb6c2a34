"""Old mail in DingTalk: what a person does to it there is seen, with counters that show it and without."""

from __future__ import annotations

import pytest

from sandbox.simulation.office import SETTINGS
from shared.sync.sweep import LAG, REST
from tests.bench.old_mail import old_mail
from tests.support.equal_mail import ACTS, EqualMail, until_equal
from tests.support.quiet_scene import DINGTALK, OUTLOOK, Scene

POLL = 30.0


@pytest.mark.parametrize("what", ACTS)
def test_an_old_message_that_changes_is_seen_at_the_next_poll_or_by_the_sweep(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The oldest stands on the second page."""
    scene = EqualMail(130)
    ACTS[what](scene.boxes[DINGTALK], scene.old[0])
    took = until_equal(scene, 5.0, 3600.0)
    with capsys.disabled():
        print(f"\nold message, {what}: in Outlook after {took:.0f} s")
    assert took <= (REST * POLL + 300.0 if what == "flagged" else 2 * POLL + 15.0)


@pytest.mark.parametrize("what", ["read", "moved"])
def test_an_old_message_is_seen_soon_where_lists_lag_and_ids_change(what: str) -> None:
    """The folder is read once more after the lag."""
    scene = EqualMail(130)
    for name, value in (("list_lag", 40.0), ("move_keeps_id", False)):
        object.__setattr__(scene.stage.dingtalk.switches, name, value)
    ACTS[what](scene.boxes[DINGTALK], scene.old[0])
    assert until_equal(scene, 5.0, 3600.0) <= 2 * POLL + LAG + 60.0
    assert scene.status().links == 130


def test_counters_that_our_own_write_moved_lead_to_no_reading_through() -> None:
    scene = EqualMail(150)
    oldest = min(scene.boxes[OUTLOOK].messages(), key=lambda message: message.received_at)
    scene.boxes[OUTLOOK].set_read(oldest.id, True)
    for _ in range(10):
        scene.run(10.0)
        assert scene.status().sweep.moved == ()
    assert scene.equal()


@pytest.mark.slow
def test_an_old_message_deep_in_a_folder_crosses_within_seconds_or_with_the_sweep(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At a look in two seconds. A flag shows in no counter. Five thousand: `python -m tests.bench.old_mail`."""
    for told in old_mail(400, (150, 390)):
        with capsys.disabled():
            print(f"\n{told.line}")
        assert told.took <= (told.sweep if told.what == "flagged" else 10.0)


def test_what_was_purged_in_dingtalk_is_gone_after_two_sweeps_and_kept_in_outlook() -> None:
    scene = Scene()
    lost, kept = scene.arrive(DINGTALK), scene.arrive(DINGTALK)
    scene.run(600.0)
    assert scene.equal()
    scene.boxes[DINGTALK].purge(lost)
    scene.run(60.0)
    assert scene.status().gone == 0
    until_gone(scene)
    assert scene.journal().count("gone") == 1
    assert len(scene.shown(OUTLOOK)) == 2
    assert [m.id for m in scene.boxes[DINGTALK].messages()] == [kept]
    effects = scene.world.effects
    scene.run(900.0)
    assert scene.world.effects == effects


def until_gone(scene: Scene) -> None:
    began = scene.world.now
    while not scene.status().gone and scene.world.now < began + 6 * 3600.0:
        scene.run(60.0)
    sweep = scene.status().sweep
    assert scene.status().gone == 1
    assert all(first >= began - 60.0 for first, _ in sweep.done)
    assert len(sweep.done) == 2


def test_with_mirror_vanished_what_was_purged_in_dingtalk_goes_to_the_trash_in_outlook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(SETTINGS, "TANDEM_MIRROR_VANISHED", "true")
    scene = Scene()
    lost = scene.arrive(DINGTALK)
    scene.run(600.0)
    scene.boxes[DINGTALK].purge(lost)
    began = scene.world.now
    while scene.shown(OUTLOOK)[0][1] != "trash" and scene.world.now < began + 6 * 3600.0:
        scene.run(60.0)
    assert scene.shown(OUTLOOK)[0][1] == "trash"
    assert len(scene.status().sweep.done) == 2


def test_mail_that_a_rule_files_into_any_of_fifty_folders_is_copied_within_two_polls() -> None:
    scene = Scene()
    box = scene.boxes[DINGTALK]
    folders = [box.make_folder(f"Project {number}") for number in range(50)]
    scene.run(900.0)
    for folder in (folders[0], folders[-1]):
        scene.arrive(DINGTALK, folder)
        scene.run(2 * POLL + 15.0)
        assert scene.equal()
