"""`tandem simulate`: play seeds and crash points, and say what they showed."""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console

from sandbox.simulation.crash import SCENARIOS, Point
from sandbox.simulation.crash_points import ask
from sandbox.simulation.story import Outcome, Story


def parse_seeds(text: str) -> range:
    """ "7" or "1-20"; ValueError says what is wrong."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    if not match or (match[2] and int(match[2]) < int(match[1])):
        raise ValueError(f"{text!r} is no range of seeds; write A-B, for example 1-20")
    return range(int(match[1]), int(match[2] or match[1]) + 1)


def play(seeds: Iterable[int]) -> tuple[list[Outcome], float]:
    began = time.perf_counter()
    return [Story(seed).play() for seed in seeds], time.perf_counter() - began


def report(outcomes: list[Outcome], seconds: float) -> dict[str, Any]:
    """The figures as JSON. `operations`: outside calls and commits."""
    faults: Counter[str] = Counter()
    for outcome in outcomes:
        faults.update(outcome.faults)
    return {
        "seeds": len(outcomes),
        "violations": [
            {"seed": o.seed, "invariant": what, "item": text, "replay": replay(o.seed)}
            for o in outcomes
            for what, text in o.violations
        ],
        "hashes": {str(o.seed): o.hash for o in outcomes},
        "acts": sum(o.acts for o in outcomes),
        "operations": sum(o.calls for o in outcomes),
        "faults": dict(sorted(faults.items())),
        "seconds": round(seconds, 1),
    }


def crash_points(json_file: Path | None = None, one_in: int = 1) -> int:
    """Every scenario, killed before and after each outside call. -> exit status: 0 without a failure, 1 with one."""
    console = Console()
    began, failures, points = time.perf_counter(), list[dict[str, Any]](), 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for scenario, (calls, outcomes) in zip(SCENARIOS, pool.map(lambda s: ask(s, one_in), SCENARIOS), strict=True):
            bad = [outcome for outcome in outcomes if outcome["violations"]]
            points += len(outcomes)
            console.print(f"{scenario}: {calls} calls, {len(outcomes)} crash points, {len(bad)} failures")
            for outcome in bad:
                failures.append({**outcome["point"], "violations": outcome["violations"]})
                console.print(f"  {Point(**outcome['point'])}: {outcome['violations']}", highlight=False, markup=False)
    figures = {"scenarios": len(SCENARIOS), "points": points, "failures": failures}
    if json_file is not None:
        json_file.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", "utf8")
    seconds = time.perf_counter() - began
    console.print(f"{len(SCENARIOS)} scenarios, {points} points, {len(failures)} failures, {seconds:.1f} s")
    return 1 if failures else 0


def replay(seed: int) -> str:
    return f"tandem simulate --seeds {seed}-{seed} --trace"


def simulate(seeds: str, json_file: Path | None = None, trace: bool = False) -> int:
    """-> exit status: 0 without a violation, 1 with one, 2 for bad input."""
    console = Console()
    try:
        wanted = parse_seeds(seeds)
    except ValueError as exc:
        console.print(str(exc))
        return 2
    if trace:
        for seed in wanted:
            story = Story(seed, trace=True)
            outcome = story.play()
            console.print("\n".join(story.world.trace or ()), highlight=False, markup=False, soft_wrap=True)
            for what, text in outcome.violations:
                console.print(f"VIOLATION {what}: {text}", highlight=False, markup=False, soft_wrap=True)
        return 0
    figures = report(*play(wanted))
    if json_file is not None:
        json_file.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", "utf8")
    for violation in figures["violations"]:
        console.print(
            f"seed {violation['seed']}: {violation['invariant']}: {violation['item']}\n  replay: {violation['replay']}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    console.print(
        f"{figures['seeds']} seeds, {len(figures['violations'])} violations, {figures['acts']} acts, "
        f"{figures['operations']} operations, {sum(figures['faults'].values())} faults, {figures['seconds']} s"
    )
    return 1 if figures["violations"] else 0
