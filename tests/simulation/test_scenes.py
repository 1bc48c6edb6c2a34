"""What a person would notice on a calm day: small scenes with the whole product between two simulated mailboxes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.model.words import SIDES, Side, other
from tests.support.scene import ADDRESS, PUT_OFF, Scene, digest

BOTH_WAYS = pytest.mark.parametrize("side", SIDES)
PDF = b"%PDF-1.7 " + bytes(range(256)) * 40


# ---- mail between the two accounts of a pair
@BOTH_WAYS
def test_mail_from_one_account_to_the_other_is_two_items_on_each_side_each_in_its_own_folder(side: Side) -> None:
    scene = Scene()
    scene.send(side, "a", to=(ADDRESS[other(side)],))
    scene.run(2)
    scene.arrive(other(side), "a", sender=ADDRESS[side])
    scene.run()
    assert scene.places("a") == {"outlook": ["inbox", "sent"], "dingtalk": ["inbox", "sent"]}
    with scene.no_writes():
        scene.run()


@BOTH_WAYS
def test_mail_to_oneself_is_two_items_on_each_side_each_in_its_own_folder(side: Side) -> None:
    scene = Scene()
    scene.send(side, "a", to=(ADDRESS[side],))
    scene.arrive(side, "a", sender=ADDRESS[side])
    scene.run()
    assert scene.places("a") == {"outlook": ["inbox", "sent"], "dingtalk": ["inbox", "sent"]}
    with scene.no_writes():
        scene.run()


@BOTH_WAYS
@pytest.mark.parametrize("seconds", [0, 5, 60])
def test_the_same_mail_to_both_accounts_stays_one_item_on_each_side(side: Side, seconds: float) -> None:
    scene, both = Scene(), tuple(ADDRESS.values())
    with scene.no_writes():
        scene.arrive(side, "a", to=both)
        scene.run(seconds)
        scene.arrive(other(side), "a", to=both)
        scene.run()
    assert scene.places("a") == {"outlook": ["inbox"], "dingtalk": ["inbox"]}
    scene.read(side, "a")
    scene.run()
    assert scene.state(other(side), "a") == ("inbox", True, "none")


@BOTH_WAYS
def test_a_twin_later_than_the_hold_stays_and_our_copy_goes_to_the_trash(side: Side) -> None:
    scene, both = Scene(), tuple(ADDRESS.values())
    scene.arrive(side, "a", to=both)
    scene.run()
    assert scene.places("a") == {"outlook": ["inbox"], "dingtalk": ["inbox"]}
    (copy,) = (m.id for m in scene.all(other(side), "a"))
    original = scene.arrive(other(side), "a", to=both)
    scene.run(900)
    assert {m.id: scene.place(other(side), m) for m in scene.all(other(side), "a")} == {
        original: "inbox",
        copy: "trash",
    }
    assert scene.places("a")[side] == ["inbox"]
    assert "twin_late" in scene.journal()
    scene.box(side).set_flag(scene.one(side, "a").id, "flagged")
    scene.run()
    assert [m.flag for m in scene.all(other(side), "a") if m.id == original] == ["flagged"]
    with scene.no_writes():
        scene.run(900)


# ---- what crosses
@BOTH_WAYS
def test_a_copy_has_the_bytes_dates_sender_and_thread_of_the_original(side: Side) -> None:
    scene = Scene()
    written = scene.world.now - 86_000
    scene.arrive(side, "a", at=written, attachments={"提单.pdf": PDF, "empty.pdf": b""})
    scene.run(60)
    thread = {"In-Reply-To": "<a@mail.example>", "References": "<a@mail.example>"}
    scene.arrive(side, "b", at=written + 60, subject="Re: 提单确认", headers=thread)
    scene.run()
    for id in ("a", "b"):
        mine, theirs = scene.one(side, id), scene.one(other(side), id)
        for name in ("subject", "sender", "to", "cc", "sent_at", "in_reply_to", "read", "flag", "important"):
            assert getattr(theirs, name) == getattr(mine, name), name
        assert theirs.received_at == pytest.approx(mine.received_at, abs=1.0)
        assert theirs.text.strip() == mine.text.strip() == "您好"
        assert not theirs.draft
    files = {(a.name, a.sha256, a.size) for a in scene.one(other(side), "a").attachments}
    assert files == {("提单.pdf", digest(PDF), len(PDF)), ("empty.pdf", digest(b""), 0)}
    assert scene.one(other(side), "a").conversation == scene.one(other(side), "b").conversation


@BOTH_WAYS
@pytest.mark.parametrize("acting", ["on the original", "on the copy"])
def test_read_flag_move_trash_and_restore_cross(side: Side, acting: str) -> None:
    scene = Scene()
    scene.linked(side, "a")
    actor = side if acting == "on the original" else other(side)
    acts: list[tuple[Callable[[], None], tuple[str, bool, str]]] = [
        (lambda: scene.read(actor, "a"), ("inbox", True, "none")),
        (lambda: scene.flag(actor, "a", "flagged"), ("inbox", True, "flagged")),
        (lambda: scene.flag(actor, "a", "complete"), ("inbox", True, "complete")),
        (lambda: scene.flag(actor, "a", "none"), ("inbox", True, "none")),
        (lambda: scene.read(actor, "a", False), ("inbox", False, "none")),
        (lambda: scene.move(actor, "a", "报关"), ("报关", False, "none")),
        (lambda: scene.move(actor, "a", "trash"), ("trash", False, "none")),
        (lambda: scene.move(actor, "a", "Shipments"), ("Shipments", False, "none")),
        (lambda: scene.move(actor, "a", "junk"), ("junk", False, "none")),
        (lambda: scene.move(actor, "a", "inbox"), ("inbox", False, "none")),
    ]
    for act, shown in acts:
        act()
        scene.run()
        assert scene.state(other(actor), "a") == scene.state(actor, "a") == shown
    with scene.no_writes():
        scene.run()


def test_different_changes_on_both_sides_at_once_are_all_kept() -> None:
    scene = Scene()
    scene.linked("outlook", "a")
    scene.flag("outlook", "a", "flagged")
    scene.move("dingtalk", "a", "Shipments")
    scene.run()
    assert scene.state("outlook", "a") == scene.state("dingtalk", "a") == ("Shipments", False, "flagged")


def test_when_both_sides_change_one_field_differently_outlook_wins_and_the_other_is_in_the_journal() -> None:
    scene = Scene()
    scene.linked("outlook", "a")
    scene.flag("outlook", "a", "flagged")
    scene.flag("dingtalk", "a", "complete")
    scene.run()
    assert scene.state("outlook", "a") == scene.state("dingtalk", "a") == ("inbox", False, "flagged")
    lost = [row["detail"] for row in scene.rows("j:") if row["what"] == "overwritten"]
    assert {"field": "flag", "value": "complete"} in lost


def test_a_move_on_one_side_beats_the_trash_on_the_other() -> None:
    scene = Scene()
    scene.linked("outlook", "a")
    scene.move("outlook", "a", "trash")
    scene.move("dingtalk", "a", "Shipments")
    scene.run()
    assert scene.places("a") == {"outlook": ["Shipments"], "dingtalk": ["Shipments"]}


# ---- what waits, and is shown as waiting
def test_without_a_client_password_copies_wait_and_the_rest_goes_on() -> None:
    scene = Scene(Scene.drop_password)
    scene.arrive("outlook", "a")
    scene.arrive("dingtalk", "b")
    scene.run()
    assert scene.places("a") == {"outlook": ["inbox"], "dingtalk": []}
    assert scene.places("b") == {"outlook": ["inbox"], "dingtalk": ["inbox"]}
    assert scene.waiting() == [("outlook", "no client password")]
    scene.read("outlook", "b")
    scene.run()
    assert scene.state("dingtalk", "b") == ("inbox", True, "none")
    assert scene.office.dingtalk.failed_logins == {}
    scene.give_password()
    scene.run(PUT_OFF)
    assert scene.places("a") == {"outlook": ["inbox"], "dingtalk": ["inbox"]}
    assert scene.waiting() == []


def test_a_wrong_client_password_is_tried_once_and_no_more() -> None:
    scene = Scene()
    scene.office.dingtalk.mailboxes[ADDRESS["dingtalk"]].store.password = "another-password"
    scene.arrive("outlook", "a")
    scene.run(3000)
    assert scene.waiting() == [("outlook", "no client password")]
    assert sum(scene.office.dingtalk.failed_logins.values()) <= len(scene.stage.workers)


# ---- what is not copied
@BOTH_WAYS
@pytest.mark.parametrize("folder", ["junk", "trash", "drafts"])
def test_what_is_first_seen_in_junk_trash_or_drafts_is_not_copied(side: Side, folder: str) -> None:
    scene = Scene()
    with scene.no_writes():
        scene.arrive(side, "a", folder=folder)
        scene.run(900)
    assert scene.all(other(side), "a") == []


@BOTH_WAYS
def test_what_a_person_takes_out_of_junk_is_copied(side: Side) -> None:
    scene = Scene()
    scene.arrive(side, "a", folder="junk")
    scene.run()
    scene.move(side, "a", "inbox")
    scene.run(900)
    assert scene.places("a") == {"outlook": ["inbox"], "dingtalk": ["inbox"]}


@BOTH_WAYS
def test_what_was_received_before_the_pair_began_is_never_copied_whatever_happens_to_it(side: Side) -> None:
    def before(scene: Scene) -> None:
        for id in ("a", "b", "c"):
            scene.arrive(side, id)
        scene.change_pair(since=scene.world.now + 30)

    scene = Scene(before)
    with scene.no_writes():
        scene.run()
        scene.read(side, "a")
        scene.flag(side, "b", "flagged")
        scene.move(side, "c", "Shipments")
        scene.run(900)
    assert all(scene.all(other(side), id) == [] for id in ("a", "b", "c"))


# ---- receipts
@BOTH_WAYS
def test_reading_our_copy_never_answers_a_request_for_a_receipt_and_the_rest_crosses(side: Side) -> None:
    scene, there = Scene(), other(side)
    request = {"Disposition-Notification-To": "li.na@supplier.example"}
    scene.arrive(side, "a", headers=request)
    scene.run()
    scene.read(there, "a")
    scene.run()
    assert scene.one(there, "a").read
    assert not scene.one(side, "a").read
    scene.flag(there, "a", "flagged")
    scene.run()
    assert scene.state(side, "a") == ("inbox", False, "flagged")
    scene.move(there, "a", "Shipments")
    scene.run()
    assert scene.state(side, "a") == ("Shipments", False, "flagged")
    assert scene.state(there, "a") == ("Shipments", True, "flagged")
    assert (scene.status.read_elsewhere, scene.held_back()) == (1, [])
    with scene.no_writes():
        scene.run(1800)
    assert scene.mail_sent() == 0


@BOTH_WAYS
def test_reading_the_original_of_a_request_for_a_receipt_reads_our_copy(side: Side) -> None:
    scene = Scene()
    scene.arrive(side, "a", headers={"Disposition-Notification-To": "li.na@supplier.example"})
    scene.run()
    scene.read(side, "a")
    scene.run()
    assert scene.state(other(side), "a") == ("inbox", True, "none")
    assert scene.mail_sent() == 0


@BOTH_WAYS
def test_trashing_our_unread_copy_does_not_trash_an_original_that_could_answer_not_read(side: Side) -> None:
    scene, there = Scene(), other(side)
    scene.arrive(side, "a", headers={"Disposition-Notification-To": "li.na@supplier.example"})
    scene.run()
    with scene.no_writes():
        scene.move(there, "a", "trash")
        scene.run()
    assert scene.places("a") == {side: ["inbox"], there: ["trash"]}
    assert scene.held_back() == ["receipt"]
