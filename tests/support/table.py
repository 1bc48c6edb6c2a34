"""A table with a clock that the test sets, and records to put into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shared.model.links import End, Intent, Link, Waiting
from shared.model.plans import State
from shared.ports.state import Op
from shared.state.sqlite import SqliteTable
from shared.sync.lease import Leases
from shared.sync.ledger import Session

PARTITION = "pair:mail"
LEASE_SECONDS = 240.0


class TimedTable(SqliteTable):
    """`time`: what `now` says. `transactions`: the keys that each transaction put or deleted, the lease's row left out.
    `crash_after`: so many more transactions are let through; the next one ends the process."""

    def __init__(self, path: Path, time: float = 1_000_000.0) -> None:
        super().__init__(path)
        self.time = time
        self.transactions: list[list[str]] = []
        self.crash_after: int | None = None

    def now(self) -> float:
        return self.time

    def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        if self.crash_after is not None:
            if self.crash_after == 0:
                raise Crash
            self.crash_after -= 1
        etags = super().transact(partition, ops)
        self.transactions.append([op.key for op in ops if op.key != "s:lease"])
        return etags

    def keys(self, prefix: str = "") -> list[str]:
        return [row.key for row in self.scan(PARTITION, prefix, prefix + "\U0010ffff")]


class Crash(BaseException):
    """The process ends here."""


def open_session(table: TimedTable, holder: str = "worker") -> Session:
    """A session of a worker that has just taken the lease."""
    leases = Leases(table, PARTITION, LEASE_SECONDS)
    lease = leases.take(holder)
    assert lease is not None
    return Session(table, PARTITION, leases, lease)


def a_link(key: str, mid: str = "mid", due: float | None = None) -> Link:
    base: State = {"read": False, "flag": "none", "folder": "inbox"}
    return Link(key, mid, False, End(f"d-{key}", due=due), End(f"o-{key}"), base)


def an_intent(key: str, mid: str = "mid", settle_after: float = 5.0) -> Intent:
    return Intent(key, "create", "outlook", mid, False, source=f"d-{key}", settle_after=settle_after)


def a_waiting(id: str, mid: str = "mid", due: float | None = None) -> Waiting:
    return Waiting("outlook", id, mid, False, "folder", 0.0, "held", due)


def moved(link: Link, id: str) -> Link:
    """The same link, whose DingTalk message has another id."""
    return link.with_end("dingtalk", replace(link.dingtalk, id=id))
