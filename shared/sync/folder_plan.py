"""The planner of folders: what both trees show in, steps out. Pure, and all of it is in this file and folder_order.py.

TABLE chooses by the words of both sides without regard to which side shows which; `unknown` and `hidden` choose
nothing. What it leaves is a wanted place for every folder on every side; `folder_order` turns those into steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from shared.model.folder_names import mapped, numbered
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
    Shown,
    WaitFolder,
)
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side, other
from shared.sync.folder_order import Place, Wanted, order, slot


@dataclass(slots=True)
class Target:
    """What becomes of one folder: its wanted name by side, and the parent that both should show. `lead`: whose parent
    it is; `back`: it was taken back once, to break a cycle."""

    view: FolderView
    names: dict[Side, str] = field(default_factory=dict)
    parent: str = ""
    lead: Side = OUTLOOK
    moved: bool = False
    back: bool = False
    lost: list[LostPlace] = field(default_factory=list)


def plan_folders(
    views: Iterable[FolderView], held: Sequence[Held], *, flat: bool = False, archive: str = "Archive"
) -> list[FolderStep]:
    """`held`: every folder that stands in a live tree now. `flat`: DingTalk's system folders take no folders, so what
    belongs there stands at its top. `archive`: what its archive is called when it is made. Steps are in an order in
    which each can be done after those before it."""
    targets = {view.key: Target(view) for view in sorted(views, key=lambda v: (v.age, v.key))}
    for target in targets.values():
        row = _row(target.view)
        if row is merge or row is make:
            row(target, set())
    _settle_parents(targets)
    _break_cycles(targets)
    needed = _needed(targets)
    steps = [step for target in targets.values() for step in _existence(target, needed)]
    steps += [lost for target in targets.values() for lost in target.lost]
    leaving = {step.key for step in steps if isinstance(step, CloseFolder | ForgetFolder)}
    wanted = [_wanted(t, flat) for t in targets.values() if t.names and t.view.key not in leaving]
    moves = order(wanted, held)
    busy = {step.key for step in moves}
    for w in wanted:
        if w.key not in busy and any(w.here.get(side) != w.places[side] for side in SIDES):
            steps.append(WaitFolder(w.key))
        elif w.key not in busy and _is_news(targets[w.key].view):
            steps.append(AgreeFolder(w.key))
    return steps + moves + _archive(targets, held, archive)


def _row(view: FolderView) -> Row | None:
    if view.role is not None:
        return None
    words = (view.outlook.word, view.dingtalk.word)
    return TABLE.get(words) or TABLE.get((words[1], words[0]))


# ---- rows that give a wanted place
def merge(target: Target, needed: set[str]) -> list[FolderStep]:
    """Both are there: what one side changed goes across, what both changed alike is agreed, else Outlook's."""
    o, d = target.view.outlook, target.view.dingtalk
    _merge_names(target, o, d)
    places = {OUTLOOK: o.parent, DINGTALK: d.parent}
    target.moved = o.moved or d.moved or o.adrift or d.adrift
    target.lead = DINGTALK if (d.moved and not o.moved) or (o.adrift and not d.adrift) else OUTLOOK
    target.parent = places[target.lead]
    if o.moved and d.moved and o.parent != d.parent:
        target.lost.append(LostPlace(target.view.key, DINGTALK, "parent", d.parent))
    return []


def _merge_names(target: Target, o: Shown, d: Shown) -> None:
    target.names = {OUTLOOK: o.name, DINGTALK: d.name}
    if o.renamed:
        target.names[DINGTALK] = mapped(DINGTALK, o.name)
        if d.renamed and target.names[DINGTALK] != d.name:
            target.lost.append(LostPlace(target.view.key, DINGTALK, "name", d.name))
    elif d.renamed:
        target.names[OUTLOOK] = mapped(OUTLOOK, d.name)


def make(target: Target, needed: set[str]) -> list[FolderStep]:
    """It is on one side only."""
    side = next(s for s in SIDES if target.view.shown(s).word == "live")
    shown = target.view.shown(side)
    target.names = {side: shown.name, other(side): mapped(other(side), shown.name)}
    target.parent, target.lead, target.moved = shown.parent, side, True
    return []


# ---- rows that say whether it stays
def leave_or_restore(target: Target, needed: set[str]) -> list[FolderStep]:
    """Deleted on one side: needed after all, it is made again there; else it goes on the other side too."""
    view = target.view
    out = next(s for s in SIDES if view.shown(s).word == "out")
    if view.key in needed or view.placed:
        return [ForgetFolder(view.key, out)]
    return [DropFolder(view.key, other(out))]


def close(target: Target, needed: set[str]) -> list[FolderStep]:
    return [CloseFolder(target.view.key)]


Row = Callable[[Target, set[str]], list[FolderStep]]

TABLE: dict[tuple[FolderWord, FolderWord], Row] = {
    ("live", "live"): merge,
    ("live", "none"): make,
    ("live", "out"): leave_or_restore,
    ("out", "out"): close,
    ("out", "none"): close,
    ("none", "none"): close,
}


def _existence(target: Target, needed: set[str]) -> list[FolderStep]:
    view, row = target.view, _row(target.view)
    if view.role == "archive" and view.dingtalk.word == "out":
        return [ForgetFolder(view.key, DINGTALK)]
    if row is leave_or_restore or row is close:
        return row(target, needed)
    return []


def _archive(targets: Mapping[str, Target], held: Sequence[Held], name: str) -> list[FolderStep]:
    """DingTalk's archive is made on its first use; a name that is taken gets a number."""
    target = targets.get("archive")
    if target is None or not target.view.needed or target.view.dingtalk.word != "none":
        return []
    taken = {slot(h.side, Place(h.parent, h.name)) for h in held}
    names = (name if number == 1 else numbered(DINGTALK, name, number) for number in count(1))
    free = next(name for name in names if slot(DINGTALK, Place(TOP, name)) not in taken)
    return [MakeFolder("archive", DINGTALK, free, TOP)]


# ---- the tree of wanted parents
def _settle_parents(targets: dict[str, Target]) -> None:
    """A parent that is gone for good gives way to where the folder stands, else to the top."""
    for target in targets.values():
        if target.names and not _stands(targets, target.parent):
            shown = [target.view.shown(s) for s in SIDES]
            live = [s.parent for s in shown if s.word == "live" and not s.adrift and _stands(targets, s.parent)]
            known = any(s.word == "live" and (s.parent or s.adrift) for s in shown)
            target.parent = live[0] if live else TOP if known else ""
            target.moved = True


def _stands(targets: Mapping[str, Target], key: str) -> bool:
    if key == TOP:
        return True
    target = targets.get(key)
    return target is not None and any(target.view.shown(s).word in ("live", "hidden", "unknown") for s in SIDES)


def _break_cycles(targets: dict[str, Target]) -> None:
    """Each side's own tree has no cycle, so every cycle holds a move made in DingTalk: those go back to Outlook's
    parent, and to the top when that makes another one."""
    for key in sorted(targets):
        while cycle := _cycle(targets, key):
            mine = [k for k in cycle if targets[k].lead == DINGTALK and targets[k].view.outlook.word == "live"]
            for k in mine or cycle[:1]:
                target = targets[k]
                target.lost.append(LostPlace(k, DINGTALK, "parent", target.parent))
                before = target.view.outlook.parent
                target.parent = before if before and before != target.parent and not target.back else TOP
                target.lead, target.moved, target.back = OUTLOOK, True, True


def _cycle(targets: Mapping[str, Target], key: str) -> list[str]:
    path: list[str] = []
    while key in targets and targets[key].names and key not in path:
        path.append(key)
        key = targets[key].parent
    return path[path.index(key) :] if key in path else []


def _needed(targets: Mapping[str, Target]) -> set[str]:
    """What a message wants, and what stands above a folder that stays."""
    found = {key for key, target in targets.items() if target.view.needed}
    todo = [t.parent for t in targets.values() if t.names] + [_above(targets[key].view) for key in found]
    while todo:
        key = todo.pop()
        if key in targets and key not in found:
            found.add(key)
            todo.append(targets[key].parent or _above(targets[key].view))
    return found


def _above(view: FolderView) -> str:
    return next((view.shown(s).parent for s in SIDES if view.shown(s).word == "live"), "")


# ---- wanted places
def _wanted(target: Target, flat: bool) -> Wanted:
    """Where nobody moved it, each side keeps its own place: they may differ where a side can't hold the other's."""
    view, places = target.view, dict[Side, Place]()
    for side in SIDES:
        shown = view.shown(side)
        parent = target.parent if target.moved else shown.parent
        if side == DINGTALK and flat and target.moved and parent in SYSTEM:
            parent = TOP
        places[side] = Place(parent, target.names[side])
    here = {s: Place(view.shown(s).parent, view.shown(s).name) for s in SIDES if view.shown(s).word == "live"}
    source = OUTLOOK if view.outlook.renamed or view.dingtalk.word != "live" else DINGTALK
    return Wanted(view.key, places, here, source)


SYSTEM = ("inbox", "sent", "junk")
"""Keys of folders in which DingTalk may take no folders."""


def _is_news(view: FolderView) -> bool:
    return any(shown.renamed or shown.moved for shown in (view.outlook, view.dingtalk))
