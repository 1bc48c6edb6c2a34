"""What old mail costs at the vendors, counted by the simulators."""

from __future__ import annotations

from collections import Counter

import pytest

from shared.model.words import SIDES, Side, other
from tests.simulation.test_budgets import FREE
from tests.support.old_mail import OldMail

MESSAGES = 600
MOST = {"dingtalk": 1.2, "outlook": 2.2}
"""Requests for each message that comes from there."""


@pytest.mark.slow
@pytest.mark.parametrize("side", SIDES)
def test_old_mail_costs_little_more_than_reading_and_writing_it(side: Side, capsys: pytest.CaptureFixture[str]) -> None:
    scene = OldMail(MESSAGES, side)
    for number in range(3):
        scene.linked(other(side), f"live{number}")  # the mailboxes are in use
    before, began = _asked(scene), scene.world.now
    scene.ask()
    scene.finish()
    after, seconds = _asked(scene), scene.world.now - began
    scene.run(seconds)
    quiet = _asked(scene) - after
    assert len(scene.copies(other(side))) == MESSAGES + 3
    spent = (after - before).total() - quiet.total()
    with capsys.disabled():
        print(f"\n{MESSAGES} old messages from {side}: {spent / MESSAGES:.3f} requests each beyond those of quiet time")
        for (vendor, route), count in sorted((after - before).items()):
            print(f"  {vendor} {route}: {count}, in quiet time {quiet[vendor, route]}")
    assert 1.0 < spent / MESSAGES <= MOST[side]


def _asked(scene: OldMail) -> Counter[tuple[str, str]]:
    vendors = {"Outlook": scene.office.microsoft.counts, "DingTalk": scene.office.dingtalk.counts}
    return Counter({(name, r): n for name, counts in vendors.items() for r, n in counts.items() if r not in FREE})
