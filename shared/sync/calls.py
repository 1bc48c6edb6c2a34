"""How work is asked for: hints of what to look at, and a message that wakes a worker."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from shared.model.words import Side
from shared.ports.state import Op, Table, WorkQueue
from shared.sync.rows import hint_row

BATCH = 100
ROOM = 32 << 10
"""Bytes of a message that cursors may take; a queue's message has 48 KiB."""


def partition(pair_id: str) -> str:
    """The ledger's partition of a pair's mail."""
    return f"{pair_id}:mail"


def leave_hints(table: Table, name: str, side: Side, ids: Iterable[str], places: Mapping[str, str] = {}) -> None:
    """Written without the lease; an empty id means the whole side. `places`: the folders that ids were shown in."""
    at = table.now()
    ops = [Op("put", hint_row(side, id), {"at": at, "in": places.get(id, "")}) for id in sorted(ids)]
    for start in range(0, len(ops), BATCH):
        table.transact(name, ops[start : start + BATCH])


def enqueue(queue: WorkQueue, pair_id: str, cause: str, delay: float = 0.0, **more: Any) -> None:
    queue.send("work", {"pair": pair_id, "kind": "mail", "cause": cause, **more}, delay)


def fitting(cursors: Mapping[str, str]) -> dict[str, str]:
    """As many as a message has room for. A folder whose cursor stays behind is seen as changed by the next look too."""
    chosen, room = dict[str, str](), ROOM
    for folder, cursor in cursors.items():
        room -= len(json.dumps({folder: cursor}))
        if room < 0:
            break
        chosen[folder] = cursor
    return chosen
