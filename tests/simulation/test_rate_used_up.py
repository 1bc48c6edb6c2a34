"""A mail domain whose rate is used up: looks are put off, and given up where they would only pile up."""

from __future__ import annotations

import pytest

from sandbox.dingtalk import Switches as DingTalkSwitches
from sandbox.microsoft import Switches as MicrosoftSwitches
from sandbox.simulation.adapters import SimTable
from sandbox.simulation.letters import letter
from sandbox.simulation.stage import Stage
from sandbox.simulation.world import World
from shared.dingtalk.line import SharedLine

SELDOM = {"TANDEM_POLL_SECONDS": "3600"}


class Office:
    """Looks come once an hour, so that each one counts."""

    def __init__(self) -> None:
        self.world = World(1)
        self.stage = Stage(self.world, microsoft=MicrosoftSwitches(), dingtalk=DingTalkSwitches(), settings=SELDOM)
        self.run(60.0)

    def run(self, seconds: float) -> None:
        self.stage.push()
        self.world.run_until(self.world.now + seconds)

    def hold(self, seconds: float) -> None:
        SharedLine(SimTable(self.world, self.stage.office._stored), "factory.example").hold(seconds)

    def arrive(self) -> None:
        box = self.stage.mailboxes["dingtalk"]
        box.deliver(letter("li.na@supplier.example", [box.address], 1, self.world.now, None)[1], None)

    def requests(self) -> int:
        return self.stage.dingtalk.counts.total() + self.stage.microsoft.counts.total()

    def copied(self) -> int:
        return len(list(self.stage.mailboxes["outlook"].messages()))

    def look(self, until: float) -> None:
        self.stage.deliver("poll", {"poll": ["pair-1"], "until": self.world.now + until})


@pytest.fixture
def office() -> Office:
    return Office()


def test_a_look_that_finds_the_rate_used_up_comes_again(office: Office) -> None:
    office.hold(40.0)
    office.arrive()
    office.look(until=3600.0)
    office.run(35.0)
    assert office.copied() == 0
    office.run(35.0)
    assert office.copied() == 1


def test_a_look_that_waited_until_its_pair_is_due_again_is_given_up(office: Office) -> None:
    requests = office.stage.dingtalk.counts.total()
    office.arrive()
    office.look(until=-1.0)
    office.run(20.0)
    assert office.stage.dingtalk.counts.total() == requests
    office.look(until=1.0)
    office.run(20.0)
    assert office.copied() == 1


def test_a_run_waits_in_the_queue_and_asks_neither_vendor_while_the_rate_is_used_up(office: Office) -> None:
    office.hold(60.0)
    before = office.requests()
    box = office.stage.mailboxes["outlook"]
    box.deliver(letter("li.na@supplier.example", [box.address], 2, office.world.now, None)[1], None)
    office.run(30.0)
    assert office.requests() == before
    office.run(120.0)
    assert len(list(office.stage.mailboxes["dingtalk"].messages())) == 1
