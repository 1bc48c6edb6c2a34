"""What all parts of the simulated service share: the clock, chance, the switches, the lock and the counts."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

from sandbox.dingtalk.switches import Switches


class World:
    """All state of the service, its mailboxes' included, changes only under `lock`."""

    def __init__(self, clock: Callable[[], float], chance: random.Random, switches: Switches) -> None:
        self.now, self.random, self.switches = clock, chance, switches
        self.lock = threading.RLock()
        self.counts: Counter[str] = Counter()
        self.failed_logins: Counter[str] = Counter()
        self.logins: list[tuple[str, str]] = []
        self.ignored: list[str] = []
        self.sent_mail = 0
        self.receipts = 0
        self._serial = 0

    def serial(self) -> int:
        self._serial += 1
        return self._serial

    def happens(self, probability: float) -> bool:
        """Draws only when there is a choice, so that an unused switch doesn't change the run."""
        return probability > 0 and self.random.random() < probability
