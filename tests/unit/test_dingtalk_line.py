"""One mail domain's rate, shared by processes that know each other only by a row."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

from shared.dingtalk.bucket import LOOKERS, PATIENCE, Bucket
from shared.dingtalk.line import PARTITION, LowLine, SharedLine
from shared.model.errors import Conflict, Throttled
from shared.ports.state import Op
from tests.support.dingtalk import StillClock
from tests.support.table import TimedTable


class Office:
    """Processes on one clock that is also the store's."""

    def __init__(self, folder: Path) -> None:
        self.clock = StillClock()
        self.table = TimedTable(folder / "table.db")
        self.left: list[float] = []

    def process(self, domain: str = "factory.example", patience: float = PATIENCE) -> Bucket:
        return Bucket(self.clock, nullcontext(), SharedLine(self.table, domain), patience=patience)

    def bulk(self) -> Bucket:
        """One that carries old mail."""
        whole, own = (SharedLine(self.table, name) for name in ("factory.example", "bulk factory.example"))
        return Bucket(self.clock, nullcontext(), LowLine(self.clock, whole, own, 0.6))

    def pass_time(self, seconds: float) -> None:
        self.clock.time += seconds
        self.table.time += seconds

    def ask(self, process: Bucket) -> bool:
        """Whether a request left, at once or after a wait of its own that nobody else notices."""
        before, slept = self.clock.time, len(self.clock.slept)
        try:
            process.take()
        except Throttled:
            return False
        wait = sum(self.clock.slept[slept:])
        self.clock.time = before
        self.left.append(before + wait)
        return True


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def busiest(left: list[float]) -> int:
    return max(sum(start <= at < start + 1 for at in left) for start in left)


def test_many_processes_together_never_send_more_than_forty_requests_in_a_second(office: Office) -> None:
    dice = random.Random(4)
    processes = [office.process() for _ in range(6)]
    for _ in range(1500):
        office.ask(dice.choice(processes))
        office.pass_time(dice.choice((0.0, 0.0, 0.01, 0.2)) * dice.random())
    assert len(office.left) > 200
    assert busiest(office.left) <= 40


def test_a_domain_that_is_asked_without_pause_gets_thirty_requests_a_second(office: Office) -> None:
    processes = [office.process() for _ in range(3)]
    for n in range(6000):
        office.ask(processes[n % 3])
        office.pass_time(0.005)
    assert len(office.left) / 30.0 == pytest.approx(30.0, rel=0.1)


@pytest.mark.parametrize("processes", [1, 3])
def test_old_mail_gets_six_tenths_of_the_rate_at_most_however_many_carry_it(office: Office, processes: int) -> None:
    carriers = [office.bulk() for _ in range(processes)]
    for n in range(6000):
        office.ask(carriers[n % processes])
        office.pass_time(0.005)
    assert len(office.left) / 30.0 == pytest.approx(18.0, rel=0.1)


def test_live_mail_finds_its_place_beside_old_mail_that_never_pauses(office: Office) -> None:
    carrier, live, waits = office.bulk(), office.process(), list[float]()
    for n in range(4000):
        office.ask(carrier)
        if n % 40 == 0:
            assert office.ask(live), "sent away"
            waits.append(office.left[-1] - office.clock.time)
        office.pass_time(0.005)
    assert max(waits) < PATIENCE


def test_a_place_in_line_costs_one_write_for_five_requests_of_a_busy_process(office: Office) -> None:
    process = office.process()
    for _ in range(100):
        office.ask(process)
    assert len(office.table.transactions) == len(office.left) / 5 > 10


def test_many_processes_that_each_ask_seldom_waste_little_of_the_rate(office: Office) -> None:
    processes = [office.process() for _ in range(20)]
    for n in range(3000):
        office.ask(processes[n % 20])
        office.pass_time(0.02)
    assert len(office.left) / 60.0 > 25.0
    assert busiest(office.left) <= 40


def test_what_one_process_was_refused_holds_all_of_them_off(office: Office) -> None:
    first, second = office.process(), office.process()
    assert office.ask(second)
    first.hold(30.0)
    office.pass_time(1.0)
    with pytest.raises(Throttled) as caught:
        second.take()
    assert PATIENCE < caught.value.retry_after <= 29.0  # type: ignore[operator]
    office.pass_time(29.0)
    assert office.ask(second)


def test_looks_are_not_starved_by_runs_that_ask_for_more_than_there_is(office: Office) -> None:
    runs, looks, looked = [office.process() for _ in range(5)], office.process(patience=LOOKERS), 0
    for n in range(3000):
        for run in runs:
            office.ask(run)
        looked += n % 10 == 0 and office.ask(looks)
        office.pass_time(0.01)
    assert looked == 300
    assert busiest(office.left) <= 40


def test_a_domain_is_crowded_when_whoever_joins_would_be_sent_away(office: Office) -> None:
    line, process = SharedLine(office.table, "factory.example"), office.process()
    assert not line.is_crowded()
    while office.ask(process):
        assert len(office.left) < 200
    assert line.is_crowded()
    office.pass_time(1.0)
    assert not line.is_crowded()


def test_domains_have_lines_of_their_own_and_their_rows_do_not_name_them(office: Office) -> None:
    office.process("a.example").hold(60.0)
    assert office.ask(office.process("b.example"))
    rows = list(office.table.scan(PARTITION, "", "~"))
    assert len(rows) == 2
    assert not any("example" in row.key for row in rows)


class Overtaken(TimedTable):
    """Before each of the next `others` writes, another process takes a place."""

    others = 0

    def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        if self.others:
            self.others -= 1
            SharedLine(self, "factory.example").join(0.5, PATIENCE)
        return super().transact(partition, ops)


def test_whoever_is_overtaken_stands_behind(tmp_path: Path) -> None:
    table = Overtaken(tmp_path / "table.db")
    table.others = 1
    assert SharedLine(table, "factory.example").join(0.5, PATIENCE) == pytest.approx(0.5)
    assert SharedLine(table, "factory.example").join(0.5, PATIENCE) == pytest.approx(1.0)


def test_where_everybody_else_is_always_quicker_it_is_tried_again_later(tmp_path: Path) -> None:
    class Hopeless(TimedTable):
        def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
            raise Conflict("another version")

    with pytest.raises(Throttled):
        SharedLine(Hopeless(tmp_path / "table.db"), "factory.example").join(0.5, PATIENCE)
