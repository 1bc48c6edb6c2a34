"""Staying inside Alimail's 40 requests a second for the whole mail domain, all apps together (Alimail: rate)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from shared.model.errors import Throttled
from shared.ports.world import Clock

PATIENCE = 2.0
"""Seconds that a caller may be kept waiting; sleeping is billed, so a longer wait is the queue's."""
LOOKERS = 4.0
"""The same for looks. They always find a place behind those who wait no longer than 2 s, so that they are not starved;
how many there are is the schedule's affair."""

DEFAULT_HOLD = 1.0
"""Seconds to hold off after a 429 without Retry-After."""


class Line(Protocol):
    """Where blocks of requests stand in line, of this process alone (Own) or of all (line.py)."""

    def join(self, length: float, patience: float) -> float:
        """In how many seconds a block of `length` seconds begins; the next one begins when it ends. Throttled, and no
        place taken, when that is `patience` or more away."""
        ...

    def hold(self, seconds: float) -> None:
        """No block begins for so long."""
        ...


class Own:
    """The line of a process that has the mail domain to itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free = clock.monotonic()

    def join(self, length: float, patience: float) -> float:
        now = self._clock.monotonic()
        wait = waiting(self._free - now, patience)
        self._free = now + wait + length
        return wait

    def hold(self, seconds: float) -> None:
        self._free = max(self._free, self._clock.monotonic() + seconds)


def waiting(seconds: float, patience: float) -> float:
    """So long until one's turn, or Throttled."""
    if seconds >= patience:
        raise Throttled("the mail domain's request rate is used up", code="rate", retry_after=seconds)
    return max(0.0, seconds)


class Bucket:
    """Requests are reserved in blocks of at most `block`. Each block has a stretch of time to itself, as long as its
    requests take at `rate - 2 * block` a second, and what was reserved leaves within that or not at all. So any one
    second meets what fits into it and the two blocks at its ends: never more than `rate`, whosever they are.

    A block is twice as large as the one before if that was used up, else as large as what was used of it: among many
    processes that ask seldom, little is wasted. `lock` guards it among threads."""

    def __init__(
        self,
        clock: Clock,
        lock: AbstractContextManager[object],
        line: Line | None = None,
        *,
        patience: float = PATIENCE,
        rate: float = 40.0,
        block: int = 5,
    ) -> None:
        self._clock = clock
        self._lock = lock
        self._line = line or Own(clock)
        self._patience = patience
        self._block = self._size = block
        self._each = 1.0 / (rate - 2 * block) + 0.0001
        self._left = 0
        self._start = 0.0

    def take(self) -> None:
        """Wait until one more request may leave. Throttled, and nothing taken, when that is `patience` (2 s) or more
        away."""
        with self._lock:
            now = self._clock.monotonic()
            if not self._left or now > self._start + self._size * self._each:
                self._reserve()
                now = self._clock.monotonic()
            self._left -= 1
            wait = self._start - now
        if wait > 0:
            self._clock.sleep(wait)

    def _reserve(self) -> None:
        used = self._size - self._left
        size = max(1, used) if self._left else min(self._block, 2 * self._size)
        self._left = 0
        wait = self._line.join(size * self._each, self._patience)
        self._start, self._size, self._left = self._clock.monotonic() + wait, size, size

    def hold(self, seconds: float | None) -> None:
        """The vendor asked for a pause: nothing leaves for so long."""
        with self._lock:
            self._left = 0
            self._line.hold(DEFAULT_HOLD if seconds is None else seconds)
