"""A simulated clock on which thousands of jobs wait at once, each as ordinary blocking code."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")
EPOCH = 1_790_000_000.0
WIDTH = 16
"""Calls that one executor makes at a time."""


class TimeLine:
    """Whoever sleeps gives way to whoever is next; with the same seed always in the same order."""

    def __init__(self, seed: int) -> None:
        self.now = EPOCH
        self.rng = random.Random(seed)
        self._hub = getcurrent()
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._number = 0

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """`act` must not sleep; `spawn` is for what does."""
        self._number += 1
        heapq.heappush(self._events, (self.now + seconds, self._number, act))

    def spawn(self, job: Callable[[], object], delay: float = 0.0) -> None:
        self.after(delay, greenlet(job, self._hub).switch)

    def sleep(self, seconds: float) -> None:
        self.after(seconds, getcurrent().switch)
        self._hub.switch()

    def pause(self) -> Callable[[], None]:
        """What has to be called to wake the present job; it then calls `wait`."""
        me = getcurrent()
        return lambda: self.after(0.0, me.switch)

    def wait(self) -> None:
        self._hub.switch()

    def run_until(self, when: float) -> None:
        while self._events and self._events[0][0] <= when:
            self.now, _, act = heapq.heappop(self._events)
            act()
        self.now = when


class Clock:
    def __init__(self, line: TimeLine) -> None:
        self._line = line

    def now(self) -> float:
        return self._line.now

    def monotonic(self) -> float:
        return self._line.now

    def sleep(self, seconds: float) -> None:
        self._line.sleep(max(0.0, seconds))


class Chance:
    def __init__(self, line: TimeLine) -> None:
        self._line = line

    def uniform(self) -> float:
        return self._line.rng.random()

    def token(self) -> str:
        return f"{self._line.rng.getrandbits(128):032x}"


class Lock:
    """Whoever comes first has it first."""

    def __init__(self, line: TimeLine) -> None:
        self._line = line
        self._held = False
        self._waiting: deque[Callable[[], None]] = deque()

    def __enter__(self) -> None:
        while self._held:
            self._waiting.append(self._line.pause())
            self._line.wait()
        self._held = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._held = False
        if self._waiting:
            self._waiting.popleft()()


class Executor:
    """At most WIDTH calls of one `map` at a time."""

    def __init__(self, line: TimeLine) -> None:
        self._line = line

    def map(self, calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
        results: dict[int, T | Exception] = {}
        left = iter(range(len(calls)))
        wake = self._line.pause()

        def one_after_another() -> None:
            for number in left:
                try:
                    results[number] = calls[number]()
                except Exception as exc:
                    results[number] = exc
                if len(results) == len(calls):
                    wake()

        for _ in range(min(WIDTH, len(calls))):
            self._line.spawn(one_after_another)
        if calls:
            self._line.wait()
        return [results[number] for number in range(len(calls))]
