"""A company moves its state to another place, by commands, and goes on there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.model.errors import StoreUnavailable
from shared.ops import moving
from shared.state.sqlite import SqliteTable
from shared.wiring.key import KEY
from tests.support.company import CHAN, WONG, Company, a_company


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with a_company(tmp_path) as company:
        yield company


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """What `azd env get-values` says about the new place."""
    file = tmp_path / "values.env"
    file.write_text(f'AZURE_LOCATION="eastasia"\nTANDEM_STATE="{tmp_path / "new"}"\n')
    return file


def at(company: Company, folder: Path) -> Company:
    """The same vendors, and the administrator with the settings of the new place."""
    return Company(company.microsoft, company.dingtalk, {**company.env, "TANDEM_STATE": str(folder)}, company.stack)


def copies(company: Company) -> int:
    return len(company.dingtalk.mailboxes[CHAN[1]].messages())


def test_everybody_goes_on_at_the_new_place_with_nothing_doubled(company: Company, place: Path, tmp_path: Path) -> None:
    company.add()
    company.add(name="Wong", boxes=WONG)
    company.run("pair", "pause", "Wong")
    company.arrive("m1")
    company.work()
    told = company.run("move", "out", str(place), "--yes").output
    assert "2 pairs" in told
    assert "2 client passwords" in told
    assert "moved to another place" in company.run("status").output

    company.arrive("m2")
    company.work()
    assert copies(company) == 1, "nobody is served at the old place any more"

    there = at(company, tmp_path / "new")
    there.work()
    assert copies(company) == 1, "and nobody at the new one yet"
    assert "1 pairs go on" in there.run("move", "arrive").output
    there.work()
    assert copies(company) == 2
    wong = next(pair for pair in there.product().pairs.list() if pair.name == "Wong")
    assert (wong.paused, wong.paused_why) == (True, "")


def test_a_place_that_has_pairs_is_left_alone(company: Company, place: Path, tmp_path: Path) -> None:
    company.add()
    there = at(company, tmp_path / "new")
    there.add(name="Wong", boxes=WONG)
    key = there.product().secrets.get(KEY)
    told = company.run("move", "out", str(place), "--yes", ok=False)
    assert "has pairs already" in told.output
    assert there.product().secrets.get(KEY) == key
    assert not company.product().pairs.list()[0].paused


def test_a_file_that_names_no_state_is_said_so(company: Company, tmp_path: Path) -> None:
    file = tmp_path / "other.env"
    file.write_text("AZURE_LOCATION=eastasia\n")
    assert "names no state" in company.run("move", "out", str(file), "--yes", ok=False).output


def test_a_move_that_was_cut_short_is_begun_again(
    company: Company, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.add()
    company.arrive("m1")
    company.work()
    whole = SqliteTable.transact
    calls = 0

    def failing(self: SqliteTable, partition: str, ops: object) -> dict[str, str]:
        nonlocal calls
        calls += partition.endswith(":mail")
        if calls > 4:  # the old place's lease is taken and given back, and the new one has some rows
            raise StoreUnavailable("the disk is full")
        return whole(self, partition, ops)  # type: ignore[arg-type]

    monkeypatch.setattr(moving, "ROWS", 2)
    monkeypatch.setattr(SqliteTable, "transact", failing)
    assert "the disk is full" in company.run("move", "out", str(place), "--yes", ok=False).output
    monkeypatch.undo()
    there = at(company, tmp_path / "new")
    assert there.product().pairs.list() == ()
    company.run("move", "out", str(place), "--yes")
    there.run("move", "arrive")
    company.arrive("m2")
    there.work()
    assert copies(company) == 2
