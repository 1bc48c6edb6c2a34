"""What a person would notice: small scenes with the whole product between two simulated mailboxes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.model.words import SIDES, Side, other
from shared.sync.identity import Identity
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
    more: dict[str, Any] = {"headers": {"In-Reply-To": "<a@mail.example>", "References": "<a@mail.example>"}}
    scene.arrive(side, "b", at=written + 60, subject="Re: 提单确认", **more)
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
@BOTH_WAYS
def test_a_message_in_a_folder_without_a_twin_waits_and_is_listed(side: Side) -> None:
    scene = Scene()
    scene.box(side).make_folder("Only here")
    with scene.no_writes():
        scene.arrive(side, "a", folder="Only here")
        scene.run(PUT_OFF)
        assert scene.waiting() == [(side, "folder")]
    scene.box(other(side)).make_folder("Only here")
    scene.run(1800)
    assert scene.places("a") == {"outlook": ["Only here"], "dingtalk": ["Only here"]}
    assert scene.waiting() == []


@BOTH_WAYS
def test_a_message_moved_into_a_folder_without_a_twin_waits_and_its_other_changes_go_on(side: Side) -> None:
    scene = Scene()
    scene.box(side).make_folder("Only here")
    scene.linked(side, "a")
    scene.move(side, "a", "Only here")
    scene.run()
    assert scene.places("a")[other(side)] == ["inbox"]
    assert scene.held_back() == ["folder"]
    scene.read(side, "a")
    scene.run(1800)
    assert scene.state(other(side), "a") == ("inbox", True, "none")
    assert scene.held_back() == ["folder"]
    scene.move(side, "a", "Shipments")
    scene.run(1800)
    assert scene.state(other(side), "a") == ("Shipments", True, "none")
    assert scene.held_back() == []


@BOTH_WAYS
def test_a_message_that_is_too_large_waits_and_is_listed_and_holds_up_nothing(side: Side) -> None:
    scene = Scene()
    with scene.no_writes():
        scene.arrive(side, "large", attachments={"scan.pdf": b"x" * 3_900_000})
        scene.run(900)
        assert scene.all(other(side), "large") == []
        assert scene.waiting() == [(side, "too large")]
    scene.linked(side, "small")
    assert scene.waiting() == [(side, "too large")]


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
    assert scene.held_back() == ["receipt"]
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


# ---- landslides and losses
def test_a_landslide_of_removals_is_held_whole_and_everything_else_goes_on() -> None:
    scene = Scene()
    scene.set_policy(brake_some=8)
    for number in range(15):
        scene.arrive("outlook", f"m{number}")
    scene.run()
    for number in range(12):
        scene.move("outlook", f"m{number}", "trash")
    scene.read("outlook", "m14")
    scene.arrive("dingtalk", "new")
    scene.run(PUT_OFF)
    assert _trashed(scene, "dingtalk") == 0
    assert scene.held_back() == ["brake"] * 12
    assert scene.one("dingtalk", "m14").read
    assert len(scene.all("outlook", "new")) == 1
    scene.move("outlook", "m0", "inbox")
    scene.move("outlook", "m13", "trash")
    scene.run(PUT_OFF)
    assert _trashed(scene, "dingtalk") == 0, "a held landslide does not pass in small pieces"
    assert scene.held_back() == ["brake"] * 12
    assert scene.state("dingtalk", "m0") == ("inbox", False, "none")


def test_as_many_removals_as_the_brake_allows_go_across() -> None:
    scene = Scene()
    scene.set_policy(brake_some=8)
    for number in range(15):
        scene.arrive("outlook", f"m{number}")
    scene.run()
    for number in range(8):
        scene.move("outlook", f"m{number}", "trash")
    scene.run()
    assert _trashed(scene, "dingtalk") == 8
    assert scene.held_back() == []


def _trashed(scene: Scene, side: Side) -> int:
    return sum(scene.place(side, message) == "trash" for message in scene.box(side).messages())


def test_expired_delta_tokens_cause_no_write() -> None:
    scene = Scene()
    for number in range(5):
        scene.arrive("outlook", f"o{number}")
        scene.arrive("dingtalk", f"d{number}")
    scene.run()
    with scene.no_writes():
        scene.office.microsoft.expire_delta_tokens()
        scene.run(900)
    scene.read("outlook", "o1")
    scene.run()
    assert scene.one("dingtalk", "o1").read


@BOTH_WAYS
def test_what_is_deleted_for_good_in_outlook_stays_in_dingtalk(side: Side) -> None:
    scene = Scene()
    scene.linked(side, "a")
    with scene.no_writes():
        scene.purge("outlook", "a")
        scene.run(900)
        assert scene.places("a") == {"outlook": [], "dingtalk": ["inbox"]}
        assert [link["gone"] for link in scene.rows("l:")] == ["outlook"]
        scene.read("dingtalk", "a")
        scene.run(900)
    assert scene.places("a") == {"outlook": [], "dingtalk": ["inbox"]}


def test_what_is_gone_in_outlook_and_trashed_in_dingtalk_is_closed() -> None:
    scene = Scene()
    scene.linked("outlook", "a")
    with scene.no_writes():
        scene.purge("outlook", "a")
        scene.run(900)
        scene.move("dingtalk", "a", "trash")
        scene.run(900)
    assert scene.rows("l:") == []
    assert "closed" in scene.journal()


@BOTH_WAYS
def test_what_is_deleted_for_good_in_dingtalk_stays_in_outlook(side: Side) -> None:
    scene = Scene()
    scene.linked(side, "a")
    with scene.no_writes():
        scene.purge("dingtalk", "a")
        scene.run(900)
        scene.read("outlook", "a")
        scene.run(900)
    assert scene.places("a") == {"outlook": ["inbox"], "dingtalk": []}


def test_a_persons_copy_of_our_copy_is_left_alone_and_not_mirrored() -> None:
    scene = Scene()
    scene.linked("dingtalk", "a")
    with scene.no_writes():
        scene.box("outlook").copy(scene.one("outlook", "a").id, scene.folder("outlook", "Shipments"))
        scene.run(900)
    assert scene.places("a") == {"outlook": ["Shipments", "inbox"], "dingtalk": ["inbox"]}
    assert scene.waiting() == [("outlook", "copy")]


# ---- notifications
def _notification(scene: Scene, **changes: Any) -> bytes:
    """A genuine one for the message "a", but for `changes`."""
    state = Identity(scene.service._key, scene.pair).client_state()
    item = {
        "subscriptionId": scene.subscription(),
        "clientState": state,
        "changeType": "updated",
        "resourceData": {"id": scene.one("outlook", "a").id},
    }
    return json.dumps({"value": [{**item, **changes}]}).encode()


FORGERIES: dict[str, Callable[[Scene], bytes]] = {
    "a wrong clientState": lambda scene: _notification(scene, clientState="0" * 32),
    "no clientState": lambda scene: _notification(scene, clientState=None),
    "an odd clientState": lambda scene: _notification(scene, clientState=["密"]),
    "an unknown subscription": lambda scene: _notification(scene, subscriptionId="00000000-0000"),
    "a subscription that is no text": lambda scene: _notification(scene, subscriptionId={"a": 1}),
    "bytes that are no JSON": lambda scene: b"\xff\xfe\x00{",
    "nothing": lambda scene: b"",
    "a list": lambda scene: b"[1, 2]",
    "items that are no objects": lambda scene: b'{"value": [1, null, "x", []]}',
    "a value that is no list": lambda scene: b'{"value": {"subscriptionId": "x"}}',
    "deep nesting": lambda scene: b"[" * 100_000,
    "half a character": lambda scene: _notification(scene, clientState="\ud800"),
    "a subscription of half a character": lambda scene: _notification(scene, subscriptionId="\ud800"),
    "a subscription with an endless name": lambda scene: _notification(scene, subscriptionId="a" * 5000),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_notification_leaves_no_hint_and_enqueues_nothing(forgery: str) -> None:
    scene = Scene()
    scene.linked("outlook", "a")
    assert scene.service.notified(_notification(scene)) == 1
    scene.run()
    body, queued = FORGERIES[forgery](scene), scene.calls["queue"]
    assert scene.service.notified(body) == 0
    assert scene.rows("h:") == []
    assert scene.calls["queue"] == queued


def test_two_thousand_notifications_in_ten_seconds_cause_few_runs() -> None:
    scene = Scene()
    scene.linked("outlook", "a")
    body, runs, requests = _notification(scene), scene.runs(), scene.requests()
    scene.read("outlook", "a")
    for count in range(2000):
        scene.world.after(count * 0.005, lambda: scene.stage._notify(body))
    scene.run(30)
    assert scene.one("dingtalk", "a").read
    print(f"2,000 notifications: {scene.runs() - runs} runs, {scene.requests() - requests} requests")
    assert scene.runs() - runs <= 60
    assert scene.requests() - requests <= 120
    scene.run()
    assert scene.rows("h:") == []


def test_a_lost_subscription_is_made_again_and_everything_is_looked_at() -> None:
    scene = Scene()
    lost = scene.subscription()
    scene.office.microsoft.remove_subscription(lost)
    scene.arrive("outlook", "a")
    scene.run(60)
    assert len(scene.all("dingtalk", "a")) == 1
    assert scene.subscription() != lost
    made = scene.office.microsoft.counts["POST /subscriptions"]
    scene.run(900)
    assert scene.office.microsoft.counts["POST /subscriptions"] == made == 2


# ---- processes come and go
def test_after_a_restart_of_all_workers_everything_goes_on_where_it_was() -> None:
    scene = Scene()
    scene.linked("outlook", "a")
    scene.linked("dingtalk", "b")
    scene.arrive("dingtalk", "held", to=tuple(ADDRESS.values()))
    scene.run(40)
    with scene.no_writes():
        scene.restart_workers()
        scene.run(40)
    scene.read("outlook", "b")
    scene.move("dingtalk", "a", "trash")
    scene.run()
    assert scene.state("dingtalk", "b") == ("inbox", True, "none")
    assert scene.places("a") == {"outlook": ["trash"], "dingtalk": ["trash"]}
    assert scene.places("held") == {"outlook": ["inbox"], "dingtalk": ["inbox"]}
