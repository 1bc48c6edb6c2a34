"""The whole product from seeds: nothing lost, doubled, echoed or sent, whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sandbox.simulation.command import parse_seeds, replay
from sandbox.simulation.story import Story

SEEDS = [*range(1, 51), 52, 56, 83, 90, 96, 116, 122, 130, 145, 164, 200, 204, 302, 369, 477, 517, 597]
"""The first fifty, and those that once showed something."""

TAKEN_FOR_ANOTHER = pytest.mark.xfail(
    reason="until DingTalk is known to keep the ids of moved folders, a new folder is taken for a deleted one when a "
    "message of that one was moved into it"
)


@pytest.mark.parametrize("seed", [*SEEDS, pytest.param(551, marks=TAKEN_FOR_ANOTHER)])
def test_a_seed_shows_no_violation(seed: int) -> None:
    outcome = Story(seed).play()
    told = "\n".join(f"{what}: {text}" for what, text in outcome.violations)
    assert not outcome.violations, f"{told}\nreplay: {replay(seed)}"


def test_the_hash_is_the_same_in_two_processes_with_different_hash_seeds() -> None:
    code = "from sandbox.simulation.story import Story; print(Story(3).play().hash)"
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(number)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for number in (1, 2)
    }
    assert len(hashes) == 1
    assert len(hashes.pop()) == 64


@pytest.mark.parametrize("text", ["", "x", "9-3", "1-", "-4", "1..5"])
def test_a_bad_range_of_seeds_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="range of seeds"):
        parse_seeds(text)
