"""What only mail has, on a calm day: junk, categories, requests for receipts, and marks that cross once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sandbox.dingtalk.person import AliMailbox
from sandbox.microsoft.person import GraphMailbox
from shared.model.words import SIDES, Side, other
from tests.support.scene import ADDRESS, Scene

BOTH_WAYS = pytest.mark.parametrize("side", SIDES)
RECEIPT = {"Disposition-Notification-To": "li.na@supplier.example"}


def with_settings(**policy: Any) -> Scene:
    """A scene in which these settings hold from the beginning, and DingTalk tells its tags."""

    def before(scene: Scene) -> None:
        scene.set_policy(**policy)
        switch(scene, "dingtalk", tag_routes=True)

    return Scene(before)


def switch(scene: Scene, side: Side, **switches: bool) -> None:
    vendor: Any = scene.office.dingtalk if side == "dingtalk" else scene.office.microsoft
    vendor.switches = replace(vendor.switches, **switches)


def dingtalk(scene: Scene) -> AliMailbox:
    box = scene.box("dingtalk")
    assert isinstance(box, AliMailbox)
    return box


def outlook(scene: Scene) -> GraphMailbox:
    box = scene.box("outlook")
    assert isinstance(box, GraphMailbox)
    return box


def sort(scene: Scene, side: Side, id: str, *categories: str) -> None:
    scene.box(side).set_categories(scene.one(side, id).id, categories)


def categories(scene: Scene, id: str) -> dict[Side, tuple[str, ...]]:
    return {side: tuple(sorted(scene.one(side, id).categories)) for side in SIDES}


# ---- junk
@BOTH_WAYS
def test_a_message_that_one_side_takes_for_junk_is_junk_on_the_other_side_too(side: Side) -> None:
    scene = Scene()
    scene.linked(side, "a")
    scene.move(other(side), "a", "junk")
    scene.run()
    assert scene.places("a") == {"outlook": ["junk"], "dingtalk": ["junk"]}
    scene.move(side, "a", "inbox")
    scene.run()
    assert scene.places("a") == {"outlook": ["inbox"], "dingtalk": ["inbox"]}


@BOTH_WAYS
def test_with_junk_copied_what_is_first_seen_in_junk_has_its_copy_in_junk(side: Side) -> None:
    scene = with_settings(junk="copy")
    scene.arrive(side, "a", folder="junk")
    scene.run()
    assert scene.places("a") == {"outlook": ["junk"], "dingtalk": ["junk"]}
    scene.move(other(side), "a", "inbox")
    scene.run()
    assert scene.places("a") == {"outlook": ["inbox"], "dingtalk": ["inbox"]}
    with scene.no_writes():
        scene.run(900)


@BOTH_WAYS
def test_mail_to_both_that_one_filter_takes_for_junk_comes_out_of_junk(side: Side) -> None:
    scene, both = Scene(), tuple(ADDRESS.values())
    scene.arrive(side, "a", to=both, folder="junk")
    scene.arrive(other(side), "a", to=both)
    scene.run()
    assert scene.places("a") == {"outlook": ["inbox"], "dingtalk": ["inbox"]}
    assert len(scene.rows("l:")) == 1


@BOTH_WAYS
def test_mail_to_both_that_both_filters_take_for_junk_stays_there(side: Side) -> None:
    scene, both = Scene(), tuple(ADDRESS.values())
    with scene.no_writes():
        scene.arrive(side, "a", to=both, folder="junk")
        scene.arrive(other(side), "a", to=both, folder="junk")
        scene.run()
    assert scene.places("a") == {"outlook": ["junk"], "dingtalk": ["junk"]}


# ---- categories
@BOTH_WAYS
def test_categories_cross_where_dingtalk_has_a_tag_of_that_name(side: Side) -> None:
    scene = with_settings(categories=True)
    dingtalk(scene).make_tag("海关")
    dingtalk(scene).make_tag("Urgent")
    scene.linked(side, "a")
    sort(scene, side, "a", "海关")
    scene.run()
    assert categories(scene, "a") == {"outlook": ("海关",), "dingtalk": ("海关",)}
    sort(scene, other(side), "a", "Urgent", "海关")
    scene.run()
    assert categories(scene, "a") == {"outlook": ("Urgent", "海关"), "dingtalk": ("Urgent", "海关")}
    sort(scene, side, "a", "Urgent")
    scene.run()
    assert categories(scene, "a") == {"outlook": ("Urgent",), "dingtalk": ("Urgent",)}
    with scene.no_writes():
        scene.run(900)


@BOTH_WAYS
def test_a_message_that_has_categories_when_it_comes_has_them_on_its_copy(side: Side) -> None:
    scene = with_settings(categories=True)
    dingtalk(scene).make_tag("海关")
    scene.arrive(side, "a")
    sort(scene, side, "a", "海关")
    scene.run()
    assert categories(scene, "a") == {"outlook": ("海关",), "dingtalk": ("海关",)}


def test_a_category_that_dingtalk_has_no_tag_for_stays_where_it_is_and_survives_the_others() -> None:
    scene = with_settings(categories=True)
    dingtalk(scene).make_tag("海关")
    scene.linked("outlook", "a")
    with scene.no_writes():
        sort(scene, "outlook", "a", "Only here")
        scene.run()
    sort(scene, "dingtalk", "a", "海关")
    scene.run()
    assert categories(scene, "a") == {"outlook": ("Only here", "海关"), "dingtalk": ("海关",)}
    dingtalk(scene).make_tag("Only here")
    scene.read("outlook", "a")
    scene.run()
    assert categories(scene, "a")["dingtalk"] == ("Only here", "海关")


def test_a_tag_that_is_no_more_takes_no_category_away() -> None:
    scene = with_settings(categories=True)
    tag = dingtalk(scene).make_tag("海关")
    scene.linked("outlook", "a")
    sort(scene, "outlook", "a", "海关")
    scene.run()
    with scene.no_writes():
        del dingtalk(scene).store.tags[tag]
        scene.read("outlook", "a", False)
        scene.run(900)
    assert categories(scene, "a") == {"outlook": ("海关",), "dingtalk": ()}


@pytest.mark.parametrize("why", ["they are not switched on", "DingTalk has no such route"])
@BOTH_WAYS
def test_categories_are_nobodys_business_when(side: Side, why: str) -> None:
    scene = with_settings(categories=why != "they are not switched on")
    switch(scene, "dingtalk", tag_routes=why == "they are not switched on")
    dingtalk(scene).make_tag("海关")
    scene.linked(side, "a")
    with scene.no_writes():
        sort(scene, side, "a", "海关")
        scene.run(900)
    assert categories(scene, "a")[other(side)] == ()


def test_categories_that_both_sides_set_differently_are_outlooks_and_the_others_are_in_the_journal() -> None:
    scene = with_settings(categories=True)
    for name in ("海关", "船期"):
        dingtalk(scene).make_tag(name)
    scene.linked("outlook", "a")
    sort(scene, "outlook", "a", "海关")
    sort(scene, "dingtalk", "a", "船期")
    scene.run()
    assert categories(scene, "a") == {"outlook": ("海关",), "dingtalk": ("海关",)}
    assert "categories" in {row["detail"].get("field") for row in scene.rows("j:") if row["what"] == "overwritten"}
    assert "海关" not in str(scene.office.rows())


@BOTH_WAYS
def test_nothing_with_the_category_not_in_tandem_is_copied_until_it_is_taken_off(side: Side) -> None:
    scene = with_settings(categories=True)
    dingtalk(scene).make_tag("Not in Tandem")
    with scene.no_writes():
        scene.arrive(side, "a")
        sort(scene, side, "a", "Not in Tandem")
        scene.run(900)
        scene.read(side, "a")
        scene.move(side, "a", "Shipments")
        scene.run(900)
    assert scene.all(other(side), "a") == []
    assert scene.waiting() == [(side, "excluded")]
    sort(scene, side, "a")
    scene.run(900)
    assert scene.places("a") == {"outlook": ["Shipments"], "dingtalk": ["Shipments"]}
    assert scene.waiting() == []


def test_the_category_not_in_tandem_holds_back_mail_from_outlook_without_any_switch() -> None:
    scene = Scene()
    with scene.no_writes():
        scene.arrive("outlook", "a")
        sort(scene, "outlook", "a", "not in tandem")
        scene.run(900)
    assert scene.all("dingtalk", "a") == []


def test_the_category_not_in_tandem_on_a_linked_message_removes_nothing_and_crosses_nowhere() -> None:
    scene = with_settings(categories=True)
    dingtalk(scene).make_tag("Not in Tandem")
    scene.linked("outlook", "a")
    with scene.no_writes():
        sort(scene, "outlook", "a", "Not in Tandem")
        scene.run(900)
    assert scene.places("a") == {"outlook": ["inbox"], "dingtalk": ["inbox"]}
    assert categories(scene, "a")["dingtalk"] == ()


# ---- marks that cross with the copy and never again
@BOTH_WAYS
def test_a_message_that_was_answered_before_it_is_copied_is_answered_on_its_copy(side: Side) -> None:
    scene = Scene()
    scene.box(side).answer(scene.arrive(side, "a"))
    scene.run()
    assert scene.one(other(side), "a").answered
    assert scene.mail_sent() == 0


@BOTH_WAYS
def test_answering_later_is_told_by_the_sent_copy_alone(side: Side) -> None:
    scene = Scene()
    scene.linked(side, "a")
    with scene.no_writes():
        scene.box(side).answer(scene.one(side, "a").id)
        scene.run(900)
    assert not scene.one(other(side), "a").answered


@BOTH_WAYS
@pytest.mark.parametrize("importance", ["high", "normal"])
def test_an_important_message_is_important_on_its_copy(side: Side, importance: str) -> None:
    scene = Scene()
    scene.linked(side, "a", headers={"Importance": importance})
    assert scene.one(other(side), "a").important == (importance == "high")
    copy = dingtalk(scene).store.items[scene.one("dingtalk", "a").id]
    assert ("11" in copy.tags) == (importance == "high" and side == "outlook")
    with scene.no_writes():
        scene.run(900)


# ---- receipts
@BOTH_WAYS
def test_read_on_the_copy_alone_counts_as_equal_until_the_original_is_read_too(side: Side) -> None:
    scene, there = Scene(), other(side)
    scene.arrive(side, "a", headers=RECEIPT)
    scene.run()
    with scene.no_writes():
        scene.read(there, "a")
        scene.run(900)
    assert scene.status.read_elsewhere == 1
    with scene.no_writes():
        scene.read(side, "a")
        scene.run(900)
    assert scene.status.read_elsewhere == 0
    scene.read(side, "a", False)
    scene.run()
    assert not scene.one(there, "a").read
    assert scene.mail_sent() == 0


@BOTH_WAYS
def test_read_on_the_copy_and_unread_again_is_as_if_nothing_had_been(side: Side) -> None:
    scene, there = Scene(), other(side)
    scene.arrive(side, "a", headers=RECEIPT)
    scene.run()
    with scene.no_writes():
        scene.read(there, "a")
        scene.run(900)
        scene.read(there, "a", False)
        scene.run(900)
    assert scene.status.read_elsewhere == 0


@BOTH_WAYS
def test_what_was_read_on_the_copy_alone_is_still_moved_flagged_and_trashed(side: Side) -> None:
    scene, there = Scene(), other(side)
    scene.arrive(side, "a", headers=RECEIPT)
    scene.run()
    scene.read(there, "a")
    scene.run()
    scene.move(side, "a", "Shipments")
    scene.flag(there, "a", "complete")
    scene.run()
    assert scene.state(side, "a") == ("Shipments", False, "complete")
    assert scene.state(there, "a") == ("Shipments", True, "complete")
    scene.move(side, "a", "trash")
    scene.run()
    assert scene.places("a") == {"outlook": ["trash"], "dingtalk": ["trash"]}
    assert scene.mail_sent() == 0


def test_once_the_administrator_confirms_that_no_receipts_are_sent_reading_crosses_to_outlook() -> None:
    scene = with_settings(receipts="never_sent")
    outlook(scene).store.sends_receipts = False
    switch(scene, "outlook", trash_sends_receipt=True)
    scene.arrive("outlook", "a", headers=RECEIPT)
    scene.arrive("outlook", "b", headers=RECEIPT)
    scene.run()
    scene.read("dingtalk", "a")
    scene.move("dingtalk", "b", "trash")
    scene.run()
    assert scene.state("outlook", "a") == ("inbox", True, "none")
    assert scene.places("b") == {"outlook": ["trash"], "dingtalk": ["trash"]}
    assert (scene.status.read_elsewhere, scene.held_back(), scene.mail_sent()) == (0, [], 0)


def test_what_is_confirmed_of_outlook_says_nothing_of_dingtalk() -> None:
    scene = with_settings(receipts="never_sent")
    scene.arrive("dingtalk", "a", headers=RECEIPT)
    scene.run()
    scene.read("outlook", "a")
    scene.run()
    assert (scene.one("dingtalk", "a").read, scene.status.read_elsewhere, scene.mail_sent()) == (False, 1, 0)


def test_where_only_reading_sends_receipts_an_unread_message_is_trashed_and_reading_stays_out() -> None:
    scene = with_settings(receipts="on_read")
    scene.arrive("outlook", "a", headers=RECEIPT)
    scene.arrive("outlook", "b", headers=RECEIPT)
    scene.run()
    scene.move("dingtalk", "a", "trash")
    scene.read("dingtalk", "b")
    scene.run()
    assert scene.places("a") == {"outlook": ["trash"], "dingtalk": ["trash"]}
    assert not scene.one("outlook", "b").read
    assert scene.mail_sent() == 0


def test_a_vendor_that_answers_what_is_trashed_unread_never_gets_the_chance() -> None:
    scene = Scene()
    for side in SIDES:
        switch(scene, side, trash_sends_receipt=True)
    acts: list[Callable[[Side], None]] = [
        lambda side: scene.move(side, "a", "trash"),
        lambda side: scene.move(side, "a", "inbox"),
        lambda side: scene.read(side, "a"),
        lambda side: scene.move(side, "a", "trash"),
    ]
    scene.arrive("outlook", "a", headers=RECEIPT)
    scene.run()
    for act in acts:
        act("dingtalk")
        scene.run()
    assert scene.mail_sent() == 0
