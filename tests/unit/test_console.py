"""What commands print, write and end with."""

from __future__ import annotations

import json
import logging
import stat
from pathlib import Path

import pytest
from rich.console import Console

from sandbox.console import Once, guarded, write_ready
from sandbox.running import SandboxError
from shared.model.errors import WrongSettings


def test_a_ready_file_is_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    write_ready(tmp_path / "ready.json", {"name": "陳敏"})
    assert json.loads((tmp_path / "ready.json").read_text("utf-8")) == {"name": "陳敏"}
    assert stat.S_IMODE((tmp_path / "ready.json").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["ready.json"]
    write_ready(None, {})


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (WrongSettings("TANDEM_X: is [bold]wrong[/bold]; mend it"), 2, "TANDEM_X: is [bold]wrong[/bold]; mend it"),
        (SandboxError("the port is taken"), 1, "the port is taken"),
    ],
)
def test_what_cannot_run_says_why(error: Exception, status: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> int:
        raise error

    assert guarded(Console(), run) == status
    assert said in capsys.readouterr().err


def test_a_defect_is_not_hidden() -> None:
    def run() -> int:
        raise KeyError("x")

    with pytest.raises(KeyError):
        guarded(Console(), run)


def test_the_same_thing_is_said_once_in_five_minutes() -> None:
    now = 1000.0
    once = Once(lambda: now)

    def says(text: str) -> bool:
        return once.filter(logging.LogRecord("tandem", logging.WARNING, "", 0, text, (), None))

    assert [says("a"), says("a"), says("b")] == [True, False, True]
    now += 299
    assert not says("a")
    now += 1
    assert [says("a"), says("a")] == [True, False]
