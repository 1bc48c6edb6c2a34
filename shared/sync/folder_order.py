"""Wanted places of folders as steps to be done one after the other: clashes of names, swaps, parents first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from shared.model.folder_names import RULES, fold, numbered
from shared.model.folders import TOP, FolderStep, Held, MakeFolder, MoveFolder, RenameFolder
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side, other

Slot = tuple[Side, str, str]
"""A side, a parent's key and a folded name: one folder at most stands there."""


@dataclass(frozen=True, slots=True)
class Place:
    parent: str
    name: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """`places`: where it should stand; `here`: where it stands, without the sides on which it is not. `source`: the
    side whose name it bears."""

    key: str
    places: Mapping[Side, Place]
    here: Mapping[Side, Place]
    source: Side


def order(wanted: Sequence[Wanted], held: Sequence[Held]) -> list[FolderStep]:
    """`wanted` from the oldest to the youngest; the older keeps a name that two want."""
    settled = _settle_names(wanted, held)
    return [step for side in (OUTLOOK, DINGTALK) for step in _Side(side, settled, held).steps()]


def slot(side: Side, place: Place) -> Slot:
    return side, place.parent, fold(side, place.name)


# ---- names
def _settle_names(wanted: Sequence[Wanted], held: Sequence[Held]) -> list[Wanted]:
    """A name that two want, or that something else holds for good: the younger gets a number, on both sides if its own
    side can't hold it either, else only where it must. What stands beside something that is not ours to judge stays."""
    keys = {w.key for w in wanted}
    taken = {slot(h.side, Place(h.parent, h.name)): True for h in held if h.key not in keys}
    now = {slot(h.side, Place(h.parent, h.name)) for h in held}
    settled: list[Wanted] = []
    for w in wanted:
        stays = {s: w.here.get(s) == w.places[s] for s in SIDES}
        clash = [s for s in SIDES if (at := slot(s, w.places[s])) in taken and not (stays[s] and taken[at])]
        if clash:
            w = _renumbered(w, clash, taken.keys() | now)
        taken |= {slot(s, w.places[s]): False for s in SIDES}
        settled.append(w)
    return settled


def _renumbered(w: Wanted, clash: list[Side], taken: set[Slot]) -> Wanted:
    sides = list(SIDES) if w.source in clash else clash
    for number in count(2):
        names = {s: Place(w.places[s].parent, numbered(s, w.places[s].name, number)) for s in sides}
        if all(slot(s, place) not in taken or w.here.get(s) == place for s, place in names.items()):
            break
    return Wanted(w.key, {**w.places, **names}, w.here, w.source)


# ---- steps
class _Side:
    """One side's tree, as it changes while steps are put in order."""

    def __init__(self, side: Side, wanted: Iterable[Wanted], held: Iterable[Held]) -> None:
        self._side = side
        self._wanted = {w.key: w for w in wanted}
        self._here = {key: w.here[side] for key, w in self._wanted.items() if side in w.here}
        others = {h.key: Place(h.parent, h.name) for h in held if h.side == side and h.key}
        self._parents = {key: place.parent for key, place in {**others, **self._here}.items()}
        self._holders = {slot(side, Place(h.parent, h.name)): h.key for h in held if h.side == side}
        self._steps: list[FolderStep] = []

    def steps(self) -> list[FolderStep]:
        keys = sorted(self._wanted, key=self._depth)
        todo = [key for key in keys if self._here.get(key) != self._want(key) and self._is_due(key)]
        for _ in range(4 * len(todo)):
            done = [key for key in todo if self._advance(key)]
            todo = [key for key in todo if self._here.get(key) != self._want(key)]
            if not todo or (not done and not self._make_room(todo)):
                break
        return self._steps

    def _want(self, key: str) -> Place:
        return self._wanted[key].places[self._side]

    def _is_due(self, key: str) -> bool:
        deep = self._depth(key) > RULES[self._side].deepest and key not in self._here
        return bool(self._want(key).parent) and not deep

    def _depth(self, key: str) -> int:
        seen: list[str] = []
        while key in self._wanted and key not in seen:
            seen.append(key)
            key = self._want(key).parent
        return len(seen)

    def _advance(self, key: str) -> bool:
        """One or two steps towards the wanted place, if nothing stands in the way."""
        want, here = self._want(key), self._here.get(key)
        if want.parent != TOP and want.parent not in self._parents:
            return False
        if here is None:
            return self._is_free(want, key) and self._do(key, want, MakeFolder(key, self._side, want.name, want.parent))
        if here.parent != want.parent and not self._is_below(want.parent, key):
            moved = Place(want.parent, here.name)
            if self._is_free(moved, key):
                return self._do(key, moved, MoveFolder(key, self._side, want.parent, self._is_own(key, "parent")))
        renamed = Place(here.parent, want.name)
        return (
            here.name != want.name
            and self._is_free(renamed, key)
            and self._do(key, renamed, RenameFolder(key, self._side, want.name, own=self._is_own(key, "name")))
        )

    def _is_own(self, key: str, field: str) -> bool:
        """Has the other side still to follow?"""
        w, twin = self._wanted[key], other(self._side)
        return twin in w.here and bool(getattr(w.here[twin], field) != getattr(w.places[twin], field))

    def _is_free(self, place: Place, key: str) -> bool:
        return not place.parent or self._holders.get(slot(self._side, place), key) == key

    def _is_below(self, parent: str, key: str) -> bool:
        seen: set[str] = set()
        while parent not in seen and parent != TOP and parent in self._parents:
            if parent == key:
                return True
            seen.add(parent)
            parent = self._parents[parent]
        return False

    def _do(self, key: str, place: Place, step: FolderStep) -> bool:
        if (old := self._here.get(key)) is not None:
            self._holders.pop(slot(self._side, old), None)
        self._here[key], self._parents[key] = place, place.parent
        self._holders[slot(self._side, place)] = key
        self._steps.append(step)
        return True

    def _make_room(self, todo: Sequence[str]) -> bool:
        """A swap: who holds a wanted name and wants to leave it gets a passing one. DingTalk's archive is ours to
        place: in the way of a move, it goes back to the top."""
        for key in todo:
            want, here = self._want(key), self._here.get(key)
            if want.parent != TOP and want.parent not in self._parents:
                continue
            if here and self._side == DINGTALK and self._is_below("archive", key) and self._is_below(want.parent, key):
                self._parents["archive"] = TOP
                self._steps.append(MoveFolder("archive", self._side, TOP))
                return True
            for place in (want, Place(want.parent, here.name)) if here else (want,):
                holder = self._holders.get(slot(self._side, place), "")
                if holder != key and holder in todo and holder in self._here:
                    return self._step_aside(holder)
            if here and here.parent != want.parent and not self._is_below(want.parent, key):
                return self._step_aside(key)
        return False

    def _step_aside(self, key: str) -> bool:
        """Not while the name that goes away here has still to cross: it would be lost."""
        if self._is_own(key, "name"):
            return False
        here, want = self._here[key], self._want(key)
        for number in count(2):
            name = numbered(self._side, here.name, number)
            if all(self._is_free(Place(parent, name), key) for parent in (here.parent, want.parent)):
                break
        return self._do(key, Place(here.parent, name), RenameFolder(key, self._side, name, passing=True))
