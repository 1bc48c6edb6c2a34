"""How work is asked for: hints of what to look at, and a message that wakes a worker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shared.model.words import Side
from shared.ports.state import Op, Table, WorkQueue
from shared.sync.rows import hint_row

BATCH = 100


def partition(pair_id: str) -> str:
    """The ledger's partition of a pair's mail."""
    return f"{pair_id}:mail"


def leave_hints(table: Table, name: str, side: Side, ids: Iterable[str]) -> None:
    """Written without the lease; an empty id means the whole side."""
    at, ordered = table.now(), sorted(ids)
    for start in range(0, len(ordered), BATCH):
        table.transact(name, [Op("put", hint_row(side, id), {"at": at}) for id in ordered[start : start + BATCH]])


def enqueue(queue: WorkQueue, pair_id: str, cause: str, delay: float = 0.0, **more: Any) -> None:
    queue.send("work", {"pair": pair_id, "kind": "mail", "cause": cause, **more}, delay)
