"""Every crash point of a scenario: killed before and after each outside call, with each landing and each restart.

What lies before a call is played once: at each call the process is copied (fork), and each copy goes on from there with
one crash. A copy has everything that the one play had, so it is what a play from the beginning would have been. Only a
process with one thread can be copied, so it is a program: python -m sandbox.simulation.crash_points "a message arrives
in Outlook" prints every outcome, as JSON; with a number N behind it, of one in N calls.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import traceback
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.simulation.crash import LANDINGS, RESTARTS, SCENARIOS, Play, Point


@dataclass(frozen=True, slots=True)
class Outcome:
    """`violations`: (invariant, what happened, in words); `hash`: of all outside calls and commits of the play."""

    point: Point
    violations: tuple[tuple[str, str], ...]
    hash: str


class Copies:
    """Copies this process at each call, waits for each copy, and gathers what became of it. `point`: what this process
    plays if it is a copy. `one_in`: of so many calls one is played, and in each scenario others."""

    def __init__(self, scenario: str, one_in: int) -> None:
        self._scenario, self._out = scenario, -1
        self._one_in, self._first = one_in, list(SCENARIOS).index(scenario) % one_in
        self.point: Point | None = None
        self.outcomes: list[Outcome] = []

    def choose(self, number: int) -> Point | None:
        if self.point is not None or number % self._one_in != self._first:
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


def every_point(scenario: str, one_in: int = 1) -> tuple[int, list[Outcome]]:
    """-> how many calls there are, and the outcomes in their order. AssertionError if the scenario fails without any
    crash."""
    copies = Copies(scenario, one_in)
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
    return play.calls, copies.outcomes


def ask(scenario: str, one_in: int = 1) -> tuple[int, list[dict[str, Any]]]:
    """`every_point` in a process of its own. RuntimeError with what it said when it fails."""
    command = [sys.executable, "-m", "sandbox.simulation.crash_points", scenario, str(one_in)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{scenario}: {ran.stderr[-2000:]}")
    told = json.loads(ran.stdout)
    return told["calls"], told["outcomes"]


if __name__ == "__main__":
    name, *more = [*sys.argv[1:], ""]
    if name not in SCENARIOS:
        raise SystemExit("name one of these scenarios:\n" + "\n".join(SCENARIOS))
    os.nice(5)  # beside tests that wait for real time, this is what can wait
    gc.disable()  # in so short a play, looking for what to collect costs more than there is
    calls, outcomes = every_point(name, int(more[0] or 1))
    print(json.dumps({"calls": calls, "outcomes": [asdict(outcome) for outcome in outcomes]}))
