"""Looks at the side without push: the poll, and one page of the sweep. They commit nothing but hints and positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from shared.model.errors import Conflict
from shared.model.mail import Observed
from shared.model.metrics import POLLED
from shared.model.pairs import Pair
from shared.model.words import DINGTALK
from shared.ports.replica import Looker
from shared.ports.state import Op, Table, WorkQueue
from shared.ports.telemetry import Telemetry
from shared.ports.world import Executor
from shared.sync.calls import enqueue, fitting, leave_hints, partition
from shared.sync.folders import FolderMap
from shared.sync.identity import Identity
from shared.sync.labels import crossing
from shared.sync.rows import TREE, after, cursor_row, sweep_row, walked_row
from shared.sync.run import Policy
from shared.sync.schema import Schema
from shared.sync.sweeper import Sweeper

CURSORS = cursor_row(DINGTALK, "")


class Looks:
    """`looker`: the side for looks that come every so many seconds. Safe among threads and processes."""

    def __init__(
        self,
        table: Table,
        queue: WorkQueue,
        looker: Callable[[Pair, float], Looker],
        key: bytes,
        policy: Policy,
        schema: Schema,
        telemetry: Telemetry,
        executor: Executor,
    ) -> None:
        self._table, self._queue, self._looker, self._executor = table, queue, looker, executor
        self._key, self._policy, self._schema, self._telemetry = key, policy, schema, telemetry

    def look(self, every: float, pair: Pair) -> None:
        """What may have changed at DingTalk, compared with the bases of the links."""
        name = partition(pair.id)
        if pair.schema != self._schema.version:
            enqueue(self._queue, pair.id, "upgrade")  # what it is compared with can't be read before
            return
        folders = FolderMap.of(self._table, name)
        if not folders.knows(DINGTALK):
            enqueue(self._queue, pair.id, "first")
            return
        held, known = {e.key: e for e in self._table.scan(name, CURSORS, after(CURSORS))}, set(folders.ids(DINGTALK))
        old = {id: str(e.value["cursor"]) for key, e in held.items() if (id := key[len(CURSORS) :]) in known}
        replica, began = self._looker(pair, every), self._table.now()
        identity = Identity(self._key, pair)
        labels = crossing(self._policy.categories, identity, [replica])
        stands = held.get(sweep_row(DINGTALK))
        sweeper = Sweeper(self._table, name, pair, replica, folders, labels, stands, began, every)
        answers = self._executor.map([lambda: replica.observe((), old, None), sweeper.read_ahead])
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        changes = cast(Observed, answers[0]).changes
        ids = sweeper.take(changes)
        cursors = {c: text for c, text in (changes.cursors or {}).items() if old.get(c) != text}
        positions = sweeper.ops
        if folders.differs(DINGTALK, changes.folders or (), identity):
            ids.add(TREE)
        else:
            positions.append(Op("put", walked_row(DINGTALK), {"at": began}))
        self._telemetry.count(POLLED)
        if ids or cursors:
            self._telemetry.keep()
            leave_hints(self._table, name, DINGTALK, ids, {row.id: row.folder for row in changes.rows})
        self._move_on(name, positions)
        if ids or cursors:
            enqueue(self._queue, pair.id, "poll", cursors=fitting(cursors), at=began)

    def _move_on(self, name: str, positions: Sequence[Op]) -> None:
        """Only once the differences are hints. Another look at the same pair may have moved the sweep meanwhile: then
        it stands where that one put it."""
        try:
            self._table.transact(name, list(positions))
        except Conflict:
            walked = [op for op in positions if op.key == walked_row(DINGTALK)]
            if walked:
                self._table.transact(name, walked)
