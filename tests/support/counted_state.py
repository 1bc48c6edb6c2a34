"""State of the simulation that counts what it would cost on Azure, by the adapters there (shared/state/azure_*.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from sandbox.simulation.adapters import SimBlobs, SimQueue, SimTable
from shared.ports.state import Entity, Op
from shared.state.azure_table import PAGE

OFFICE = "sandbox.simulation.office"


@contextmanager
def counted_state() -> Iterator[Counter[str]]:
    """Every office that is made inside counts its requests to the store: `table read` (a row, or a page of a scan),
    `table write` (a transaction), `queue` (a message put, taken and deleted: three; a queue
    counted: one) and `blob`."""
    counts: Counter[str] = Counter()

    class Table(SimTable):
        def get(self, partition: str, keys: Sequence[str]) -> dict[str, Entity]:
            counts["table read"] += len(set(keys))
            return super().get(partition, keys)

        def scan(self, partition: str, start: str, end: str, limit: int | None = None) -> Iterator[Entity]:
            rows = list(super().scan(partition, start, end, limit))
            counts["table read"] += 1 + len(rows) // PAGE
            return iter(rows)

        def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
            held = self._stored.rows.get(partition, {})
            absent = sum(op.kind == "delete" and op.if_match is None and op.key not in held for op in ops)
            counts["table write"] += absent + (len(ops) > absent)  # each has the store refuse the whole once
            return super().transact(partition, ops)

    class Queue(SimQueue):
        def send(self, queue: str, message: Mapping[str, Any], delay: float = 0.0) -> None:
            counts["queue"] += 3
            super().send(queue, message, delay)

        def depth(self, queue: str) -> int:
            counts["queue"] += 1
            return super().depth(queue)

    class Blobs(SimBlobs):
        def get(self, name: str) -> bytes | None:
            counts["blob"] += 1
            return super().get(name)

        def put(self, name: str, content: bytes) -> None:
            counts["blob"] += 1
            super().put(name, content)

        def delete(self, name: str) -> None:
            counts["blob"] += 1
            super().delete(name)

    with pytest.MonkeyPatch.context() as patch:
        for name, made in (("SimTable", Table), ("SimQueue", Queue), ("SimBlobs", Blobs)):
            patch.setattr(f"{OFFICE}.{name}", made)
        yield counts
