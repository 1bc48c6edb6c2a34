"""Many pairs at once on a simulated clock: the real scheduling, with looks and runs that cost what was recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from shared.model.errors import Unavailable
from shared.sync.schedule import interval
from tests.bench.scale.azure import Group, Instance, Plan, Queues
from tests.bench.scale.costs import Costs
from tests.bench.scale.page import BEGIN, END, PAGE, kept, table
from tests.bench.scale.play import Outcome, Scenario, play
from tests.bench.scale.time_line import EPOCH, TimeLine

OFFICE = Scenario(120, 4, minutes=6.0)
CROWD = Scenario(600, 1, hour=3, minutes=6.0)
"""A mail domain that can't be looked at every 30 s, at night, when hardly any mail comes."""


@pytest.fixture(scope="module")
def office() -> Outcome:
    return play(OFFICE, Costs.load())


@pytest.fixture(scope="module")
def crowd() -> Outcome:
    return play(CROWD, Costs.load())


def test_in_an_office_of_small_domains_everything_crosses_within_seconds_of_being_seen(office: Outcome) -> None:
    mail, from_dingtalk = office.lags["mail outlook"], office.lags["mail dingtalk"]
    assert mail.changes > 50
    assert mail.p95 < 15.0
    assert 10.0 < from_dingtalk.p50 < 25.0
    assert from_dingtalk.p95 < 45.0
    assert office.interval == pytest.approx(30.0, rel=0.1)


@pytest.mark.parametrize("name", ["office", "crowd"])
def test_no_limit_is_passed_and_no_pair_has_two_runs_at_once(name: str, request: pytest.FixtureRequest) -> None:
    outcome: Outcome = request.getfixturevalue(name)
    assert 0 < outcome.busiest <= 40
    assert outcome.refused == outcome.overlaps == outcome.poisoned == 0
    assert outcome.graph_mailbox < 10_000


def test_a_large_domain_is_looked_at_as_seldom_as_its_rate_demands(crowd: Outcome) -> None:
    assert interval(600, 30.0) == 150.0
    assert crowd.interval == pytest.approx(150.0, rel=0.15)
    assert crowd.alimail <= 22.0
    assert crowd.deepest["poll"] < 10


def test_the_same_seed_shows_the_same_and_another_one_something_else() -> None:
    small = Scenario(20, 2, minutes=2.0)
    costs = Costs.load()
    assert play(small, costs) == play(small, costs)
    assert play(small, costs).lags != play(replace(small, seed=2), costs).lags


def test_the_page_shows_what_was_played() -> None:
    shown = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert shown == table(kept()), "write it anew: python -m tests.bench.scale page --as-kept"


# ------------------------------------------------------------------------------------------------------- Azure's part


class Cloud:
    """One queue's group of instances, whose work takes `seconds` and fails as often as it says."""

    def __init__(self, seconds: float, failures: int = 0, **plan: Any) -> None:
        self.line = TimeLine(1)
        self.plan = Plan(**plan)
        self.queues = Queues(self.line, self.plan, Counter())
        self.done: list[float] = []

        def start(instance: Instance) -> Any:
            def work(message: Mapping[str, Any]) -> None:
                nonlocal failures
                self.line.sleep(seconds)
                if failures:
                    failures -= 1
                    raise Unavailable("not now")
                self.done.append(self.line.now - EPOCH)

            return work

        self.group = Group(self.line, self.queues, self.plan, "work", start)

    def send(self, count: int, delay: float = 0.0) -> None:
        for _ in range(count):
            self.line.spawn(lambda: self.queues.send("work", {}, delay))

    def run(self, seconds: float) -> None:
        self.line.run_until(self.line.now + seconds)


def test_instances_come_with_the_length_of_the_queue_and_go_again() -> None:
    cloud = Cloud(seconds=30.0)
    cloud.send(100)
    cloud.run(20.0)
    assert len(cloud.group.live) == 7
    cloud.run(300.0)
    assert len(cloud.done) == 100
    assert cloud.group.live == []


def test_an_instance_does_no_more_than_its_share_at_once() -> None:
    cloud = Cloud(seconds=100.0, most=1)
    cloud.send(100)
    cloud.run(60.0)
    assert cloud.group.live[0].running <= 24


def test_what_is_delayed_is_not_done_before_its_time_and_counts_all_the_same() -> None:
    cloud = Cloud(seconds=1.0)
    cloud.send(99, delay=120.0)
    cloud.run(60.0)
    assert cloud.done == []
    assert cloud.group.live == []
    cloud.send(1)
    cloud.run(30.0)
    assert len(cloud.done) == 1
    assert len(cloud.group.all) == 7
    cloud.run(200.0)
    assert len(cloud.done) == 100
    assert min(cloud.done[1:]) >= 120.0


def test_what_fails_is_tried_five_times_and_then_given_up() -> None:
    saved, lost = Cloud(seconds=0.1, failures=4), Cloud(seconds=0.1, failures=5)
    for cloud in (saved, lost):
        cloud.send(1)
        cloud.run(400.0)
    assert (len(saved.done), saved.queues.poisoned.total()) == (1, 0)
    assert (len(lost.done), lost.queues.poisoned.total()) == (0, 1)


def test_an_instance_is_billed_for_the_time_in_which_anything_runs_and_one_second_at_least() -> None:
    line = TimeLine(1)
    instance = Instance(line)
    for begin, end in ((0.0, 0.2), (10.0, 13.04), (11.0, 12.0)):
        line.after(begin, instance.begin)
        line.after(end, instance.end)
    line.run_until(line.now + 20.0)
    assert instance.seconds == pytest.approx(1.0 + 3.1)
    assert instance.executions == 3
