"""Waiting in the middle of a long transfer, which whoever began anew would have to wait for all over again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from shared.model.errors import Throttled
from shared.ports.replica import Permit
from shared.ports.world import Clock

T = TypeVar("T")

TRIES = 5
"""How often something is asked in a row."""
PAUSE = 330.0
"""A Retry-After up to this many seconds is waited for: Outlook counts uploaded bytes over five minutes, and a transfer
that is begun anew uses them up again."""
BREATH = 15.0
"""Seconds that it sleeps at a time: whoever waits has to say that it is still there, and to hear that it may not go
on."""


class Patience:
    """`permit` is asked at each breath, and raises what it raises."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def with_throttling(self, call: Callable[[], T], permit: Permit) -> T:
        """A throttled request goes again after its Retry-After. Throttled when that is unbearable."""
        for turn in range(TRIES):
            try:
                return call()
            except Throttled as exc:
                wait = exc.retry_after if exc.retry_after is not None else 2.0**turn
                if wait > PAUSE or turn == TRIES - 1:
                    raise
                self.pause(wait, permit)
        raise AssertionError("the last turn returns or raises")

    def pause(self, seconds: float, permit: Permit) -> None:
        while seconds > 0:
            permit()
            self._clock.sleep(min(seconds, BREATH))
            seconds -= BREATH
