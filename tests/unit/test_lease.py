"""The lease: one holder at a time, and nobody else's commits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from shared.model.errors import LeaseLost
from shared.ports.state import Entity, Op
from shared.sync.calls import leave_hints
from shared.sync.lease import LOST, Lease, Leases
from shared.sync.rows import DIRTY, due_row
from tests.contract.test_state_table import race
from tests.support.table import LEASE_SECONDS, PARTITION, TimedTable


@pytest.fixture
def table(tmp_path: Path) -> TimedTable:
    return TimedTable(tmp_path / "state.db")


@pytest.fixture
def leases(table: TimedTable) -> Leases:
    return Leases(table, PARTITION, LEASE_SECONDS)


def taken(leases: Leases, holder: str) -> Lease:
    lease = leases.take(holder)
    assert lease is not None
    return lease


def test_the_first_taker_gets_it_for_its_time(leases: Leases, table: TimedTable) -> None:
    lease = taken(leases, "a")
    assert (lease.holder, lease.epoch, lease.expiry) == ("a", 1, table.time + LEASE_SECONDS)
    assert leases.expiry() == lease.expiry


def test_nobody_has_a_lease_that_was_never_taken(leases: Leases) -> None:
    assert leases.expiry() == 0.0


def test_nobody_else_gets_it_before_it_expires(leases: Leases, table: TimedTable) -> None:
    lease = taken(leases, "a")
    table.time = lease.expiry - 0.001
    assert leases.take("b") is None
    table.time = lease.expiry
    assert taken(leases, "b").epoch == 2


def test_not_even_its_own_holder_takes_it_twice(leases: Leases) -> None:
    taken(leases, "a")
    assert leases.take("a") is None


def test_a_commit_renews_it(leases: Leases, table: TimedTable) -> None:
    lease = taken(leases, "a")
    table.time += LEASE_SECONDS - 1
    renewed = leases.commit(lease, [])
    assert renewed.expiry == table.time + LEASE_SECONDS
    assert leases.expiry() == renewed.expiry


def test_who_lost_it_commits_nothing(leases: Leases, table: TimedTable) -> None:
    late = taken(leases, "a")
    table.time = late.expiry
    taken(leases, "b")
    with pytest.raises(LeaseLost, match="nothing was committed"):
        leases.commit(late, [Op("put", "row", {})])
    assert table.keys("row") == []


def test_a_commit_can_not_be_made_from_an_old_version_of_it(leases: Leases, table: TimedTable) -> None:
    lease = taken(leases, "a")
    leases.commit(lease, [])
    with pytest.raises(LeaseLost):
        leases.commit(lease, [Op("put", "row", {})])
    assert table.keys("row") == []


def test_what_it_carries_goes_to_the_next_holder(leases: Leases, table: TimedTable) -> None:
    lease = taken(leases, "a")
    lease = leases.commit(replace(lease, head="head", entries=7, links=3, wake=99.0), [])
    leases.release(lease)
    after = taken(leases, "b")
    assert (after.epoch, after.head, after.entries, after.links, after.wake) == (2, "head", 7, 3, 99.0)


def test_a_released_lease_is_free_at_once_and_its_holder_commits_no_more(leases: Leases, table: TimedTable) -> None:
    lease = taken(leases, "a")
    leases.release(lease)
    assert leases.expiry() == 0.0
    with pytest.raises(LeaseLost):
        leases.commit(lease, [Op("put", "row", {})])
    assert taken(leases, "b").holder == "b"


def test_its_own_last_version_is_not_needed_to_release_it(leases: Leases) -> None:
    lease = taken(leases, "a")
    leases.commit(lease, [])
    leases.release(lease)
    assert leases.expiry() == 0.0


def test_releasing_what_is_not_ours_any_more_is_silent(leases: Leases, table: TimedTable) -> None:
    late = taken(leases, "a")
    table.time = late.expiry
    held = taken(leases, "b")
    leases.release(late)
    assert leases.expiry() == held.expiry
    assert leases.commit(held, []).holder == "b"


def test_releasing_where_nothing_was_ever_taken_is_silent(leases: Leases) -> None:
    leases.release(Lease("a", 1, 0.0))
    assert leases.expiry() == 0.0


class Overtaken(TimedTable):
    """Another worker takes the lease, which has expired, right after the next read."""

    armed = False

    def get(self, partition: str, keys: Sequence[str]) -> dict[str, Entity]:
        found = super().get(partition, keys)
        if self.armed:
            self.armed = False
            self.time += LEASE_SECONDS
            taken(Leases(self, PARTITION, LEASE_SECONDS), "b")
        return found


def test_a_release_that_is_overtaken_leaves_the_lease_to_the_other(tmp_path: Path) -> None:
    table = Overtaken(tmp_path / "state.db")
    leases = Leases(table, PARTITION, LEASE_SECONDS)
    lease = taken(leases, "a")
    table.armed = True
    leases.release(lease)
    assert leases.expiry() == table.time + LEASE_SECONDS


def test_of_two_takers_that_found_it_free_one_gets_it(tmp_path: Path) -> None:
    table = Overtaken(tmp_path / "state.db")
    table.armed = True
    assert Leases(table, PARTITION, LEASE_SECONDS).take("a") is None


def test_of_eight_racing_takers_one_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    TimedTable(path)
    got: list[str] = []

    def taker(name: str) -> Callable[[], None]:
        leases = Leases(TimedTable(path), PARTITION, LEASE_SECONDS)

        def take() -> None:
            if leases.take(name) is not None:
                got.append(name)

        return take

    for round in range(5):
        race(*(taker(f"{round}.{number}") for number in range(8)))
        assert len(got) == round + 1
        Leases(TimedTable(path), PARTITION, LEASE_SECONDS).release(Lease(got[-1], 1, 0.0))


def test_dirty_is_set_once_until_it_is_cleared_and_does_not_disturb_the_holder(leases: Leases) -> None:
    lease = taken(leases, "a")
    assert not leases.is_dirty()
    assert leases.set_dirty()
    assert not leases.set_dirty()
    assert leases.is_dirty()
    leases.commit(lease, [])
    leases.clear_dirty()
    leases.clear_dirty()
    assert not leases.is_dirty()
    assert leases.set_dirty()


def test_of_eight_who_find_it_taken_one_turns_it_dirty(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    turned: list[bool] = []
    all_leases = [Leases(TimedTable(path), PARTITION, LEASE_SECONDS) for _ in range(8)]
    race(*((lambda leases=leases: turned.append(leases.set_dirty())) for leases in all_leases))
    assert sorted(turned) == [False] * 7 + [True]


def test_hints_that_come_while_a_message_is_on_its_way_want_none_of_their_own(
    leases: Leases, table: TimedTable
) -> None:
    assert leases.call() == 0.0
    table.time += LOST - 0.001
    assert leases.call() is None
    leases.clear_dirty()
    assert leases.call() == 0.0


def test_a_message_that_does_not_come_is_taken_for_lost(leases: Leases, table: TimedTable) -> None:
    assert leases.call() == 0.0
    table.time += LOST
    assert leases.call() == 0.0
    assert leases.call() is None


def test_hints_left_while_somebody_is_at_it_mark_it_dirty_and_want_one_guard(leases: Leases, table: TimedTable) -> None:
    lease = taken(leases, "a")
    assert leases.call() == LEASE_SECONDS + 1.0
    assert leases.is_dirty()
    for _ in range(3):
        leases.clear_dirty()
        assert leases.call() is None
        assert leases.is_dirty()
    table.time += LEASE_SECONDS + 1.0
    lease = leases.commit(lease, [])
    leases.clear_dirty()
    assert leases.call() == LEASE_SECONDS + 1.0, "the guard has come and found it taken still"


def test_a_hint_left_as_it_is_given_back_wants_a_message_at_once(tmp_path: Path) -> None:
    class Late(TimedTable):
        """Gives the lease back between two looks at it."""

        def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
            etags = super().transact(partition, ops)
            if any(op.key == DIRTY for op in ops):
                Leases(TimedTable(tmp_path / "state.db"), PARTITION, LEASE_SECONDS).release(lease)
            return etags

    lease = taken(Leases(TimedTable(tmp_path / "state.db"), PARTITION, LEASE_SECONDS), "a")
    assert Leases(Late(tmp_path / "state.db"), PARTITION, LEASE_SECONDS).call() == 0.0


BUSY = 15.0


def asked_later(leases: Leases, table: TimedTable, seconds: float) -> bool:
    """What a tick is told then."""
    table.time += seconds
    return leases.is_forsaken(BUSY)


def test_who_died_is_missed_once_the_lease_is_over_and_by_one(leases: Leases, table: TimedTable) -> None:
    taken(leases, "a")
    assert not asked_later(leases, table, LEASE_SECONDS - 0.001)
    assert asked_later(leases, table, 0.001)
    assert not asked_later(leases, table, LOST - 0.001), "a message is on its way"
    assert asked_later(leases, table, 0.001)


def test_nobody_is_missed_who_gave_it_back(leases: Leases, table: TimedTable) -> None:
    assert not leases.is_forsaken(BUSY)
    leases.release(taken(leases, "a"))
    assert not asked_later(leases, table, 10 * LEASE_SECONDS)


def test_a_hint_is_forsaken_when_its_message_is_lost(leases: Leases, table: TimedTable) -> None:
    leases.release(taken(leases, "a"))
    leave_hints(table, PARTITION, "outlook", {"id"})
    assert leases.call() == 0.0
    assert not asked_later(leases, table, LOST - 0.001)
    assert asked_later(leases, table, 0.001)


def test_many_hints_hide_none_that_is_forsaken(leases: Leases, table: TimedTable) -> None:
    leave_hints(table, PARTITION, "outlook", {f"id-{number}" for number in range(200)})
    assert asked_later(leases, table, LOST)


def test_what_is_due_is_forsaken_after_a_while(leases: Leases, table: TimedTable) -> None:
    lease = taken(leases, "a")
    leases.release(leases.commit(lease, [Op("put", due_row(table.time, "l:k"), {})]))
    assert not asked_later(leases, table, BUSY - 1.0)
    assert asked_later(leases, table, 1.5)


def test_a_mark_left_for_a_holder_who_gave_it_back_is_forsaken(leases: Leases, table: TimedTable) -> None:
    lease = taken(leases, "a")
    leases.set_dirty()
    leases.release(lease)
    assert leases.is_forsaken(BUSY)


def test_what_an_error_put_off_is_left_alone_until_its_message_is_lost(leases: Leases, table: TimedTable) -> None:
    leave_hints(table, PARTITION, "outlook", {""})
    lease = taken(leases, "a")
    leases.release(replace(lease, wake=table.time + 100.0), "Throttled")
    assert not asked_later(leases, table, 100.0 + LOST - 0.001)
    assert asked_later(leases, table, 0.001)


def test_a_run_that_dies_is_missed_whatever_the_one_before_put_off(leases: Leases, table: TimedTable) -> None:
    leases.release(replace(taken(leases, "a"), wake=table.time + 10 * LEASE_SECONDS), "Throttled")
    taken(leases, "b")
    assert asked_later(leases, table, LEASE_SECONDS)


def test_of_eight_ticks_that_find_a_pair_forsaken_one_sends_a_message(tmp_path: Path) -> None:
    tables = [TimedTable(tmp_path / "state.db") for _ in range(8)]
    taken(Leases(tables[0], PARTITION, LEASE_SECONDS), "a")
    told: list[bool] = []
    for table in tables:
        table.time += LEASE_SECONDS
    all_leases = [Leases(table, PARTITION, LEASE_SECONDS) for table in tables]
    race(*((lambda leases=leases: told.append(leases.is_forsaken(BUSY))) for leases in all_leases))
    assert sorted(told) == [False] * 7 + [True]


@pytest.mark.parametrize("before", [0, 1])
def test_of_eight_who_leave_hints_at_once_one_sends_a_message(tmp_path: Path, before: int) -> None:
    """Whether none was sent before, or one that was lost."""
    tables = [TimedTable(tmp_path / "state.db") for _ in range(8)]
    for _ in range(before):
        Leases(tables[0], PARTITION, LEASE_SECONDS).call()
    for table in tables:
        table.time += LOST
    sent: list[float | None] = []
    race(*((lambda table=table: sent.append(Leases(table, PARTITION, LEASE_SECONDS).call())) for table in tables))
    assert Counter(sent) == {None: 7, 0.0: 1}
