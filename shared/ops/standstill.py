"""Waiting until no run of a pair is under way."""

from __future__ import annotations

from shared.model.errors import Unavailable
from shared.model.pairs import Pair
from shared.ports.state import Op, Table
from shared.ports.world import Clock, Random
from shared.sync.calls import partition
from shared.sync.carry import is_under_way
from shared.sync.lease import Lease, Leases
from shared.sync.schema import SCHEMA, Schema

BATCH = 100
FIRST, LAST = "", "\U0010ffff"


class Standstill:
    """`lease`: seconds that a lease is held at most."""

    def __init__(self, table: Table, clock: Clock, random: Random, lease: float, schema: Schema = SCHEMA) -> None:
        self._table, self._clock, self._random, self._lease, self._schema = table, clock, random, lease, schema

    def take(self, pair: Pair) -> Lease:
        """The lease of a paused pair, as soon as the run that has it ends, and nobody carries a large message of it.
        Unavailable when that takes longer than a lease does."""
        leases, end = self._leases(pair), self._clock.monotonic() + self._lease + 5.0
        while is_under_way(self._table, partition(pair.id)) or (lease := leases.take(self._random.token())) is None:
            if self._clock.monotonic() > end:
                raise Unavailable(f"a run of pair {pair.id} does not end; the pair is paused: try again later")
            self._clock.sleep(1.0)
        return lease

    def give_back(self, pair: Pair, lease: Lease) -> None:
        self._leases(pair).release(lease)

    def _leases(self, pair: Pair) -> Leases:
        return Leases(self._table, partition(pair.id), self._lease, self._schema)


def clear(table: Table, name: str) -> None:
    """Delete all rows of a partition."""
    while rows := list(table.scan(name, FIRST, LAST, BATCH)):
        table.transact(name, [Op("delete", row.key) for row in rows])
