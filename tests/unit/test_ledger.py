"""A session on the ledger: what is found again, what stands together in a transaction, and the chain of the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from shared.model.errors import LeaseLost
from shared.model.links import Link
from shared.model.words import DINGTALK, OUTLOOK
from shared.ports.state import Entity
from shared.sync.ledger import TRANSACTION, Entry, Session, chain
from shared.sync.rows import due_row
from tests.support.table import (
    LEASE_SECONDS,
    PARTITION,
    Crash,
    TimedTable,
    a_link,
    a_waiting,
    an_intent,
    moved,
    open_session,
)


@pytest.fixture
def table(tmp_path: Path) -> TimedTable:
    return TimedTable(tmp_path / "state.db")


@pytest.fixture
def session(table: TimedTable) -> Session:
    return open_session(table)


def another(table: TimedTable) -> Session:
    """The next worker, after this one's time."""
    table.time += LEASE_SECONDS
    return open_session(table, "another")


def reopened(table: TimedTable, session: Session) -> Session:
    """Committed, and read by the next worker."""
    session.commit()
    return another(table)


# ---------------------------------------------------------------------------------------------------- what is found
def test_a_link_is_found_by_key_ids_and_identity_before_and_after_the_commit(
    table: TimedTable, session: Session
) -> None:
    link = replace(a_link("k", due=7.5), unsure=("flag", "read"), gone=OUTLOOK, copy=DINGTALK)
    session.put_link(link)
    for now in (session, reopened(table, session)):
        assert now.link("k") == link
        assert now.link_of(DINGTALK, "d-k") == now.link_of(OUTLOOK, "o-k") == link
        assert now.links_by("mid") == [link]
    assert list(now.links()) == [link]


def test_nothing_is_found_of_what_is_not_there(session: Session) -> None:
    assert session.link("k") is None
    assert session.link_of(OUTLOOK, "o-k") is None
    assert session.waiting(OUTLOOK, "w") is None
    assert session.links_by("mid") == []
    assert session.waiting_by("mid", OUTLOOK) == []
    assert session.next_due() is None


def test_a_link_whose_item_has_a_new_id_is_found_by_that_one_alone(table: TimedTable, session: Session) -> None:
    link = session.put_link(a_link("k"))
    session.put_link(moved(link, "new"))
    for now in (session, reopened(table, session)):
        assert now.link_of(DINGTALK, "d-k") is None
        assert now.link_of(DINGTALK, "new") == moved(link, "new")


def test_an_id_that_another_link_has_taken_stays_with_that_link(table: TimedTable, session: Session) -> None:
    first, second = session.put_link(a_link("1")), session.put_link(a_link("2"))
    taken = session.put_link(moved(second, "d-1"))
    session.put_link(moved(first, "elsewhere"))
    for now in (session, reopened(table, session)):
        assert now.link_of(DINGTALK, "d-1") == taken


def test_closing_a_link_leaves_an_id_that_another_link_has_taken(table: TimedTable, session: Session) -> None:
    first, second = session.put_link(a_link("1")), session.put_link(a_link("2"))
    taken = session.put_link(moved(second, "d-1"))
    session.close_link(first)
    for now in (session, reopened(table, session)):
        assert now.link_of(DINGTALK, "d-1") == taken


def test_nothing_is_left_of_a_closed_link(table: TimedTable, session: Session) -> None:
    session.put_link(a_link("k", due=7.0))
    after = reopened(table, session)
    after.close_link(replace(a_link("k"), dingtalk=a_link("other").dingtalk))
    after.close_link(a_link("never"))
    after.commit()
    assert table.keys() == ["s:lease"]


def test_a_waiting_item_is_found_by_id_and_identity_until_it_is_dropped(table: TimedTable, session: Session) -> None:
    row = a_waiting("w", due=9.0)
    session.put_waiting(row)
    for now in (session, reopened(table, session)):
        assert now.waiting(OUTLOOK, "w") == row
        assert now.waiting_by("mid", OUTLOOK) == [row]
        assert now.waiting_by("mid", DINGTALK) == []
    assert now.all_waiting() == [row]
    now.drop_waiting(OUTLOOK, "w")
    now.drop_waiting(OUTLOOK, "never")
    now.commit()
    assert table.keys() == ["s:lease"]


@pytest.mark.parametrize("committed", [False, True])
def test_a_waiting_item_whose_identity_turns_out_is_found_by_the_new_one_alone(
    table: TimedTable, session: Session, committed: bool
) -> None:
    session.put_waiting(a_waiting("w", "unread", due=9.0))
    if committed:
        session.commit()
    row = a_waiting("w", "mid", due=9.0)
    session.put_waiting(row)
    for now in (session, reopened(table, session)):
        assert now.waiting(OUTLOOK, "w") == row
        assert now.waiting_by("unread", OUTLOOK) == []
        assert now.waiting_by("mid", OUTLOOK) == [row]
        assert table.keys("m:unread") == []
    assert now.due(9.0) == ["u:outlook:w"]


def test_two_of_one_identity_are_both_found_and_one_stays_when_the_other_goes(
    table: TimedTable, session: Session
) -> None:
    one, two = session.put_link(a_link("1")), session.put_link(a_link("2"))
    session.put_waiting(a_waiting("w"))
    session.put_waiting(a_waiting("w", due=1.0))
    session = reopened(table, session)
    assert session.links_by("mid") == [one, two]
    session.close_link(one)
    assert session.links_by("mid") == [two]
    session.drop_waiting(OUTLOOK, "w")
    assert session.waiting_by("mid", OUTLOOK) == []
    assert reopened(table, session).links_by("mid") == [two]


def test_open_intents_are_known_to_the_next_worker_until_they_are_closed(table: TimedTable, session: Session) -> None:
    intent = replace(an_intent("k"), state={"read": True}, want={"flag": "none"})
    session.put_intent(intent)
    after = reopened(table, session)
    assert after.intents == {"k:create:outlook": intent}
    after.close_intent(intent)
    after.close_intent(intent)
    assert reopened(table, after).intents == {}
    assert table.keys() == ["s:lease"]


def test_rows_are_read_once_and_together(table: TimedTable, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.put_link(a_link("k"))
    session.put_waiting(a_waiting("w"))
    after = reopened(table, session)
    asked: list[list[str]] = []
    read = table.get

    def get(partition: str, keys: Sequence[str]) -> dict[str, Entity]:
        asked.append(list(keys))
        return read(partition, keys)

    monkeypatch.setattr(table, "get", get)
    after.prefetch_items([(DINGTALK, "d-k"), (OUTLOOK, "w"), (OUTLOOK, "never")])
    assert len(asked) == 2
    assert after.link_of(DINGTALK, "d-k") == a_link("k")
    assert after.waiting(OUTLOOK, "w") == a_waiting("w")
    assert after.link_of(OUTLOOK, "never") is None
    assert len(asked) == 2


# ------------------------------------------------------------------------------------------------------ what is due
def test_what_is_due_is_listed_in_order_until_its_time_and_no_further(table: TimedTable, session: Session) -> None:
    session.put_link(a_link("late", due=30.0))
    session.put_waiting(a_waiting("w:with:colons", due=20.0))
    session.put_intent(an_intent("k", settle_after=10.0))
    session.put_link(a_link("never"))
    after = reopened(table, session)
    assert after.next_due() == 10.0
    assert after.due(9.999) == []
    assert after.due(20.0) == ["i:k:create:outlook", "u:outlook:w:with:colons"]
    assert after.due(30.0)[2:] == ["l:late"]
    assert after.due(30.0, limit=1) == ["i:k:create:outlook"]


def test_a_link_is_due_when_the_first_of_its_sides_is(table: TimedTable, session: Session) -> None:
    link = a_link("k", due=20.0)
    session.put_link(link.with_end(OUTLOOK, replace(link.outlook, due=12.0)))
    session.commit()
    assert table.keys("t:") == [due_row(12.0, "l:k")]


@pytest.mark.parametrize("committed", [False, True])
def test_a_due_mark_moves_with_its_row_and_goes_with_it(table: TimedTable, session: Session, committed: bool) -> None:
    """Whether it changes within one transaction or between two."""
    marks: list[list[str]] = []
    for due in (10.0, 20.0, 20.0, 20.0001, None, 10.0):
        session.put_link(a_link("k", due=due))
        session.put_waiting(a_waiting("w", due=due))
        session.put_intent(an_intent("i", settle_after=due or 0.0))
        if committed or due == 10.0:
            session.commit()
            marks.append(table.keys("t:"))
    ten = [due_row(10.0, row) for row in ("i:i:create:outlook", "l:k", "u:outlook:w")]
    twenty = [due_row(20.0, row) for row in ("i:i:create:outlook", "l:k", "u:outlook:w")]
    never = [due_row(0.0, "i:i:create:outlook")]
    assert marks == ([ten, twenty, twenty, twenty, never, ten] if committed else [ten, ten])


# -------------------------------------------------------------------------------------------- what stands together
def test_what_belongs_to_one_identity_stands_in_one_transaction(table: TimedTable, session: Session) -> None:
    """However the identities' rows come in turn, and however many transactions they take."""
    count = 40
    for number in range(count):
        session.put_link(a_link(f"{number:02}", f"mid-{number:02}", due=5.0))
    for number in range(count):
        session.put_intent(an_intent(f"{number:02}", f"mid-{number:02}"))
        session.note(f"mid-{number:02}", Entry("planned", f"{number:02}"))
    session.commit()
    kept = [keys for keys in table.transactions if keys]
    assert len(kept) > 1
    assert all(len(keys) <= TRANSACTION for keys in kept)
    for number in range(count):
        held = [keys for keys in kept if f"l:{number:02}" in keys]
        assert len(held) == 1
        name = f"{number:02}"
        rows = {f"d:d-{name}", f"o:o-{name}", f"m:mid-{name}", f"i:{name}:create:outlook", due_row(5.0, f"l:{name}")}
        assert rows <= set(held[0])
        wheres = [row.value["link"] for row in table.scan(PARTITION, "j:", "k") if row.key in held[0]]
        assert name in wheres


def test_a_full_transaction_holds_a_hundred_rows_with_the_lease(table: TimedTable, session: Session) -> None:
    for number in range(TRANSACTION + 1):
        session.note(f"mid-{number}", Entry("done", str(number)))
    session.commit()
    assert [len(keys) for keys in table.transactions[1:]] == [TRANSACTION, 1]


def test_an_intent_is_closed_in_the_transaction_that_writes_its_link(table: TimedTable, session: Session) -> None:
    session.put_intent(an_intent("k"))
    session.put_waiting(a_waiting("w"))
    session.commit()
    session.close_intent(an_intent("k"))
    session.drop_waiting(OUTLOOK, "w")
    for number in range(100):
        session.put_link(a_link(str(number), f"mid-{number}"))
    session.put_link(a_link("k"))
    session.commit()
    (held,) = [keys for keys in table.transactions if "l:k" in keys]
    assert {"i:k:create:outlook", "u:outlook:w", "d:d-k", "o:o-k", "m:mid"} <= set(held)


def test_cursors_and_folders_go_last(table: TimedTable, session: Session) -> None:
    session.put_cursor(OUTLOOK, "inbox", "new")
    session.put_row("f:outlook:x", {})
    session.delete_row("f:outlook:y")
    for number in range(60):
        session.put_link(a_link(str(number), f"mid-{number}"))
    session.commit()
    written = [key for keys in table.transactions for key in keys]
    assert written[-3:] == ["c:outlook:inbox", "f:outlook:x", "f:outlook:y"]


def test_a_crash_between_two_transactions_leaves_the_cursor_where_it_was(table: TimedTable, session: Session) -> None:
    for number in range(60):
        session.put_link(a_link(str(number), f"mid-{number}"))
    session.put_cursor(OUTLOOK, "inbox", "new")
    table.crash_after = 1
    with pytest.raises(Crash):
        session.commit()
    assert table.keys("l:") != []
    assert table.keys("c:") == []


def test_a_cursor_that_did_not_move_is_not_written(table: TimedTable, session: Session) -> None:
    session.put_cursor(OUTLOOK, "inbox", "one")
    session.commit()
    session.put_cursor(OUTLOOK, "inbox", "one")
    session.commit()
    session.put_cursor(OUTLOOK, "inbox", "two")
    session.commit()
    assert [keys for keys in table.transactions if keys] == [["c:outlook:inbox"]] * 2


def crowd(count: int) -> list[Link]:
    """So many copies of one mail."""
    return [a_link(f"{number:03}", due=5.0) for number in range(count)]


def test_more_copies_of_one_mail_than_fit_into_a_transaction_are_kept(table: TimedTable, session: Session) -> None:
    for link in crowd(200):
        session.put_link(link)
        session.put_waiting(a_waiting(f"w-{link.key}", due=6.0))
        session.put_intent(an_intent(link.key))
        session.note("mid", Entry("planned", link.key))
    assert all(len(keys) <= TRANSACTION for keys in table.transactions)
    after = reopened(table, session)
    assert after.links_by("mid") == crowd(200)
    assert len(after.waiting_by("mid", OUTLOOK)) == 200
    assert len(after.due(6.0, limit=1000)) == 600
    after_all = [after.link_of(DINGTALK, f"d-{link.key}") for link in crowd(200)]
    assert after_all == crowd(200)


@pytest.mark.parametrize("crash_after", range(9))
def test_of_such_a_crowd_each_item_stands_whole_wherever_the_process_ends(
    table: TimedTable, session: Session, crash_after: int
) -> None:
    """Every link that was written has its pointers, its intent, its due mark, its line in the journal, and its name
    in the row of its identity."""
    for link in crowd(120):
        session.put_link(link)
        session.put_intent(an_intent(link.key))
        session.note("mid", Entry("planned", link.key))
    table.crash_after = crash_after
    with pytest.raises(Crash):
        session.commit()
    table.crash_after = None
    keys, after = set(table.keys()), another(table)
    links = [key.removeprefix("l:") for key in keys if key.startswith("l:")]
    assert bool(links) == (crash_after > 0)
    for key in links:
        rows = {f"d:d-{key}", f"o:o-{key}", f"i:{key}:create:outlook", due_row(5.0, f"l:{key}")}
        assert rows <= keys
        assert after.link(key) in after.links_by("mid")
    assert sorted(row.value["link"] for row in table.scan(PARTITION, "j:", "k")) == sorted(links)


# ------------------------------------------------------------------------------------------------------ the journal
def test_each_row_of_the_journal_names_the_one_before(table: TimedTable, session: Session) -> None:
    """Over transactions, over clocks and over workers."""
    for number in range(3):
        table.time += 1.5
        for line in range(60):
            session.note(
                f"mid-{line}", Entry("done", f"{number}.{line}", OUTLOOK, {"want": {"folder": "箱"}, "n": [1]})
            )
        session = reopened(table, session)
    rows = [row.value for row in table.scan(PARTITION, "j:", "k")]
    assert [row["link"] for row in rows] == [f"{number}.{line}" for number in range(3) for line in range(60)]
    head = ""
    for row in rows:
        assert row["prev"] == head
        head = chain(row)
    assert session.lease.head == head
    assert session.lease.entries == 180


def test_a_row_that_was_changed_afterwards_breaks_the_chain(table: TimedTable, session: Session) -> None:
    session.note("mid", Entry("overwritten", "k", OUTLOOK, {"field": "flag", "value": "none"}))
    session.note("mid", Entry("done", "k"))
    session.commit()
    first, second = [row.value for row in table.scan(PARTITION, "j:", "k")]
    assert chain(first) == second["prev"]
    assert chain({**first, "detail": {"field": "flag", "value": "flagged"}}) != second["prev"]


# -------------------------------------------------------------------------------------------------------- the lease
def test_the_lease_counts_links(table: TimedTable, session: Session) -> None:
    one = session.put_link(a_link("1"))
    session.put_link(a_link("2"))
    session.put_link(moved(one, "new"))
    session.commit()
    assert session.lease.links == 2
    session.close_link(one)
    session.put_link(a_link("1"))
    session.close_link(a_link("2"))
    session.close_link(a_link("never"))
    assert reopened(table, session).lease.links == 1


def test_an_empty_commit_renews_the_lease(table: TimedTable, session: Session) -> None:
    table.time += 100.0
    session.commit()
    assert session.lease.expiry == session.now() + LEASE_SECONDS


def test_what_a_worker_plans_to_wake_for_is_kept(table: TimedTable, session: Session) -> None:
    session.plan_wake(123.0)
    assert reopened(table, session).lease.wake == 123.0


def test_a_session_that_lost_its_lease_writes_nothing(table: TimedTable, session: Session) -> None:
    session.put_link(a_link("k"))
    another(table)
    with pytest.raises(LeaseLost):
        session.commit()
    assert table.keys("l:") == []
