"""What folders cost at the vendors: a rename is one write however much is in the folder, and many folders go."""

from __future__ import annotations

import pytest

from tests.simulation.test_budgets import Office, at_a_catch_up
from tests.support.quiet_scene import DINGTALK, OUTLOOK

MANY = 1000


@pytest.fixture(scope="module")
def filled() -> Office:
    """A thousand messages that stand in Shipments on both sides, each linked with its twin."""
    office = Office()
    places = {name: next(f.id for f in box.folders() if f.name == "Shipments") for name, box in office.boxes.items()}
    for _ in range(MANY):
        message = office.write("li.na@supplier.example", [box.address for box in office.boxes.values()])[1]
        for name, folder in places.items():
            office.arrive(name, folder, mime=message)
    office.run(4000.0)
    assert office.status().links == MANY
    return office


@pytest.mark.slow
@pytest.mark.parametrize("side", [OUTLOOK, DINGTALK])
def test_a_renamed_folder_of_a_thousand_messages_is_one_write_and_costs_at_most_five_requests(
    filled: Office, side: str, capsys: pytest.CaptureFixture[str]
) -> None:
    office, name = filled, f"Shipments as {side} says"
    at_a_catch_up(office)
    quiet = _cost_of_runs(office)
    at_a_catch_up(office)
    effects, box = office.world.effects, office.boxes[side]
    box.rename_folder(next(f.id for f in box.folders() if f.name.startswith("Shipments")), name)
    spent = _cost_of_runs(office) - quiet
    with capsys.disabled():
        print(f"\nrenaming a folder of {MANY} messages in {side}: {spent} requests more than in quiet times")
    assert office.world.effects == effects + 1
    assert all([f.name for f in box.folders()].count(name) == 1 for box in office.boxes.values())
    assert 2 <= spent <= 5


PAGES = "GET /v2/users/{u}/mailFolders/{id}/messages"


def _cost_of_runs(office: Office) -> int:
    """Requests until after the next catch-up, without those of polls: each reads the folder list once, and pages."""
    polls: list[int] = []
    office._count_polls(polls)
    before = _but_pages(office)
    office.run(350.0)
    return _but_pages(office) - before - len(polls)


def _but_pages(office: Office) -> int:
    return office._requests() - office.stage.dingtalk.counts[PAGES]


@pytest.mark.slow
@pytest.mark.parametrize("side", [OUTLOOK, DINGTALK])
def test_five_hundred_folders_cross_and_are_quiet_afterwards(side: str, capsys: pytest.CaptureFixture[str]) -> None:
    office = Office()
    other = DINGTALK if side == OUTLOOK else OUTLOOK
    parents = [office.boxes[side].make_folder(f"Customer {number}") for number in range(20)]
    for number in range(480):
        office.boxes[side].make_folder(f"Order {number}", parents[number % 20])
    office.run(3600.0)
    names = {
        s: sorted(f.name for f in office.boxes[s].folders() if f.name.startswith(("C", "Or"))) for s in (side, other)
    }
    assert len([name for name in names[other] if name.startswith(("Customer", "Order"))]) == 500
    effects, ms = office.world.effects, office.stage.microsoft.counts
    before = ms.total() - ms["token"]
    office.run(300.0)
    spent = ms.total() - ms["token"] - before
    with capsys.disabled():
        print(f"\n500 folders from {side}: {spent} requests of one quiet catch-up in Outlook")
    assert office.world.effects == effects
    assert spent <= 520 + 1
