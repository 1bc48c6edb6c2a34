"""Measures what the product takes, for `tandem cost`: `python -m tests.bench.cost` writes shared/ops/measured.json.

Durations, processor time, operations of the store and bytes of logs come from the real functions, called by Azure's
own worker library where this Python has it, with vendors that answer RTT milliseconds late and a store that answers
STORE seconds late. What an operation of the store takes of the processor comes from Azure's libraries against Azurite,
and how many executions a message brings from the simulation, where half an hour takes seconds."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from azure.identity import DefaultAzureCredential

from sandbox.people import meet
from sandbox.simulation.letters import letter
from sandbox.simulation.office import Worker
from shared.ports.state import Op
from shared.state.azure_table import AzureTable
from shared.sync.service import Service
from shared.sync.sweep import REST
from tests.bench.metered import BATCH, STORE, Company, Taken
from tests.simulation.test_budgets import Office
from tests.support.azure_services import azure_services
from tests.support.counted_state import counted_state

FILE = Path(__file__).resolve().parents[2] / "shared" / "ops" / "measured.json"
RTT = 100
FOLDERS = 20
SIZES = (1, 10, 20)
TIMES = 7
ROUND, ROUNDS = 300.0, 6
"""From one catch-up to the next, and from the beginning of one sweep to that of the next."""
MESSAGES = 12
WORK = ("table read", "table write", "queue")


def median(taken: list[Taken]) -> Taken:
    """Of each figure by itself."""
    return Taken(*(statistics.median(getattr(one, f.name) for one in taken) for f in fields(Taken)))


def taken_by(company: Company, name: str, act: Callable[[], None]) -> Taken:
    """The median of what one execution of the function `name` takes in what `act` does, several times."""
    company.meter.taken.clear()
    company.meter.note = True
    for _ in range(TIMES):
        act()
    company.meter.note = False
    return median([taken for function, taken in company.meter.taken if function == name])


def measure(pairs: int = SIZES[-1]) -> dict[str, Any]:
    """Executions of each kind against real sockets, one at a time."""
    with Company(pairs, RTT) as company:
        people = meet(company.ready)
        for person in people:
            for box in person.boxes.values():
                for number in range(FOLDERS - len(box.folders())):
                    box.make_folder(f"Project {number}")
        found: dict[str, Any] = {"tick": {}, "look": {}, "round": {}}
        for size in (size for size in SIZES if size <= pairs):
            company.pair(size)
            if size == 1:
                found |= _one(company)
            found["tick"][str(size)] = taken_by(company, "tick", company.tick)
            found["look"][str(size)] = look(company)
            found["round"][str(size)] = taken_by(company, "tick", lambda: company.tick(catch_up=True))
            company.drain(BATCH)
        found["shard"] = taken_by(company, "poll", lambda: company.shard(pairs))
        return {"engine": company.engine, "executions": found}


def look(company: Company) -> Taken:
    """At all who are paired. Of the looks from one sweep to the next so many read a page of it as there are folders,
    and the others none."""
    company.sweep_anew()
    sweeping, folders = taken_by(company, "tick", lambda: company.tick(look=True)), company.folders()
    for _ in range(folders):
        company.tick(look=True)
    resting = taken_by(company, "tick", lambda: company.tick(look=True))
    share = folders / REST
    mixed = (share * getattr(sweeping, f.name) + (1 - share) * getattr(resting, f.name) for f in fields(Taken))
    return Taken(*(round(value, 4) for value in mixed))


def _one(company: Company) -> dict[str, Taken]:
    """A catch-up, and a message from each side, of one quiet pair."""

    def catch_up() -> None:
        company.tick(catch_up=True)
        company.drain()

    def message(side: str) -> None:
        box = meet(company.ready)[0].boxes[side]  # type: ignore[index]
        serial = time.monotonic_ns() % 10**9
        box.deliver(letter("li.na@supplier.example", [box.address], serial, time.time())[1])
        if side == "outlook":
            _until(lambda: any(name == "graph_notifications" for name, _ in company.meter.taken))
        company.tick(look=side == "dingtalk")
        company.drain()

    found = {"catch_up": taken_by(company, "work", catch_up)}
    runs, notified = [], []
    for side in ("outlook", "dingtalk"):
        for _ in range(TIMES // 2):
            company.meter.taken.clear()
            company.meter.note = True
            message(side)
            company.meter.note = False
            runs += [max((t for n, t in company.meter.taken if n == "work"), key=lambda t: t.seconds)]
            notified += [t for n, t in company.meter.taken if n == "graph_notifications"]
    return {**found, "message_run": median(runs), "notification": median(notified)}


def _until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20.0
    while not is_so():
        assert time.monotonic() < end, "the vendor told nothing"
        time.sleep(0.05)


def store_cpu() -> dict[str, float]:
    """Milliseconds of this machine's processor for one operation of the store: Azure's libraries, over TLS."""
    with azure_services() as azure, pytest.MonkeyPatch.context() as patch:
        for name, value in azure.environment.items():
            patch.setenv(name, value)
        table = AzureTable(azure.environment["TANDEM_TABLE_URL"], DefaultAzureCredential())
        try:
            return {
                "read": _cpu(lambda: table.get("p", ["k"])),
                "write": _cpu(lambda: table.transact("p", [Op("put", "k", {"at": 1.0})])),
            }
        finally:
            table.close()


def _cpu(act: Callable[[], object], times: int = 100) -> float:
    act()
    before = time.process_time()
    for _ in range(times):
        act()
    return round(1000 * (time.process_time() - before) / times, 2)


# ---- how many executions there are
def counted() -> dict[str, dict[str, float]]:
    """Executions and operations of the store: of one quiet pair from one catch-up to the next, and of one message, both
    directions on average, beyond that. Of several messages, and what is quiet before and after them, since how many
    blocks of the domain's rate are reserved is a matter of luck."""
    with counted_state() as counts:
        office, seen = Office(), counts
        _count(office, seen)
        office.run(2 * ROUND)
        quiet = [_spent(office, seen, lambda: None)]
        sides = [_spent(office, seen, partial(office.arrive, side)) for side in ("outlook", "dingtalk")]
        quiet.append(_spent(office, seen, lambda: None))
    names = ("tick", "work", "notified", *WORK)
    still = {name: sum(spent[name] for spent in quiet) / len(quiet) for name in names}
    message = {name: sum(side[name] - still[name] for side in sides) / len(sides) / MESSAGES for name in names}
    return {
        "quiet": {name: round(still[name] / ROUNDS, 2) for name in names},
        "message": {name: round(message[name], 2) for name in names},
    }


def _spent(office: Office, counts: Counter[str], act: Callable[[], object]) -> Counter[str]:
    """In a whole number of sweeps, with an act now and then."""
    before = Counter(counts)
    for _ in range(MESSAGES):
        act()
        office.run(ROUNDS * ROUND / MESSAGES)
    return counts - before


def _count(office: Office, counts: Counter[str]) -> None:
    """Note each call of a worker beside the operations of the store."""
    for worker in office.stage.workers:

        def handle(queue: str, message: Mapping[str, Any], worker: Worker = worker) -> None:
            counts[queue] += 1
            Worker.handle(worker, queue, message)

        def notified(body: bytes, worker: Worker = worker) -> int:
            counts["notified"] += 1
            return Service.notified(worker.service, body)

        worker.handle = handle  # type: ignore[method-assign]
        worker.service.notified = notified  # type: ignore[method-assign]


def main() -> None:
    measured, counts = measure(), {"store_cpu_ms": store_cpu(), **counted()}
    made = {
        "by": "python -m tests.bench.cost",
        "on": f"{datetime.now(UTC):%Y-%m-%d}",
        "python": platform.python_version(),
        "engine": measured["engine"],
        "rtt_ms": RTT,
        "store_ms": round(STORE * 1000),
        "folders": FOLDERS,
    }
    text = json.dumps({"made": made, "executions": measured["executions"], **counts}, default=_plain, indent=1)
    FILE.write_text(text + "\n", "utf-8")
    print(text)


def _plain(taken: Taken) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(taken).items()}


if __name__ == "__main__":
    main()
