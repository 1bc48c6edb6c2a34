"""One process at a time in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.lock import InUse, only_one

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import pathlib, sys, time
from sandbox.lock import only_one

with only_one(pathlib.Path(sys.argv[1])):
    print("here", flush=True)
    time.sleep(60)
"""


def test_who_comes_second_is_told_who_is_there(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(InUse) as caught, only_one(tmp_path):
        pass
    assert caught.value.pid == str(os.getpid())


def test_a_folder_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with only_one(tmp_path):
            pass


def test_a_folder_is_free_again_when_its_process_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        with pytest.raises(InUse) as caught, only_one(tmp_path):
            pass
        process.kill()
    assert caught.value.pid == str(process.pid)
    with only_one(tmp_path):
        pass
