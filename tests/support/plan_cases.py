"""The planner's proof: random cases from seeds, a model that carries plans out, and what must hold for every case.

A case is seven links of one pair. Five of them are busy: people changed them four times or more, on both sides. Two are
quiet. All are then seen as a run would see them: read, vanished, never made, or not looked at.

    python -m tests.support.plan_cases --seed 7            what this case is, and whether the planner stands it
    python -m tests.support.plan_cases --from 0 --cases N  that many of them, and how many a second
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType

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
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side, other
from shared.sync.plan import observe, plan

Observed = dict[str, dict[Side, Observation]]

VALUES: dict[str, tuple[Value, ...]] = {
    "read": (False, True),
    "flag": ("none", "flagged", "complete"),
    "folder": ("inbox", "archive", "folder:a", "folder:b", "junk", "trash"),
    "categories": ("", "a", "a b"),
}
DELIVERED: State = MappingProxyType({"read": False, "flag": "none", "folder": "inbox", "categories": ""})
BUSY, QUIET = 5, 2
EDITS: tuple[tuple[int, int], ...] = ((1, 3), (2, 2), (3, 1), (3, 3))
"""How often the people of either side change a busy link."""
POLICIES = tuple(
    Policy(winner, restores, mirrors)
    for winner in SIDES
    # One in three: no kind that exists wants it yet.
    for restores in (False, False, True)
    for mirrors in (False, False, True)
)
ROUNDS = 2
"""Plans that may hold steps until both sides are quiet: what mirrors a removal is closed by the plan after it."""


@dataclass(frozen=True, slots=True)
class Case:
    """What the planner is given, and what stands in the two mailboxes: states by link, None for "not there". The states
    are read-only views, so that a planner that changed its input would fail."""

    links: tuple[LinkView, ...]
    observed: Observed
    policy: Policy
    boxes: Mapping[Side, Mapping[str, State | None]]


class Broken(AssertionError):
    """A property does not hold; the text names the link and shows what it is about."""


# ------------------------------------------------------------------------------------------------------ making a case
class Dice:
    """Draws from a seed with `Random.random` alone, which gives the same numbers in every version of Python."""

    def __init__(self, seed: int) -> None:
        self._next = Random(seed).random

    def chance(self, share: float) -> bool:
        return self._next() < share

    def below(self, limit: int) -> int:
        return int(self._next() * limit)

    def state(self) -> dict[str, Value]:
        return {name: values[self.below(len(values))] for name, values in VALUES.items()}

    def edit(self, state: dict[str, Value]) -> None:
        """Somebody sets a field to another value; now and then it is the one that it had at first."""
        name = NAMES[self.below(len(NAMES))]
        values = VALUES[name]
        state[name] = values[(values.index(state[name]) + 1 + self.below(len(values) - 1)) % len(values)]


NAMES = tuple(VALUES)


def make(seed: int) -> Case:
    """The case of this seed."""
    dice = Dice(seed)
    policy = POLICIES[dice.below(len(POLICIES))]
    made = [_link(dice, f"link-{number}", busy=number < BUSY) for number in range(BUSY + QUIET)]
    return _case([view for view, _ in made], [states for _, states in made], policy, dice)


def _link(dice: Dice, key: str, busy: bool) -> tuple[LinkView, dict[Side, State]]:
    base = dice.state()
    edits = EDITS[dice.below(len(EDITS))] if busy else (dice.below(2), dice.below(2))
    states: dict[Side, State] = {}
    for side, count in zip(SIDES, edits, strict=True):
        state = dict(base)
        for _ in range(count):
            dice.edit(state)
        states[side] = MappingProxyType(state)
    unsure = frozenset(name for name in NAMES if dice.chance(0.3)) if dice.chance(0.2) else frozenset[str]()
    gone = SIDES[dice.below(2)] if dice.chance(0.08) else None
    return LinkView(key, MappingProxyType(base), gone, unsure), states


def _case(views: Sequence[LinkView], states: Sequence[Mapping[Side, State]], policy: Policy, dice: Dice) -> Case:
    boxes: dict[Side, dict[str, State | None]] = {side: {} for side in SIDES}
    observed: Observed = {}
    for view, shown in zip(views, states, strict=True):
        observed[view.key] = {}
        for side in SIDES:
            word = "gone" if view.gone == side else _word(dice)
            seen = observe(view.base, shown[side]) if word is None else Observation(word, view.base)
            observed[view.key][side] = seen
            boxes[side][view.key] = None if seen.absent else shown[side]
    return Case(tuple(views), observed, policy, boxes)


def _word(dice: Dice) -> Word | None:
    """None, most often: it is read."""
    share = dice.below(100)
    return "gone" if share < 6 else "unborn" if share < 10 else "unknown" if share < 13 else None


# ------------------------------------------------------------------------------------------------- carrying a plan out
def carry_out(case: Case, steps: Iterable[Step]) -> Case:
    """What the ledger and the two mailboxes are after these steps, and what a run then sees of them. A write lands and
    a read shows it, so the base moves to it."""
    links = {view.key: view for view in case.links}
    boxes = {side: dict(case.boxes[side]) for side in SIDES}
    for step in steps:
        _carry_out(step, links, boxes)
    observed: Observed = {
        key: {side: _look(case, view, side, boxes[side][key]) for side in SIDES} for key, view in links.items()
    }
    return Case(tuple(links.values()), observed, case.policy, boxes)


def _carry_out(step: Step, links: dict[str, LinkView], boxes: dict[Side, dict[str, State | None]]) -> None:
    view = links[step.link]
    match step:
        case Agree():
            links[step.link] = _moved(view, step.values)
        case Write():
            state = boxes[step.side][step.link]
            boxes[step.side][step.link] = {**(state or {}), **step.changes}
            links[step.link] = _moved(view, step.changes)
        case MarkGone():
            links[step.link] = replace(view, base=step.base, gone=step.side)
        case CreateAgain():
            boxes[step.side][step.link] = step.state
            links[step.link] = LinkView(step.link, step.state)
        case Close():
            del links[step.link]
        case Overwritten():
            pass


def _moved(view: LinkView, values: State) -> LinkView:
    return LinkView(view.key, {**view.base, **values}, view.gone, view.unsure - values.keys())


def _look(case: Case, view: LinkView, side: Side, state: State | None) -> Observation:
    """Who was not there is still not there, and what was not read is still not read."""
    word = case.observed[view.key][side].word
    if word == "unknown" or state is None:
        return Observation(word, view.base)
    return observe(view.base, state)


# ------------------------------------------------------------------------------------------------------ what must hold
def check(case: Case, dice: Dice) -> None:
    """Raises Broken for the first property that does not hold."""
    steps = plan(case.links, case.observed, case.policy)
    for rule in RULES:
        rule(case, steps)
    after = carry_out(case, steps)
    edits_survive(case, steps, after)
    settles(after)
    mirrored(case, steps)
    shuffled(case, steps, dice)
    stopped_half_way(case, steps, after, dice)
    equal_sides_are_left_alone(case)


def _require(holds: bool, what: str, *about: object) -> None:
    if not holds:
        raise Broken("\n  ".join((what, *(str(item) for item in about))))


def unknown_gives_no_step(case: Case, steps: Sequence[Step]) -> None:
    for step in steps:
        words = [seen.word for seen in case.observed[step.link].values()]
        _require("unknown" not in words, "a step for a link of which one side was not read", step, words)


def writes_have_their_before_image(case: Case, steps: Sequence[Step]) -> None:
    """It names the fields that change, no others, with what that side showed; and nothing is set to what it was."""
    for step in steps:
        if isinstance(step, Write):
            seen = case.observed[step.link][step.side]
            image = {name: seen.state[name] for name in step.changes}
            _require(not seen.absent, "a write to an item that is not there", step)
            _require(step.before == image, "a write without the image of what it changes", step, seen)
            _require(bool(step.changes), "a write of nothing", step)
            same = [name for name, value in step.changes.items() if image[name] == value]
            _require(not same, "a field is written that shows the value already", step)


def trash_follows_trash(case: Case, steps: Sequence[Step]) -> None:
    """Something is trashed only where the other side shows it in the trash, which is named to be read again; or, where
    the policy says so, where the other side vanished."""
    for step in steps:
        if isinstance(step, Write):
            twin = case.observed[step.link][other(step.side)]
            trashes = step.changes.get("folder") == "trash"
            followed = trashes and not twin.absent and twin.state["folder"] == "trash"
            vanished = trashes and twin.word == "gone" and case.policy.mirror_vanished
            _require(followed or vanished or not trashes, "trashed, though the other side is not", step, twin)
            _require((step.because is not None) == followed, "the side that was trashed is not named", step, twin)
            _require(step.because in (None, other(step.side)), "a side is its own reason", step)
        if isinstance(step, CreateAgain):
            _require(step.state["folder"] != "trash", "an item in the trash is made again", step)


def journal_says_what_stood_there(case: Case, steps: Sequence[Step]) -> None:
    """An overwritten value is one that this side showed and that a write of the same plan replaces."""
    written = {(step.link, step.side): step.changes for step in steps if isinstance(step, Write)}
    for step in steps:
        if isinstance(step, Overwritten):
            shown = case.observed[step.link][step.side].state[step.field]
            _require(shown == step.value, "the journal holds a value that was not there", step)
            changes = written.get((step.link, step.side), {})
            _require(step.field in changes, "the journal calls a value overwritten that stays", step)


def agreed_is_what_both_show(case: Case, steps: Sequence[Step]) -> None:
    for step in steps:
        if isinstance(step, Agree):
            both = [{name: seen.state[name] for name in step.values} for seen in case.observed[step.link].values()]
            _require(both == [step.values] * 2, "agreed, but not shown by both", step, both)
            _require(bool(step.values), "agreed on nothing", step)


RULES: tuple[Callable[[Case, Sequence[Step]], None], ...] = (
    unknown_gives_no_step,
    writes_have_their_before_image,
    trash_follows_trash,
    journal_says_what_stood_there,
    agreed_is_what_both_show,
)


def edits_survive(case: Case, steps: Sequence[Step], after: Case) -> None:
    """What somebody changed stands on every side that is there, or is in the journal. That includes a value in
    doubt: it may be somebody's."""
    journal = {(step.link, step.side, step.field, step.value) for step in steps if isinstance(step, Overwritten)}
    for view in case.links:
        seen = case.observed[view.key]
        if any(seen[side].word == "unknown" for side in SIDES):
            continue
        ends = [state for side in SIDES if (state := after.boxes[side][view.key]) is not None]
        for side in SIDES:
            if seen[side].absent:
                continue
            for name, value in seen[side].state.items():
                edited = value != view.base[name] or name in view.unsure
                stands = all(state[name] == value for state in ends)
                kept = (view.key, side, name, value) in journal
                if edited and not stands and not kept:
                    raise Broken(f"an edit is lost: {side} {name}={value}\n  {view}\n  {seen}\n  {ends}")


def settles(after: Case) -> None:
    """Planned again, nothing is left; and every link of which both sides are there shows its base on both."""
    steps: list[Step] = []
    for _ in range(ROUNDS):
        steps = plan(after.links, after.observed, after.policy)
        if not steps:
            break
        _require(all(isinstance(step, Close) for step in steps), "a plan that was carried out leaves work", *steps)
        after = carry_out(after, steps)
    _require(not steps, f"{ROUNDS} plans later there are still steps", *steps)
    for view in after.links:
        seen = after.observed[view.key]
        if all(seen[side].word not in ("unknown", "gone", "unborn") for side in SIDES):
            words = {seen[side].word for side in SIDES}
            _require(words == {"kept"}, "quiet, but the sides are not what the base says", view, seen)


def mirrored(case: Case, steps: Sequence[Step]) -> None:
    """Nothing depends on which side is which, but for the winner: with the sides swapped the plan is swapped."""
    links = [replace(view, gone=other(view.gone)) if view.gone else view for view in case.links]
    observed: Observed = {
        key: {DINGTALK: seen[OUTLOOK], OUTLOOK: seen[DINGTALK]} for key, seen in case.observed.items()
    }
    policy = POLICIES_SWAPPED[case.policy]
    there, here = _index(plan(links, observed, policy), True), _index(steps, False)
    if there != here:
        raise Broken(f"swapped sides do not give the swapped plan\n  {here}\n  {there}")


POLICIES_SWAPPED = {policy: replace(policy, winner=other(policy.winner)) for policy in POLICIES}


def _index(steps: Sequence[Step], swap: bool) -> dict[tuple[object, ...], object]:
    """Steps without their order and their sides' names. No plan holds two steps of one kind for one link, side and
    field."""
    index: dict[tuple[object, ...], object] = {}
    for step in steps:
        side = getattr(step, "side", None)
        seat = other(side) if swap and side else side
        match step:
            case Write():
                index[Write, step.link, seat] = (step.changes, step.before, step.because is None)
            case Overwritten():
                index[Overwritten, step.link, seat, step.field] = step.value
            case Agree():
                index[Agree, step.link] = step.values
            case MarkGone():
                index[MarkGone, step.link, seat] = step.base
            case CreateAgain():
                index[CreateAgain, step.link, seat] = step.state
            case Close():
                index[Close, step.link] = None
    _require(len(index) == len(steps), "a plan says the same thing twice", *steps)
    return index


def shuffled(case: Case, steps: Sequence[Step], dice: Dice) -> None:
    """The order of links and observations changes nothing but the order of the steps."""
    order = sorted(case.links, key=lambda view: dice.below(1000))
    observed: Observed = {
        view.key: {side: case.observed[view.key][side] for side in reversed(SIDES)} for view in reversed(order)
    }
    again = plan(order, observed, case.policy)
    for view in case.links:
        before = [step for step in steps if step.link == view.key]
        if before != [step for step in again if step.link == view.key]:
            raise Broken(f"another order, another plan for {view}\n  {before}\n  {again}")
    _require(len(again) == len(steps), "another order, another number of steps", *again)


def stopped_half_way(case: Case, steps: Sequence[Step], after: Case, dice: Dice) -> None:
    """Wherever a run ends, the next one brings the mailboxes to the same. Where an edit restores, they agree too,
    but it may be on something else: the edit that restores may be what was carried out."""
    cut = carry_out(case, steps[: dice.below(len(steps) + 1)])
    rest = plan(cut.links, cut.observed, cut.policy)
    end = carry_out(cut, rest)
    settles(end)
    if not case.policy.edit_restores and end.boxes != after.boxes:
        raise Broken(f"a run that ended early leads elsewhere\n  {steps}\n  {rest}")


def equal_sides_are_left_alone(case: Case) -> None:
    """Two equal mailboxes whose links were lost: linked anew with the base as delivered, nothing is written."""
    links = [LinkView(view.key, DELIVERED) for view in case.links]
    observed: Observed = {}
    for view in links:
        state = case.boxes[DINGTALK][view.key] or DELIVERED
        seen = observe(DELIVERED, state)
        observed[view.key] = {DINGTALK: seen, OUTLOOK: seen}
    for step in plan(links, observed, case.policy):
        _require(isinstance(step, Agree), "equal sides are not left alone", step)


# ------------------------------------------------------------------------------------------------------------ running
def run(seeds: Iterable[int]) -> int:
    """Check the cases of these seeds -> how many. Broken says how to replay the one that fails."""
    done = list(seeds)
    for seed in done:
        try:
            check(make(seed), Dice(seed + 1))
        except Exception as error:
            raise Broken(f"{error!r}\nreplay: python -m tests.support.plan_cases --seed {seed}") from error
    return len(done)


def main() -> int:
    parser = argparse.ArgumentParser(description="Random cases for the planner.")
    parser.add_argument("--seed", type=int, help="show one case and check it")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed (default: 0)")
    parser.add_argument("--cases", type=int, default=100_000, help="how many (default: 100000)")
    asked = parser.parse_args()
    first, count = (asked.first, asked.cases) if asked.seed is None else (asked.seed, 1)
    if asked.seed is not None:
        _show(make(asked.seed))
    begun = time.perf_counter()
    try:
        run(range(first, first + count))
    except Broken as error:
        print(error)
        return 1
    print(f"{count} cases hold, {count / (time.perf_counter() - begun):.0f} a second")
    return 0


def _show(case: Case) -> None:
    print(case.policy)
    for view in case.links:
        print(f"{view.key}: base {dict(view.base)}, gone {view.gone}, unsure {sorted(view.unsure)}")
        for side in SIDES:
            seen = case.observed[view.key][side]
            print(f"    {side:8} {seen.word:8} {dict(seen.state)}")
        for step in plan([view], case.observed, case.policy):
            print(f"    -> {step}")


if __name__ == "__main__":
    sys.exit(main())
