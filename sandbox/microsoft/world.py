"""What all parts of the simulated service share: the clock, chance, the switches, the lock and the counts."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from sandbox.microsoft import ids
from sandbox.microsoft.switches import Switches

if TYPE_CHECKING:
    from sandbox.microsoft.records import Message
    from sandbox.microsoft.store import Store

Listener = Callable[["Store", "Message | None", "Message | None"], None]
"""Told of each change with the message before (None: it is new) and after (None: it is gone)."""


class World:
    """All state of the service, its mailboxes' included, changes only under `lock`."""

    def __init__(self, clock: Callable[[], float], chance: random.Random, switches: Switches, base_url: str) -> None:
        self.now = clock
        self.random = chance
        self.switches = switches
        self.base_url = base_url
        self.lock = threading.RLock()
        self.counts: Counter[str] = Counter()
        self.part_counts: Counter[str] = Counter()
        self.ignored: list[str] = []
        self.sent_mail = 0
        self.receipts = 0
        self.listeners: list[Listener] = []
        self._serial = 0

    def serial(self) -> int:
        """1, 2, 3, …; orders everything that was ever made here."""
        with self.lock:
            self._serial += 1
            return self._serial

    def guid(self) -> str:
        return ids.guid("world", self.serial())

    def happens(self, probability: float) -> bool:
        """Draws only when there is a choice, so that an unused switch doesn't change the run."""
        return probability > 0 and self.random.random() < probability

    def ignore(self, route: str, what: str) -> None:
        """Note something that the vendor accepts and does nothing with."""
        self.ignored.append(f"{route}: {what}")

    def announce(self, store: Store, before: Message | None, after: Message | None) -> None:
        for listener in self.listeners:
            listener(store, before, after)
