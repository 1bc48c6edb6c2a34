"""What a backfill takes, on the simulated clock: python -m tests.bench.backfill --messages 500

CPU and memory are this process's, with both simulated vendors in it; CPU is also told without them and the state. With
`--kills 20` half of the messages stand on each side, the app is a process of its own that is killed so often, and what
came of it is printed.
"""

from __future__ import annotations

import argparse
import math
import resource
import statistics
import time
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sandbox.simulation import world
from shared.model.words import SIDES, Side
from tests.support.killed import Office, killed
from tests.support.old_mail import OldMail

WITHIN = 3600.0
"""Seconds that it may go on after the last kill."""


class Outside:
    """CPU that simulated vendors and state take, from now on until `end`."""

    def __init__(self) -> None:
        self._whole, self._seconds = world._into, 0.0
        world._into = self._timed

    def _timed(self, box: dict[str, Any], effect: Callable[[], Any]) -> None:
        began = time.process_time()
        self._whole(box, effect)
        self._seconds += time.process_time() - began

    def end(self) -> float:
        world._into = self._whole
        return self._seconds


def measure(side: Side, messages: int, memory: bool) -> None:
    scene = OldMail(messages, side)
    vendors = {"graph": scene.office.microsoft.counts, "alimail": scene.office.dingtalk.counts}
    before = {name: counts.total() for name, counts in vendors.items()}
    began, cpu, outside = scene.world.now, time.process_time(), Outside()
    if memory:
        tracemalloc.start()
    scene.ask()
    ended = scene.finish(messages * 60.0).ended or 0.0
    requests = ", ".join(f"{(c.total() - before[name]) / messages:.2f} {name}" for name, c in vendors.items())
    print(f"from {side}, {messages} messages: {ended - began:.0f} s simulated, requests per message: {requests}")
    whole = time.process_time() - cpu
    own = whole - outside.end()
    print(f"  CPU per message {whole / messages * 1000:.2f} ms, the product's {own / messages * 1000:.2f} ms", end="")
    if memory:
        print(f", peak of what was allocated meanwhile {tracemalloc.get_traced_memory()[1] / 1e6:.1f} MB", end="")
        tracemalloc.stop()
    print(f", peak of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def live(messages: int, arrivals: int) -> None:
    """How long new mail takes, in a quiet mailbox and while old mail comes over; both sides in turn."""
    for old in (0, messages):
        scene = OldMail(old or 1, "outlook")
        if old:
            scene.ask()
        lags: dict[Side, list[float]] = {side: [] for side in SIDES}
        for number in range(arrivals):
            side = SIDES[number % len(SIDES)]
            scene.run(1.0 + number % 7)
            lags[side].append(scene.lag(side, f"new{number}"))
        for side, seconds in lags.items():
            middle, slow = statistics.median(seconds), sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1]
            print(f"new mail to {side} beside {old} old messages: median {middle:.1f} s, p95 {slow:.1f} s", end="")
            print(f", {len(scene.copies('dingtalk'))} are over" if old else "")


def kill(messages: int, kills: int, seed: int) -> int:
    """-> exit status: 1 when anything is missing, doubled or different."""
    half = messages // 2
    with TemporaryDirectory() as folder, ExitStack() as stack:
        office = Office(Path(folder), stack, {"outlook": half, "dingtalk": half}, limits=False)
        seen = killed(office, kills, seed, WITHIN, lambda text: print(text, flush=True))
    print(f"{half} messages on each side, {seen.kills} kills, {seen.working} of them at work, {seen.open} intents left")
    print(f"{seen.seconds:.0f} s; afterwards {seen.compared}")
    whole = {"outlook": 2 * half, "dingtalk": 2 * half, "differences": 0, "doubled": 0, "examples": []}
    return int(seen.compared != whole)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--memory", action="store_true", help="trace allocations too, which is slow")
    parser.add_argument("--kills", type=int, default=0, help="kill the served app so often")
    parser.add_argument("--seed", type=int, default=1, help="draws when it is killed")
    parser.add_argument("--live", type=int, default=0, help="let so many new messages come meanwhile")
    asked = parser.parse_args()
    if asked.live:
        live(asked.messages, asked.live)
        return 0
    if asked.kills:
        return kill(asked.messages, asked.kills, asked.seed)
    for side in SIDES:
        measure(side, asked.messages, asked.memory)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
