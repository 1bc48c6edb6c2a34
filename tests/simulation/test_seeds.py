"""The whole product from seeds: nothing lost, doubled, echoed or sent, whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

from sandbox.simulation.command import parse_seeds, replay
from sandbox.simulation.story import Story

SEEDS = range(1, 51)
KEPT = (
    *(52, 57, 83, 90, 96, 116, 122, 130, 145, 164, 200, 204, 239, 241),
    *(302, 345, 369, 468, 477, 517, 572, 597),
)
"""Seeds that once failed: edits during a long create, a process frozen between read and plan, a message renumbered
while it was being copied, a twin missed twice within a second, folders moved and deleted while they were followed,
folders that drifted into the trash. 13 brought back a folder that a person had deleted; in 369 one that had drifted
stood in the trash for ever, since its namesake was where it should go; in 200 one came back and no journal told."""


@pytest.mark.parametrize("seed", [*SEEDS, *KEPT])
def test_a_seed_shows_no_violation(seed: int) -> None:
    outcome = Story(seed).play()
    told = "\n".join(f"{what}: {text}" for what, text in outcome.violations)
    assert not outcome.violations, f"{told}\nreplay: {replay(seed)}"


def test_the_stories_hold_crashes_freezes_and_lost_answers() -> None:
    faults = sum((Story(seed).play().faults for seed in SEEDS[:5]), Counter[str]())
    for kind in ("crash", "freeze", "late", "after"):
        assert any(name.startswith(kind) or kind in name for name in faults), faults


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
