"""The planner: two observations of each link in, steps out. Pure, and all of it is in this file.

TABLE is the truth table; its rows are functions of this module, named after what they do. Two observations choose a
row without regard to which side shows which, and `unknown` on either side chooses none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from shared.model.plans import (
    Agree,
    Close,
    CreateAgain,
    LinkView,
    MarkGone,
    Observation,
    Overwritten,
    Policy,
    State,
    Step,
    Value,
    Word,
    Write,
)
from shared.model.words import SIDES, Side

PLACE = "folder"
TRASH = "trash"


def plan(links: Iterable[LinkView], observed: Mapping[str, Mapping[Side, Observation]], policy: Policy) -> list[Step]:
    """The steps for every link that was observed, in the order of the links. Nothing is read and nothing remembered:
    the same arguments give the same steps."""
    steps: list[Step] = []
    for link in links:
        sides = observed.get(link.key)
        if sides is not None:
            steps += plan_link(link, sides, policy)
    return steps


def plan_link(link: LinkView, sides: Mapping[Side, Observation], policy: Policy) -> list[Step]:
    first, second = SIDES
    words = (sides[first].word, sides[second].word)
    if "unknown" in words:
        return []
    if words not in TABLE:
        first, second = second, first
    row = TABLE[sides[first].word, sides[second].word]
    return row(_Case(link, first, sides[first], second, sides[second], policy))


def observe(base: State, now: State) -> Observation:
    """What a read that found the item says of it."""
    if now == base:
        return Observation("kept", now)
    trashed = now[PLACE] == TRASH != base[PLACE]
    return Observation("trashed" if trashed else "edited", now)


@dataclass(frozen=True, slots=True)
class _Case:
    """One link; in the rows' names `one` comes before `two`."""

    link: LinkView
    one: Side
    first: Observation
    two: Side
    second: Observation
    policy: Policy


def close(case: _Case) -> list[Step]:
    return [Close(case.link.key)]


def merge(case: _Case) -> list[Step]:
    """Field by field: what one side changed goes across, what both changed alike is agreed, else the policy decides."""
    link, states = case.link, {case.one: case.first.state, case.two: case.second.state}
    target, steps = dict[str, Value](), list[Step]()
    for name, was in link.base.items():
        one, two = case.first.state[name], case.second.state[name]
        target[name] = one if two in (was, one) else two if one == was else _winner(case, name)
        for side in SIDES:
            value = states[side][name]
            if value != target[name] and (value != was or name in link.unsure):
                steps.append(Overwritten(link.key, side, name, value))
    agreed = {
        name: value
        for name, value in target.items()
        if all(state[name] == value for state in states.values()) and (value != link.base[name] or name in link.unsure)
    }
    if agreed:
        steps.append(Agree(link.key, agreed))
    for side in SIDES:
        if write := _write(link, side, states[side], target):
            steps.append(write)
    return steps


def _winner(case: _Case, name: str) -> Value:
    values = {case.one: case.first.state[name], case.two: case.second.state[name]}
    if name == PLACE and TRASH in values.values():
        return next(value for value in values.values() if value != TRASH)
    return values[case.policy.winner]


def _write(link: LinkView, side: Side, shown: State, target: State) -> Write | None:
    changes = {name: value for name, value in target.items() if shown[name] != value}
    if not changes:
        return None
    because = next(s for s in SIDES if s != side) if changes.get(PLACE) == TRASH else None
    return Write(link.key, side, changes, {name: shown[name] for name in changes}, because)


def merge_or_restore(case: _Case) -> list[Step]:
    """`one` was edited, `two` is trashed. Mail merges: a move beats the trash. Other kinds bring it back: `two` is
    then merged as if it stood where `one` does, and moved there."""
    if not case.policy.edit_restores or case.first.state[PLACE] == TRASH:
        return merge(case)
    place = case.first.state[PLACE]
    steps = merge(replace(case, second=Observation("edited", {**case.second.state, PLACE: place})))
    restore = Write(case.link.key, case.two, {PLACE: place}, {PLACE: TRASH})
    lost = Overwritten(case.link.key, case.two, PLACE, TRASH)
    rest = [step for step in map(_without_place, steps) if step is not None]
    for number, step in enumerate(rest):
        if isinstance(step, Write) and step.side == case.two:
            changes, before = {**step.changes, **restore.changes}, {**step.before, **restore.before}
            rest[number] = Write(step.link, step.side, changes, before)
            return [lost, *rest]
    return [lost, *rest, restore]


def _without_place(step: Step) -> Step | None:
    """The trashed side does not show the restored place yet, so it can't be agreed."""
    if isinstance(step, Agree):
        values = {name: value for name, value in step.values.items() if name != PLACE}
        return Agree(step.link, values) if values else None
    return step


def keep_other(case: _Case) -> list[Step]:
    """`one` is there, `two` is gone: a vanished item takes nothing with it."""
    link, shown = case.link, case.first.state
    if link.base[PLACE] == TRASH:
        return close(case) if shown[PLACE] == TRASH else create_again(case)
    if case.policy.mirror_vanished:
        return _mirror_vanished(case)
    if link.gone == case.two and link.base == shown:
        return []
    return [MarkGone(link.key, case.two, dict(shown))]


def _mirror_vanished(case: _Case) -> list[Step]:
    """Nobody trashed the other side, so there is nothing to read again right before."""
    link, place = case.link, case.first.state[PLACE]
    if place == TRASH:
        return close(case)
    edited = place != link.base[PLACE] or PLACE in link.unsure
    lost: list[Step] = [Overwritten(link.key, case.one, PLACE, place)] if edited else []
    return [*lost, Write(link.key, case.one, {PLACE: TRASH}, {PLACE: place})]


def create_again(case: _Case) -> list[Step]:
    """`one` is there, and our copy of it on `two` is not."""
    if case.first.state[PLACE] == TRASH:
        return close(case)
    return [CreateAgain(case.link.key, case.two, dict(case.first.state))]


TABLE: dict[tuple[Word, Word], Callable[[_Case], list[Step]]] = {
    ("kept", "kept"): merge,
    ("kept", "edited"): merge,
    ("kept", "trashed"): merge,
    ("kept", "gone"): keep_other,
    ("kept", "unborn"): create_again,
    ("edited", "edited"): merge,
    ("edited", "trashed"): merge_or_restore,
    ("edited", "gone"): keep_other,
    ("edited", "unborn"): create_again,
    ("trashed", "trashed"): merge,
    ("trashed", "gone"): close,
    ("trashed", "unborn"): close,
    ("gone", "gone"): close,
    ("gone", "unborn"): close,
    ("unborn", "unborn"): close,
}
