"""What folders cost at the vendors: a rename is one write however much is in the folder, and many folders are walked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.simulation.test_budgets import Office, at_a_catch_up
from tests.support.quiet_scene import DINGTALK, OUTLOOK

MANY = 1000


def _filled(side: str, other: str) -> tuple[Office, str]:
    """A thousand messages that came before the pair was made: none of them is copied, all of them are in the way."""
    office = Office()
    folder = next(f.id for f in office.boxes[side].folders() if f.name == "Shipments")
    for box, name in ((office.boxes[side], side), (office.boxes[other], other)):
        id = next(f.id for f in box.folders() if f.name == "Shipments")
        for _ in range(MANY):
            office.arrive(name, id)
    return office, folder


@pytest.mark.slow
@pytest.mark.parametrize(("side", "other"), [(OUTLOOK, DINGTALK), (DINGTALK, OUTLOOK)])
def test_a_renamed_folder_of_a_thousand_messages_costs_at_most_five_requests(
    side: str, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    office, folder = _filled(side, other)
    row = office.stage.office.pair
    office.stage.office.save_pair(replace(row, since=office.world.now + 10 * 86400))
    office.run(3000.0)
    at_a_catch_up(office)
    vendors = (office.stage.microsoft, office.stage.dingtalk)
    effects = office.world.effects
    office.boxes[side].rename_folder(folder, "Shipments 2026")
    before = sum(v.counts.total() - v.counts["token"] for v in vendors)
    quiet = office.cost(400.0)
    with capsys.disabled():
        print(f"\nrenaming a folder of {MANY} messages in {side}: {quiet} requests beyond quiet polls")
    assert office.world.effects == effects + 1
    assert [f.name for f in office.boxes[other].folders()].count("Shipments 2026") == 1
    assert before and quiet <= 5 + CATCH_UP


CATCH_UP = 3
"""Requests of the catch-up in which a rename in Outlook is noticed: the tree, and the streams of twenty folders."""


@pytest.mark.slow
@pytest.mark.parametrize("side", [OUTLOOK, DINGTALK])
def test_five_hundred_folders_cross_and_are_quiet_afterwards(side: str, capsys: pytest.CaptureFixture[str]) -> None:
    office = Office()
    other = DINGTALK if side == OUTLOOK else OUTLOOK
    parents = [office.boxes[side].make_folder(f"Customer {number}") for number in range(20)]
    for number in range(480):
        office.boxes[side].make_folder(f"Order {number}", parents[number % 20])
    office.run(3600.0)
    names = {s: sorted(f.name for f in office.boxes[s].folders() if f.name.startswith(("C", "Or"))) for s in (side, other)}
    assert len([name for name in names[other] if name.startswith(("Customer", "Order"))]) == 500
    effects, ms = office.world.effects, office.stage.microsoft.counts
    before = ms.total() - ms["token"]
    office.run(300.0)
    spent = ms.total() - ms["token"] - before
    with capsys.disabled():
        print(f"\n500 folders from {side}: {spent} requests of one quiet catch-up in Outlook")
    assert office.world.effects == effects
    assert spent <= 520 + 1
