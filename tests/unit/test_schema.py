"""Versions of the rows: how a ledger comes into a newer one, and that an older one keeps its hands off it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from functions.graph import graph_notifications
from functions.health import health
from sandbox.host.converters import NO_TRACE
from sandbox.simulation.adapters import SimTable
from sandbox.simulation.world import World
from shared.model.errors import LeaseLost, NewerState
from shared.model.pairs import Pair
from shared.ports.state import Op
from shared.sync.lease import Lease, Leases
from shared.sync.rows import LEASE
from shared.sync.schema import SCHEMA, Schema
from shared.wiring.pairs import Pairs
from shared.wiring.product import Product, use
from tests.support.newer import NEW, NEWER, NEWEST, NOW, OLD, SHADOW
from tests.support.quiet_scene import Scene
from tests.support.table import LEASE_SECONDS, PARTITION, Crash, TimedTable, a_link, open_session

FIRST = Schema()
"""What the first version knew."""
ROWS = 130
"""More than a transaction takes."""


@pytest.fixture
def table(tmp_path: Path) -> TimedTable:
    """A ledger of the present version, whose last holder has given it back."""
    table = TimedTable(tmp_path / "state.db")
    session = open_session(table)
    for number in range(5):
        session.put_link(a_link(f"l{number}", mid=f"m{number}"))
    session.commit()
    Leases(table, PARTITION, LEASE_SECONDS).release(session.lease)
    for number in range(ROWS):
        table.transact(PARTITION, [Op("put", f"{OLD}{number:03d}", {"n": number})])
    return table


def leases(table: TimedTable, schema: Schema = SCHEMA) -> Leases:
    return Leases(table, PARTITION, LEASE_SECONDS, schema)


def taken(table: TimedTable, schema: Schema, holder: str = "a") -> Lease:
    lease = leases(table, schema).take(holder)
    assert lease is not None
    return lease


def contents(table: TimedTable) -> dict[str, Mapping[str, Any]]:
    return {row.key: row.value for row in table.scan(PARTITION, "", "\U0010ffff")}


def knows(newer: Schema) -> str:
    return f"schema {newer.version}; this one knows {SCHEMA.version}"


def test_all_rows_come_into_the_newest_version_step_by_step(table: TimedTable) -> None:
    before = contents(table)
    lease = leases(table, NEWEST).upgrade(taken(table, NEWEST))
    assert (lease.schema, lease.migrated) == (NEWEST.version, NEWEST.version)
    after = contents(table)
    assert {key for key in after if key.startswith(NEW)} == {f"{NEW}{number:03d}" for number in range(ROWS)}
    assert {key for key in after if key.startswith(SHADOW)} == {f"{SHADOW}l{number}" for number in range(5)}
    assert not [key for key in after if key.startswith(OLD)]
    assert [after[f"{NEW}{number:03d}"]["n"] for number in range(ROWS)] == list(range(ROWS))
    others = [key for key in before if not key.startswith(OLD) and key != LEASE]
    assert {key: after[key] for key in others} == {key: before[key] for key in others}


def test_a_ledger_in_this_version_costs_no_write_beyond_the_lease(table: TimedTable) -> None:
    lease = leases(table, NEWEST).upgrade(taken(table, NEWEST))
    leases(table, NEWEST).release(lease)
    before = len(table.transactions)
    leases(table, NEWEST).upgrade(taken(table, NEWEST))
    assert len(table.transactions) == before + 1


def test_a_new_ledger_is_in_the_version_of_who_makes_it(tmp_path: Path) -> None:
    table = TimedTable(tmp_path / "state.db")
    assert leases(table, NEWEST).upgrade(taken(table, NEWEST)).migrated == NEWEST.version
    assert len(table.transactions) == 1


def test_wherever_a_worker_dies_over_it_the_next_one_ends_with_the_same_rows(table: TimedTable, tmp_path: Path) -> None:
    died = 0
    wanted: dict[str, Mapping[str, Any]] | None = None
    while True:
        copy = TimedTable(tmp_path / f"copy-{died}.db")
        for key, value in contents(table).items():
            copy.transact(PARTITION, [Op("put", key, value)])
        lease = taken(copy, NEWEST)
        copy.crash_after = died
        try:
            leases(copy, NEWEST).upgrade(lease)
        except Crash:
            with pytest.raises(NewerState):
                leases(copy).take("old")
        else:
            break
        copy.crash_after, copy.time = None, copy.time + LEASE_SECONDS
        leases(copy, NEWEST).upgrade(taken(copy, NEWEST, "b"))
        rows = {key: value for key, value in contents(copy).items() if key != LEASE}
        wanted = wanted or rows
        assert rows == wanted
        died += 1
    assert died >= 4, "a step of many rows takes several transactions"


def test_an_older_version_may_not_take_the_lease_from_the_moment_a_newer_one_had_it(table: TimedTable) -> None:
    lease = taken(table, NEWER)
    before = contents(table)
    for _ in range(2):
        with pytest.raises(NewerState, match=f"{knows(NEWER)}.*deploy the newer version everywhere"):
            leases(table).take("old")
        leases(table, NEWER).release(lease)
    assert {k: v for k, v in contents(table).items() if k != LEASE} == {k: v for k, v in before.items() if k != LEASE}


def test_an_older_holder_that_was_frozen_commits_nothing_and_gives_nothing_back(table: TimedTable) -> None:
    frozen = open_session(table, "old")
    frozen.put_link(a_link("late"))
    table.time += LEASE_SECONDS
    lease = leases(table, NEWER).upgrade(taken(table, NEWER, "new"))
    before = contents(table)
    with pytest.raises(LeaseLost):
        frozen.commit()
    leases(table).release(frozen.lease, "LeaseLost")
    assert contents(table) == before
    assert lease.holder == "new"


def test_a_newer_version_waits_for_the_end_of_an_older_run(table: TimedTable) -> None:
    running = open_session(table, "old")
    assert leases(table, NEWER).take("new") is None
    running.put_link(a_link("just-in-time"))
    running.commit()
    leases(table).release(running.lease)
    assert leases(table, NEWER).upgrade(taken(table, NEWER, "new")).links == 6


def test_a_ledger_of_the_first_version_comes_into_this_one_and_the_first_version_keeps_away(tmp_path: Path) -> None:
    table = TimedTable(tmp_path / "state.db")
    leases(table, FIRST).release(taken(table, FIRST))
    old = {name: value for name, value in contents(table)[LEASE].items() if name != "copied"}
    table.transact(PARTITION, [Op("put", LEASE, old)])
    lease = leases(table).upgrade(taken(table, SCHEMA))
    assert (lease.schema, lease.migrated, lease.copied) == (NOW, NOW, {})
    leases(table).release(lease)
    with pytest.raises(NewerState):
        leases(table, FIRST).take("old")


class TakenAway(TimedTable):
    """Somebody else takes the lease while the rows are being brought into the new version."""

    def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        if len(ops) > 2:
            self.time += LEASE_SECONDS + 1
            other = Leases(TimedTable(self.path, self.time), PARTITION, LEASE_SECONDS, NEWER)
            assert other.take("other") is not None
        return super().transact(partition, ops)

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path


def test_an_upgrade_is_fenced_by_the_lease(table: TimedTable, tmp_path: Path) -> None:
    slow = TakenAway(tmp_path / "state.db")
    lease = taken(slow, NEWER)
    before = contents(table)
    with pytest.raises(LeaseLost):
        leases(slow, NEWER).upgrade(lease)
    assert {k: v for k, v in contents(table).items() if k != LEASE} == {k: v for k, v in before.items() if k != LEASE}


# ---- the pairs
PAIR = Pair("pair-1", "Chan", "chan@office.example", "chan@factory.example", since=0)


def test_the_version_of_the_state_stands_among_the_pairs_and_is_missing_while_it_is_1(
    table: TimedTable,
) -> None:
    first = Pairs(table, Schema())
    first.add(PAIR)
    assert first.served() == (PAIR,)
    assert [row.key for row in table.scan("pairs", "", "q")] == ["guard", "p:pair-1"]
    newer = Pairs(table, NEWER)
    assert newer.list() == (PAIR,), "a command line that is newer stops nothing by looking"
    assert first.list() == (PAIR,)
    assert newer.served() == (PAIR,)
    assert newer.list() == (PAIR,)
    newer.check()


def test_an_older_version_reads_no_pair_and_changes_none(table: TimedTable) -> None:
    Pairs(table, NEWEST).add(PAIR)
    rows = list(table.scan("pairs", "", "q"))
    old = Pairs(table)
    calls: list[Callable[[], object]] = [
        old.check,
        old.list,
        old.served,
        lambda: old.get("pair-1"),
        lambda: old.add(PAIR),
        lambda: old.save(PAIR),
        lambda: old.update("pair-1", paused=True),
        lambda: old.remove("pair-1"),
    ]
    for call in calls:
        with pytest.raises(NewerState, match=knows(NEWEST)):
            call()
    assert list(table.scan("pairs", "", "q")) == rows


class Overtaken(TimedTable):
    """Between an old version's look at the pairs and its write the new version starts."""

    new: Pairs | None = None

    def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        if (new := self.new) is not None:
            self.new = None
            new.served()
        return super().transact(partition, ops)


def test_an_older_version_that_is_about_to_change_a_pair_is_stopped(tmp_path: Path) -> None:
    table = Overtaken(tmp_path / "state.db")
    old = Pairs(table)
    old.add(PAIR)
    table.new = Pairs(table, NEWER)
    with pytest.raises(NewerState):
        old.update("pair-1", paused=True)
    assert not Pairs(table, NEWER).list()[0].paused


# ---- the whole product
@pytest.fixture
def scene() -> Scene:
    """Two mailboxes that were kept in step by the present version."""
    scene = Scene()
    scene.arrive("outlook")
    scene.run(120.0)
    assert scene.equal()
    return scene


def product(scene: Scene, schema: Schema = SCHEMA) -> Product:
    return scene.stage.office.product(schema=schema)


def everything(scene: Scene) -> dict[str, Any]:
    """But the mail domain's line, in which everybody stands who asks DingTalk anything."""
    table = SimTable(World(0), scene.stage.office._stored)
    return {name: table.all(name) for name in table.partitions("") if name != "rate"}


def test_an_older_version_writes_nothing_leaves_messages_for_later_and_says_so_once(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    newer = product(scene, NEWER)
    newer.service.work({"pair": "pair-1", "kind": "mail"})
    old, sent, before = product(scene), list[tuple[Any, ...]](), everything(scene)
    old.service._queue.send = lambda *message: sent.append(message)  # type: ignore[method-assign]
    caplog.clear()
    for _ in range(3):
        old.service.tick()
        old.service.poll({"poll": ["pair-1"], "subscribe": ["pair-1"]})
        old.service.work({"pair": "pair-1", "kind": "mail"})
        old.service.work({"pair": "pair-1", "kind": "mail"}, bulk=True)
    message = {"pair": "pair-1", "kind": "mail"}
    assert sent == [("work", message, 60.0), ("bulk", message, 60.0)] * 3
    assert everything(scene) == before
    assert [record.getMessage() for record in caplog.records] == [
        f"this state was written by a newer Tandem ({knows(NEWER)}): deploy the newer version everywhere;"
        " this one does nothing"
    ]


def test_an_older_version_is_not_healthy_and_asks_graph_to_try_again(scene: Scene) -> None:
    body = _notification(scene)
    product(scene, NEWER).service.tick()
    use(product(scene))
    try:
        request = func.HttpRequest(method="POST", url="/", body=body)
        assert graph_notifications(request, NO_TRACE).status_code == 503
        answer = health(request)
        assert (answer.status_code, answer.get_body()) == (503, b'{"ok": false}')
    finally:
        use(None)


def _notification(scene: Scene) -> bytes:
    scene.arrive("outlook")
    (delivery,) = scene.stage.microsoft.take_notifications()
    return delivery.body


def test_a_newer_version_looks_at_no_ledger_before_its_rows_are_in_its_shape(scene: Scene) -> None:
    newer, before = product(scene, NEWER), scene.stage.dingtalk.counts.copy()
    newer.service.poll({"poll": ["pair-1"]})
    assert scene.stage.dingtalk.counts == before
    newer.service.work({"pair": "pair-1", "kind": "mail"})
    assert newer.pairs.list()[0].schema == NEWER.version
    newer.service.poll({"poll": ["pair-1"]})
    assert scene.stage.dingtalk.counts != before


def test_a_newer_command_line_shows_an_older_ledger_and_changes_nothing(scene: Scene) -> None:
    (pair,) = product(scene).pairs.list()
    before, newer = everything(scene), product(scene, NEWEST)
    assert newer.desk.status(pair).links == 1
    assert newer.desk.preview(pair).steps == ()
    assert everything(scene) == before
