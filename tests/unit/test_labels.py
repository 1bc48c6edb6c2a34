"""Categories as states hold them: hashes of what both sides know, and nothing lost that only one side knows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.pairs import Pair
from shared.sync.identity import Identity
from shared.sync.labels import Labels, is_excluded

IDENTITY = Identity(b"secret of this deployment", Pair("p", "Chan", "c@office.example", "c@factory.example", since=0))
LABELS = Labels(IDENTITY, ["海关", "Urgent", "Not in Tandem"])
NAMES = st.lists(st.sampled_from(["海关", "Urgent", "urgent", "Only here", "Not in Tandem", ""]), unique=True)


def test_a_state_says_no_name_and_heeds_neither_order_nor_case() -> None:
    value = LABELS.value(["海关", "Urgent"])
    assert value == LABELS.value(["URGENT", "海关"])
    assert len(value.split()) == 2
    assert not {"海关", "Urgent"} & set(value.split())


def test_what_one_side_does_not_know_is_no_part_of_the_state_and_stays_where_it_is() -> None:
    assert LABELS.value(["Only here", "Not in Tandem"]) == LABELS.value([]) == ""
    assert LABELS.merged(["Only here", "海关"], LABELS.value(["Urgent"])) == ("Only here", "Urgent")


def test_where_categories_do_not_cross_every_state_is_alike() -> None:
    assert Labels(IDENTITY).value(["海关", "Urgent"]) == ""
    assert Labels(IDENTITY).merged(["海关"], LABELS.value(["Urgent"])) == ("海关",)


@pytest.mark.parametrize("name", ["Not in Tandem", "not in tandem", "NOT IN TANDEM"])
def test_the_category_that_keeps_a_message_out_is_known_in_any_case(name: str) -> None:
    assert is_excluded(["海关", name])
    assert not is_excluded(["海关", name + "!"])


@given(NAMES, NAMES)
def test_what_is_merged_shows_the_value_and_keeps_the_rest_once(had: list[str], wanted: list[str]) -> None:
    value = LABELS.value(wanted)
    merged = LABELS.merged(had, value)
    assert LABELS.value(merged) == value
    assert [name for name in merged if not LABELS.value([name])] == [name for name in had if not LABELS.value([name])]
    assert LABELS.merged(merged, value) == merged
