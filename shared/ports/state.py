"""Where state lives: a table, a queue, blobs and secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Json = Any
ANY = "*"
"""An `if_match` that any version satisfies (the row must exist)."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A row as read. `value` is a JSON object; `etag` its version."""

    key: str
    value: Mapping[str, Json]
    etag: str


@dataclass(frozen=True, slots=True)
class Op:
    """One write of a transaction.

    `put` inserts or replaces; with `if_match` "" the row must not exist, with an etag or ANY it must match, with None
    anything goes. `delete` of a row that isn't there is no error unless `if_match` is given."""

    kind: Literal["put", "delete"]
    key: str
    value: Mapping[str, Json] | None = None
    if_match: str | None = None


class Table(Protocol):
    """Rows of JSON objects by (partition, key), ordered by key, with transactions inside a partition.

    A transaction has at most 100 ops with distinct keys, each row at most 1 MiB; ValueError otherwise, in every
    adapter. Raises Conflict (a condition failed, nothing written) and StoreUnavailable (may or may not have been
    written)."""

    def get(self, partition: str, keys: Sequence[str]) -> dict[str, Entity]:
        """The rows that exist among `keys`."""
        ...

    def scan(self, partition: str, start: str, end: str, limit: int | None = None) -> Iterator[Entity]:
        """Rows with start <= key < end, in order."""
        ...

    def partitions(self, prefix: str) -> list[str]:
        """Names of the partitions that start so and hold rows, sorted."""
        ...

    def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        """All of it or nothing; -> the new etag of each row put."""
        ...

    def now(self) -> float:
        """The store's time in epoch seconds: its last Date plus monotonic time since, never this machine's clock where
        the store is elsewhere."""
        ...


class WorkQueue(Protocol):
    def send(self, queue: str, message: Mapping[str, Json], delay: float = 0.0) -> None:
        """Put a message that becomes visible after `delay` seconds. At least once; order is not kept."""
        ...


class Blobs(Protocol):
    def get(self, name: str) -> bytes | None: ...
    def put(self, name: str, content: bytes) -> None: ...
    def delete(self, name: str) -> None: ...


class Secrets(Protocol):
    """Names are lower-case letters, digits and dashes."""

    def get(self, name: str) -> str | None: ...
    def set(self, name: str, value: str) -> None: ...
    def delete(self, name: str) -> None: ...
