"""The pairs: a mailbox is in one of them at most."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.model.errors import WrongSettings
from shared.model.pairs import Pair
from shared.ports.state import Table
from shared.state.sqlite import SqliteTable
from shared.wiring.pairs import Pairs, pair_of_json, pair_to_json
from tests.contract.test_state_table import race

CHAN = Pair("chan", "陳", "chan@office.example", "chan@factory.example", since=1_790_000_000.5, union_id="u1")
WONG = Pair(
    "wong-2",
    "黃",
    "wong@office.example",
    "wong@factory.example",
    since=0,
    outlook_aliases=("w@office.example",),
    dingtalk_aliases=("w@factory.example", "ww@factory.example"),
    paused=True,
)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return SqliteTable(tmp_path / "table.db")


@pytest.fixture
def pairs(table: Table) -> Pairs:
    return Pairs(table)


@pytest.mark.parametrize("pair", [CHAN, WONG])
def test_a_pair_is_read_as_it_was_added(pairs: Pairs, table: Table, pair: Pair) -> None:
    pairs.add(pair)
    assert Pairs(table).get(pair.id) == pair
    assert pair_of_json(pair_to_json(pair)) == pair


def test_pairs_are_listed_by_id(pairs: Pairs) -> None:
    assert (pairs.list(), pairs.get("chan")) == ((), None)
    pairs.add(WONG)
    pairs.add(CHAN)
    assert pairs.list() == (CHAN, WONG)


def test_a_pair_is_saved_and_removed(pairs: Pairs) -> None:
    pairs.add(CHAN)
    pairs.add(WONG)
    paused = replace(CHAN, paused=True, outlook_aliases=("c@office.example",))
    pairs.save(paused)
    assert pairs.list() == (paused, WONG)
    pairs.remove("chan")
    pairs.remove("chan")
    assert pairs.list() == (WONG,)
    pairs.add(replace(CHAN, id="chan-again"))
    assert len(pairs.list()) == 2


def test_saving_what_was_never_added_is_refused(pairs: Pairs) -> None:
    with pytest.raises(WrongSettings, match="no pair chan: add it first"):
        pairs.save(CHAN)
    assert pairs.list() == ()


@pytest.mark.parametrize(
    "clash",
    [
        {"outlook": "CHAN@office.example"},
        {"dingtalk": "Chan@Factory.Example"},
        {"outlook_aliases": ("a@office.example", "chan@office.example")},
        {"dingtalk": "w@factory.example"},
        {"dingtalk_aliases": ("WW@factory.example",)},
    ],
)
def test_a_mailbox_that_is_in_a_pair_is_not_added_to_another(pairs: Pairs, clash: dict[str, Any]) -> None:
    pairs.add(CHAN)
    pairs.add(WONG)
    new = replace(Pair("lee", "Lee", "lee@office.example", "lee@factory.example", since=0), **clash)
    with pytest.raises(WrongSettings, match=r"mailbox is in pair (chan|wong-2) already") as caught:
        pairs.add(new)
    assert "example" not in str(caught.value)
    fine = replace(CHAN, id="lee", outlook="lee@office.example", dingtalk="lee@factory.example")
    pairs.add(fine)
    with pytest.raises(WrongSettings, match="already"):
        pairs.save(replace(fine, **clash))
    assert pairs.list() == (CHAN, fine, WONG)


def test_an_id_is_used_once(pairs: Pairs) -> None:
    pairs.add(CHAN)
    with pytest.raises(WrongSettings, match="pair chan already: choose another id"):
        pairs.add(replace(WONG, id="chan"))


def test_both_sides_may_have_the_same_address(pairs: Pairs) -> None:
    pairs.add(replace(CHAN, dingtalk=CHAN.outlook))
    assert len(pairs.list()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""},
        {"id": "A"},
        {"id": "a/b"},
        {"id": "a" * 65},
        {"outlook": ""},
        {"outlook": "hush"},
        {"dingtalk": "hush@"},
        {"dingtalk": "a hush@b"},
        {"outlook_aliases": ("hush@a@b",)},
    ],
)
def test_what_cannot_be_a_pair_is_refused_and_not_shown(pairs: Pairs, wrong: dict[str, Any]) -> None:
    with pytest.raises(WrongSettings) as caught:
        pairs.add(replace(CHAN, **wrong))
    assert "hush" not in str(caught.value)
    assert pairs.list() == ()


def test_of_eight_who_add_the_same_mailbox_at_once_one_succeeds(table: Table) -> None:
    added = list[int]()

    def add(number: int) -> None:
        try:
            Pairs(table).add(replace(CHAN, id=f"p{number}", dingtalk=f"{number}@factory.example"))
            added.append(number)
        except WrongSettings:
            return

    race(*(lambda number=number: add(number) for number in range(8)))
    assert [pair.id for pair in Pairs(table).list()] == [f"p{added[0]}"]
    assert len(added) == 1


def test_of_eight_who_add_their_own_at_once_none_is_lost(table: Table) -> None:
    def add(number: int) -> None:
        Pairs(table).add(
            replace(CHAN, id=f"p{number}", outlook=f"{number}@office.example", dingtalk=f"{number}@factory.example")
        )

    race(*(lambda number=number: add(number) for number in range(8)))
    assert len(Pairs(table).list()) == 8
