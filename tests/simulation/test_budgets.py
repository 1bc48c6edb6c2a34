"""What one live change costs at the vendors, counted by the simulators at twenty folders a side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.simulation.office import Worker
from shared.dingtalk.poll import ROUND
from shared.sync.service import Find, Service
from tests.support.quiet_scene import DINGTALK, OUTLOOK, Scene

FREE = ("token", "IMAP LOGIN", "IMAP CAPABILITY", "IMAP LIST", "IMAP STATUS", "IMAP SELECT", "GET openid-configuration")
"""Token requests and what IMAP needs before and up to SELECT."""


QUIET_POLL = 3 + 2 + 1
"""Requests of a quiet poll at twenty folders, in the mean: the folder list, two pages, a tenth of the folders,
and a page of the sweep."""


class Office(Scene):
    """Twenty folders on each side, known to both sides, and everything quiet."""

    def __init__(self) -> None:
        super().__init__()
        for side in (OUTLOOK, DINGTALK):
            box = self.boxes[side]
            for number in range(20 - 6 - 2):
                box.make_folder(f"Project {number}")
        self.run(900.0)
        polls: list[tuple[int, int]] = []
        self._count_polls(polls)
        self.run(300.0)
        self.quiet = dict(polls)
        assert sum(self.quiet.values()) <= ROUND * QUIET_POLL

    def cost(self, seconds: float) -> int:
        """Requests made while so much time passes, polls only as far as they cost more than quiet ones of that turn."""
        polls: list[tuple[int, int]] = []
        self._count_polls(polls)
        before = self._requests()
        self.run(seconds)
        return self._requests() - before - sum(min(self.quiet[turn], poll) for turn, poll in polls)

    def _count_polls(self, polls: list[tuple[int, int]]) -> None:
        """What each poll costs from now on, by its turn."""
        for worker in self.stage.workers:

            def poll(message: Mapping[str, Any], find: Find, worker: Worker = worker) -> None:
                before, turn = self._requests(), int(self.world.now // 30.0) % ROUND
                Service._poll(worker.service, message, find)
                polls.append((turn, self._requests() - before))

            worker.service._poll = poll  # type: ignore[method-assign]

    def _requests(self) -> int:
        vendors = (self.stage.microsoft, self.stage.dingtalk)
        return sum(n for v in vendors for route, n in v.counts.items() if route not in FREE)


def at_a_catch_up(office: Office) -> None:
    """Go to the moment after the next catch-up."""
    row = office.stage.office.rows("schedule")["catch-up"]
    office.run(max(0.0, row["at"] + 310.0 - office.world.now))


@pytest.mark.parametrize("side", [OUTLOOK, DINGTALK])
def test_a_live_small_message_costs_at_most_twelve_requests(side: str, capsys: pytest.CaptureFixture[str]) -> None:
    office = Office()
    at_a_catch_up(office)
    office.arrive(side)
    spent = office.cost(100.0)
    with capsys.disabled():
        print(f"\none live message from {side}: {spent} requests beyond quiet polls")
    assert office.equal()
    assert 3 <= spent <= 12


@pytest.mark.parametrize("side", [OUTLOOK, DINGTALK])
@pytest.mark.parametrize("what", ["read", "flag", "trash"])
def test_a_live_change_of_state_costs_at_most_six_requests(
    side: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    office = Office()
    office.arrive(side)
    at_a_catch_up(office)
    at_a_catch_up(office)
    box, message = office.boxes[side], office.one(side)
    if what == "read":
        box.set_read(message.id, True)
    elif what == "flag":
        box.set_flag(message.id, "flagged")
    else:
        box.move(message.id, box.role("trash"))
    spent = office.cost(100.0)
    with capsys.disabled():
        print(f"\none change ({what}) in {side}: {spent} requests beyond quiet polls")
    assert office.equal()
    assert 2 <= spent <= 6


def test_a_quiet_round_writes_nothing_and_reads_little(capsys: pytest.CaptureFixture[str]) -> None:
    office = Office()
    office.arrive(OUTLOOK)
    office.arrive(DINGTALK)
    office.run(700.0)
    effects, ms, ding = office.world.effects, office.stage.microsoft.counts, office.stage.dingtalk.counts
    before = ms.total() - ms["token"], ding.total() - ding["token"]
    office.run(300.0)
    outlook = ms.total() - ms["token"] - before[0]
    dingtalk = ding.total() - ding["token"] - before[1]
    with capsys.disabled():
        print(f"\n300 quiet seconds: Outlook {outlook} (one catch-up), DingTalk {dingtalk} (ten polls)")
    assert office.world.effects == effects
    assert outlook <= 20 + 1
    assert dingtalk <= 10 * QUIET_POLL
