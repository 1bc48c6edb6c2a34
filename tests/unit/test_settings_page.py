"""docs/settings.md tells of every setting, and is fresh."""

from __future__ import annotations

from shared.wiring.settings import GROUPS, HOST, Settings
from tests.support.settings_page import PAGE, page


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python -m tests.support.settings_page`"


def test_every_setting_is_on_the_page_with_what_to_do() -> None:
    rows = {line.split("`")[1]: line for line in page().splitlines() if line.startswith("| `")}
    names = {str(field.alias) for field in Settings.model_fields.values()}
    assert set(rows) == names | set(HOST)
    assert all(len(line.split("|")[3].split()) >= 4 for line in rows.values())


def test_every_setting_is_in_one_group() -> None:
    grouped = [name for group in GROUPS for name in group.model_fields]
    assert sorted(grouped) == sorted(Settings.model_fields)
