"""Notifications on their way: queued, merged into deliveries, posted by the driver, tried again when refused."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.microsoft.world import World

FIRST_RETRY, LONGEST_RETRY, GIVE_UP = 10.0, 600.0, 4 * 3600.0
MERGED = 50
"""Most notifications in one POST."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST to make. `items` are the notifications in `body`; `since` is when the first attempt was due."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    items: tuple[Mapping[str, Any], ...]
    since: float
    attempt: int = 1


class Outbox:
    """Everything by the world's clock; callers hold the world's lock."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._queue: list[tuple[float, int, str, Mapping[str, Any]]] = []
        self._retries: list[tuple[float, int, Delivery]] = []
        self.on_queued: Callable[[], None] = lambda: None
        self.on_given_up: Callable[[Delivery], None] = lambda delivery: None

    def send(self, url: str, item: Mapping[str, Any], delay: float = 0.0) -> None:
        heapq.heappush(self._queue, (self._world.now() + delay, self._world.serial(), url, item))
        self.on_queued()

    def due(self) -> float | None:
        """When the next delivery is due; None when nothing is under way."""
        times = [heap[0][0] for heap in (self._queue, self._retries) if heap]
        return min(times) if times else None

    def take(self) -> list[Delivery]:
        """What is due by now, in order; notifications to one URL share a POST."""
        now = self._world.now()
        by_url: dict[str, list[tuple[float, Mapping[str, Any]]]] = {}
        while self._queue and self._queue[0][0] <= now:
            when, _, url, item = heapq.heappop(self._queue)
            by_url.setdefault(url, []).append((when, item))
        taken = []
        while self._retries and self._retries[0][0] <= now:
            taken.append(heapq.heappop(self._retries)[2])
        for url, items in by_url.items():
            for start in range(0, len(items), MERGED):
                piece = items[start : start + MERGED]
                taken.append(_delivery(url, tuple(item for _, item in piece), piece[0][0]))
        return taken

    def done(self, delivery: Delivery, ok: bool) -> None:
        """Refused or unanswered: again after a growing wait, for at most four hours."""
        if ok:
            return
        wait = min(FIRST_RETRY * 2 ** (delivery.attempt - 1), LONGEST_RETRY)
        if self._world.now() + wait - delivery.since > GIVE_UP:
            self.on_given_up(delivery)
            return
        again = Delivery(
            delivery.url, delivery.headers, delivery.body, delivery.items, delivery.since, delivery.attempt + 1
        )
        heapq.heappush(self._retries, (self._world.now() + wait, self._world.serial(), again))
        self.on_queued()


def _delivery(url: str, items: tuple[Mapping[str, Any], ...], since: float) -> Delivery:
    body = json.dumps({"value": items}, ensure_ascii=False).encode()
    return Delivery(url, {"content-type": "application/json; charset=utf-8"}, body, items, since)
