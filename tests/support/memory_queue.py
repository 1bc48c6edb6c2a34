"""A queue in memory, for tests of the local Functions host."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Held:
    id: str
    body: bytes
    dequeue_count: int
    receipt: str
    inserted: float
    visible: float


class MemoryQueue:
    """A QueueSource. Only the one who holds the last receipt of a message may settle it."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._queues: defaultdict[str, dict[str, Held]] = defaultdict(dict)
        self._count = 0

    def put(self, queue: str, value: Any) -> None:
        """`value` goes in as JSON, or as it is when it is bytes."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        with self._lock:
            self._count += 1
            now = time.time()
            self._queues[queue][str(self._count)] = Held(str(self._count), body, 0, "", now, now)

    def bodies(self, queue: str) -> list[bytes]:
        with self._lock:
            return [held.body for held in self._queues[queue].values()]

    def wait(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Until `condition` holds, which is asked whenever the queue changes."""
        with self._lock:
            assert self._lock.wait_for(condition, seconds), "it didn't happen in time"

    def receive(self, queue: str, count: int, visibility: float) -> list[Held]:
        now = time.time()
        with self._lock:
            ready = [held for held in self._queues[queue].values() if held.visible <= now][:count]
            taken = [
                replace(
                    held, dequeue_count=held.dequeue_count + 1, receipt=f"{held.id}.{now}", visible=now + visibility
                )
                for held in ready
            ]
            self._queues[queue].update((held.id, held) for held in taken)
            return taken

    def delete(self, queue: str, received: Held) -> None:
        with self._lock:
            self._take(queue, received)
            self._lock.notify_all()

    def release(self, queue: str, received: Held, delay: float) -> None:
        with self._lock:
            held = self._take(queue, received)
            self._queues[queue][held.id] = replace(held, visible=time.time() + delay)
            self._lock.notify_all()

    def poison(self, queue: str, received: Held) -> None:
        with self._lock:
            held = self._take(queue, received)
            self._queues[f"{queue}-poison"][held.id] = held
            self._lock.notify_all()

    def _take(self, queue: str, received: Held) -> Held:
        held = self._queues[queue].pop(received.id)
        assert held.receipt == received.receipt
        return held
