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
    anything goes. `delete` of a row that isn't there is no error unless `if_match` is given (an etag or ANY); a row
    that somebody else inserts at that moment may then stay."""

    kind: Literal["put", "delete"]
    key: str
    value: Mapping[str, Json] | None = None
    if_match: str | None = None


class Table(Protocol):
    """Rows of JSON objects by (partition, key), ordered by key, with transactions inside a partition.

    A transaction has at most 100 ops with distinct keys and 4 MiB, a row's value at most 1020 KiB as JSON in UTF-16 or,
    if that is longer, in ASCII, a key 512 characters as encoded (shared/state/limits.py); ValueError otherwise, in
    every adapter. Raises Conflict (a condition failed, nothing written) and StoreUnavailable (may or may not have been
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


@dataclass(frozen=True, slots=True)
class Received:
    """A message as handed out: `dequeue_count` counts the times, this one included, and `receipt` proves who holds it.
    `inserted` is in epoch seconds."""

    id: str
    body: bytes
    dequeue_count: int
    receipt: str
    inserted: float


@dataclass(frozen=True, slots=True)
class Poisoned:
    """A message that was given up. `inserted`: when, in epoch seconds."""

    id: str
    body: bytes
    inserted: float


class ReceivingQueue(WorkQueue, Protocol):
    """With the side that takes messages: what a local Functions host reads, and a person who looks after poison.

    Who received a message holds it until its visibility ends; a receipt is good until the message is handed out again,
    and after that every use of it raises Conflict. Raises StoreUnavailable."""

    def receive(self, queue: str, count: int, visibility: float) -> list[Received]:
        """At most `count` visible messages, hidden from everybody else for `visibility` seconds."""
        ...

    def delete(self, queue: str, received: Received) -> None: ...
    def release(self, queue: str, received: Received, delay: float) -> None:
        """Give it back: visible to everybody after `delay` seconds."""
        ...

    def poison(self, queue: str, received: Received) -> None:
        """Move it to `<queue>-poison`, where it is counted anew."""
        ...

    def depth(self, queue: str) -> int:
        """How many messages there are, hidden and delayed ones included."""
        ...

    def poisoned(self, queue: str) -> list[Poisoned]:
        """Messages of `<queue>-poison`, at most 32 (Azure: peek); others show when these are gone."""
        ...

    def replay(self, queue: str, id: str) -> None:
        """Move a poisoned message back to `queue`. Conflict when it isn't there, or somebody else holds it."""
        ...


class Blobs(Protocol):
    """Names are paths of lower-case letters, digits, dots, dashes and underscores, whose parts begin with a letter or
    digit; ValueError otherwise. No blob has the name of another's folder."""

    def get(self, name: str) -> bytes | None: ...
    def put(self, name: str, content: bytes) -> None: ...
    def delete(self, name: str) -> None: ...


class Secrets(Protocol):
    """Names are lower-case letters, digits and dashes; values are 1 to 25,000 bytes. ValueError otherwise."""

    def get(self, name: str, fresh: bool = False) -> str | None:
        """None when it isn't there. Where the store is elsewhere, another process's change may show minutes later, and
        within 10 s to who asks for it `fresh`."""
        ...

    def set(self, name: str, value: str) -> None: ...
    def add(self, name: str, value: str) -> str:
        """Keep `value` unless there is one; -> the one that is kept, the same for all who add at once."""
        ...

    def delete(self, name: str) -> None: ...


class Secret(Protocol):
    """One secret of the app's own, such as what it signs in with."""

    def __call__(self, fresh: bool = False) -> str:
        """Its value; `fresh`: as it is now, for who has just been refused. SignInRefused when there is none that can be
        used, Unavailable when it can't be read now."""
        ...
