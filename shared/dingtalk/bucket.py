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

    def join(self, spacing: float, patience: float) -> float:
        """In how many seconds the next block begins; the one after it begins `spacing` later. Throttled, and no place
        taken, when that is `patience` or more away."""
        ...

    def hold(self, seconds: float) -> None:
        """No block begins for so long."""
        ...


class Own:
    """The line of a process that has the mail domain to itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free = clock.monotonic()

    def join(self, spacing: float, patience: float) -> float:
        now = self._clock.monotonic()
        wait = waiting(self._free - now, patience)
        self._free = now + wait + spacing
        return wait

    def hold(self, seconds: float) -> None:
        self._free = max(self._free, self._clock.monotonic() + seconds)


def waiting(seconds: float, patience: float) -> float:
    """So long until one's turn, or Throttled."""
    if seconds >= patience:
        raise Throttled("the mail domain's request rate is used up", code="rate", retry_after=seconds)
    return max(0.0, seconds)


class Bucket:
    """Requests are reserved in blocks, a little more than `block / (rate - block)` seconds apart, and one that was
    reserved leaves within that time or not at all: the blocks that any one second meets are together never more than
    `rate`, whichever processes they belong to. `lock` guards it among threads."""

    def __init__(
        self,
        clock: Clock,
        lock: AbstractContextManager[object],
        line: Line | None = None,
        *,
        patience: float = PATIENCE,
        rate: float = 40.0,
        block: int = 10,
    ) -> None:
        self._clock = clock
        self._lock = lock
        self._line = line or Own(clock)
        self._patience = patience
        self._block = block
        self._spacing = block / (rate - block) + 0.001
        self._left = 0
        self._start = 0.0

    def take(self) -> None:
        """Wait until one more request may leave. Throttled, and nothing taken, when that is `patience` (2 s) or more
        away."""
        with self._lock:
            now = self._clock.monotonic()
            if not self._left or now > self._start + self._spacing:
                self._left = 0
                wait = self._line.join(self._spacing, self._patience)
                now = self._clock.monotonic()
                self._start, self._left = now + wait, self._block
            self._left -= 1
            wait = self._start - now
        if wait > 0:
            self._clock.sleep(wait)

    def hold(self, seconds: float | None) -> None:
        """The vendor asked for a pause: nothing leaves for so long."""
        with self._lock:
            self._left = 0
            self._line.hold(DEFAULT_HOLD if seconds is None else seconds)
