"""Names of folders, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.folder_names import RULES, alike, archive_name, fold, is_archive, mapped, numbered
from shared.model.words import SIDES, Side

NAMES = st.text(max_size=300)
EVERY_SIDE = st.sampled_from(SIDES)


@given(EVERY_SIDE, NAMES)
def test_what_a_side_can_hold_stays_as_it_is(side: Side, name: str) -> None:
    held = mapped(side, name)
    assert mapped(side, held) == held


@given(EVERY_SIDE, NAMES)
def test_every_name_becomes_one_that_the_side_can_hold(side: Side, name: str) -> None:
    held = mapped(side, name)
    assert 0 < len(held) <= RULES[side].longest
    assert held == held.strip()
    assert not any(ord(c) < 32 for c in held)
    assert side == "outlook" or "/" not in held


@given(NAMES)
def test_a_name_and_what_stands_for_it_on_the_other_side_are_alike(name: str) -> None:
    for side in SIDES:
        assert alike(mapped(side, name), name) or len(name) > RULES["dingtalk"].longest


@given(EVERY_SIDE, NAMES, st.integers(2, 999))
def test_a_numbered_name_is_another_name_that_fits(side: Side, name: str, number: int) -> None:
    held = numbered(side, name, number)
    assert held.endswith(f" ({number})")
    assert len(held) <= RULES[side].longest
    assert fold(side, held) != fold(side, numbered(side, name, number + 1))


def test_a_number_takes_the_place_of_another() -> None:
    assert numbered("outlook", "Orders (2)", 3) == "Orders (3)"


def test_case_twins_are_alike_in_outlook_only() -> None:
    assert fold("outlook", "Orders") == fold("outlook", "ORDERS")
    assert fold("dingtalk", "Orders") != fold("dingtalk", "ORDERS")


@pytest.mark.parametrize(
    ("name", "held"),
    [("Import/Export", "Import／Export"), ("2026 ", "2026"), ("QA\tdocs", "QA docs"), ("\x00", "_"), ("", "_")],
)
def test_dingtalk_holds_odd_names_as(name: str, held: str) -> None:
    assert mapped("dingtalk", name) == held


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("zh-CN", "归档"),
        ("zh-TW", "存檔"),
        ("zh-Hant-HK", "存檔"),
        ("zh-HK", "存檔"),
        ("en", "Archive"),
        ("de", "Archive"),
    ],
)
def test_the_archive_has_a_name_in_the_pairs_language(language: str, name: str) -> None:
    assert archive_name(language) == name
    assert is_archive(name)
