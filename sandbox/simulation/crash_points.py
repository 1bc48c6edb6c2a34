"""Every crash point of a scenario: killed before and after each outside call, with each landing and each restart.

What lies before a call is played once: at each call the process is copied (fork), and each copy goes on from there with
one crash. A copy has everything that the one play had, so it is what a play from the beginning would have been. Only a
process with one thread can be copied, so it is a program: python -m sandbox.simulation.crash_points "a message arrives
in Outlook" prints every outcome, as JSON.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from dataclasses import asdict, dataclass

from sandbox.simulation.crash import LANDINGS, RESTARTS, SCENARIOS, Play, Point


@dataclass(frozen=True, slots=True)
class Outcome:
    """`violations`: (invariant, what happened, in words); `hash`: of all outside calls and commits of the play."""

    point: Point
    violations: tuple[tuple[str, str], ...]
    hash: str


class Copies:
    """Copies this process at each call, waits for each copy, and gathers what became of it. `point`: what this process
    plays if it is a copy."""

    def __init__(self, scenario: str) -> None:
        self._scenario, self._out = scenario, -1
        self.point: Point | None = None
        self.outcomes: list[Outcome] = []

    def choose(self, number: int) -> Point | None:
        if self.point is not None:
            return None
        for landing in LANDINGS:
            for restart in RESTARTS:
                point = Point(self._scenario, number, landing, restart)
                if self._is_copy(point):
                    self.point = point
                    return point
        return None

    def _is_copy(self, point: Point) -> bool:
        """False in the process that was copied, once the copy has ended."""
        into, out = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(into)
            self._out = out
            return True
        os.close(out)
        with os.fdopen(into, "rb") as pipe:
            told = pipe.read()
        os.waitpid(pid, 0)
        hash, violations = json.loads(told) if told else ("", [["died", "the copy ended without a word"]])
        self.outcomes.append(Outcome(point, tuple((what, text) for what, text in violations), hash))
        return False

    def tell(self, violations: list[tuple[str, str]], hash: str) -> None:
        """The last thing a copy does."""
        with os.fdopen(self._out, "wb") as pipe:
            pipe.write(json.dumps([hash, violations]).encode())


def every_point(scenario: str) -> list[Outcome]:
    """In the order of the calls. AssertionError if the scenario fails without any crash."""
    copies = Copies(scenario)
    play = Play(scenario, copies.choose)
    try:
        violations = play.run()
    except BaseException:
        if copies.point is None:
            raise
        violations = [("error", traceback.format_exc())]
    if copies.point is not None:
        copies.tell(violations, play.world.hash)
        os._exit(0)
    if violations:
        raise AssertionError(f"{scenario} fails without any crash: {violations}")
    return copies.outcomes


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SCENARIOS:
        raise SystemExit("name one of these scenarios:\n" + "\n".join(SCENARIOS))
    os.nice(5)  # beside tests that wait for real time, this is what can wait
    gc.disable()  # in so short a play, looking for what to collect costs more than there is
    print(json.dumps([asdict(outcome) for outcome in every_point(sys.argv[1])]))
