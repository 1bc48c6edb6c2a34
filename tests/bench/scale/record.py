"""Record what each job costs: the real product with its real adapters, the sandbox's vendors behind real sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sandbox.faults import Faults
from sandbox.vendors import Vendors
from shared.dingtalk.poll import ROUND
from shared.model.pairs import Pair
from shared.model.words import DINGTALK, OUTLOOK, Side
from shared.ports.state import Entity, Op
from shared.state.azure_table import PAGE
from shared.state.queue import SqliteQueue
from shared.state.sqlite import SqliteTable
from shared.sync.calls import leave_hints, partition
from shared.wiring.parts import Parts
from shared.wiring.product import build
from shared.wiring.replicas import password_name
from shared.wiring.settings import load_settings
from tests.bench.scale.costs import Cost, Costs, Job
from tests.support.scene import mail

FOLDERS = 20
MANY = 10
ATTACHMENT = {"B.pdf": b"%PDF-1.7 " * 2000}
PARALLEL = 16
"""Rows that the adapter for Azure reads at a time (docs/storage-operations.md)."""
FREE = ("token", "IMAP LOGIN", "IMAP CAPABILITY")


class CountingTable(SqliteTable):
    """Counts how often a run would wait for Azure, and what Azure would count. `ahead`: seconds that its time is."""

    trips = operations = 0
    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead

    def get(self, partition: str, keys: Sequence[str]) -> dict[str, Entity]:
        self.trips += -(-len(keys) // PARALLEL)
        self.operations += len(keys)
        return super().get(partition, keys)

    def scan(self, partition: str, start: str, end: str, limit: int | None = None) -> Iterator[Entity]:
        rows = list(super().scan(partition, start, end, limit))
        self.trips += 1 + len(rows) // PAGE
        self.operations += 1 + len(rows) // PAGE
        return iter(rows)

    def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        self.trips += 1
        self.operations += 1
        return super().transact(partition, ops)


class Ignored(SqliteQueue):
    """A queue whose messages nobody takes: the recorder itself says what is done next."""

    def send(self, queue: str, message: Mapping[str, Any], delay: float = 0.0) -> None:
        json.dumps(message)


class Recorder:
    """One pair with twenty folders on each side. `costs` are those of the latest look or run."""

    def __init__(self, vendors: Vendors, folder: Path) -> None:
        self._vendors = vendors
        settings = load_settings(
            {
                **{k: v for k, v in vendors.settings().items() if not k.startswith("TANDEM_DINGTALK_")},
                "TANDEM_STATE": str(folder),
                "TANDEM_TWIN_HOLD_SECONDS": "0",
            }
        )
        self._table = CountingTable(folder / "counted.db")
        self.product = build(
            settings, replace(Parts.embedded(settings), table=self._table, queue=Ignored(folder / "queue.db"))
        )
        person = vendors.pairs[0]
        self.pair = Pair("pair-1", "", person.outlook, person.dingtalk, time.time())
        self.product.secrets.set(password_name(self.pair.id), person.client_password)
        self.product.pairs.add(self.pair)
        self.boxes = vendors.people[0].boxes
        self._serial = 0
        self._last = Cost()
        service: Any = self.product.service
        service._reconcile, service._look = self._timed(service._reconcile), self._timed(service._look)

    def _timed(self, act: Callable[..., None]) -> Callable[..., None]:
        def timed(*args: Any) -> None:
            before, cpu, began = self._counted(), time.process_time(), time.monotonic()
            act(*args)
            took, spent = time.monotonic() - began, time.process_time() - cpu
            self._last = replace(self._counted() + before.times(-1.0), seconds=took, cpu=spent)

        return timed

    def _counted(self) -> Cost:
        graph, mail = self._vendors.microsoft.counts, self._vendors.dingtalk.counts
        rest = sum(n for name, n in mail.items() if name not in FREE and not name.startswith("IMAP "))
        imap = sum(n for name, n in mail.items() if name not in FREE and name.startswith("IMAP "))
        return Cost(0.0, graph.total() - graph["token"], rest, imap, self._table.trips, self._table.operations)

    # ---- what may happen
    def look(self) -> Cost:
        self.product.service.poll({"poll": [self.pair.id]})
        return self._last

    def looks(self) -> Cost:
        """The mean of a round of quiet looks, in which each folder has its turn."""
        total = Cost()
        for _ in range(ROUND):
            self._table.ahead += 30.0
            total += self.look()
        return total.times(1.0 / ROUND)

    def run(self) -> Cost:
        self.product.service.work({"pair": self.pair.id, "kind": "mail", "cause": "recorded"})
        return self._last

    def notified(self, ids: Sequence[str]) -> Cost:
        leave_hints(self._table, partition(self.pair.id), OUTLOOK, ids)
        return self.run()

    def catch_up(self) -> Cost:
        return self.notified([""])

    def arrive(self, side: Side, count: int) -> list[str]:
        box, ids = self.boxes[side], []
        for _ in range(count):
            self._serial += 1
            content = mail(f"r{self._serial}", to=(box.address,), at=time.time(), attachments=ATTACHMENT)
            ids.append(box.deliver(content, box.role("inbox")))
        return ids

    def read(self, side: Side, count: int) -> list[str]:
        box = self.boxes[side]
        ids = [m.id for m in box.messages() if m.message_id.startswith("r") and not m.read][:count]
        assert len(ids) == count
        for id in ids:
            box.set_read(id, True)
        return ids

    def quiet(self) -> None:
        for _ in range(3):
            self.look()
            self.catch_up()

    def change(self, what: str, side: Side, count: int) -> Cost:
        """The run that carries so many changes over."""
        ids = (self.arrive if what == "mail" else self.read)(side, count)
        if side == OUTLOOK:
            cost = self.notified(ids)
        else:
            self.look()
            cost = self.run()
        self.quiet()
        return cost


def record(rtt: float) -> Costs:
    """Takes about half a minute."""
    with TemporaryDirectory(prefix="tandem-") as folder, Vendors(pairs=1, faults=Faults(rtt=rtt)) as vendors:
        recorder = Recorder(vendors, Path(folder))
        for box in recorder.boxes.values():
            for number in range(FOLDERS - len(box.folders())):
                box.make_folder(f"Project {number}")
        recorder.catch_up()
        recorder.quiet()
        vendors.faults.begin()
        recorder.quiet()
        jobs = {"look": Job(recorder.looks()), "catch-up": Job(recorder.catch_up()), "noted": Job(recorder.run())}
        for side in (OUTLOOK, DINGTALK):
            for what in ("mail", "read"):
                one, many = recorder.change(what, side, 1), recorder.change(what, side, MANY)
                jobs[f"{what} {side}"] = Job.of(one, many, MANY)
        jobs["echo"] = Job(recorder.notified([next(m.id for m in recorder.boxes[OUTLOOK].messages())]))
        recorder.product.close()
    rounded = {name: Job(job.base.rounded(), job.each.rounded()) for name, job in jobs.items()}
    return Costs(time.strftime("%Y-%m-%d"), rtt, rounded)
