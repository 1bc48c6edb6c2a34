"""What every adapter of the Table port does. A new adapter inherits the suite and gives its own tables."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shared.model.errors import Conflict, StoreUnavailable
from shared.ports.state import ANY, Op, Table
from shared.state import database
from shared.state.sqlite import SqliteTable
from shared.sync.lease import Leases

ODD_KEYS = [
    "a/b",
    "a\\b",
    "a#b",
    "a?b",
    "a\tb",
    "a b",
    "%2F",
    "报关/单",
    "\U00020000",
    "'; DROP TABLE rows; --",
    "a\0b",
]


def put(table: Table, key: str, value: Any = 0, if_match: str | None = None, partition: str = "p") -> str:
    return table.transact(partition, [Op("put", key, {"value": value}, if_match)])[key]


def values(table: Table, partition: str = "p") -> dict[str, Any]:
    return {entity.key: entity.value["value"] for entity in table.scan(partition, "", "\U0010ffff")}


class TableContract:
    """`another` opens the same store once more, as another process would."""

    @pytest.fixture
    def another(self, tmp_path: Path) -> Callable[[], Table]:
        raise NotImplementedError

    @pytest.fixture
    def table(self, another: Callable[[], Table]) -> Table:
        return another()

    def test_a_row_is_read_as_it_was_put(self, table: Table) -> None:
        value = {"text": '報關 \u2028 "quoted"', "number": 1.5, "none": None, "list": [1, {"a": []}], "big": 2**60}
        etags = table.transact("p", [Op("put", "k", value)])
        found = table.get("p", ["k", "missing"])
        assert {key: (e.key, e.value, e.etag) for key, e in found.items()} == {"k": ("k", value, etags["k"])}

    def test_nothing_asked_for_gives_nothing(self, table: Table) -> None:
        assert table.get("p", []) == {}
        assert table.transact("p", []) == {}

    def test_many_rows_are_read_at_once(self, table: Table) -> None:
        for start in range(0, 600, 100):
            table.transact("p", [Op("put", f"{number:04}", {"value": number}) for number in range(start, start + 100)])
        assert len(table.get("p", [f"{number:04}" for number in range(700)])) == 600
        assert list(values(table).values()) == list(range(600))

    def test_every_put_gives_another_etag(self, table: Table) -> None:
        etags = [put(table, "k"), put(table, "k"), put(table, "other")]
        table.transact("p", [Op("delete", "k")])
        etags.append(put(table, "k"))
        assert len(set(etags)) == 4

    def test_insert_only_refuses_a_row_that_exists(self, table: Table) -> None:
        put(table, "k", 1, "")
        with pytest.raises(Conflict):
            put(table, "k", 2, "")
        assert values(table) == {"k": 1}

    def test_if_match_takes_the_version_that_was_read_and_no_other(self, table: Table) -> None:
        first = put(table, "k", 1)
        second = put(table, "k", 2, first)
        for wrong in (first, "nonsense"):
            with pytest.raises(Conflict):
                put(table, "k", 3, wrong)
        put(table, "k", 4, second)
        assert values(table) == {"k": 4}

    @pytest.mark.parametrize("condition", [ANY, "1"])
    def test_if_match_refuses_a_row_that_is_not_there(self, table: Table, condition: str) -> None:
        with pytest.raises(Conflict):
            put(table, "k", 1, condition)
        with pytest.raises(Conflict):
            table.transact("p", [Op("delete", "k", if_match=condition)])
        assert values(table) == {}

    def test_any_version_will_do_where_the_condition_says_so(self, table: Table) -> None:
        put(table, "k", 1)
        put(table, "k", 2, ANY)
        assert values(table) == {"k": 2}

    def test_a_delete_takes_the_row_if_its_condition_holds(self, table: Table) -> None:
        old = put(table, "k", 1)
        new = put(table, "k", 2)
        with pytest.raises(Conflict):
            table.transact("p", [Op("delete", "k", if_match=old)])
        assert table.transact("p", [Op("delete", "k", if_match=new)]) == {}
        assert values(table) == {}

    def test_deleting_what_is_not_there_is_no_error(self, table: Table) -> None:
        assert table.transact("p", [Op("delete", "k")]) == {}
        etag = put(table, "b", 1)
        deletes = [Op("delete", key) for key in "abcd"]
        assert set(table.transact("p", [*deletes, Op("put", "z", {"value": 2})])) == {"z"}
        assert values(table) == {"z": 2}
        with pytest.raises(Conflict):
            table.transact("p", [*deletes, Op("put", "z", {"value": 3}, etag)])
        assert values(table) == {"z": 2}

    def test_a_delete_of_what_must_not_be_there_is_refused(self, table: Table) -> None:
        with pytest.raises(ValueError, match="leave it out"):
            table.transact("p", [Op("delete", "k", if_match="")])

    def test_a_transaction_is_all_or_nothing(self, table: Table) -> None:
        etag = put(table, "b", 1)
        put(table, "c", 1)
        ops = [Op("put", "a", {"value": 2}), Op("put", "b", {"value": 2}, etag), Op("delete", "c")]
        for broken in (Op("put", "z", {"value": 2}, "nonsense"), Op("delete", "z", if_match=ANY)):
            with pytest.raises(Conflict):
                table.transact("p", [*ops, broken])
        assert values(table) == {"b": 1, "c": 1}
        assert table.get("p", ["b"])["b"].etag == etag
        assert set(table.transact("p", ops)) == {"a", "b"}
        assert values(table) == {"a": 2, "b": 2}

    def test_a_hundred_ops_go_together_and_one_more_do_not(self, table: Table) -> None:
        ops = [Op("put", f"{number:03}", {"value": number}) for number in range(101)]
        with pytest.raises(ValueError, match="at most 100"):
            table.transact("p", ops)
        assert values(table) == {}
        assert len(table.transact("p", ops[:100])) == 100

    def test_the_ops_of_a_transaction_have_distinct_keys(self, table: Table) -> None:
        with pytest.raises(ValueError, match="twice"):
            table.transact("p", [Op("put", "k", {"value": 1}), Op("delete", "k")])
        assert values(table) == {}

    def test_a_row_of_1020_kibibytes_in_utf_16_is_kept_and_a_larger_one_refused(self, table: Table) -> None:
        room = 510 * 1024 - len('{"value":""}')
        put(table, "k", "x" * room)
        assert values(table)["k"] == "x" * room
        for text in ("x" * (room + 1), "关" * (room // 3 + 9), "\U00020000" * (room // 6 + 9)):
            with pytest.raises(ValueError, match="1044480"):
                table.transact("p", [Op("put", "first", {"value": 1}), Op("put", "k", {"value": text})])
        assert set(values(table)) == {"k"}

    @pytest.mark.parametrize(
        "text", ["关" * 40_000, "\U00020000" * 33_000, 'a"\\' * 60_000], ids=["BMP", "beyond", "\\"]
    )
    def test_a_long_value_is_read_as_it_was_put(self, table: Table, text: str) -> None:
        put(table, "k", text)
        put(table, "k", text + "z")
        assert values(table) == {"k": text + "z"}
        put(table, "k", "short")
        assert values(table) == {"k": "short"}

    def test_four_mebibytes_go_together_and_no_more(self, table: Table) -> None:
        ops = [Op("put", f"{number:02}", {"value": "x" * 200_000}) for number in range(21)]
        with pytest.raises(ValueError, match="4194304"):
            table.transact("p", ops)
        assert values(table) == {}
        table.transact("p", ops[:20])
        assert len(values(table)) == 20

    @pytest.mark.parametrize(
        "op", [Op("put", "k"), Op("put", "k", {"value": float("nan")}), Op("put", "k" * 513, {"value": 1})]
    )
    def test_what_cannot_be_stored_is_refused(self, table: Table, op: Op) -> None:
        with pytest.raises(ValueError, match=r"value|JSON|characters"):
            table.transact("p", [Op("put", "first", {"value": 1}), op])
        assert values(table) == {}

    def test_a_partition_has_a_name_of_512_characters_at_most(self, table: Table) -> None:
        put(table, "k", 1, partition="p" * 512)
        for name in ("p" * 513, "关" * 74):
            with pytest.raises(ValueError, match="512"):
                put(table, "k", 1, partition=name)

    @pytest.mark.parametrize("key", [*ODD_KEYS, "k" * 512, "关" * 73, ""])
    def test_keys_are_any_text(self, table: Table, key: str) -> None:
        etag = put(table, key, 1, "", partition=key)
        put(table, key, 2, etag, partition=key)
        assert table.get(key, [key])[key].value == {"value": 2}
        assert [entity.key for entity in table.scan(key, key, key + "\0")] == [key]
        assert table.partitions(key) == [key]
        table.transact(key, [Op("delete", key, if_match=ANY)])
        assert table.get(key, [key]) == {}

    def test_a_scan_is_in_the_order_of_the_keys_characters(self, table: Table) -> None:
        keys = [*ODD_KEYS, "B", "b", "ba", "b:", "é", "z", "\uffff"]
        table.transact("p", [Op("put", key, {"value": key}) for key in reversed(keys)])
        assert list(values(table)) == sorted(keys)

    def test_a_scan_starts_with_its_start_and_ends_before_its_end(self, table: Table) -> None:
        table.transact("p", [Op("put", key, {}) for key in "abcde"])
        put(table, "c", partition="q")
        assert [entity.key for entity in table.scan("p", "b", "d")] == ["b", "c"]
        assert [entity.key for entity in table.scan("p", "b", "z", 3)] == ["b", "c", "d"]
        assert [entity.key for entity in table.scan("p", "b", "z", 0)] == []
        assert list(table.scan("p", "d", "b")) == []
        assert list(table.scan("p", "b", "b")) == []

    def test_a_long_scan_shows_each_row_once(self, table: Table) -> None:
        keys = [f"{number:04}" for number in range(1100)]
        for start in range(0, 1100, 100):
            table.transact("p", [Op("put", key, {}) for key in keys[start : start + 100]])
        for limit in (None, 1, 500, 501, 1000, 1001, 2000):
            assert [entity.key for entity in table.scan("p", "", "~", limit)] == keys[:limit]

    def test_rows_may_be_written_during_a_scan(self, table: Table) -> None:
        table.transact("p", [Op("put", f"{number:02}", {}) for number in range(50)])
        for entity in table.scan("p", "", "~"):
            table.transact("p", [Op("delete", entity.key, if_match=entity.etag)])
        assert values(table) == {}

    def test_partitions_are_those_with_rows_sorted(self, table: Table) -> None:
        for name in ("pair-2:mail", "pair-1:mail", "pair-10:mail", "pairs", "other", "报"):
            put(table, "k", partition=name)
        table.transact("pairs", [Op("delete", "k")])
        assert table.partitions("pair") == ["pair-10:mail", "pair-1:mail", "pair-2:mail"]
        assert table.partitions("") == ["other", "pair-10:mail", "pair-1:mail", "pair-2:mail", "报"]
        assert table.partitions("none") == []

    def test_what_one_wrote_another_reads(self, another: Callable[[], Table]) -> None:
        first, second = another(), another()
        etag = put(first, "k", 1)
        put(second, "k", 2, etag)
        assert values(first) == {"k": 2}

    @pytest.mark.parametrize("shared", [True, False], ids=["one table", "a table each"])
    def test_eight_who_count_at_once_count_exactly(
        self, another: Callable[[], Table], shared: bool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tables, conflicts = [another()] * 8 if shared else [another() for _ in range(8)], list[int]()
        put(tables[0], "count", 0)

        def count(table: Table) -> None:
            done = 0
            while done < 10:
                held = table.get("p", ["count"])["count"]
                try:
                    put(table, "count", held.value["value"] + 1, held.etag)
                except Conflict:
                    conflicts.append(1)
                    continue
                done += 1

        race(*(partial(count, table) for table in tables))
        counted = values(tables[0])["count"]
        with capsys.disabled():
            print(f"\n{type(tables[0]).__name__}: {counted} of 80 counted, {len(conflicts)} conflicts")
        assert counted == 80

    def test_of_eight_workers_one_at_a_time_has_the_lease_and_no_commit_is_lost(
        self, another: Callable[[], Table], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Each holder reads the ledger, adds to it, and writes it with its lease, as a run does."""
        holders, refused = list[str](), list[int]()
        lock = threading.Lock()

        def work(number: int) -> None:
            table, done = another(), 0
            leases = Leases(table, "pair-1:mail", 60.0)
            while done < 3:
                lease = leases.take(f"worker-{number}")
                if lease is None:
                    refused.append(1)
                    continue
                assert lock.acquire(blocking=False), "two hold the lease"
                try:
                    ledger = [entity.value["by"] for entity in table.scan("pair-1:mail", "j:", "j;")]
                    lease = leases.commit(lease, [Op("put", f"j:{len(ledger):04}", {"by": number}, "")])
                    holders.append(lease.holder)
                finally:
                    lock.release()
                leases.release(lease)
                done += 1

        race(*(partial(work, number) for number in range(8)))
        table = another()
        rows = [f"worker-{entity.value['by']}" for entity in table.scan("pair-1:mail", "j:", "j;")]
        with capsys.disabled():
            print(
                f"\n{type(table).__name__}: {len(rows)} of 24 commits kept, the lease was refused {len(refused)} times"
            )
        assert rows == holders
        assert len(rows) == 24
        assert table.get("pair-1:mail", ["s:lease"])["s:lease"].value["epoch"] == 24

    def test_of_eight_who_insert_at_once_one_succeeds(self, another: Callable[[], Table]) -> None:
        tables, won = [another() for _ in range(8)], list[int]()

        def insert(number: int) -> None:
            try:
                put(tables[number], "k", number, "")
                won.append(number)
            except Conflict:
                return

        race(*(partial(insert, number) for number in range(8)))
        assert values(tables[0]) == {"k": won[0]}
        assert len(won) == 1

    def test_the_stores_time_goes_on(self, table: Table) -> None:
        first = table.now()
        assert first <= table.now() <= first + 60
        assert first > 1_700_000_000


def race(*acts: Callable[[], object]) -> None:
    """Run them all at once, and fail if one does."""
    start, failed = threading.Barrier(len(acts)), list[Exception]()

    def run(act: Callable[[], object]) -> None:
        start.wait()
        try:
            act()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


COUNT = """
import sys
from pathlib import Path
from shared.model.errors import Conflict
from shared.ports.state import Op
from shared.state.sqlite import SqliteTable

table, done = SqliteTable(Path(sys.argv[1])), 0
while done < 20:
    held = table.get("p", ["count"]).get("count")
    count, etag = (held.value["value"], held.etag) if held else (0, "")
    try:
        table.transact("p", [Op("put", "count", {"value": count + 1}, etag)])
    except Conflict:
        continue
    done += 1
"""


class TestSqliteTable(TableContract):
    @pytest.fixture
    def another(self, tmp_path: Path) -> Callable[[], Table]:
        return lambda: SqliteTable(tmp_path / "state" / "table.db")

    def test_processes_that_make_the_store_together_count_exactly(self, tmp_path: Path) -> None:
        path, root = tmp_path / "new" / "table.db", Path(__file__).resolve().parents[2]
        command = [sys.executable, "-W", "error", "-c", COUNT, str(path)]
        running = [subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE) for _ in range(4)]
        assert [(ran.communicate()[1], ran.returncode) for ran in running] == [(b"", 0)] * 4
        assert values(SqliteTable(path)) == {"count": 80}

    def test_only_its_owner_can_read_it(self, tmp_path: Path) -> None:
        put(SqliteTable(tmp_path / "state" / "table.db"), "k")
        assert {path.stat().st_mode & 0o077 for path in (tmp_path / "state").iterdir()} == {0}
        assert (tmp_path / "state").stat().st_mode & 0o077 == 0

    def test_a_row_that_was_committed_survives_the_death_of_its_writer(self, tmp_path: Path) -> None:
        code = COUNT + "\nimport os\nos._exit(9)"
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "t.db")], cwd=Path(__file__).parents[2], check=False)
        assert values(SqliteTable(tmp_path / "t.db")) == {"count": 20}

    def test_a_store_that_somebody_holds_too_long_says_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "PATIENCE", 0.05)
        table = SqliteTable(tmp_path / "t.db")
        holder = sqlite3.connect(tmp_path / "t.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="another process has held it") as caught:
            put(table, "k", 1)
        assert time.monotonic() - began < 5
        assert caught.value.code == "SQLITE_BUSY"
        holder.close()
        put(table, "k", 1)
        assert values(table) == {"k": 1}

    def test_a_full_disk_says_what_to_do_and_keeps_what_was_there(self, tmp_path: Path) -> None:
        table = SqliteTable(tmp_path / "t.db")
        put(table, "k", 1)
        with table._database.reading() as connection:
            connection.execute("PRAGMA max_page_count = 20")
        with pytest.raises(StoreUnavailable, match="disk is full; make room"):
            put(table, "k", "x" * 500_000)
        assert values(table) == {"k": 1}

    @pytest.mark.parametrize("content", [b"not a database " * 100])
    def test_a_file_that_is_no_database_is_refused_and_left(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "t.db").write_bytes(content)
        with pytest.raises(StoreUnavailable, match="is no database; move it away"):
            SqliteTable(tmp_path / "t.db")
        assert (tmp_path / "t.db").read_bytes() == content

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StoreUnavailable, match="choose another folder"):
            SqliteTable(tmp_path / "file" / "t.db")

    def test_its_files_are_closed_with_it(self, tmp_path: Path) -> None:
        def write(table: Table) -> None:
            put(table, "k")

        table: Table = SqliteTable(tmp_path / "t.db")
        race(*[partial(write, table)] * 4)
        del table
        fds = Path("/proc/self/fd")
        assert not fds.exists() or not [f for f in fds.iterdir() if str(tmp_path) in os.path.realpath(f)]
