"""Azure's part: the table, the queues, and instances that come and go with the queues' length (Flex Consumption)."""

from __future__ import annotations

import heapq
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sandbox.simulation.adapters import SimTable, Stored
from shared.model.errors import TandemError
from shared.ports.state import Entity, Op
from shared.state.azure_table import PAGE
from tests.bench.scale.time_line import TimeLine

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """host.json and the plan. `store`: seconds of one request to the store; `decide`: between two decisions about
    instances; `cold`: until a new instance works; `linger`: how long an idle one stays (all four assumed).
    `hidden_count`: whether delayed messages count in a queue's length (Azure's queue extension takes the approximate
    count, which includes them, as soon as one message is visible)."""

    batch: int = 16
    threshold: int = 8
    longest_poll: float = 2.0
    tries: int = 5
    visibility: float = 30.0
    http_concurrency: int = 16
    gigabytes: float = 2.0
    most: int = 100
    store: float = 0.008
    decide: float = 10.0
    cold: float = 5.0
    linger: float = 60.0
    hidden_count: bool = True


class Table(SimTable):
    """Rows in memory; each request takes its time and is counted as Azure counts."""

    def __init__(self, line: TimeLine, stored: Stored, plan: Plan, counts: Counter[str]) -> None:
        self._line, self._stored, self._plan, self._counts = line, stored, plan, counts

    def now(self) -> float:
        return self._line.now

    def _call(self, name: str, effect: Callable[[], T]) -> T:
        self._line.sleep(self._plan.store)
        return effect()

    def get(self, partition: str, keys: Sequence[str]) -> dict[str, Entity]:
        self._counts["table"] += len(keys)
        return super().get(partition, keys)

    def scan(self, partition: str, start: str, end: str, limit: int | None = None) -> Iterator[Entity]:
        rows = list(super().scan(partition, start, end, limit))
        self._counts["table"] += 1 + len(rows) // PAGE
        if len(rows) > PAGE:
            self._line.sleep(self._plan.store * (len(rows) // PAGE))
        return iter(rows)

    def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        self._counts["table"] += 1
        return super().transact(partition, ops)


class Queues:
    """Messages of all queues: visible after their delay, hidden while somebody has them."""

    def __init__(self, line: TimeLine, plan: Plan, counts: Counter[str]) -> None:
        self._line, self._plan, self._counts = line, plan, counts
        self._waiting: dict[str, list[tuple[float, int, str, int]]] = {}
        self._taken: Counter[str] = Counter()
        self._number = 0
        self.poisoned: Counter[str] = Counter()

    def send(self, queue: str, message: Mapping[str, Any], delay: float = 0.0) -> None:
        self._counts["queue"] += 1
        self._line.sleep(self._plan.store)
        self._put(queue, json.dumps(message), delay, 0)

    def _put(self, queue: str, text: str, delay: float, tries: int) -> None:
        self._number += 1
        row = (self._line.now + max(0.0, delay), self._number, text, tries)
        heapq.heappush(self._waiting.setdefault(queue, []), row)

    def take(self, queue: str, count: int) -> list[tuple[str, int]]:
        self._counts["queue"] += 1
        waiting, taken = self._waiting.setdefault(queue, []), list[tuple[str, int]]()
        while waiting and waiting[0][0] <= self._line.now and len(taken) < count:
            _, _, text, tries = heapq.heappop(waiting)
            taken.append((text, tries + 1))
        self._taken[queue] += len(taken)
        return taken

    def done(self, queue: str) -> None:
        self._counts["queue"] += 1
        self._taken[queue] -= 1

    def failed(self, queue: str, text: str, tries: int) -> None:
        self._taken[queue] -= 1
        if tries >= self._plan.tries:
            self.poisoned[queue] += 1
        else:
            self._put(queue, text, self._plan.visibility, tries)

    def visible(self, queue: str) -> int:
        return sum(at <= self._line.now for at, *_ in self._waiting.get(queue, ()))

    def length(self, queue: str) -> int:
        """As the scale controller sees it: nothing where nothing is visible."""
        waiting = self._waiting.get(queue, [])
        if not waiting or waiting[0][0] > self._line.now:
            return 0
        hidden = self._plan.hidden_count
        return self._taken[queue] + (len(waiting) if hidden else self.visible(queue))


class Instance:
    """One process on one core. `seconds`: what is billed: times in which anything ran, at least 1 s each."""

    def __init__(self, line: TimeLine) -> None:
        self._line = line
        self.running = self.executions = 0
        self.seconds = 0.0
        self.idle_since = line.now
        self._core_free = self._began = 0.0

    def begin(self) -> None:
        self.executions += 1
        self.running += 1
        if self.running == 1:
            self._began = self._line.now

    def end(self) -> None:
        self.running -= 1
        if not self.running:
            self.seconds += max(1.0, math.ceil((self._line.now - self._began) * 10) / 10)
            self.idle_since = self._line.now

    def used(self) -> float:
        """Seconds billed so far, those that run now included."""
        return self.seconds + (self._line.now - self._began if self.running else 0.0)

    def think(self, seconds: float) -> None:
        """Use the core, after whoever came before."""
        free = max(self._core_free, self._line.now) + seconds
        self._core_free = free
        self._line.sleep(free - self._line.now)


Work = Callable[[Mapping[str, Any]], None]


class Group:
    """The instances of one queue's function. `start` makes what an instance does with a message."""

    def __init__(
        self, line: TimeLine, queues: Queues, plan: Plan, queue: str, start: Callable[[Instance], Work]
    ) -> None:
        self._line, self._queues, self._plan, self._queue, self._start = line, queues, plan, queue, start
        self.live: list[Instance] = []
        self.all: list[Instance] = []
        self.most = self._starting = self.deepest = 0
        self.failures: Counter[str] = Counter()
        line.after(line.rng.uniform(0.0, plan.decide), self._decide)

    def _decide(self) -> None:
        length = self._queues.length(self._queue)
        self.deepest = max(self.deepest, self._queues.visible(self._queue))
        target = min(self._plan.most, math.ceil(length / self._plan.batch))
        for _ in range(target - len(self.live) - self._starting):
            self._starting += 1
            self._line.after(self._plan.cold, self._join)
        idle = [i for i in self.live if not i.running and self._line.now - i.idle_since >= self._plan.linger]
        for instance in idle[: max(0, len(self.live) - target)]:
            self.live.remove(instance)
        self._line.after(self._plan.decide, self._decide)

    def _join(self) -> None:
        instance = Instance(self._line)
        self._starting -= 1
        self.live.append(instance)
        self.all.append(instance)
        self.most = max(self.most, len(self.live))
        work = self._start(instance)
        self._line.spawn(lambda: self._listen(instance, work))

    def _listen(self, instance: Instance, work: Work) -> None:
        """Fetch while there is room; after an empty answer wait longer and longer."""
        wait = 0.1
        while instance in self.live:
            taken = self._queues.take(self._queue, self._plan.batch) if instance.running <= self._plan.threshold else []
            for text, tries in taken:
                instance.begin()
                self._line.spawn(partial(self._do, instance, work, text, tries))
            busy = instance.running > self._plan.threshold
            wait = 0.1 if taken or busy else min(2 * wait, self._plan.longest_poll)
            self._line.sleep(wait)

    def _do(self, instance: Instance, work: Work, text: str, tries: int) -> None:
        try:
            work(json.loads(text))
            self._queues.done(self._queue)
        except TandemError as exc:
            self.failures[type(exc).__name__] += 1
            self._queues.failed(self._queue, text, tries)
        finally:
            instance.end()


class Door:
    """HTTP: a request goes to an instance with room, or waits for a new one."""

    def __init__(self, line: TimeLine, plan: Plan, start: Callable[[Instance], Callable[[bytes], object]]) -> None:
        self._line, self._plan, self._start = line, plan, start
        self._live: list[tuple[Instance, Callable[[bytes], object]]] = []
        self._starting = 0
        self._waiting: list[bytes] = []
        self.all: list[Instance] = []

    def request(self, body: bytes) -> None:
        for instance, act in self._live:
            if instance.running < self._plan.http_concurrency:
                instance.begin()
                self._line.spawn(partial(self._do, instance, act, body))
                return
        self._waiting.append(body)
        if len(self._waiting) > self._starting * self._plan.http_concurrency and len(self._live) < self._plan.most:
            self._starting += 1
            self._line.after(self._plan.cold, self._join)

    def _do(self, instance: Instance, act: Callable[[bytes], object], body: bytes) -> None:
        try:
            act(body)
        finally:
            instance.end()

    def _join(self) -> None:
        instance = Instance(self._line)
        self._starting -= 1
        self.all.append(instance)
        self._live.append((instance, self._start(instance)))
        waiting, self._waiting = self._waiting, []
        for body in waiting:
            self.request(body)
