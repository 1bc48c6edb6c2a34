"""What a run would write, kept in memory: a table over a table, and a replica that only reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import NoReturn

from shared.model.errors import Conflict
from shared.model.mail import Folder, Found, Message, Observed, Trace
from shared.ports.replica import Replica
from shared.ports.state import ANY, Entity, Op, Table


class Overlay:
    """A Table whose writes stand above those of another one and never reach it. For one thread."""

    def __init__(self, below: Table) -> None:
        self._below = below
        self._above: dict[tuple[str, str], Entity | None] = {}
        self._writes = 0

    def get(self, partition: str, keys: Sequence[str]) -> dict[str, Entity]:
        below = self._below.get(partition, [key for key in keys if (partition, key) not in self._above])
        above = {key: row for key in keys if (row := self._above.get((partition, key))) is not None}
        return {**below, **above}

    def scan(self, partition: str, start: str, end: str, limit: int | None = None) -> Iterator[Entity]:
        hidden = {key for where, key in self._above if where == partition}
        rows = [row for (where, key), row in self._above.items() if row and where == partition and start <= key < end]
        below = (row for row in self._below.scan(partition, start, end) if row.key not in hidden)
        return islice(merge(below, sorted(rows, key=_key), key=_key), limit)

    def partitions(self, prefix: str) -> list[str]:
        return self._below.partitions(prefix)

    def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        held, etags = self.get(partition, [op.key for op in ops]), dict[str, str]()
        if any(op.if_match is not None and not _matches(held.get(op.key), op.if_match) for op in ops):
            raise Conflict("the row has changed; nothing was written")
        for op in ops:
            self._writes += 1
            row = Entity(op.key, op.value or {}, f"overlay-{self._writes}") if op.kind == "put" else None
            self._above[partition, op.key] = row
            if row is not None:
                etags[op.key] = row.etag
        return etags

    def now(self) -> float:
        return self._below.now()


def _key(row: Entity) -> str:
    return row.key


def _matches(row: Entity | None, if_match: str) -> bool:
    if if_match == "":
        return row is None
    return row is not None and if_match in (ANY, row.etag)


class ReadOnly:
    """A Replica that reads as another one, and can't write."""

    def __init__(self, replica: Replica) -> None:
        self.side, self._replica = replica.side, replica

    def observe(
        self, ids: Sequence[str] = (), cursors: Mapping[str, str] = {}, collections: Sequence[str] | None = ()
    ) -> Observed:
        return self._replica.observe(ids, cursors, collections)

    def fetch(self, id: str) -> Message:
        return self._replica.fetch(id)

    def find(self, trace: Trace) -> Found:
        return self._replica.find(trace)

    def labels(self) -> frozenset[str] | None:
        return self._replica.labels()

    def mark(self, folder: str) -> str:
        return self._replica.mark(folder)

    def tree(self) -> tuple[Folder, ...]:
        return self._replica.tree()

    def is_empty(self, folder: str) -> bool:
        return self._replica.is_empty(folder)

    def create(self, *args: object, **more: object) -> NoReturn:
        raise AssertionError("a preview has no effects")

    write = create_folder = rename_folder = move_folder = delete_folder = create
