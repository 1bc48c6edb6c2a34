"""Staying inside Alimail's 40 requests a second for the whole mail domain, all apps together (Alimail: rate)."""

from __future__ import annotations

from contextlib import AbstractContextManager

from shared.model.errors import Throttled
from shared.ports.world import Clock

PATIENCE = 2.0
"""Seconds that a caller may be kept waiting; sleeping is billed, so a longer wait is the queue's."""

DEFAULT_HOLD = 1.0
"""Seconds to hold off after a 429 without Retry-After."""


class Bucket:
    """Requests are reserved in blocks, a little more than `block / (rate - block)` seconds apart: what is left of one
    block and all that begin within any one second are together never more than `rate`. `lock` guards it among
    threads."""

    def __init__(
        self, clock: Clock, lock: AbstractContextManager[object], *, rate: float = 40.0, block: int = 10
    ) -> None:
        self._clock = clock
        self._lock = lock
        self._block = block
        self._spacing = block / (rate - block) + 0.001
        self._left = 0
        self._start = self._next = clock.monotonic()

    def take(self) -> None:
        """Wait until one more request may leave. Throttled, and nothing taken, when that is 2 s or more away."""
        with self._lock:
            now = self._clock.monotonic()
            if not self._left:
                self._reserve(now)
            self._left -= 1
            wait = self._start - now
        if wait > 0:
            self._clock.sleep(wait)

    def hold(self, seconds: float | None) -> None:
        """The vendor asked for a pause: nothing leaves for so long."""
        with self._lock:
            self._left = 0
            self._next = max(self._next, self._clock.monotonic() + (DEFAULT_HOLD if seconds is None else seconds))

    def _reserve(self, now: float) -> None:
        start = max(now, self._next)
        if start - now >= PATIENCE:
            raise Throttled("the mail domain's request rate is used up", code="rate", retry_after=start - now)
        self._start, self._next, self._left = start, start + self._spacing, self._block
