"""The lease of a (pair, kind): only one worker reconciles at a time, and every commit is fenced by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from shared.model.errors import Conflict, LeaseLost
from shared.ports.state import Entity, Op, Table
from shared.sync.rows import CALLED, DIRTY, DUE, GUARD, HINT, LEASE, SERVICE, due_row
from shared.sync.schema import SCHEMA, Schema


@dataclass(frozen=True, slots=True)
class Lease:
    """The row `lease` as held. `head` and `entries` are the journal's last hash and length; `links` counts live links;
    `wake` is when a delayed message for this partition becomes visible (0: none is under way); `ended` and `error` say
    when the last run ended and by which error ("": none); `copied` when a copy was last made, by side. `schema`: the
    version that a worker must know to touch this ledger; `migrated`: the one that all its rows are in."""

    holder: str
    epoch: int
    expiry: float
    head: str = ""
    entries: int = 0
    links: int = 0
    wake: float = 0.0
    ended: float = 0.0
    error: str = ""
    copied: Mapping[str, float] = field(default_factory=dict)
    schema: int = 1
    migrated: int = 1
    etag: str = ""


BATCH = 99
"""Rows of one transaction beside the lease's own."""
LOST = 30.0
"""Seconds after which a message that was `called` is taken for lost."""
FEW = 5
"""Rows of a look at who is wanted: the lease and the three marks beside it, and the first of what waits."""


class Leases:
    """Taking, keeping and giving back the lease of one partition."""

    def __init__(self, table: Table, partition: str, seconds: float, schema: Schema = SCHEMA) -> None:
        self._table, self._partition, self._seconds, self._schema = table, partition, seconds, schema

    def take(self, holder: str) -> Lease | None:
        """None when somebody else has it; its expiry is then told by `expiry`. NewerState when the ledger is one that
        only a newer version may touch. From here on an older version than this may not touch it."""
        entity = self._table.get(self._partition, [LEASE]).get(LEASE)
        now, version = self._table.now(), self._schema.version
        if entity is None:
            return self._put(Lease(holder, 1, now + self._seconds, schema=version, migrated=version), "")
        self._schema.check(entity.value.get("schema", 1))
        old = Lease(**{**entity.value, "etag": entity.etag})
        if old.expiry > now:
            return None
        new = replace(old, holder=holder, epoch=old.epoch + 1, expiry=now + self._seconds, schema=version)
        return self._put(new, old.etag)

    def upgrade(self, lease: Lease) -> Lease:
        """Bring all rows to this version, before anything else is done under the lease. LeaseLost: what was written
        stays, and whoever takes the lease next goes on."""
        for number in range(lease.migrated, self._schema.version):
            ops: list[Op] = []
            for op in self._schema.steps[number - 1](self._table, self._partition):
                ops.append(op)
                if len(ops) == BATCH:
                    lease, ops = self.commit(lease, ops), []
            lease = self.commit(replace(lease, migrated=number + 1), ops)
        return lease

    def _put(self, lease: Lease, if_match: str) -> Lease | None:
        try:
            return self.commit(replace(lease, etag=if_match), [])
        except LeaseLost:
            return None

    def expiry(self) -> float:
        entity = self._table.get(self._partition, [LEASE]).get(LEASE)
        return float(entity.value["expiry"]) if entity else 0.0

    def commit(self, lease: Lease, ops: list[Op]) -> Lease:
        """One transaction that merges the lease row with If-Match and renews it. LeaseLost: nothing was written."""
        renewed = replace(lease, expiry=self._table.now() + self._seconds)
        value = {name: field for name, field in asdict(renewed).items() if name != "etag"}
        try:
            etags = self._table.transact(self._partition, [Op("put", LEASE, value, lease.etag), *ops])
        except Conflict as exc:
            raise LeaseLost("another worker holds the lease; nothing was committed") from exc
        return replace(renewed, etag=etags[LEASE])

    def release(self, lease: Lease, error: str = "") -> None:
        """Give it back if it is still ours, whatever its row's last version; silent if it isn't. `error`: what ended
        the run."""
        entity = self._table.get(self._partition, [LEASE]).get(LEASE)
        if entity is None or entity.value["holder"] != lease.holder:
            return
        value = {**entity.value, "holder": "", "expiry": 0.0, "wake": lease.wake}
        value |= {"ended": self._table.now(), "error": error}
        try:
            self._table.transact(self._partition, [Op("put", LEASE, value, entity.etag)])
        except Conflict:
            return

    def forget(self, lease: Lease) -> None:
        """Leave nothing behind of a lease that was taken where there had been none."""
        marks = [Op("delete", mark) for mark in (DIRTY, CALLED, GUARD)]
        try:
            self._table.transact(self._partition, [Op("delete", LEASE, if_match=lease.etag), *marks])
        except Conflict:
            return

    def set_dirty(self) -> bool:
        """-> whether this call turned it from clear to set."""
        try:
            self._table.transact(self._partition, [Op("put", DIRTY, {}, "")])
        except Conflict:
            return False
        return True

    def clear_dirty(self) -> None:
        """Also what `call` left: hints that are written from now on want a message of their own."""
        self._table.transact(self._partition, [Op("delete", DIRTY), Op("delete", CALLED)])

    def call(self) -> float | None:
        """In how many seconds a message is wanted for a hint that was just written; None when somebody will see it
        without: the holder, for whom a mark is left, or a message on its way. One that did not come for a while is
        taken for lost."""
        rows, now = self._table.get(self._partition, [LEASE, DIRTY, CALLED]), self._table.now()
        if LEASE in rows and rows[LEASE].value["expiry"] > now:
            if DIRTY in rows or not self.set_dirty():
                return None
            if self.expiry() > now:  # else it was given back before it could be seen that it is dirty
                return self.guard()
        return 0.0 if self._called(now, rows.get(CALLED)) else None

    def is_forsaken(self, busy: float) -> bool:
        """Whether a message is wanted because nobody is at what waits: a holder died, a message did not come, or a row
        is overdue by `busy` seconds. One read. One of those who ask is told so, and again when that message is lost."""
        now = self._table.now()
        rows = {e.key: e for e in self._table.scan(self._partition, SERVICE, due_row(now - busy, "~"), FEW)}
        lease = rows[LEASE].value if LEASE in rows else NEVER_TAKEN
        if lease["expiry"] > now:
            return False
        if not lease["holder"]:
            put_off = lease["error"] and now < lease["wake"] + LOST
            if put_off or not (DIRTY in rows or any(_waits(row, now) for row in rows.values())):
                return False
        return self._called(now, rows.get(CALLED))

    def _called(self, now: float, held: Entity | None) -> bool:
        """Whether a message is ours to send: none is on its way that may still come."""
        if held is not None and now - float(held.value["at"]) < LOST:
            return False
        return self._won(CALLED, {"at": now}, held)

    def guard(self) -> float | None:
        """In how many seconds a message is wanted that goes on if the holder dies; None while one is on its way."""
        held, now = self._table.get(self._partition, [GUARD]).get(GUARD), self._table.now()
        if held is not None and held.value["at"] > now:
            return None
        delay = max(0.0, self.expiry() - now) + 1.0
        return delay if self._won(GUARD, {"at": now + delay}, held) else None

    def _won(self, row: str, value: Mapping[str, Any], held: Entity | None) -> bool:
        """Whether this row was written by us and nobody else."""
        try:
            self._table.transact(self._partition, [Op("put", row, value, held.etag if held else "")])
        except Conflict:
            return False
        return True

    def is_dirty(self) -> bool:
        return DIRTY in self._table.get(self._partition, [DIRTY])


NEVER_TAKEN: Mapping[str, Any] = asdict(Lease("", 0, 0.0))


def _waits(row: Entity, now: float) -> bool:
    """Is it overdue, or a hint whose message did not come?"""
    return row.key.startswith(DUE) or (row.key.startswith(HINT) and float(row.value["at"]) <= now - LOST)
