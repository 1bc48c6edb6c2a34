"""What the product asks of Azure's storage, counted at the ports in the simulated office of twenty folders a side.

docs/storage-operations.md explains the figures; `pytest -n 0 -k storage tests/simulation` prints them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.simulation.test_budgets import Office
from tests.support.counted_state import counted_state

ROUND = 300.0
"""From one catch-up to the next: one catch-up, ten looks at DingTalk, thirty ticks."""
SWEEP = 6 * ROUND
"""From the beginning of one sweep to that of the next."""
KINDS = ("table read", "table write", "queue", "blob")


class Measured:
    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self.office = Office()
        self.office.run(2 * ROUND)

    def spent(self, seconds: float = ROUND) -> Counter[str]:
        before = Counter(self._counts)
        self.office.run(seconds)
        return Counter({kind: self._counts[kind] - before[kind] for kind in KINDS})


@pytest.fixture
def measured() -> Iterator[Measured]:
    with counted_state() as counts:
        yield Measured(counts)


def shown(what: str, counts: Counter[str]) -> str:
    return f"\n{what}: " + ", ".join(f"{counts[kind]} {kind}" for kind in KINDS)


def test_quiet_rounds_cost_the_same_and_touch_no_blob(measured: Measured, capsys: pytest.CaptureFixture[str]) -> None:
    quiet, again = measured.spent(SWEEP), measured.spent(SWEEP)
    with capsys.disabled():
        print(shown(f"a quiet pair, {SWEEP:g} s", quiet))
    assert abs(again.total() - quiet.total()) <= 0.05 * quiet.total(), "more by no more than a poll that fell there"
    assert quiet["table read"] <= 6 * 220
    assert quiet["table write"] <= 6 * 83
    assert quiet["queue"] <= 6 * (3 * (10 + 1) + 3), "looks and a catch-up, which counts three queues of poison"
    assert quiet["blob"] == 0


@pytest.mark.parametrize("side", ["outlook", "dingtalk"])
def test_a_mirrored_message_costs_few_operations(
    measured: Measured, side: str, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = measured.spent(3 * ROUND)
    measured.office.arrive(side)
    spent = measured.spent(3 * ROUND) - quiet
    with capsys.disabled():
        print(shown(f"a message that came to {side} and was copied, beyond quiet rounds", spent))
    assert measured.office.equal()
    assert len(measured.office.shown(side)) == 1
    assert 0 < spent["table read"] <= 65
    assert 0 < spent["table write"] <= 32
    assert spent["queue"] <= 3 * 4
    assert spent["blob"] == 0


def test_a_hundred_messages_at_once_share_their_runs(measured: Measured, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = measured.spent(3 * ROUND)
    for _ in range(100):
        measured.office.arrive("dingtalk")
    spent = measured.spent(3 * ROUND) - quiet
    with capsys.disabled():
        print(shown("a hundred messages at once, beyond quiet rounds", spent))
    assert measured.office.equal()
    assert len(measured.office.shown("outlook")) == 100
    assert spent.total() <= 100 * 22
