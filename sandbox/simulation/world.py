"""Simulated time, and calls whose effect is an event of its own.

The product runs as ordinary code on one thread. Each of its outside calls comes here: the call's effect is put on the
time line, time runs until the answer is due, and whatever else is on the time line meanwhile (people, notifications,
other workers, effects of calls whose caller is long dead) happens in between.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

T = TypeVar("T")
Kind = Literal["read", "effect", "ledger", "queue"]
EPOCH = 1_790_000_000.0
"""When the simulated world begins (seconds since 1970)."""


class Crash(BaseException):
    """The process dies here. No product code can catch it."""


class NoAnswer(Exception):
    """The caller gets no answer; whether the call had its effect is another matter."""


class Refusal(Exception):
    """The other side answered that it did nothing."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(slots=True)
class Fate:
    """What becomes of one call. `effect_after` None: never; `answer` False: the caller waits until its time-out;
    `refuse`: the HTTP status of an answer that means "nothing was done"."""

    effect_after: float | None
    answer_after: float
    answer: bool = True
    refuse: int = 0
    crash: bool = False
    fault: str = ""


@dataclass(order=True, slots=True)
class Event:
    at: float
    number: int
    act: Callable[[], None] = field(compare=False)


class World:
    """`decide` draws the fate of a call; the crash-point tests replace it. `abreast`: how many calls the caller has
    under way at a time. They come here one after the other all the same, each for its share of the time."""

    def __init__(self, seed: int, decide: Callable[[World, Kind, str], Fate] | None = None) -> None:
        self.now = EPOCH
        self.rng = random.Random(seed)
        self.decide = decide or calm
        self.calls = 0
        self.abreast = 1
        self.faults: Counter[str] = Counter()
        self.effects = 0
        self.windows: list[tuple[str, float, float]] = []
        self.trace: list[str] | None = None
        self._events: list[Event] = []
        self._number = 0
        self._hash = hashlib.sha256()

    @property
    def hash(self) -> str:
        """Of every outside call and commit so far, in order."""
        return self._hash.hexdigest()

    def log(self, text: str) -> None:
        self._hash.update(f"{self.now:.3f} {text}\n".encode())
        if self.trace is not None:
            self.trace.append(f"{self.now - EPOCH:9.2f}  {text}")

    # ---- the time line
    def at(self, when: float, act: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, Event(max(when, self.now), self._number, act))

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        self.at(self.now + seconds, act)

    def run_until(self, when: float) -> None:
        """Let everything happen that is on the time line before `when`. Time never goes back, also when a nested call
        has carried it further."""
        while self._events and self._events[0].at <= when:
            event = heapq.heappop(self._events)
            self.now = max(self.now, event.at)
            event.act()
        self.now = max(self.now, when)

    # ---- outside calls
    def call(self, kind: Kind, name: str, effect: Callable[[], T], timeout: float = 30.0) -> T:
        """Make an outside call; NoAnswer when none comes in time."""
        self.calls += 1
        self.effects += kind == "effect"
        self.log(f"{kind} {name}")
        fate = self.decide(self, kind, name)
        if fate.fault:
            self.faults[fate.fault] += 1
            self.log(f"fault {fate.fault}")
        abreast, self.abreast = self.abreast, 1
        try:
            return self._answered(_in_a_share(fate, abreast), effect, timeout)
        finally:
            self.abreast = abreast

    def _answered(self, fate: Fate, effect: Callable[[], T], timeout: float) -> T:
        box: dict[str, Any] = {}
        if fate.effect_after is not None:
            self.after(fate.effect_after, lambda: _into(box, effect))
        if fate.crash:
            raise Crash
        self.run_until(self.now + (fate.answer_after if fate.answer else timeout))
        if fate.refuse:
            raise Refusal(fate.refuse)
        if not fate.answer or ("value" not in box and "error" not in box):
            raise NoAnswer
        if "error" in box:
            raise box["error"]
        value: T = box["value"]
        return value


def _in_a_share(fate: Fate, abreast: int) -> Fate:
    """Calls that go well overlap; for what goes wrong everybody waits."""
    if fate.fault or not fate.answer or fate.effect_after is None or fate.effect_after > fate.answer_after:
        return fate
    return replace(fate, effect_after=fate.effect_after / abreast, answer_after=fate.answer_after / abreast)


def _into(box: dict[str, Any], effect: Callable[[], Any]) -> None:
    """The effect may come after its caller's death: what it raises is for the caller alone."""
    try:
        box["value"] = effect()
    except Exception as exc:
        box["error"] = exc


def calm(world: World, kind: Kind, name: str) -> Fate:
    """No faults: a short way there and back."""
    if kind in ("ledger", "queue"):
        return Fate(0.0, 0.0)
    there = world.rng.uniform(0.02, 0.2)
    return Fate(there, 2 * there)
