"""What is done about callbacks: noted once, acted upon once, put off when DingTalk can't be asked, and told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.dingtalk.openapi_quota import Quota
from shared.model.errors import NotFound, TandemError, Unavailable
from shared.model.pairs import Pair
from shared.sync.events import DOUBT, LOST, MANY, REMEMBERED, CallbackStatus, Event, Events, User
from shared.wiring.pairs import Pairs
from tests.support.table import TimedTable

ANNA = Pair("pair-1", "Anna", "anna@office.example", "anna@factory.example", 0, "union-1", user_id="u-1")
BEN = Pair("pair-2", "Ben", "ben@office.example", "ben@factory.example", 0, "union-2")
KEY = "0" * 32


class Queue:
    def __init__(self) -> None:
        self.sent: list[Mapping[str, Any]] = []
        self.then: Callable[[], None] = lambda: None

    def send(self, queue: str, message: Mapping[str, Any], delay: float = 0.0) -> None:
        assert (queue, delay) == ("work", 0.0)
        self.then()
        self.sent.append(message)


class People:
    """A directory of two; `then` may be set to fail."""

    def __init__(self) -> None:
        self.users = {"u-1": User("u-1", "union-1", "Anna"), "u-2": User("u-2", "union-2", "Ben Wong")}
        self.fails: TandemError | None = None
        self.calls = 0

    def user(self, id: str) -> User:
        self.calls += 1
        if self.fails is not None:
            raise self.fails
        if id not in self.users:
            raise NotFound("there is no such person")
        return self.users[id]

    def user_of_union(self, union_id: str) -> User:
        return self.user(next((user.id for user in self.users.values() if user.union_id == union_id), ""))


class Office:
    def __init__(self, path: Path) -> None:
        self.table = TimedTable(path / "table.db")
        self.queue, self.people, self.pairs = Queue(), People(), Pairs(self.table)
        for pair in (ANNA, BEN):
            self.pairs.add(pair)
        self.events = Events(self.table, self.queue, self.pairs, self.people)

    def pair(self, id: str) -> Pair:
        pair = self.pairs.get(id)
        assert pair is not None
        return pair

    def run(self) -> None:
        """Do all the work that is in the queue."""
        while self.queue.sent:
            self.events.work(self.queue.sent.pop(0))

    def rows(self) -> list[str]:
        return [entity.key for entity in self.table.scan("callbacks", " ", "~")]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_the_pair_of_somebody_who_left_is_paused_and_says_why(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert office.events.note(Event(KEY, "user_leave_org", ("u-1",)))
        assert office.people.calls == 0
        office.run()
    assert (office.pair("pair-1").paused, office.pair("pair-1").paused_why) == (True, "left")
    assert not office.pair("pair-2").paused
    assert "pair pair-1 is paused" in caplog.text
    assert "Anna" not in caplog.text
    assert "u-1" not in caplog.text


def test_a_leaver_whose_user_id_was_never_learnt_is_asked_for_in_the_directory(office: Office) -> None:
    office.events.note(Event(KEY, "user_leave_org", ("u-2",)))
    office.run()
    assert office.pair("pair-2").paused_why == "left"


def test_a_leaver_who_is_in_no_pair_changes_nothing(office: Office) -> None:
    office.events.note(Event(KEY, "user_leave_org", ("u-9",)))
    office.run()
    assert [pair.paused for pair in office.pairs.list()] == [False, False]
    assert office.rows() == [f"e:{KEY}"]


@pytest.mark.parametrize("type", ["user_modify_org", "user_add_org"])
def test_a_changed_person_gets_name_and_user_id_from_the_directory(office: Office, type: str) -> None:
    office.events.note(Event(KEY, type, ("u-2", "u-9")))
    office.run()
    assert (office.pair("pair-2").name, office.pair("pair-2").user_id) == ("Ben Wong", "u-2")
    assert office.pair("pair-1") == ANNA


def test_the_same_callback_is_enqueued_once_however_often_it_comes(office: Office) -> None:
    event = Event(KEY, "user_leave_org", ("u-1",))
    assert [office.events.note(event) for _ in range(3)] == [True, False, False]
    assert len(office.queue.sent) == 1
    office.run()
    office.pairs.update("pair-1", paused=False)
    office.table.time += 30
    assert not office.events.note(event)
    office.run()
    assert not office.pair("pair-1").paused


def test_a_process_that_dies_between_noting_and_enqueueing_loses_nothing(office: Office) -> None:
    def die() -> None:
        raise RuntimeError("the queue is away")

    office.queue.then = die
    with pytest.raises(RuntimeError):
        office.events.note(Event(KEY, "user_leave_org", ("u-1",)))
    office.queue.then = lambda: None
    office.table.time += 10
    assert not office.events.note(Event(KEY, "user_leave_org", ("u-1",)))
    assert len(office.queue.sent) == 1, "the vendor's retry enqueues it"
    office.queue.sent.clear()
    office.table.time += LOST
    office.events.tick()
    office.events.tick()
    assert len(office.queue.sent) == 1, "and so does the timer, once"
    office.run()
    assert office.pair("pair-1").paused


def test_an_event_sent_again_and_again_before_anybody_acted_does_not_fill_the_queue(office: Office) -> None:
    for _ in range(600):
        office.events.note(Event(KEY, "user_leave_org", ("u-1",)))
        office.table.time += 0.1
    assert len(office.queue.sent) <= 12


def test_a_pair_that_was_given_another_person_gets_that_persons_user_id(office: Office) -> None:
    office.pairs.update("pair-1", union_id="union-3")
    office.people.users["u-3"] = User("u-3", "union-3", "Cai")
    office.events.sweep(everybody=True)
    office.run()
    assert (office.pair("pair-1").user_id, office.pair("pair-1").name) == ("u-3", "Cai")


def test_an_event_that_means_nothing_to_us_is_remembered_and_enqueues_nothing(office: Office) -> None:
    assert office.events.note(Event(KEY, "check_url"))
    assert not office.events.note(Event(KEY, "check_url"))
    assert (office.rows(), office.queue.sent) == ([f"e:{KEY}"], [])


def test_while_the_directory_is_away_an_event_waits_longer_each_time_and_is_not_lost(office: Office) -> None:
    office.people.fails = Unavailable("away", code="503")
    office.events.note(Event(KEY, "user_modify_org", ("u-2",)))
    office.run()
    for _ in range(6 * 60):
        office.table.time += 60
        office.events.tick()
        office.run()
    assert 8 <= office.people.calls <= 16
    assert office.events.status().waiting == 1
    office.people.fails = None
    office.table.time += 3600
    office.events.tick()
    office.run()
    assert office.pair("pair-2").name == "Ben Wong"
    assert office.events.status().waiting == 0


def test_an_event_that_fails_for_a_day_is_dropped_and_told(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.people.fails = Unavailable("away", code="503")
    office.events.note(Event(KEY, "user_modify_org", ("u-2",)))
    for _ in range(30):
        office.table.time += 3600
        office.events.tick()
        office.run()
    assert office.events.status().waiting == 0
    assert "dropped" in caplog.text


def test_callbacks_are_forgotten_after_a_day(office: Office) -> None:
    for number in range(250):
        office.events.note(Event(f"{number:032}", "check_url"))
    office.table.time += REMEMBERED - 1
    office.events.sweep(everybody=False)
    assert len(office.rows()) == 250
    office.table.time += 1
    office.events.sweep(everybody=False)
    assert office.rows() == []


def test_user_ids_that_are_not_known_are_found(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3, 3 + MANY):
        name = f"p{number}"
        office.pairs.add(Pair(f"pair-{number}", "", f"{name}@office.example", f"{name}@factory.example", 0, name))
    office.events.sweep(everybody=False)
    assert [len(message["people"]) for message in office.queue.sent] == [MANY, 1]
    office.run()
    assert office.pair("pair-2").user_id == "u-2"
    assert "pair-3: nobody in the directory has its union id" in caplog.text
    assert not any(pair.paused for pair in office.pairs.list())


def test_somebody_who_left_while_no_callback_could_be_taken_is_found_missing(office: Office) -> None:
    del office.people.users["u-1"]
    office.events.sweep(everybody=False)
    office.run()
    assert not office.pair("pair-1").paused
    office.events.sweep(everybody=True)
    office.run()
    assert office.pair("pair-1").paused_why == "left"


def test_while_the_directory_is_away_nobody_is_taken_for_a_leaver(office: Office) -> None:
    office.people.fails = Unavailable("away", code="503")
    office.events.sweep(everybody=True)
    office.run()
    assert not any(pair.paused for pair in office.pairs.list())


# ---- clocks
def test_a_call_stamped_elsewhere_is_shown_as_a_doubtful_clock_for_an_hour(office: Office) -> None:
    assert office.events.status() == CallbackStatus(0, None)
    office.events.doubt_clock(KEY, 600.0)
    assert office.events.status() == CallbackStatus(0, 600.0)
    office.table.time += DOUBT
    assert office.events.status() == CallbackStatus(0, None)


def test_an_old_call_sent_again_says_nothing_about_clocks_and_writes_nothing(office: Office) -> None:
    office.events.note(Event(KEY, "check_url"))
    written = len(office.table.transactions)
    office.events.doubt_clock(KEY, 600.0)
    office.events.doubt_clock("1" * 32, REMEMBERED + 1)
    assert len(office.table.transactions) == written
    assert office.events.status().clock_off is None


def test_a_storm_of_stale_calls_writes_once_a_minute(office: Office) -> None:
    for number in range(100):
        office.events.doubt_clock(f"{number:032}", -600.0)
    assert len([keys for keys in office.table.transactions if keys == ["clock"]]) == 1


# ---- the quota
def test_metered_calls_are_counted_by_the_months_of_china(tmp_path: Path) -> None:
    table = TimedTable(tmp_path / "table.db", 1_796_054_399.0)
    quota = Quota(table)
    quota.count(metered=True)
    quota.count(metered=False)
    assert quota.used() == 1
    assert [e.key for e in table.scan("quota", " ", "~")] == ["dingtalk:2026-11"]
    table.time += 1
    assert quota.used() == 0
    quota.count(metered=True)
    assert [e.key for e in table.scan("quota", " ", "~")] == ["dingtalk:2026-11", "dingtalk:2026-12"]
