"""The line of a mail domain, in a row that all processes share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from shared.dingtalk.bucket import PATIENCE, Line, waiting
from shared.model.errors import Conflict, Throttled
from shared.ports.state import Op, Table
from shared.ports.world import Clock

PARTITION = "rate"
TRIES = 20


class LowLine:
    """How old mail stands in the line `whole`: its blocks stand in `own` first, a line of all who carry old mail, in
    which each takes so much longer that they have no more than `share` of the rate."""

    def __init__(self, clock: Clock, whole: Line, own: Line, share: float) -> None:
        self._clock, self._whole, self._own, self._share = clock, whole, own, share

    def join(self, length: float, patience: float) -> float:
        """Waits until the turn has come in the line of its own."""
        if (wait := self._own.join(length / self._share, patience)) > 0:
            self._clock.sleep(wait)
        return self._whole.join(length, patience)

    def hold(self, seconds: float) -> None:
        self._whole.hold(seconds)


class SharedLine:
    """One row for each mail domain, named by a hash: when the next block may begin, in the store's time. A place costs
    one read and one write; who was not first tries again.

    Clocks of two processes may be apart by a fraction of a second, and their blocks by as much less: the mean rate
    holds even so, and what the vendor refuses of a single second is held off like any 429."""

    def __init__(self, table: Table, domain: str) -> None:
        self._table = table
        self._row = hashlib.sha256(domain.encode()).hexdigest()[:16]

    def is_crowded(self) -> bool:
        """Whether somebody who joined now would be sent away."""
        held = self._table.get(PARTITION, [self._row]).get(self._row)
        return held is not None and float(held.value["free"]) - self._table.now() >= PATIENCE

    def join(self, length: float, patience: float = PATIENCE) -> float:
        wait = 0.0

        def after_us(free: float, now: float) -> float:
            nonlocal wait
            wait = waiting(free - now, patience)
            return now + wait + length

        self._move(after_us)
        return wait

    def hold(self, seconds: float) -> None:
        self._move(lambda free, now: max(free, now + seconds))

    def _move(self, change: Callable[[float, float], float]) -> None:
        for _ in range(TRIES):
            held = self._table.get(PARTITION, [self._row]).get(self._row)
            free = change(float(held.value["free"]) if held else 0.0, self._table.now())
            try:
                self._table.transact(PARTITION, [Op("put", self._row, {"free": free}, held.etag if held else "")])
                return
            except Conflict:
                continue
        raise Throttled("too many processes ask for the mail domain's rate at once", code="rate", retry_after=1.0)
