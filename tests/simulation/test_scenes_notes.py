"""What a person finds in a mailbox when something stands still: one note, and in the trash once all is well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.simulation.world import EPOCH, Fate, Kind, World
from sandbox.truth import Stored
from shared.model.errors import MailboxFull, OutcomeUnknown
from shared.model.words import SIDES, Side, other
from shared.outlook.replica import OutlookMail
from tests.support.door import Door
from tests.support.scene import PUT_OFF, SETTLED, SUPPLIER, Scene

BOTH_WAYS = pytest.mark.parametrize("side", SIDES)
QUARTER, HOUR = 900.0, 3600.0
FIRST = 6
"""Calls that a worker may die at; by the last of them the note is as it should be."""


def notes(scene: Scene, side: Side) -> list[Stored]:
    return [message for message in scene.box(side).messages() if message.message_id.endswith("@tandem.invalid")]


def standing(scene: Scene) -> dict[str, list[tuple[str, bool]]]:
    """(place, read) of all notes, by side."""
    return {side: [(scene.place(side, note), note.read) for note in notes(scene, side)] for side in SIDES}


NONE: dict[str, list[tuple[str, bool]]] = {"dingtalk": [], "outlook": []}


def calm_again(scene: Scene, side: Side) -> None:
    """The one note, on this side, is in the trash, and nothing of it is kept or was sent."""
    assert standing(scene) == {**NONE, side: [("trash", False)]}
    assert not [key for key in scene.office.rows() if key.startswith("note:")]
    assert scene.mail_sent() == 0


def test_without_a_client_password_outlook_says_so_after_a_quarter_of_an_hour_and_no_longer_than_it_lasts() -> None:
    scene = Scene(Scene.drop_password)
    scene.arrive("outlook", "a")
    scene.run(QUARTER - 60.0)
    assert standing(scene) == NONE, "it may be over soon"
    scene.run(3 * HOUR)
    assert standing(scene) == {**NONE, "outlook": [("inbox", False)]}
    scene.give_password()
    scene.restart_workers()
    scene.run(HOUR)
    assert scene.places("a") == {side: ["inbox"] for side in SIDES}
    calm_again(scene, "outlook")


@BOTH_WAYS
def test_of_a_full_mailbox_the_other_one_tells(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    door = Door(monkeypatch, side, MailboxFull("full", code="full"))
    scene.arrive(other(side), "a", subject="strange")
    scene.run(HOUR)
    assert standing(scene) == {**NONE, other(side): [("inbox", False)]}
    door.shut = False
    scene.run(HOUR)
    assert scene.places("a") == {s: ["inbox"] for s in SIDES}
    calm_again(scene, other(side))


@BOTH_WAYS
def test_of_a_message_put_aside_its_own_mailbox_tells_sender_date_and_folder(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()
    door = Door(monkeypatch, other(side))
    scene.arrive(side, "bad", subject="strange", folder="Shipments")
    scene.run(HOUR + PUT_OFF)
    (note,) = notes(scene, side)
    assert standing(scene) == {**NONE, side: [("inbox", False)]}
    text = _text(note)
    for fact in (SUPPLIER, "Shipments", "日期"):
        assert fact in text
    door.shut = False
    scene.office.product().quarantine.retry(scene.pair, None)
    scene.run(PUT_OFF)
    assert scene.places("bad") == {s: ["Shipments"] for s in SIDES}
    calm_again(scene, side)


def test_what_is_left_alone_needs_no_note_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    Door(monkeypatch, "dingtalk")
    scene.arrive("outlook", "bad", subject="strange")
    scene.run(HOUR + PUT_OFF)
    quarantine = scene.office.product().quarantine
    quarantine.drop(scene.pair, quarantine.cases(scene.pair)[0].id)
    scene.run(PUT_OFF)
    calm_again(scene, "outlook")


def test_of_removals_that_are_held_outlook_tells_until_they_are_approved() -> None:
    scene = Scene()
    scene.set_policy(brake_some=3)
    for number in range(6):
        scene.arrive("outlook", f"m{number}")
    scene.run()
    for number in range(5):
        scene.move("outlook", f"m{number}", "trash")
    scene.run(HOUR)
    assert standing(scene) == {**NONE, "outlook": [("inbox", False)]}
    brake = scene.status.brake
    assert brake is not None
    scene.desk().approve(scene.pair, brake.hash)
    scene.run(HOUR)
    calm_again(scene, "outlook")


def test_of_rights_that_were_revoked_in_outlook_dingtalk_tells() -> None:
    scene = Scene()
    roles = set(scene.office.microsoft.app.roles)
    scene.office.microsoft.app.roles -= {"Mail.ReadWrite"}
    scene.run(2 * HOUR)
    assert standing(scene) == {**NONE, "dingtalk": [("inbox", False)]}
    scene.office.microsoft.app.roles |= roles
    scene.run(2 * HOUR)
    calm_again(scene, "dingtalk")


@pytest.mark.parametrize("done", [True, False], ids=["it was inserted", "it was not"])
def test_a_note_whose_answer_is_lost_is_looked_for_before_it_is_inserted_again(
    done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, create, lost = Scene(Scene.drop_password), OutlookMail.create, list[str]()

    def losing(replica: OutlookMail, message: Any, **more: Any) -> Any:
        made = create(replica, message, **more) if done or lost else None
        if not lost:
            lost.append(message.subject)
            raise OutcomeUnknown("no answer")
        return made

    monkeypatch.setattr(OutlookMail, "create", losing)
    scene.arrive("outlook", "a")
    scene.run(2 * HOUR)
    assert len(lost) == 1
    assert standing(scene) == {**NONE, "outlook": [("inbox", False)]}


def test_a_note_that_a_person_threw_away_does_not_come_back() -> None:
    scene = Scene(Scene.drop_password)
    scene.arrive("outlook", "a")
    scene.run(HOUR)
    (note,) = notes(scene, "outlook")
    scene.box("outlook").purge(note.id)
    scene.run(2 * HOUR)
    assert standing(scene) == NONE


def test_whoever_wants_no_notes_gets_none() -> None:
    scene = Scene(Scene.drop_password)
    scene.set_policy(notes=False)
    scene.arrive("outlook", "a")
    scene.run(2 * HOUR)
    assert standing(scene) == NONE
    assert scene.waiting() == [("outlook", "no client password")]


@pytest.mark.parametrize(
    ("language", "word"), [("en", "DingTalk"), ("zh-CN", "钉钉"), ("zh-TW", "釘釘"), ("fr", "Ding")]
)
def test_a_note_is_in_the_language_of_the_pair(language: str, word: str) -> None:
    scene = Scene(Scene.drop_password)
    scene.change_pair(language=language)
    scene.arrive("outlook", "a")
    scene.run(QUARTER + SETTLED)
    (note,) = notes(scene, "outlook")
    assert word in _text(note)
    assert "{" not in _text(note)


def _text(note: Stored) -> str:
    return note.text or note.html


class Killing(Scene):
    """A worker dies at the call with the number `at` of those made while a note's row has `mark`; what it asked for is
    done then, or never."""

    def __init__(self, mark: str, at: int, lands: bool) -> None:
        self.mark, self.at, self.lands, self.seen = mark, at, lands, 0
        super().__init__(Scene.drop_password)
        self.stage.restart = lambda: 1.0

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        fate = super()._fate(world, kind, name)
        if world.now > EPOCH + QUARTER and any(row[self.mark] for row in self.rows("note:")):
            self.seen += 1
            fate.crash = self.seen == self.at
            fate.effect_after = fate.effect_after if self.lands or not fate.crash else None
        return fate


def _killed_inserting(at: int, lands: bool) -> int:
    """-> how many calls there were to die at."""
    scene = Killing("until", at, lands)
    scene.arrive("outlook", "a")
    scene.run(QUARTER + SETTLED)
    assert standing(scene) == {**NONE, "outlook": [("inbox", False)]}, f"killed at call {at}"
    return scene.seen


def _killed_trashing(at: int, lands: bool) -> int:
    scene = Killing("over", at, lands)
    scene.arrive("outlook", "a")
    scene.run(QUARTER + SETTLED)
    scene.give_password()
    scene.restart_workers()
    scene.run(HOUR)
    calm_again(scene, "outlook")
    return scene.seen


@pytest.mark.parametrize("lands", [True, False], ids=["it lands", "it does not"])
@pytest.mark.parametrize(
    "killed",
    [
        pytest.param(_killed_inserting, id="inserting"),
        pytest.param(_killed_trashing, id="trashing", marks=pytest.mark.slow),
    ],
)
def test_a_worker_that_dies_over_a_note_leaves_one_and_in_its_place(
    killed: Callable[[int, bool], int], lands: bool
) -> None:
    calls = killed(0, lands)
    assert calls >= 3, "the write, what is read after it, and the commit at least"
    for at in range(1, min(calls, FIRST) + 1):
        assert killed(at, lands) >= at
