"""The real product in this process, called one function at a time, against simulated vendors in another process.

What an execution takes is what lies between two readings of counters that the product's own ports feed."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from azure.functions.meta import Datum

from sandbox.host.app import Function
from sandbox.host.engine import Engine, Outcome, best_engine
from sandbox.host.http import Routes
from sandbox.host.invoker import Invoker
from sandbox.running import APP
from sandbox.web import Server
from shared.model.pairs import Pair
from shared.model.words import DINGTALK
from shared.ports.state import Entity, Op, Received, ReceivingQueue, Table
from shared.state.azure_table import PAGE
from shared.sync.calls import partition
from shared.sync.folders import FolderMap
from shared.sync.rows import sweep_row
from shared.sync.service import QUEUES
from shared.sync.turns import SCHEDULE
from shared.wiring.parts import Parts
from shared.wiring.product import build, use
from shared.wiring.replicas import password_name
from shared.wiring.settings import load_settings
from tests.support.processes import Process

STORE = 0.008
"""Seconds that a call of the store takes in the same region."""
WIDTH = 16
BATCH = 24
INVISIBLE = 600.0
TIMER = Datum('{"IsPastDue": false, "ScheduleStatus": null, "Schedule": {"AdjustForDST": true}}', "json")


@dataclass(frozen=True, slots=True)
class Taken:
    """By one execution, or by several on average. `seconds` and, of those, `cpu`; `reads`, `writes` and `queue`: what
    the store bills, a message as three; `log`: bytes."""

    seconds: float = 0.0
    cpu: float = 0.0
    reads: float = 0.0
    writes: float = 0.0
    queue: float = 0.0
    log: float = 0.0

    def __sub__(self, other: Taken) -> Taken:
        return Taken(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


class Meter(logging.Handler):
    """Counts since its beginning; safe among threads. As a handler of logs it counts their bytes and shows nothing."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._counts = dict.fromkeys(("reads", "writes", "queue", "log"), 0)
        self._guard = threading.Lock()

    def add(self, **counts: int) -> None:
        with self._guard:
            for name, count in counts.items():
                self._counts[name] += count

    def emit(self, record: logging.LogRecord) -> None:
        self.add(log=len(self.format(record).encode()))

    def read(self) -> Taken:
        with self._guard:
            return Taken(time.perf_counter(), time.process_time(), **self._counts)


class MeteredTable:
    """Counts as the table of Azure does (a row read, a page of a listing and a transaction are one each), and answers
    as late as it does; rows are read sixteen at a time."""

    def __init__(self, table: Table, meter: Meter) -> None:
        self._table, self._meter = table, meter
        self.now, self.partitions = table.now, table.partitions

    def get(self, partition: str, keys: Sequence[str]) -> dict[str, Entity]:
        self._meter.add(reads=len(set(keys)))
        time.sleep(STORE * math.ceil(len(set(keys)) / WIDTH))
        return self._table.get(partition, keys)

    def scan(self, partition: str, start: str, end: str, limit: int | None = None) -> Iterator[Entity]:
        rows = list(self._table.scan(partition, start, end, limit))
        self._meter.add(reads=1 + len(rows) // PAGE)
        time.sleep(STORE)
        return iter(rows)

    def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        self._meter.add(writes=1)
        time.sleep(STORE)
        return self._table.transact(partition, ops)


class MeteredQueue:
    def __init__(self, queue: ReceivingQueue, meter: Meter) -> None:
        self._queue, self._meter = queue, meter
        self.depth = queue.depth

    def send(self, queue: str, message: Mapping[str, Any], delay: float = 0.0) -> None:
        self._meter.add(queue=3)
        time.sleep(STORE)
        self._queue.send(queue, message, delay)


class Metered(Invoker):
    """One execution at a time, each noted under its function's name; `note` False lets them overlap, unnoted."""

    def __init__(self, engine: Engine, meter: Meter) -> None:
        super().__init__(engine)
        self._meter, self._turn = meter, threading.Lock()
        self.note, self.taken = False, list[tuple[str, Taken]]()

    def invoke(self, function: Function, value: Datum, metadata: Mapping[str, Datum]) -> Outcome:
        if not self.note:
            return super().invoke(function, value, metadata)
        with self._turn:
            before = self._meter.read()
            outcome = super().invoke(function, value, metadata)
            self.taken.append((function.name, self._meter.read() - before))
        return outcome


class Company:
    """From `with` to its end: `pairs` people at vendors whose every answer takes `rtt` milliseconds longer. Nobody is
    paired at first."""

    def __init__(self, pairs: int, rtt: int) -> None:
        self._pairs, self._rtt = pairs, rtt
        self._stack = ExitStack()

    def __enter__(self) -> Company:
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="tandem-bench-")))
        vendors = Process(folder, "sandbox", "--vendors-only", "--pairs", str(self._pairs), "--rtt", str(self._rtt))
        self._stack.callback(vendors.close)
        self.ready = vendors.ready()
        meter = Meter()
        self._listen(meter)
        engine = best_engine()
        self.meter, self.engine = Metered(engine, meter), engine.name
        self._functions = {f.name: f for f in engine.index(APP)}
        http = [f for f in self._functions.values() if f.trigger["type"] == "httpTrigger"]
        server = Server(Routes(http, "api", self.meter))
        self._stack.callback(self.meter.close)
        self._stack.callback(server.close)
        settings = load_settings(
            {**self.ready["settings"], "TANDEM_STATE": str(folder / "state"), "TANDEM_PUBLIC_URL": server.url}
        )
        parts = Parts.embedded(settings)
        self._queue = parts.queue
        metered: Any = MeteredQueue(self._queue, meter)
        table: Any = MeteredTable(parts.table, meter)
        self.product = build(settings, replace(parts, queue=metered, table=table))
        self._stack.callback(self.product.close)
        use(self.product)
        self._stack.callback(use, None)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _listen(self, meter: Meter) -> None:
        root = logging.getLogger()
        level = root.level
        root.addHandler(meter)
        root.setLevel(logging.INFO)
        self._stack.callback(root.setLevel, level)
        self._stack.callback(root.removeHandler, meter)

    # ---- driving
    def pair(self, count: int) -> None:
        """Have this many people paired, met, and quiet."""
        for number in range(len(self.product.pairs.list()), count):
            one, id = self.ready["pairs"][number], f"pair-{number:03d}"
            self.product.secrets.set(password_name(id), one["client_password"])
            self.product.pairs.add(Pair(id, one["name"], one["outlook"], one["dingtalk"], since=time.time()))
        self.meter.note = False
        for _ in range(3):
            self.tick(look=True, catch_up=True)
            self.drain(BATCH)

    def tick(self, *, look: bool = False, catch_up: bool = False) -> None:
        """The timer's function, with what is due as asked for."""
        now = self.product.table.now()
        due = {"poll": look, "catch-up": catch_up}
        # a moment ago, so that the tick has something to look after since then
        ops = [Op("delete", name) if is_due else Op("put", name, {"at": now - 1.0}) for name, is_due in due.items()]
        self.product.table.transact(SCHEDULE, ops)
        self.meter.invoke(self._functions["tick"], TIMER, {})

    def sweep_anew(self) -> None:
        """Everybody's sweep of DingTalk begins from its beginning."""
        for pair in self.product.pairs.list():
            name, row = partition(pair.id), sweep_row(DINGTALK)
            if self.product.table.get(name, [row]):
                self.product.table.transact(name, [Op("delete", row)])

    def folders(self) -> int:
        """That a sweep reads in each mailbox."""
        (most,) = {
            len(FolderMap.of(self.product.table, partition(p.id)).ids(DINGTALK)) for p in self.product.pairs.list()
        }
        return most

    def shard(self, count: int) -> None:
        """A look by message at so many pairs."""
        ids = ", ".join(f'"{pair.id}"' for pair in self.product.pairs.list()[:count])
        self.meter.invoke(self._functions["poll"], Datum(f'{{"poll": [{ids}]}}', "string"), {})

    def drain(self, at_once: int = 1) -> None:
        """Work off what waits in the queues now."""
        while batch := [(name, r) for name in QUEUES for r in self._queue.receive(name, BATCH, INVISIBLE)]:
            with ThreadPoolExecutor(at_once) as pool:
                list(pool.map(lambda held: self._work(*held), batch))

    def _work(self, name: str, received: Received) -> None:
        if self.meter.invoke(self._functions[name], Datum(received.body.decode(), "string"), {}).ok:
            self._queue.delete(name, received)
