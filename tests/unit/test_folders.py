"""Which folder is which: by role, else by equal path, and for as long as both are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.model.mail import Folder
from shared.model.pairs import Pair
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Role, Side, other
from shared.sync.folders import FolderMap, normal
from shared.sync.identity import Identity
from shared.sync.ledger import Session
from tests.support.table import PARTITION, TimedTable, open_session

IDENTITY = Identity(b"secret", Pair("pair-1", "Chan", "chan@office.example", "chan@factory.example", since=0))
INVOICES = Folder("o-invoices", ("Invoices",), None)
BILLS = Folder("d-bills", ("Invoices",), None)


@pytest.fixture
def table(tmp_path: Path) -> TimedTable:
    return TimedTable(tmp_path / "state.db")


@pytest.fixture
def session(table: TimedTable) -> Session:
    return open_session(table)


def mapped(session: Session, outlook: list[Folder], dingtalk: list[Folder]) -> FolderMap:
    folders = FolderMap([])
    folders.update(OUTLOOK, outlook, IDENTITY, session)
    folders.update(DINGTALK, dingtalk, IDENTITY, session)
    return folders


def loaded(table: TimedTable, session: Session) -> FolderMap:
    """As the next run finds it."""
    session.commit()
    return FolderMap.load({row.key: row.value for row in table.scan(PARTITION, "", "\U0010ffff")})


@pytest.mark.parametrize("role", ["inbox", "sent", "archive", "junk", "trash"])
def test_role_folders_are_one_whatever_they_are_called(session: Session, role: Role) -> None:
    folders = mapped(session, [Folder("o", ("Posteingang",), role)], [Folder("d", ("收件箱",), role)])
    assert folders.key(OUTLOOK, "o") == folders.key(DINGTALK, "d") == role
    assert (folders.id(OUTLOOK, role), folders.id(DINGTALK, role)) == ("o", "d")


@pytest.mark.parametrize("role", ["drafts", "system"])
def test_drafts_and_the_vendors_own_folders_are_never_paired_nor_looked_into(session: Session, role: Role) -> None:
    folders = mapped(session, [Folder("o", ("Drafts",), role), INVOICES], [Folder("d", ("Drafts",), role)])
    assert folders.key(OUTLOOK, "o") == "outlook/o"
    assert folders.ids(OUTLOOK) == ["o-invoices"]
    assert folders.ids(DINGTALK) == []


@pytest.mark.parametrize("first", SIDES)
def test_folders_of_people_are_one_by_their_path_whichever_side_is_seen_first(session: Session, first: Side) -> None:
    folders, trees = FolderMap([]), {OUTLOOK: [INVOICES], DINGTALK: [BILLS]}
    for side in sorted(SIDES, key=lambda side: side != first):
        folders.update(side, trees[side], IDENTITY, session)
    key = folders.key(OUTLOOK, "o-invoices")
    assert key.startswith("folder:")
    assert folders.key(DINGTALK, "d-bills") == key
    assert key == mapped(session, [INVOICES], [BILLS]).key(OUTLOOK, "o-invoices")


def test_the_whole_path_counts(session: Session) -> None:
    folders = mapped(session, [Folder("o", ("2024", "Invoices"), None)], [BILLS])
    assert folders.key(OUTLOOK, "o") == "outlook/o"


def test_one_name_in_two_unicode_forms_is_one(session: Session) -> None:
    folders = mapped(session, [Folder("o", ("Re\u0301sume\u0301",), None)], [Folder("d", ("Résumé",), None)])
    assert folders.key(OUTLOOK, "o") == folders.key(DINGTALK, "d")
    assert normal(Folder("o", ("e\u0301",), None)).path == ("é",)


def test_a_folder_with_a_role_is_not_paired_with_a_persons_of_that_name(session: Session) -> None:
    folders = mapped(session, [Folder("o", ("Archive",), "archive")], [Folder("d", ("Archive",), None)])
    assert folders.key(DINGTALK, "d") == "dingtalk/d"


def test_without_a_twin_a_folder_has_a_key_of_its_own_side(session: Session) -> None:
    folders = mapped(session, [INVOICES], [])
    assert folders.key(OUTLOOK, "o-invoices") == "outlook/o-invoices"
    assert folders.id(DINGTALK, "outlook/o-invoices") is None
    assert folders.id(OUTLOOK, "outlook/o-invoices") is None


def test_a_folder_that_was_never_seen_has_the_same_kind_of_key(session: Session) -> None:
    folders = mapped(session, [INVOICES], [])
    assert folders.get(OUTLOOK, "new") is None
    assert folders.key(OUTLOOK, "new") == "outlook/new"


def test_a_side_is_known_once_its_tree_was_seen(session: Session) -> None:
    folders = mapped(session, [INVOICES], [])
    assert folders.knows(OUTLOOK)
    assert not folders.knows(DINGTALK)


@pytest.mark.parametrize("side", SIDES)
def test_a_pair_stays_one_after_a_rename(table: TimedTable, session: Session, side: Side) -> None:
    key = mapped(session, [INVOICES], [BILLS]).key(OUTLOOK, "o-invoices")
    folders, renamed = loaded(table, session), INVOICES if side == OUTLOOK else BILLS
    folders.update(side, [Folder(renamed.id, ("Paid",), None)], IDENTITY, session)
    assert folders.key(OUTLOOK, "o-invoices") == folders.key(DINGTALK, "d-bills") == key


def test_a_new_folder_does_not_take_the_twin_of_a_renamed_one(session: Session) -> None:
    folders = mapped(session, [INVOICES], [BILLS])
    key = folders.key(DINGTALK, "d-bills")
    tree = [Folder("o-invoices", ("Paid",), None), Folder("o-new", ("Invoices",), None)]
    folders.update(OUTLOOK, tree, IDENTITY, session)
    assert folders.key(OUTLOOK, "o-invoices") == key
    assert folders.key(OUTLOOK, "o-new") == "outlook/o-new"


def test_a_renamed_folder_finds_its_twin_when_their_paths_meet(session: Session) -> None:
    folders = mapped(session, [Folder("o", ("Paid",), None)], [BILLS])
    folders.update(OUTLOOK, [Folder("o", ("Invoices",), None)], IDENTITY, session)
    assert folders.key(OUTLOOK, "o") == folders.key(DINGTALK, "d-bills") != "outlook/o"


@pytest.mark.parametrize("side", SIDES)
def test_the_widow_of_a_vanished_folder_waits_for_another_twin(table: TimedTable, session: Session, side: Side) -> None:
    folders = mapped(session, [INVOICES], [BILLS])
    widow, gone = (BILLS, INVOICES) if side == OUTLOOK else (INVOICES, BILLS)
    folders.update(side, [], IDENTITY, session)
    for known in (folders, loaded(table, session)):
        assert known.key(other(side), widow.id) == f"{other(side)}/{widow.id}"
        assert known.key(side, gone.id) == f"{side}/{gone.id}"
        assert known.ids(side) == []
    folders.update(side, [Folder("again", ("Invoices",), None)], IDENTITY, session)
    assert folders.key(side, "again") == folders.key(other(side), widow.id) != f"{side}/again"


def test_a_widow_takes_another_folder_of_its_path_at_once(session: Session) -> None:
    folders = mapped(session, [INVOICES], [BILLS])
    folders.update(OUTLOOK, [Folder("again", ("Invoices",), None)], IDENTITY, session)
    assert folders.key(OUTLOOK, "again") == folders.key(DINGTALK, "d-bills") != "outlook/again"


def test_a_role_stays_a_key_when_the_other_side_has_no_such_folder(session: Session) -> None:
    folders = mapped(session, [Folder("o", ("Archive",), "archive")], [])
    assert folders.key(OUTLOOK, "o") == "archive"
    assert folders.id(DINGTALK, "archive") is None


def test_a_folder_whose_role_was_taken_away_is_a_persons(session: Session) -> None:
    folders = mapped(session, [Folder("o", ("Archive",), "archive")], [Folder("d", ("Archive",), "archive")])
    folders.update(OUTLOOK, [Folder("o", ("Archive",), None)], IDENTITY, session)
    assert folders.key(OUTLOOK, "o") == "outlook/o"


def test_the_next_run_knows_what_this_one_committed(table: TimedTable, session: Session) -> None:
    folders = mapped(session, [INVOICES, Folder("o-in", ("Inbox",), "inbox")], [BILLS])
    after = loaded(table, session)
    for side, id in ((OUTLOOK, "o-invoices"), (OUTLOOK, "o-in"), (DINGTALK, "d-bills")):
        assert after.get(side, id) == folders.get(side, id)
        assert after.key(side, id) == folders.key(side, id)
    assert after.id(OUTLOOK, "inbox") == "o-in"


def test_a_tree_that_did_not_change_writes_nothing(table: TimedTable, session: Session) -> None:
    folders = mapped(session, [INVOICES], [BILLS])
    session.commit()
    done = len(table.transactions)
    folders.update(OUTLOOK, [INVOICES], IDENTITY, session)
    session.commit()
    assert table.transactions[done:] == [[]]


def test_no_name_of_a_folder_is_kept(table: TimedTable, session: Session) -> None:
    mapped(session, [INVOICES], [BILLS])
    session.commit()
    assert "Invoices" not in str([row.value for row in table.scan(PARTITION, "f:", "g")])


@pytest.mark.parametrize(
    ("now", "differs"),
    [
        ([INVOICES], False),
        ([Folder("o-invoices", ("Paid",), None)], True),
        ([Folder("o-invoices", ("Invoices",), "archive")], True),
        ([INVOICES, Folder("new", ("New",), None)], True),
        ([], True),
    ],
)
def test_a_tree_differs_by_a_rename_a_role_a_new_or_a_missing_folder(
    session: Session, now: list[Folder], differs: bool
) -> None:
    folders = mapped(session, [INVOICES], [BILLS])
    assert folders.differs(OUTLOOK, now, IDENTITY) == differs
