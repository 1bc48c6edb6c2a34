"""What a replica does with folders, on either simulated vendor."""

from __future__ import annotations

from typing import Any

import pytest

from shared.model.errors import LeaseLost, NotFound, OutcomeUnknown, Refused, TandemError
from shared.model.mail import Folder
from shared.model.words import SIDES, Side
from shared.ports.replica import Replica
from tests.support.scene import ADDRESS, Scene, mail

MISSING = {
    "outlook": "AAMk" + "A" * 40,
    "dingtalk": "9999",
}


class Door:
    """One side's replica, and the mailbox behind it."""

    def __init__(self, side: Side, **switches: Any) -> None:
        self.scene, self.side = Scene(), side
        self.box = self.scene.box(side)
        self.replica: Replica = self.scene.service._replicas(self.scene.pair, side, False)
        for name, value in switches.items():
            object.__setattr__(self.scene.office.dingtalk.switches, name, value)

    def tree(self) -> dict[str, Folder]:
        return {folder.id: folder for folder in self.replica.tree()}

    def make(self, name: str, parent: str = "") -> str:
        return self.replica.create_folder(name, parent, allowed)

    def deliver(self, folder: str) -> None:
        self.box.deliver(mail("a", to=(ADDRESS[self.side],)), folder)


def allowed() -> None:
    """The lease holds."""


def lost() -> None:
    raise LeaseLost("somebody else has it")


@pytest.fixture(params=SIDES)
def door(request: pytest.FixtureRequest) -> Door:
    return Door(request.param)


def test_a_made_folder_stands_in_the_tree_at_its_place(door: Door) -> None:
    top = door.make("提单")
    below = door.make("Sea", top)
    tree = door.tree()
    assert (tree[top].path, tree[top].parent) == (("提单",), "")
    assert (tree[below].path, tree[below].parent) == (("提单", "Sea"), top)


def test_a_folder_is_renamed_and_moved_under_its_id(door: Door) -> None:
    a, b = door.make("A"), door.make("B")
    door.replica.rename_folder(a, "Z", allowed)
    door.replica.move_folder(a, b, allowed)
    assert (door.tree()[a].path, door.tree()[a].parent) == (("B", "Z"), b)
    door.replica.move_folder(a, "", allowed)
    assert door.tree()[a].parent == ""


def test_a_moved_dingtalk_folder_may_have_another_id_and_keeps_what_is_in_it() -> None:
    door = Door("dingtalk", folder_keeps_id=False)
    a, b = door.make("A"), door.make("B")
    child = door.make("C", a)
    door.deliver(child)
    door.replica.move_folder(a, b, allowed)
    tree = door.tree()
    assert {a, child}.isdisjoint(tree)
    (found,) = [folder for folder in tree.values() if folder.path == ("B", "A", "C")]
    assert not door.replica.is_empty(found.id)


def test_a_folder_is_empty_without_messages_and_folders(door: Door) -> None:
    a = door.make("A")
    assert door.replica.is_empty(a)
    b = door.make("B", a)
    assert not door.replica.is_empty(a)
    assert door.replica.is_empty(b)
    door.deliver(b)
    assert not door.replica.is_empty(b)


def test_an_empty_folder_is_deleted(door: Door) -> None:
    a = door.make("A")
    door.replica.delete_folder(a, allowed)
    tree = door.tree()
    assert a not in tree or tree[tree[a].parent].role == "trash"


def test_what_is_in_a_folder_deleted_in_outlook_goes_with_it() -> None:
    door = Door("outlook")
    a = door.make("A")
    door.deliver(a)
    door.replica.delete_folder(a, allowed)
    tree = door.tree()
    assert tree[tree[a].parent].role == "trash"
    assert not door.replica.is_empty(a)


@pytest.mark.parametrize("how", ["empties", "under_trash", "refuses"])
def test_what_becomes_of_a_full_folder_deleted_in_dingtalk_is_the_vendors_affair(how: str) -> None:
    door = Door("dingtalk", folder_delete=how)
    a = door.make("A")
    door.deliver(a)
    try:
        door.replica.delete_folder(a, allowed)
        refused = False
    except Refused:
        refused = True
    tree = door.tree()
    assert refused == (how == "refuses")
    assert (a in tree) == (how != "empties")
    assert how != "under_trash" or tree[tree[a].parent].role == "trash"
    assert len(door.box.messages()) == 1


def test_a_name_that_is_taken_is_refused(door: Door) -> None:
    a, b = door.make("A"), door.make("B")
    inner = door.make("A", b)
    for act in (
        lambda: door.make("A"),
        lambda: door.replica.rename_folder(b, "A", allowed),
        lambda: door.replica.move_folder(inner, "", allowed),
    ):
        with pytest.raises(Refused):
            act()
    assert door.tree()[a].name == "A"


@pytest.mark.parametrize("name", ["", "   ", "x" * 256])
def test_a_name_that_cannot_be_is_refused(door: Door, name: str) -> None:
    with pytest.raises(Refused):
        door.make(name)


def test_a_folder_is_never_put_into_itself(door: Door) -> None:
    a = door.make("A")
    b = door.make("B", a)
    with pytest.raises(Refused):
        door.replica.move_folder(a, b, allowed)


@pytest.mark.parametrize("act", ["rename", "move", "delete"])
def test_a_system_folder_stays(door: Door, act: str) -> None:
    inbox, a = door.box.role("inbox"), door.make("A")
    acts = {
        "rename": lambda: door.replica.rename_folder(inbox, "x", allowed),
        "move": lambda: door.replica.move_folder(inbox, a, allowed),
        "delete": lambda: door.replica.delete_folder(inbox, allowed),
    }
    with pytest.raises(TandemError) as caught:
        acts[act]()
    assert not isinstance(caught.value, OutcomeUnknown)


def test_a_folder_that_is_not_there_is_not_found(door: Door) -> None:
    missing = MISSING[door.side]
    for act in (
        lambda: door.replica.is_empty(missing),
        lambda: door.replica.rename_folder(missing, "x", allowed),
        lambda: door.replica.delete_folder(missing, allowed),
        lambda: door.make("A", missing),
    ):
        with pytest.raises(NotFound):
            act()


def test_nothing_leaves_without_the_lease(door: Door) -> None:
    a, before = door.make("A"), door.scene.world.effects
    for act in (
        lambda: door.replica.create_folder("B", "", lost),
        lambda: door.replica.rename_folder(a, "B", lost),
        lambda: door.replica.move_folder(a, "", lost),
        lambda: door.replica.delete_folder(a, lost),
    ):
        with pytest.raises(LeaseLost):
            act()
    assert door.scene.world.effects == before


@pytest.mark.parametrize("key", ["folderId", "folerId", "folder"])
def test_whatever_alimail_calls_the_parent_a_new_folder_ends_there(key: str) -> None:
    door = Door("dingtalk", folder_parent_key=key)
    a = door.make("A")
    b = door.make("B", a)
    assert door.tree()[b].parent == a


def test_dingtalks_system_folders_may_take_no_folders() -> None:
    door = Door("dingtalk", system_takes_folders=False)
    with pytest.raises(Refused):
        door.make("A", door.box.role("inbox"))


def test_dingtalk_may_let_two_of_one_name_stand_beside_each_other() -> None:
    door = Door("dingtalk", equal_names=True)
    assert door.make("A") != door.make("A")


@pytest.mark.parametrize("side", SIDES)
def test_everything_in_a_folder_is_listed_when_it_is_asked_for_anew(side: Side) -> None:
    door = Door(side)
    a = door.make("A")
    for number in range(150):
        door.box.deliver(mail(f"m{number}", to=(ADDRESS[side],), at=door.scene.world.now), a)
    rows = door.replica.observe((), {a: ""}, [a]).changes.rows
    assert len(rows) == 150
