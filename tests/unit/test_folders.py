"""Which folder is which: pairing, keys that outlive everything, and what counts as deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from shared.model.folders import FolderEffect, FolderEnd, FolderLink
from shared.model.mail import Folder
from shared.model.pairs import Pair
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Role, Side, other
from shared.sync.folder_view import FolderSight, Tree
from shared.sync.folders import LINKS, FolderMap
from shared.sync.identity import Identity
from shared.sync.run import Policy, Run
from tests.support.table import PARTITION, TimedTable, open_session

PAIR = Pair("pair-1", "Chan", "chan@office.example", "chan@factory.example", since=0)
ROLES: tuple[Role, ...] = ("inbox", "sent", "trash", "junk")


def roles(side: Side) -> list[Folder]:
    return [Folder(f"{side}-{role}", (f"{role} on {side}",), role) for role in ROLES]


def folder(side: Side, name: str, parent: str = "", path: Sequence[str] = ()) -> Folder:
    return Folder(f"{side}-{name}", (*path, name), None, parent)


class Desk:
    """One session on a real table; `walk` shows both trees to a run."""

    def __init__(self, path: Path, pair: Pair = PAIR) -> None:
        self.table = TimedTable(path / "state.db")
        self.session = open_session(self.table)
        self.pair, self.folders, self.at = pair, FolderMap(), 1000.0

    def walk(self, outlook: Sequence[Folder] = (), dingtalk: Sequence[Folder] = (), later: float = 0.0) -> FolderSight:
        self.at += later
        shown = {OUTLOOK: [*roles(OUTLOOK), *outlook], DINGTALK: [*roles(DINGTALK), *dingtalk]}
        none: Any = {}
        nothing: Any = None
        run = Run(self.pair, none, self.session, self.folders, Identity(b"secret", PAIR), Policy(), nothing, nothing)
        sight = FolderSight(run, {side: Tree(side, shown[side], self.at) for side in SIDES})
        sight.take_in()
        return sight

    def key(self, side: Side, id: str) -> str:
        return self.folders.key(side, id)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


BOTH = pytest.mark.parametrize("side", SIDES)


@pytest.mark.parametrize("role", ROLES)
def test_role_folders_are_one_whatever_they_are_called(desk: Desk, role: Role) -> None:
    desk.walk()
    assert desk.key(OUTLOOK, f"outlook-{role}") == desk.key(DINGTALK, f"dingtalk-{role}") == role


def test_folders_of_people_are_one_by_name_and_place(desk: Desk) -> None:
    desk.walk([folder(OUTLOOK, "A")], [folder(DINGTALK, "A")])
    key = desk.key(OUTLOOK, "outlook-A")
    assert key.startswith("folder:")
    assert desk.key(DINGTALK, "dingtalk-A") == key
    assert desk.folders.id(OUTLOOK, key) == "outlook-A"


def test_the_place_counts(desk: Desk) -> None:
    below = folder(OUTLOOK, "A", "outlook-B", ("B",))
    desk.walk([folder(OUTLOOK, "B"), below], [folder(DINGTALK, "A")])
    assert desk.key(OUTLOOK, "outlook-A") != desk.key(DINGTALK, "dingtalk-A")


@BOTH
def test_a_key_outlives_a_rename_and_a_move(desk: Desk, side: Side) -> None:
    trees = {s: [folder(s, "A"), folder(s, "B")] for s in SIDES}
    desk.walk(trees[OUTLOOK], trees[DINGTALK])
    key = desk.key(side, f"{side}-A")
    trees[side][0] = Folder(f"{side}-A", ("B", "Z"), None, f"{side}-B")
    desk.walk(trees[OUTLOOK], trees[DINGTALK])
    assert desk.key(side, f"{side}-A") == desk.key(other(side), f"{other(side)}-A") == key


@BOTH
def test_a_folder_on_one_side_has_a_key_and_no_twin(desk: Desk, side: Side) -> None:
    tree = {side: [folder(side, "A")], other(side): []}
    desk.walk(tree[OUTLOOK], tree[DINGTALK])
    key = desk.key(side, f"{side}-A")
    assert desk.folders.id(side, key) == f"{side}-A"
    assert desk.folders.id(other(side), key) is None


def test_a_folder_in_outlooks_trash_counts_at_once_and_in_dingtalks_after_two_walks(desk: Desk) -> None:
    both = {s: [folder(s, "A")] for s in SIDES}
    desk.walk(both[OUTLOOK], both[DINGTALK])
    key = desk.key(OUTLOOK, "outlook-A")
    trashed = {s: [Folder(f"{s}-A", ("x", "A"), None, f"{s}-trash")] for s in SIDES}
    desk.walk(trashed[OUTLOOK], both[DINGTALK], 10)
    assert desk.key(OUTLOOK, "outlook-A") == "trash"
    desk.walk(both[OUTLOOK], trashed[DINGTALK], 10)
    assert desk.key(OUTLOOK, "outlook-A") == desk.key(DINGTALK, "dingtalk-A") == key
    assert desk.folders.id(DINGTALK, key) is None, "nothing is put there meanwhile"
    desk.walk(both[OUTLOOK], trashed[DINGTALK], 60)
    assert desk.key(DINGTALK, "dingtalk-A") == "trash"
    desk.walk(both[OUTLOOK], both[DINGTALK], 10)
    assert desk.key(DINGTALK, "dingtalk-A") == key


@BOTH
def test_what_stands_in_the_trash_and_was_never_linked_is_the_trash(desk: Desk, side: Side) -> None:
    tree = {side: [Folder("x", ("t", "x"), None, f"{side}-trash")], other(side): []}
    desk.walk(tree[OUTLOOK], tree[DINGTALK])
    known = desk.folders.get(side, "x")
    assert known is not None
    assert (known.role, known.key) == ("trash", "trash")


@BOTH
def test_made_again_with_the_same_name_a_folder_takes_its_place(desk: Desk, side: Side) -> None:
    both = {s: [folder(s, "A")] for s in SIDES}
    desk.walk(both[OUTLOOK], both[DINGTALK])
    key = desk.key(side, f"{side}-A")
    gone = {**both, side: list[Folder]()}
    desk.walk(gone[OUTLOOK], gone[DINGTALK], 10)
    desk.walk(gone[OUTLOOK], gone[DINGTALK], 60)
    again = {**both, side: [Folder("again", ("A",), None)]}
    desk.walk(again[OUTLOOK], again[DINGTALK], 10)
    assert desk.key(side, "again") == key


def test_a_dingtalk_folder_under_another_id_is_known_by_its_name_when_it_is_the_only_one(desk: Desk) -> None:
    both = {s: [folder(s, "A"), folder(s, "B")] for s in SIDES}
    desk.walk(both[OUTLOOK], both[DINGTALK])
    key = desk.key(OUTLOOK, "outlook-A")
    desk.walk(both[OUTLOOK], [both[DINGTALK][1], Folder("new", ("B", "A"), None, "dingtalk-B")], 10)
    assert desk.key(DINGTALK, "new") == key


@pytest.mark.parametrize("name", ["归档", "存檔", "archive"])
def test_a_top_folder_called_archive_is_dingtalks_archive_for_good(desk: Desk, name: str) -> None:
    desk.walk([Folder("o", ("Archive",), "archive")], [Folder("d", (name,), None)])
    assert desk.key(OUTLOOK, "o") == desk.key(DINGTALK, "d") == "archive"
    desk.walk([Folder("o", ("Archive",), "archive")], [Folder("d", ("Old",), None)])
    assert desk.key(DINGTALK, "d") == "archive"


@BOTH
def test_an_exclusion_binds_both_twins_and_all_below_through_renames(tmp_path: Path, side: Side) -> None:
    desk = Desk(tmp_path, replace(PAIR, exclude_folders=(f"{side}/{side}-A",)))
    both = {s: [folder(s, "A"), folder(s, "C", f"{s}-A", ("A",))] for s in SIDES}
    desk.walk(both[OUTLOOK], both[DINGTALK])
    both = {s: [Folder(f"{s}-A", ("Z",), None), both[s][1]] for s in SIDES}
    desk.walk(both[OUTLOOK], both[DINGTALK])
    assert all(desk.folders.is_hidden(s, f"{s}-{name}") for s in SIDES for name in "AC")
    assert not any(f"{s}-A" in desk.folders.ids(s) for s in SIDES)
    assert desk.folders.id(OUTLOOK, desk.key(OUTLOOK, "outlook-A")) is None
    desk.pair = PAIR
    desk.walk(both[OUTLOOK], both[DINGTALK])
    assert not desk.folders.is_hidden(OUTLOOK, "outlook-A")


def test_the_next_run_knows_what_this_one_committed(desk: Desk) -> None:
    desk.walk([folder(OUTLOOK, "A")], [folder(DINGTALK, "A"), Folder("x", ("t", "x"), None, "dingtalk-trash")])
    link = desk.folders.links[desk.key(OUTLOOK, "outlook-A")]
    effect = FolderEffect("rename", OUTLOOK, "hash", "top", ("other", "top"), 2000.0)
    desk.folders.put(replace(link, effect=effect, due=2000.0), desk.session)
    desk.session.commit()
    loaded = FolderMap.load({row.key: row.value for row in desk.table.scan(PARTITION, "f:", "g")})
    assert loaded.links == desk.folders.links
    assert loaded.key(DINGTALK, "x") == "trash"
    assert desk.session.due(2000.0) == [LINKS + link.key]


def test_a_tree_that_did_not_change_writes_nothing(desk: Desk) -> None:
    desk.walk([folder(OUTLOOK, "A")], [folder(DINGTALK, "A")])
    desk.session.commit()
    done = len(desk.table.transactions)
    desk.walk([folder(OUTLOOK, "A")], [folder(DINGTALK, "A")])
    desk.session.commit()
    assert desk.table.transactions[done:] == [[]]


def test_no_name_of_a_folder_is_kept(desk: Desk) -> None:
    desk.walk([folder(OUTLOOK, "Invoices")], [folder(DINGTALK, "Invoices")])
    desk.session.commit()
    rows = str([row.value for row in desk.table.scan(PARTITION, "f:=", "f:>")])
    assert "Invoices" not in rows.replace("outlook-Invoices", "").replace("dingtalk-Invoices", "")


@BOTH
def test_a_folder_that_a_message_wants_is_needed_where_it_was_deleted(desk: Desk, side: Side) -> None:
    dead = FolderEnd("d", out=1.0, dead=True)
    link = FolderLink("folder:1", 1).with_end(side, dead).with_end(other(side), FolderEnd("o"))
    desk.folders.put(link, desk.session)
    desk.folders.need(side, "folder:1", desk.session)
    assert desk.folders.links["folder:1"].needed
    assert not desk.folders.need(side, "folder:unknown", desk.session)


@pytest.mark.parametrize("again", [False, True], ids=["still missed", "made again"])
def test_what_we_put_into_a_deleted_folder_is_known_as_ours_also_after_it_was_made_again(again: bool) -> None:
    thrown = FolderEnd("old", "name", "", out=2000.0, dead=True, trashed=True, alive=1000.0)
    made = FolderEnd("new", "name", "", left="old", left_alive=1000.0)
    link = FolderLink("folder:1", 1, outlook=made if again else thrown, dingtalk=FolderEnd("d"))
    folders = FolderMap.load({LINKS + link.key: asdict(link)})
    assert folders.swallowed(OUTLOOK, "old", 1500.0)
    assert not folders.swallowed(OUTLOOK, "old", 900.0)
    assert not folders.swallowed(OUTLOOK, "new", 1500.0)
    assert not folders.swallowed(DINGTALK, "old", 1500.0)
