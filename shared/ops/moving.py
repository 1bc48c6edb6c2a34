"""Copying a partition of the state from one store into another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from shared.model.errors import Conflict
from shared.ops.standstill import FIRST, LAST, clear
from shared.ports.state import Entity, Op, Table
from shared.sync.rows import CALLED, DIRTY, GUARD, LEASE

ROWS, BYTES = 100, 1 << 20
"""What goes together in one write; a single larger row goes alone."""
PASSING = frozenset({DIRTY, CALLED, GUARD})
"""Rows about messages in queues, which stay behind."""


def copy_rows(source: Table, target: Table, name: str) -> int:
    """-> how many rows. What the target has there is replaced, and read back. Nobody may write to either meanwhile:
    Conflict when the two differ afterwards."""
    clear(target, name)
    for rows in _batches(_kept(source, name)):
        target.transact(name, [Op("put", row.key, row.value) for row in rows])
    count = 0
    there = target.scan(name, FIRST, LAST)
    for row in _kept(source, name):
        copy = next(there, None)
        if copy is None or (copy.key, dict(copy.value)) != (row.key, dict(row.value)):
            raise Conflict(f"the copy of {name} differs: is the app at one of the two places still at work?")
        count += 1
    return count


def _kept(source: Table, name: str) -> Iterator[Entity]:
    for row in source.scan(name, FIRST, LAST):
        if row.key == LEASE:  # the head of the journal is in it; who held it and what woke it is of no use elsewhere
            yield replace(row, value={**row.value, "holder": "", "expiry": 0.0, "wake": 0.0})
        elif row.key not in PASSING:
            yield row


def _batches(rows: Iterable[Entity]) -> Iterator[list[Entity]]:
    batch: list[Entity] = []
    size = 0
    for row in rows:
        more = len(json.dumps(row.value))
        if batch and (len(batch) == ROWS or size + more > BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += more
    if batch:
        yield batch
