"""Taking a pair out: it stops, and what is known of it is deleted. Mail stays as it is on both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shared.model.errors import TandemError, Unavailable
from shared.model.pairs import Pair
from shared.ports.state import Op, Table
from shared.ports.world import Clock, Random
from shared.sync.calls import partition
from shared.sync.lease import Leases
from shared.sync.schema import SCHEMA, Schema

BATCH = 100
FIRST, LAST = "", "\U0010ffff"


class Removal:
    """`save`, `drop`: change and forget the pair; `forget_password`, `unsubscribe`: delete these. A removal that was
    cut short is finished by another one."""

    def __init__(
        self,
        table: Table,
        clock: Clock,
        random: Random,
        lease: float,
        *,
        save: Callable[[Pair], None],
        drop: Callable[[str], None],
        forget_password: Callable[[Pair], None],
        unsubscribe: Callable[[Pair], None],
        schema: Schema = SCHEMA,
    ) -> None:
        self._schema = schema
        self._table, self._clock, self._random, self._lease = table, clock, random, lease
        self._save, self._drop = save, drop
        self._forget_password, self._unsubscribe = forget_password, unsubscribe

    def remove(self, pair: Pair) -> list[str]:
        """-> what could not be done at a vendor, and does no harm. Waits for a run that is under way; Unavailable when
        that takes longer than a lease does."""
        self._save(replace(pair, paused=True))
        self._wait_for_lease(pair)
        notes = []
        try:
            self._unsubscribe(pair)
        except TandemError as exc:
            notes.append(
                f"Microsoft could not be told to stop its notifications ({type(exc).__name__} {exc.code}): they end by"
                " themselves within a week, and are dropped until then"
            )
        self._forget_password(pair)
        self._clear(partition(pair.id))
        self._drop(pair.id)
        return notes

    def _wait_for_lease(self, pair: Pair) -> None:
        leases = Leases(self._table, partition(pair.id), self._lease, self._schema)
        end = self._clock.monotonic() + self._lease + 5.0
        while leases.take(self._random.token()) is None:
            if self._clock.monotonic() > end:
                raise Unavailable(f"a run of pair {pair.id} does not end; the pair is paused: remove it again later")
            self._clock.sleep(1.0)

    def _clear(self, name: str) -> None:
        while rows := list(self._table.scan(name, FIRST, LAST, BATCH)):
            self._table.transact(name, [Op("delete", row.key) for row in rows])
