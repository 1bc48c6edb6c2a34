"""What a backfill takes, on the simulated clock: python -m tests.bench.backfill --messages 500

CPU and memory are this process's, with both simulated vendors in it.
"""

from __future__ import annotations

import argparse
import resource
import time
import tracemalloc

from shared.model.words import SIDES, Side
from tests.support.old_mail import OldMail


def measure(side: Side, messages: int, memory: bool) -> None:
    scene = OldMail(messages, side)
    vendors = {"graph": scene.office.microsoft.counts, "alimail": scene.office.dingtalk.counts}
    before = {name: counts.total() for name, counts in vendors.items()}
    began, cpu = scene.world.now, time.process_time()
    if memory:
        tracemalloc.start()
    scene.ask()
    ended = scene.finish(messages * 60.0).ended or 0.0
    requests = ", ".join(f"{(c.total() - before[name]) / messages:.2f} {name}" for name, c in vendors.items())
    print(f"from {side}, {messages} messages: {ended - began:.0f} s simulated, requests per message: {requests}")
    print(f"  CPU per message {(time.process_time() - cpu) / messages * 1000:.1f} ms", end="")
    if memory:
        print(f", peak of what was allocated meanwhile {tracemalloc.get_traced_memory()[1] / 1e6:.1f} MB", end="")
        tracemalloc.stop()
    print(f", peak of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--memory", action="store_true", help="trace allocations too, which is slow")
    asked = parser.parse_args()
    for side in SIDES:
        measure(side, asked.messages, asked.memory)


if __name__ == "__main__":
    main()
