"""What a person would notice when something goes wrong: removals in masses, losses, odd notifications, restarts."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from shared.model.errors import WrongSettings
from shared.model.pairs import Pair
from shared.model.words import SIDES, Side
from shared.sync.identity import Identity
from tests.support.scene import ADDRESS, PUT_OFF, Scene

BOTH_WAYS = pytest.mark.parametrize("side", SIDES)


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


def test_an_approval_releases_exactly_what_was_shown() -> None:
    scene = _landslide(12)
    desk = scene.desk()
    shown = desk.status(scene.pair).brake
    assert shown is not None
    assert len(shown.links) == 12
    scene.move("outlook", "m13", "trash")
    scene.run(PUT_OFF)
    with pytest.raises(WrongSettings, match="nothing was released"):
        desk.approve(scene.pair, shown.hash)
    scene.run()
    assert _trashed(scene, "dingtalk") == 0
    shown = desk.status(scene.pair).brake
    assert shown is not None
    assert desk.approve(scene.pair, shown.hash) == 13
    scene.move("outlook", "m14", "trash")
    scene.run()
    assert _trashed(scene, "dingtalk") == 14
    assert scene.held_back() == []
    assert desk.status(scene.pair).brake is None


def test_after_an_approval_the_next_landslide_is_held_again() -> None:
    scene = _landslide(12, of=30)
    desk = scene.desk()
    shown = desk.status(scene.pair).brake
    assert shown is not None
    desk.approve(scene.pair, shown.hash)
    for number in range(12, 24):
        scene.move("outlook", f"m{number}", "trash")
    scene.run(PUT_OFF)
    assert _trashed(scene, "dingtalk") == 12
    assert scene.held_back() == ["brake"] * 12


def _landslide(count: int, of: int = 15) -> Scene:
    scene = Scene()
    scene.set_policy(brake_some=8)
    for number in range(of):
        scene.arrive("outlook", f"m{number}")
    scene.run()
    for number in range(count):
        scene.move("outlook", f"m{number}", "trash")
    scene.run()
    assert scene.held_back() == ["brake"] * count
    return scene


def _trashed(scene: Scene, side: Side) -> int:
    return sum(scene.place(side, message) == "trash" for message in scene.box(side).messages())


def test_a_bulk_run_starts_nothing_once_its_short_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    for worker in scene.stage.workers:
        worker.busy = True  # so that nothing but these runs is at work
    scene.arrive("outlook", "new")
    scene.desk().wake(scene.pair)
    service = scene.office.product().service
    monkeypatch.setattr("shared.sync.service.BULK", 0.0)
    service.work({"pair": "pair-1"}, bulk=True)
    assert scene.all("dingtalk", "new") == []
    monkeypatch.setattr("shared.sync.service.BULK", 10.0)
    scene.world.now += 60.0
    service.work({"pair": "pair-1"}, bulk=True)
    assert len(scene.all("dingtalk", "new")) == 1


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


@pytest.mark.parametrize("act", ["read", "moved", "trashed", "deleted for good"])
def test_a_message_that_is_missing_in_dingtalk_and_changes_in_outlook_costs_little(act: str) -> None:
    scene = Scene()
    scene.linked("outlook", "a")
    acts: dict[str, Callable[[], None]] = {
        "read": lambda: scene.read("outlook", "a"),
        "moved": lambda: scene.move("outlook", "a", "Shipments"),
        "trashed": lambda: scene.move("outlook", "a", "trash"),
        "deleted for good": lambda: scene.purge("outlook", "a"),
    }
    with scene.no_writes():
        scene.purge("dingtalk", "a")
        acts[act]()
        scene.run(900)
        requests, runs = scene.requests(), scene.runs()
        scene.run(3600)
    catch_ups, polls = 12, 120
    assert scene.runs() - runs <= catch_ups + 6
    assert scene.requests() - requests <= 3 * catch_ups + 4 * polls + 60


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
    assert scene.rows("s:look:") == []
    assert scene.calls["queue"] == queued


def test_two_thousand_notifications_in_ten_seconds_cause_few_runs() -> None:
    scene = Scene()
    scene.linked("outlook", "a")
    body, runs, requests, sent = _notification(scene), scene.runs(), scene.requests(), _sent(scene)
    scene.read("outlook", "a")
    for count in range(2000):
        scene.world.after(count * 0.005, lambda: scene.stage._notify(body))
    scene.run(15)
    caused = [message for message in sent if message["cause"] in ("notified", "dirty")]
    delayed = [message for message in caused if message["delay"]]
    print(
        f"2,000 notifications: {scene.runs() - runs} runs, {scene.requests() - requests} requests,"
        f" {len(caused)} messages, {len(delayed)} of them delayed"
    )
    assert scene.one("dingtalk", "a").read
    assert scene.runs() - runs <= 3
    assert len(delayed) <= 1
    assert scene.requests() - requests <= 60
    scene.run()
    assert scene.rows("s:look:") == []
    assert scene.rows("s:dirty") == []
    assert scene.runs() - runs <= 12, "nothing goes on by itself afterwards"


def _sent(scene: Scene) -> list[dict[str, Any]]:
    """Every message of `work` from now on, with its delay."""
    queue: Any = scene.office._queue
    sent: list[dict[str, Any]] = []
    send = queue.send

    def listening(name: str, message: Mapping[str, Any], delay: float = 0.0) -> None:
        if name == "work":
            sent.append({**message, "delay": delay})
        send(name, message, delay)

    queue.send = listening
    return sent


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


def test_a_subscription_that_asks_for_it_is_renewed_and_stays() -> None:
    scene = Scene()
    held = scene.subscription()
    scene.office.microsoft.lifecycle(held, "reauthorizationRequired")
    scene.run(60)
    assert scene.subscription() == held
    assert scene.office.microsoft.counts["PATCH /subscriptions/{s}"] == 1
    scene.arrive("outlook", "a")
    scene.run(20)
    assert len(scene.all("dingtalk", "a")) == 1


def test_missed_notifications_are_made_up_for_by_looking_at_everything() -> None:
    scene = Scene()
    scene.arrive("outlook", "a", folder="Shipments")
    scene.office.microsoft.take_notifications()
    scene.office.microsoft.lifecycle(scene.subscription(), "missed")
    scene.run(20)
    assert scene.places("a") == {"outlook": ["Shipments"], "dingtalk": ["Shipments"]}


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


def test_a_trouble_that_lasts_does_not_fill_the_queue() -> None:
    scene = Scene()
    scene.linked("outlook", "a")
    scene.office.microsoft.app.roles.clear()
    scene.office.microsoft.tokens.revoke()
    scene.arrive("dingtalk", "new")
    scene.run(900)
    marks = [scene.runs()]
    for _ in range(3):
        scene.run(3600)
        marks.append(scene.runs())
    first, second, third = (after - before for before, after in itertools.pairwise(marks))
    polls, ticks = 120, 360
    assert 0 < first <= polls + ticks
    assert max(second, third) <= 1.1 * first
    scene.office.microsoft.app.roles |= {"Mail.ReadWrite", "MailboxSettings.Read", "User.Read.All"}
    scene.office.microsoft.tokens.revoke()
    scene.run(900)
    assert len(scene.all("outlook", "new")) == 1


def test_a_pair_that_is_removed_as_a_worker_takes_it_up_leaves_no_row_behind() -> None:
    scene = Scene()
    service, pair, requests = scene.service, scene.service._pair, scene.requests()

    def removed_after_this_look(id: str) -> Pair | None:
        service._pair, held = pair, pair(id)
        assert held is not None
        scene.office.product().people.remove(held)
        return held

    service._pair = removed_after_this_look
    service.work({"pair": "pair-1", "cause": "notified"})
    assert pair("pair-1") is None
    assert scene.office.rows() == {}
    assert scene.requests() <= requests + 2, "the subscription's end, and a token for it"
