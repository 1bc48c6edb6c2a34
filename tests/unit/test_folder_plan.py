"""The planner of folders: its table, the clashes of names, and what holds for any two trees."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from shared.model.folder_names import fold
from shared.model.folders import (
    TOP,
    AgreeFolder,
    CloseFolder,
    DropFolder,
    FolderStep,
    FolderView,
    FolderWord,
    ForgetFolder,
    Held,
    LostPlace,
    MakeFolder,
    MoveFolder,
    RenameFolder,
    Shown,
    WaitFolder,
)
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side, other
from shared.sync.folder_plan import TABLE, plan_folders

NONE, OUT = Shown("none"), Shown("out")


def live(name: str, parent: str = TOP, *, renamed: bool = False, moved: bool = False) -> Shown:
    return Shown("live", name, parent, renamed, moved)


def view(key: str, age: int, dingtalk: Shown, outlook: Shown, **more: bool) -> FolderView:
    return FolderView(key, age, None, dingtalk, outlook, **more)


def held(views: Iterable[FolderView]) -> list[Held]:
    shown = ((side, v.shown(side), v.key) for v in views for side in SIDES)
    return [Held(side, s.parent, s.name, key) for side, s, key in shown if s.word == "live"]


def plan(*views: FolderView, flat: bool = False) -> list[FolderStep]:
    return plan_folders(views, held(views), flat=flat)


def on(side: Side, mine: Shown, theirs: Shown, **more: bool) -> FolderView:
    """One folder, `mine` as `side` shows it."""
    return view("a", 1, mine, theirs, **more) if side == DINGTALK else view("a", 1, theirs, mine, **more)


BOTH = pytest.mark.parametrize("side", SIDES)


def test_folders_that_nobody_touched_need_nothing() -> None:
    assert plan(view("a", 1, live("A"), live("A")), view("b", 2, live("B", "a"), live("B", "a"))) == []


@BOTH
def test_a_rename_is_one_write_across(side: Side) -> None:
    assert plan(on(side, live("B", renamed=True), live("A"))) == [RenameFolder("a", other(side), "B")]


@BOTH
def test_a_move_is_one_write_across(side: Side) -> None:
    steps = plan(on(side, live("A", "b", moved=True), live("A")), view("b", 2, live("B"), live("B")))
    assert steps == [MoveFolder("a", other(side), "b")]


@BOTH
def test_a_new_folder_is_made_after_its_parent(side: Side) -> None:
    child, parent = on(side, live("A", "b"), NONE), replace(on(side, live("B"), NONE), key="b", age=2)
    made = [MakeFolder("b", other(side), "B", TOP), MakeFolder("a", other(side), "A", "b")]
    assert plan(child, parent) == made


@BOTH
def test_a_rename_here_and_a_move_there_both_happen(side: Side) -> None:
    steps = plan(on(side, live("B", renamed=True), live("A", "b", moved=True)), view("b", 2, live("P"), live("P")))
    assert set(steps) == {RenameFolder("a", other(side), "B"), MoveFolder("a", side, "b")}


def test_outlook_wins_two_names_and_the_other_is_told() -> None:
    steps = plan(view("a", 1, live("D", renamed=True), live("O", renamed=True)))
    assert steps == [LostPlace("a", DINGTALK, "name", "D"), RenameFolder("a", DINGTALK, "O")]


def test_the_same_name_on_both_sides_is_agreed() -> None:
    assert plan(view("a", 1, live("B", renamed=True), live("B", renamed=True))) == [AgreeFolder("a")]


def test_a_circle_goes_back_to_outlooks_parents() -> None:
    a = view("a", 1, live("A"), live("A", "b", moved=True))
    b = view("b", 2, live("B", "a", moved=True), live("B"))
    assert [type(step) for step in plan(a, b)] == [LostPlace, MoveFolder, MoveFolder]
    assert plan(a, b)[1:] == [MoveFolder("b", DINGTALK, TOP), MoveFolder("a", DINGTALK, "b")]


@BOTH
def test_what_was_deleted_goes_on_the_other_side_when_nobody_needs_it(side: Side) -> None:
    assert plan(on(side, OUT, live("A"))) == [DropFolder("a", other(side))]
    assert plan(on(side, OUT, live("A"), needed=True)) == [ForgetFolder("a", side)]
    assert plan(on(side, OUT, live("A"), placed=True)) == [ForgetFolder("a", side)]


@BOTH
def test_a_folder_that_stays_needs_those_above_it(side: Side) -> None:
    parent = on(side, OUT, live("A"))
    child = replace(on(side, NONE, live("B", "a")), key="b", age=2)
    assert plan(parent, child)[0] == ForgetFolder("a", side)


@pytest.mark.parametrize("word", ["hidden", "unknown"])
@BOTH
def test_what_is_hidden_or_not_known_is_left_alone(side: Side, word: FolderWord) -> None:
    for twin in (live("B", renamed=True), OUT, NONE):
        assert plan(on(side, Shown(word), twin)) == []


def test_the_table_says_something_for_every_pair_of_words_it_may_judge() -> None:
    words: tuple[FolderWord, ...] = ("live", "none", "out")
    missing = [(a, b) for a in words for b in words if (a, b) not in TABLE and (b, a) not in TABLE]
    assert missing == []


def test_deleted_on_both_sides_is_closed() -> None:
    assert plan(view("a", 1, OUT, OUT)) == [CloseFolder("a")]


# ---- names
def test_a_name_that_only_one_side_can_hold_twice_is_numbered_where_it_must() -> None:
    steps = plan(view("a", 1, live("Orders"), live("Orders")), view("b", 2, live("ORDERS"), NONE))
    assert steps == [MakeFolder("b", OUTLOOK, "ORDERS (2)", TOP)]


def test_the_older_keeps_a_name_that_two_want() -> None:
    steps = plan(view("a", 1, live("A"), live("B", renamed=True)), view("b", 2, live("B"), NONE))
    assert MakeFolder("b", OUTLOOK, "B (2)", TOP) in steps
    assert steps.index(RenameFolder("b", DINGTALK, "B (2)")) < steps.index(RenameFolder("a", DINGTALK, "B"))


def test_a_swap_goes_by_a_passing_name() -> None:
    a, b = view("a", 1, live("A"), live("B", renamed=True)), view("b", 2, live("B"), live("A", renamed=True))
    names = [step for step in plan(a, b) if isinstance(step, RenameFolder)]
    assert len(names) == 3
    assert names[0].passing
    assert {step.side for step in names} == {DINGTALK}


def test_what_dingtalks_system_folders_do_not_take_stands_at_the_top() -> None:
    inbox = FolderView("inbox", 0, "inbox", live("收件箱"), live("Inbox"))
    steps = plan(inbox, view("a", 1, NONE, live("A", "inbox")), flat=True)
    assert steps == [MakeFolder("a", DINGTALK, "A", TOP)]


# ---- any two trees
def _tree(dice: random.Random) -> list[FolderView]:
    """One tree, changed twice."""
    names = ("A", "B", "C", "a", "x/y")
    keys = [f"k{n}" for n in range(dice.randint(1, 6))]
    parents = {key: dice.choice([TOP, *keys[:n]]) for n, key in enumerate(keys)}
    base = {key: f"n{n}" for n, key in enumerate(keys)}
    views = []
    for n, key in enumerate(keys):
        sides = {side: live(base[key], parents[key]) for side in SIDES}
        for side in SIDES:
            kind = dice.choice(("kept", "kept", "renamed", "moved", "out"))
            if kind == "renamed":
                name = dice.choice(names[:4] if side == DINGTALK else names) + str(n % 2)
                sides[side] = replace(sides[side], name=name, renamed=True)
            elif kind == "moved" and n:
                parent = dice.choice([TOP, *keys[:n]])
                sides[side] = replace(sides[side], parent=parent, moved=parent != parents[key])
            elif kind == "out":
                sides[side] = OUT
        if dice.random() < 0.2 and sides[OUTLOOK].word == "live":
            sides[DINGTALK] = NONE
        views.append(view(key, n + 1, sides[DINGTALK], sides[OUTLOOK], needed=dice.random() < 0.1))
    return _with_distinct_siblings(views)


def _with_distinct_siblings(views: list[FolderView]) -> list[FolderView]:
    """Vendors hold no two alike: the later one is as it was."""
    seen: set[tuple[Side, str, str]] = set()
    fixed = []
    for v in views:
        for side in SIDES:
            shown = v.shown(side)
            if shown.word == "live" and (side, shown.parent, fold(side, shown.name)) in seen:
                shown = replace(shown, name=f"{shown.name}-{v.age}")
                v = replace(v, dingtalk=shown) if side == DINGTALK else replace(v, outlook=shown)
            seen.add((side, shown.parent, fold(side, shown.name)))
        fixed.append(v)
    return fixed


def _carried_out(views: list[FolderView], steps: list[FolderStep]) -> list[FolderView]:
    """As a vendor that refuses two alike and a folder in itself would do it, all steps in order."""
    found = {v.key: v for v in views}
    for step in steps:
        if isinstance(step, CloseFolder):
            del found[step.key]
            continue
        if not isinstance(step, MakeFolder | RenameFolder | MoveFolder | ForgetFolder):
            continue
        v = found[step.key]
        shown = NONE if isinstance(step, ForgetFolder) else _changed(v.shown(step.side), step)
        if shown.word == "live":
            _check(list(found.values()), step.key, step.side, shown)
        v = replace(v, dingtalk=shown) if step.side == DINGTALK else replace(v, outlook=shown)
        found[step.key] = replace(v, needed=v.needed and not isinstance(step, MakeFolder))
    return [_agreed(v) for v in found.values()]


def _changed(shown: Shown, step: MakeFolder | RenameFolder | MoveFolder) -> Shown:
    if isinstance(step, MakeFolder):
        return live(step.name, step.parent)
    if isinstance(step, RenameFolder):
        return replace(shown, name=step.name)
    return replace(shown, parent=step.parent)


def _check(views: list[FolderView], key: str, side: Side, shown: Shown) -> None:
    at = {v.key: v.shown(side) for v in views if v.shown(side).word == "live"}
    for other_key, beside in at.items():
        alike = (beside.parent, fold(side, beside.name)) == (shown.parent, fold(side, shown.name))
        assert other_key == key or not alike, f"{key} and {other_key} would be alike on {side}"
    assert shown.parent == TOP or shown.parent in at, f"{key} would stand below what is not there on {side}"
    up, line = shown.parent, {key}
    while up != TOP and up in at:
        assert up not in line, f"{key} would stand in itself on {side}"
        line.add(up)
        up = at[up].parent


def _agreed(v: FolderView) -> FolderView:
    """Both sides show what they should by now."""
    ends = {side: replace(v.shown(side), renamed=False, moved=False) for side in SIDES}
    return replace(v, dingtalk=ends[DINGTALK], outlook=ends[OUTLOOK])


@pytest.mark.parametrize("start", range(0, 4000, 500))
def test_steps_can_be_done_in_their_order_and_done_once_nothing_is_left(start: int) -> None:
    for seed in range(start, start + 500):
        views = _tree(random.Random(seed))
        live_parents = {v.key for v in views if any(v.shown(s).word == "live" for s in SIDES)} | {TOP}
        if any(v.shown(s).word == "live" and v.shown(s).parent not in live_parents for v in views for s in SIDES):
            continue
        for _ in range(6):
            steps = plan_folders(views, held(views))
            assert plan_folders(list(reversed(views)), list(reversed(held(views)))) == steps, seed
            if not [s for s in steps if not isinstance(s, DropFolder | WaitFolder)]:
                break
            views = _carried_out(views, steps)
        else:
            raise AssertionError(f"seed {seed}: {steps}")
