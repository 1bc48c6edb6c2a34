"""The planner: every row of its table by example, and its properties by the thousand."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    Word,
    Write,
)
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side, other
from shared.sync.plan import TABLE, observe, plan, plan_link
from tests.support import plan_cases
from tests.support.plan_table import DOCUMENT, document

BASE: State = {"read": False, "flag": "none", "folder": "inbox"}
READ: State = {**BASE, "read": True}
TRASHED: State = {**BASE, "folder": "trash"}
MOVED: State = {**BASE, "folder": "folder:a"}
STATES: dict[Word, State] = {"kept": BASE, "edited": READ, "trashed": TRASHED, "gone": BASE, "unborn": BASE}
CASES_PER_CHUNK, CHUNKS = 5_000, 5


def seen(word: Word, state: State | None = None) -> Observation:
    return Observation(word, state if state is not None else STATES.get(word, BASE))


def steps_of(one: Observation, two: Observation, side: Side = DINGTALK, **policy: object) -> list[Step]:
    """The plan when `side` shows `one` and the other side `two`."""
    return plan_link(LinkView("k", BASE), {side: one, other(side): two}, Policy(**policy))  # type: ignore[arg-type]


@pytest.mark.parametrize("side", SIDES)
class TestTable:
    """`side` shows the first word, the other side the second."""

    def test_two_kept_sides_need_nothing(self, side: Side) -> None:
        assert steps_of(seen("kept"), seen("kept"), side) == []

    def test_an_edit_goes_across(self, side: Side) -> None:
        steps = steps_of(seen("kept"), seen("edited"), side)
        assert steps == [Write("k", side, {"read": True}, {"read": False})]

    def test_the_trash_goes_across_because_of_the_other_side(self, side: Side) -> None:
        steps = steps_of(seen("kept"), seen("trashed"), side)
        assert steps == [Write("k", side, {"folder": "trash"}, {"folder": "inbox"}, because=other(side))]

    def test_what_is_gone_takes_nothing_with_it(self, side: Side) -> None:
        assert steps_of(seen("kept"), seen("gone"), side) == [MarkGone("k", other(side), BASE)]
        assert steps_of(seen("edited"), seen("gone"), side) == [MarkGone("k", other(side), READ)]

    def test_a_copy_that_never_came_is_made_again_as_it_is_now(self, side: Side) -> None:
        assert steps_of(seen("kept"), seen("unborn"), side) == [CreateAgain("k", other(side), BASE)]
        assert steps_of(seen("edited"), seen("unborn"), side) == [CreateAgain("k", other(side), READ)]
        assert steps_of(seen("edited", TRASHED), seen("unborn"), side) == [Close("k")]

    def test_different_fields_both_cross(self, side: Side) -> None:
        steps = steps_of(seen("edited", READ), seen("edited", MOVED), side)
        assert Write("k", side, {"folder": "folder:a"}, {"folder": "inbox"}) in steps
        assert Write("k", other(side), {"read": True}, {"read": False}) in steps
        assert len(steps) == 2

    def test_equal_edits_are_agreed(self, side: Side) -> None:
        assert steps_of(seen("edited"), seen("edited"), side) == [Agree("k", {"read": True})]

    def test_a_move_beats_the_trash_and_the_loser_is_named(self, side: Side) -> None:
        steps = steps_of(seen("edited", MOVED), seen("trashed"), side)
        assert Overwritten("k", other(side), "folder", "trash") in steps
        assert Write("k", other(side), {"folder": "folder:a"}, {"folder": "trash"}) in steps
        assert len(steps) == 2

    def test_reading_crosses_beside_the_trash(self, side: Side) -> None:
        steps = steps_of(seen("edited"), seen("trashed"), side)
        assert Write("k", side, {"folder": "trash"}, {"folder": "inbox"}, because=other(side)) in steps
        assert Write("k", other(side), {"read": True}, {"read": False}) in steps

    def test_both_trashed_keeps_the_link(self, side: Side) -> None:
        assert steps_of(seen("trashed"), seen("trashed"), side) == [Agree("k", {"folder": "trash"})]

    @pytest.mark.parametrize(
        "words",
        [("trashed", "gone"), ("trashed", "unborn"), ("gone", "gone"), ("gone", "unborn"), ("unborn", "unborn")],
    )
    def test_when_nothing_is_left_the_link_is_closed(self, side: Side, words: tuple[Word, Word]) -> None:
        assert steps_of(seen(words[0]), seen(words[1]), side) == [Close("k")]

    @pytest.mark.parametrize("word", ["kept", "edited", "trashed", "gone", "unborn", "unknown"])
    def test_unknown_never_leads_to_a_step(self, side: Side, word: Word) -> None:
        assert steps_of(seen("unknown"), seen(word), side) == []

    def test_where_edits_restore_an_edit_brings_back_what_was_trashed(self, side: Side) -> None:
        steps = steps_of(seen("edited"), seen("trashed"), side, edit_restores=True)
        assert Overwritten("k", other(side), "folder", "trash") in steps
        changes: State = {"read": True, "folder": "inbox"}
        assert Write("k", other(side), changes, {"read": False, "folder": "trash"}) in steps
        assert not any(isinstance(step, Write) and step.side == side for step in steps)

    def test_mirrored_removals_trash_what_is_left(self, side: Side) -> None:
        steps = steps_of(seen("kept"), seen("gone"), side, mirror_vanished=True)
        assert steps == [Write("k", side, {"folder": "trash"}, {"folder": "inbox"})]

    def test_with_the_base_in_the_trash_gone_closes_and_a_restored_item_is_made_again(self, side: Side) -> None:
        link = LinkView("k", TRASHED)
        there = {side: seen("kept", TRASHED), other(side): seen("gone", TRASHED)}
        assert plan_link(link, there, Policy()) == [Close("k")]
        restored = {side: seen("edited", BASE), other(side): seen("gone", TRASHED)}
        assert plan_link(link, restored, Policy()) == [CreateAgain("k", other(side), BASE)]


@pytest.mark.parametrize("winner", SIDES)
def test_the_policy_settles_a_conflict_and_the_loser_goes_into_the_journal(winner: Side) -> None:
    flags = {DINGTALK: {**BASE, "flag": "flagged"}, OUTLOOK: {**BASE, "flag": "complete"}}
    sides = {side: observe(BASE, state) for side, state in flags.items()}
    steps = plan([LinkView("k", BASE)], {"k": sides}, Policy(winner=winner))
    loser = other(winner)
    assert Overwritten("k", loser, "flag", flags[loser]["flag"]) in steps
    assert Write("k", loser, {"flag": flags[winner]["flag"]}, {"flag": flags[loser]["flag"]}) in steps


def test_a_link_that_is_marked_gone_follows_what_the_other_side_shows() -> None:
    link = LinkView("k", BASE, gone=OUTLOOK)
    assert plan_link(link, {DINGTALK: seen("kept"), OUTLOOK: seen("gone")}, Policy()) == []
    assert plan_link(link, {DINGTALK: seen("edited"), OUTLOOK: seen("gone")}, Policy()) == [
        MarkGone("k", OUTLOOK, READ)
    ]


def test_a_field_in_doubt_is_journaled_and_settled_by_what_both_sides_show() -> None:
    link = LinkView("k", BASE, unsure=frozenset({"read"}))
    assert plan_link(link, {side: seen("kept") for side in SIDES}, Policy()) == [Agree("k", {"read": False})]
    steps = plan_link(link, {DINGTALK: seen("kept"), OUTLOOK: seen("edited")}, Policy())
    assert Overwritten("k", DINGTALK, "read", False) in steps


@pytest.mark.parametrize(
    ("base", "now", "word"),
    [
        (BASE, BASE, "kept"),
        (BASE, READ, "edited"),
        (BASE, MOVED, "edited"),
        (BASE, TRASHED, "trashed"),
        (BASE, {**READ, "folder": "trash"}, "trashed"),
        (TRASHED, TRASHED, "kept"),
        (TRASHED, {**READ, "folder": "trash"}, "edited"),
        (TRASHED, BASE, "edited"),
    ],
)
def test_a_read_that_found_the_item_says_what_became_of_it(base: State, now: State, word: Word) -> None:
    assert observe(base, now) == Observation(word, now)


def test_a_link_that_nobody_looked_at_is_passed_over() -> None:
    links = [LinkView("unseen", BASE), LinkView("k", BASE)]
    sides = {DINGTALK: seen("kept"), OUTLOOK: seen("gone")}
    assert plan(links, {"k": sides}, Policy()) == [MarkGone("k", OUTLOOK, BASE)]


def test_every_pair_of_words_has_exactly_one_row() -> None:
    words: list[Word] = ["kept", "edited", "trashed", "gone", "unborn"]
    for pair in itertools.combinations_with_replacement(words, 2):
        assert (pair in TABLE) + (pair[::-1] in TABLE) - (pair == pair[::-1] and pair in TABLE) == 1, pair


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_properties_hold_for_generated_cases(chunk: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Seven links a case, five of them with four edits or more: plan, apply, replan, mirror, shuffle, stop half-way."""
    begun = time.perf_counter()
    first = chunk * CASES_PER_CHUNK
    count = plan_cases.run(range(first, first + CASES_PER_CHUNK))
    with capsys.disabled():
        print(f"\nplanner: {count} cases, {count / (time.perf_counter() - begun):.0f} a second")
    assert count == CASES_PER_CHUNK


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.integers(min_value=1_000_000, max_value=9_999_999))
def test_the_properties_hold_for_any_seed(seed: int) -> None:
    assert plan_cases.run([seed]) == 1


def test_the_documented_table_is_the_planners() -> None:
    shown = Path(DOCUMENT).read_text("utf8")
    assert shown == document(), f"{DOCUMENT} is stale: run `python -m tests.support.plan_table`"
