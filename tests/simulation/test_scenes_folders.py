"""Folders, as a person with two mailboxes notices them."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.truth import StoredFolder
from shared.model.words import SIDES, Side, other
from tests.support.scene import ADDRESS, Scene, mail

BOTH_WAYS = pytest.mark.parametrize("side", ["outlook", "dingtalk"])
DELETES = pytest.mark.parametrize("how", ["empties", "under_trash", "refuses"])
OFTEN = 700.0
"""Two catch-ups."""
GONE = 2400.0
"""Long enough for a deleted folder's messages to be trashed, and the folder to be seen empty twice and deleted."""


class Folders(Scene):
    """Folders are named by their path; what is in the trash or has a role is left out."""

    def __init__(self, **switches: Any) -> None:
        super().__init__()
        for name, value in switches.items():
            setattr_frozen(self.office.dingtalk, name, value)
        self.restart_workers()

    def all_folders(self, side: Side) -> dict[str, StoredFolder]:
        return {f.id: f for f in self.box(side).folders()}

    def path(self, side: Side, id: str) -> str:
        folder = self.all_folders(side)[id]
        name = folder.role or folder.name
        return f"{self.path(side, folder.parent)}/{name}" if folder.parent else name

    def tree(self, side: Side) -> list[str]:
        paths = [self.path(side, f.id) for f in self.box(side).folders() if f.role is None]
        hidden = ("trash", "junk", "drafts", "Outbox", "Sync Issues", "Conversation History", "Scheduled")
        return sorted(path for path in paths if not path.startswith(hidden))

    def at(self, side: Side, path: str) -> str:
        return next(id for id in self.all_folders(side) if self.path(side, id) == path)

    def make(self, side: Side, path: str) -> str:
        above, _, name = path.rpartition("/")
        return self.box(side).make_folder(name, self.at(side, above) if above else None)

    def rename(self, side: Side, path: str, name: str) -> None:
        self.box(side).rename_folder(self.at(side, path), name)

    def move_folder(self, side: Side, path: str, into: str | None) -> None:
        self.box(side).move_folder(self.at(side, path), self.at(side, into) if into else None)

    def delete(self, side: Side, path: str) -> None:
        self.box(side).delete_folder(self.at(side, path))

    def both(self) -> list[str]:
        """The one tree that both sides show."""
        trees = self.tree("outlook"), self.tree("dingtalk")
        assert trees[0] == trees[1]
        return trees[0]

    def run_until_there(self, side: Side, path: str) -> None:
        """Until our folder there was made, and seen once."""
        until = self.world.now + OFTEN
        while path not in self.tree(side) and self.world.now < until:
            self.run(0.5)
        self.run(2.0)
        assert path in self.both()

    def arrive_in(self, side: Side, id: str, path: str) -> None:
        self.box(side).deliver(mail(id, to=(ADDRESS[side],), at=self.world.now), self.at(side, path))

    def where(self, id: str) -> dict[str, list[str]]:
        return {s: sorted(self.path(s, m.folder) for m in self.all(s, id)) for s in SIDES}

    def stands(self, id: str, path: str) -> bool:
        return self.where(id) == {"outlook": [path], "dingtalk": [path]}


def setattr_frozen(vendor: Any, name: str, value: Any) -> None:
    object.__setattr__(vendor._world.switches, name, value)


HOME = ["Shipments", "报关"]


@BOTH_WAYS
def test_a_new_folder_with_its_messages_appears_on_the_other_side(side: Side) -> None:
    scene = Folders()
    scene.make(side, "Clients")
    scene.make(side, "Clients/Li & Fung")
    scene.arrive_in(side, "a", "Clients")
    scene.arrive_in(side, "b", "Clients/Li & Fung")
    scene.run(OFTEN)
    assert scene.both() == ["Clients", "Clients/Li & Fung", *HOME]
    assert scene.stands("a", "Clients")
    assert scene.stands("b", "Clients/Li & Fung")
    with scene.no_writes():
        scene.run(OFTEN)


@BOTH_WAYS
def test_a_message_moved_into_a_new_folder_is_found_there_on_the_other_side(side: Side) -> None:
    scene = Folders()
    scene.linked(side, "a")
    scene.make(side, "Clients")
    scene.move(side, "a", "Clients")
    scene.run(OFTEN)
    assert scene.stands("a", "Clients")


@BOTH_WAYS
def test_a_renamed_folder_keeps_its_messages_and_moves_none(side: Side) -> None:
    scene = Folders()
    scene.arrive_in(side, "a", "Shipments")
    scene.run(OFTEN)
    ids = {s: scene.one(s, "a").id for s in SIDES}
    effects = scene.world.effects
    scene.rename(side, "Shipments", "Shipments 2026")
    scene.run(OFTEN)
    assert scene.both() == ["Shipments 2026", "报关"]
    assert scene.world.effects == effects + 1
    assert {s: scene.one(s, "a").id for s in SIDES} == ids
    scene.read(side, "a")
    scene.run(OFTEN)
    assert scene.state(other(side), "a")[1] is True


@BOTH_WAYS
@pytest.mark.parametrize("keeps", [True, False])
def test_a_moved_folder_takes_everything_along_in_one_write(side: Side, keeps: bool) -> None:
    scene = Folders(folder_keeps_id=keeps)
    scene.make(side, "Shipments/Sea")
    scene.arrive_in(side, "a", "Shipments/Sea")
    scene.run(OFTEN)
    effects = scene.world.effects
    scene.move_folder(side, "Shipments", "报关")
    scene.run(OFTEN)
    assert scene.both() == ["报关", "报关/Shipments", "报关/Shipments/Sea"]
    assert scene.world.effects == effects + 1
    assert scene.stands("a", "报关/Shipments/Sea")


@DELETES
@BOTH_WAYS
def test_a_deleted_folder_goes_on_the_other_side_once_its_messages_are_in_the_trash(side: Side, how: str) -> None:
    scene = Folders(folder_delete=how)
    scene.arrive_in(side, "a", "Shipments")
    scene.run(OFTEN)
    scene.delete(side, "Shipments")
    scene.run(GONE)
    if (side, how) == ("outlook", "empties"):  # deleting could throw away what just came: the empty folder stays
        assert (scene.tree("outlook"), scene.tree("dingtalk")) == (["报关"], HOME)
    else:
        assert scene.both() == ["报关"]
    assert all("trash" in path for paths in scene.where("a").values() for path in paths)
    assert all(len(paths) == 1 for paths in scene.where("a").values())
    with scene.no_writes():
        scene.run(OFTEN)
    assert not [key for key, row in scene.office.rows().items() if key.startswith("f:=") and row["effect"]]


@DELETES
@BOTH_WAYS
def test_a_message_that_came_into_a_folder_deleted_elsewhere_brings_it_back(side: Side, how: str) -> None:
    scene = Folders(folder_delete=how)
    scene.run(OFTEN)
    scene.delete(side, "Shipments")
    scene.arrive_in(other(side), "a", "Shipments")
    scene.run(GONE)
    assert scene.both() == HOME
    assert scene.stands("a", "Shipments")


@BOTH_WAYS
def test_a_folder_taken_out_of_the_trash_at_once_keeps_its_messages(side: Side) -> None:
    scene = Folders(folder_delete="under_trash")
    scene.arrive_in(side, "a", "Shipments")
    scene.run(OFTEN)
    scene.delete(side, "Shipments")
    scene.run(330.0)
    scene.move_folder(side, "trash/Shipments", None)
    scene.run(GONE)
    assert scene.both() == HOME
    assert scene.stands("a", "Shipments")


@BOTH_WAYS
def test_a_folder_restored_much_later_gets_its_messages_back(side: Side) -> None:
    scene = Folders(folder_delete="under_trash")
    scene.arrive_in(side, "a", "Shipments")
    scene.run(OFTEN)
    scene.delete(side, "Shipments")
    scene.run(GONE)
    assert scene.both() == ["报关"]
    scene.move_folder(side, "trash/Shipments", None)
    scene.run(GONE)
    assert scene.both() == HOME
    assert scene.stands("a", "Shipments")


@BOTH_WAYS
def test_one_folder_renamed_here_and_moved_there_is_both(side: Side) -> None:
    scene = Folders()
    scene.rename(side, "Shipments", "Sea")
    scene.move_folder(other(side), "Shipments", "报关")
    scene.run(OFTEN)
    assert scene.both() == ["报关", "报关/Sea"]


def test_two_names_for_one_folder_end_with_outlooks_and_the_other_is_journaled() -> None:
    scene = Folders()
    scene.rename("outlook", "Shipments", "Sea")
    scene.rename("dingtalk", "Shipments", "Air")
    scene.run(OFTEN)
    assert scene.both() == ["Sea", "报关"]
    assert "overwritten" in scene.journal()


def test_moves_that_would_make_a_circle_go_back_to_outlooks_place() -> None:
    scene = Folders()
    scene.move_folder("outlook", "Shipments", "报关")
    scene.move_folder("dingtalk", "报关", "Shipments")
    scene.run(OFTEN)
    assert scene.both() == ["报关", "报关/Shipments"]


@BOTH_WAYS
def test_two_folders_that_swap_their_names_swap_them_on_the_other_side(side: Side) -> None:
    scene = Folders()
    scene.arrive_in(side, "a", "Shipments")
    scene.run(OFTEN)
    scene.rename(side, "Shipments", "x")
    scene.rename(side, "报关", "Shipments")
    scene.rename(side, "x", "报关")
    scene.run(OFTEN)
    assert scene.both() == HOME
    assert scene.stands("a", "报关")


def test_the_same_folder_made_on_both_sides_is_one() -> None:
    scene = Folders()
    for side in SIDES:
        scene.make(side, "Clients")
    scene.run(OFTEN)
    assert scene.both() == ["Clients", *HOME]


def test_a_name_with_a_slash_is_a_name_with_a_wide_slash_in_dingtalk() -> None:
    scene = Folders()
    scene.box("outlook").make_folder("Import/Export")
    scene.run(OFTEN)
    assert [f.name for f in scene.box("dingtalk").folders()].count("Import／Export") == 1
    assert [f.name for f in scene.box("outlook").folders()].count("Import/Export") == 1
    with scene.no_writes():
        scene.run(OFTEN)


def test_two_dingtalk_folders_that_differ_by_case_are_numbered_in_outlook_only() -> None:
    scene = Folders()
    scene.make("dingtalk", "Orders")
    scene.run(OFTEN)
    scene.make("dingtalk", "ORDERS")
    scene.run(OFTEN)
    assert scene.tree("dingtalk") == ["ORDERS", "Orders", *HOME]
    assert scene.tree("outlook") == ["ORDERS (2)", "Orders", *HOME]
    with scene.no_writes():
        scene.run(OFTEN)


def test_a_new_folder_with_the_name_that_another_just_took_gets_a_number() -> None:
    scene = Folders()
    scene.rename("outlook", "Shipments", "Clients")
    scene.make("dingtalk", "Clients")
    scene.run(OFTEN)
    assert scene.both() == ["Clients", "Clients (2)", "报关"]


def test_dingtalks_archive_is_made_when_outlook_first_archives() -> None:
    scene = Folders(folder_delete="under_trash")
    scene.linked("outlook", "a")
    assert "归档" not in scene.tree("dingtalk")
    scene.box("outlook").move(scene.one("outlook", "a").id, scene.box("outlook").role("archive"))
    scene.run(OFTEN)
    assert scene.where("a") == {"outlook": ["archive"], "dingtalk": ["归档"]}
    scene.delete("dingtalk", "归档")
    scene.run(GONE)
    scene.linked("outlook", "b")
    scene.box("outlook").move(scene.one("outlook", "b").id, scene.box("outlook").role("archive"))
    scene.run(OFTEN)
    assert scene.where("b") == {"outlook": ["archive"], "dingtalk": ["归档"]}


@BOTH_WAYS
def test_an_excluded_folder_is_left_alone_with_its_twin_and_everything_below(side: Side) -> None:
    scene = Folders()
    scene.arrive_in(side, "a", "Shipments")
    scene.run(OFTEN)
    scene.change_pair(exclude_folders=(f"{side}/{scene.at(side, 'Shipments')}",))
    scene.run(OFTEN)
    with scene.no_writes():
        scene.rename(side, "Shipments", "Private")
        scene.make(side, "Private/Sub")
        scene.arrive_in(side, "b", "Private")
        scene.arrive_in(side, "c", "Private/Sub")
        scene.arrive_in(other(side), "d", "Shipments")
        scene.read(side, "a")
        scene.run(1800.0)
    assert scene.tree(other(side)) == HOME


@BOTH_WAYS
def test_an_exclusion_holds_from_the_next_look_on_also_where_no_folder_changes(side: Side) -> None:
    scene = Folders()
    scene.run(OFTEN)
    scene.change_pair(exclude_folders=(f"{side}/{scene.at(side, 'Shipments')}",))
    scene.run(45.0)
    with scene.no_writes():
        for where in SIDES:
            scene.arrive_in(where, f"to-{where}", "Shipments")
        scene.run(120.0)


@BOTH_WAYS
def test_a_folder_below_a_system_folder_crosses(side: Side) -> None:
    scene = Folders()
    scene.box(side).make_folder("Team", scene.box(side).role("inbox"))
    scene.run(OFTEN)
    assert scene.both() == [*HOME, "inbox/Team"] or scene.both() == sorted([*HOME, "inbox/Team"])


def test_where_dingtalks_system_folders_take_none_their_folders_stand_at_the_top() -> None:
    scene = Folders(system_takes_folders=False)
    scene.box("outlook").make_folder("Team", scene.box("outlook").role("inbox"))
    scene.arrive_in("outlook", "a", "inbox/Team")
    scene.run(OFTEN)
    assert scene.tree("dingtalk") == ["Shipments", "Team", "报关"]
    assert scene.where("a") == {"outlook": ["inbox/Team"], "dingtalk": ["Team"]}
    with scene.no_writes():
        scene.run(OFTEN)


@BOTH_WAYS
def test_a_deleted_folder_is_one_act_for_the_brake_and_a_landslide_in_it_is_held(side: Side) -> None:
    scene = Folders(folder_delete="under_trash")
    for number in range(8):
        scene.arrive_in(side, f"m{number}", "Shipments" if number < 4 else "报关")
    scene.run(OFTEN)
    scene.set_policy(brake_some=1, brake_share=0.0, brake_folder=3, waits=60.0)
    scene.delete(side, "Shipments")
    scene.run(GONE)
    assert scene.held_back() == ["brake"] * 4
    assert all(scene.where(f"m{number}")[other(side)] == ["Shipments"] for number in range(4))


@BOTH_WAYS
def test_a_deleted_folder_of_a_few_messages_passes_a_brake_that_single_removals_would_not(side: Side) -> None:
    scene = Folders(folder_delete="under_trash")
    for number in range(4):
        scene.arrive_in(side, f"m{number}", "Shipments")
    scene.run(OFTEN)
    scene.set_policy(brake_some=1, brake_share=0.0)
    scene.delete(side, "Shipments")
    scene.run(GONE)
    assert scene.held_back() == []
    assert scene.both() == ["报关"]


@BOTH_WAYS
def test_a_folder_deleted_as_soon_as_its_twin_was_made_is_deleted_on_both(side: Side) -> None:
    """At the top nothing can pull it into the trash: whoever deletes it means it."""
    scene = Folders(folder_delete="under_trash")
    scene.make(side, "Orders")
    scene.run_until_there(other(side), "Orders")
    scene.delete(other(side), "Orders")
    scene.run(GONE)
    assert scene.both() == HOME


def test_a_folder_that_drifted_into_the_trash_comes_back_beside_another_of_its_name() -> None:
    scene = Folders(folder_delete="under_trash")
    for path in ("Clients", "inbox/Air"):
        scene.make("dingtalk", path)
    scene.run(OFTEN)
    scene.make("dingtalk", "Clients/Sea")
    scene.run_until_there("outlook", "Clients/Sea")
    scene.delete("outlook", "Clients")
    scene.rename("dingtalk", "inbox/Air", "Sea")
    scene.rename("dingtalk", "Clients/Sea", "Ship")
    scene.move_folder("dingtalk", "Clients/Ship", "inbox")
    scene.arrive_in("dingtalk", "a", "inbox/Ship")
    scene.run(GONE)
    assert scene.both() == sorted([*HOME, "inbox/Sea", "inbox/Ship"])
    assert scene.stands("a", "inbox/Ship")
    assert "overwritten" in scene.journal()
