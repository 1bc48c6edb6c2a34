"""Looks at the side without push: the poll, and one page of the sweep. They commit nothing but hints and positions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from shared.model.errors import Conflict, NotFound, TandemError
from shared.model.mail import Changes, Row
from shared.model.metrics import POLLED
from shared.model.pairs import Pair
from shared.model.plans import State
from shared.model.words import DINGTALK
from shared.ports.replica import Looker
from shared.ports.state import Entity, Op, Table, WorkQueue
from shared.ports.telemetry import Telemetry
from shared.sync.calls import enqueue, leave_hints, partition
from shared.sync.folders import FolderMap
from shared.sync.identity import Identity
from shared.sync.labels import crossing
from shared.sync.rows import (
    JOURNAL,
    LINK,
    SWEPT,
    TREE,
    after,
    cursor_row,
    link_of_json,
    sweep_row,
    swept_row,
    walked_row,
)
from shared.sync.run import Policy, state_of
from shared.sync.schema import Schema
from shared.sync.sweep import Sweep, mark, state_print
from shared.sync.watch import differing

log = logging.getLogger("tandem.sync")

CURSORS = cursor_row(DINGTALK, "")
DEEPEST = 20
"""Pages of folders with unexplained counters that one look reads; the sweep finds what stands deeper."""
LATELY = 90.0
"""Seconds in which an effect of ours may have moved the counters that a look sees."""
MISSING = 200
"""Hints of one sweep for links that it didn't show, or not as agreed; the others are left to the next one."""


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
    ) -> None:
        self._table, self._queue, self._looker = table, queue, looker
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
        changes = replica.observe((), old, None).changes
        rows = (*changes.rows, *self._unexplained(name, replica, changes))
        printed = partial(print_of, lambda row: state_of(DINGTALK, row, folders, labels))
        page, unmet, positions = self._sweep(name, replica, changes, held.get(sweep_row(DINGTALK)), printed, began)
        ids = set(differing(self._table, name, DINGTALK, folders, labels, Changes((*rows, *page)), pair.since))
        cursors = {c: text for c, text in (changes.cursors or {}).items() if old.get(c) != text}
        if folders.differs(DINGTALK, changes.folders or (), identity):
            ids.add(TREE)
        else:
            positions.append(Op("put", walked_row(DINGTALK), {"at": began}))
        ids |= unmet
        self._telemetry.count(POLLED)
        if ids or cursors:
            self._telemetry.keep()
            leave_hints(self._table, name, DINGTALK, ids)
        self._move_on(name, positions)
        if ids or cursors:
            enqueue(self._queue, pair.id, "poll", cursors=cursors, at=began)

    def _unexplained(self, name: str, replica: Looker, changes: Changes) -> list[Row]:
        """What folders hold whose counters moved for no reason that their first page shows. Where we wrote lately, that
        is most likely the reason; what a person did besides is met by the sweep."""
        rows: list[Row] = []
        if not changes.unexplained or self._wrote_lately(name):
            return rows
        left = DEEPEST
        for folder in sorted(changes.unexplained):
            place: str | None = ""
            while left and place is not None:
                left -= 1
                page, place = _page(replica, folder, place)
                rows += page
        return rows

    def _wrote_lately(self, name: str) -> bool:
        since = f"{JOURNAL}{self._table.now() - LATELY:014.3f}"
        lately = self._table.scan(name, since, after(JOURNAL))
        return any(e.value["what"] == "done" and e.value["side"] == DINGTALK for e in lately)

    # ---- the sweep
    def _sweep(
        self,
        name: str,
        replica: Looker,
        changes: Changes,
        held: Entity | None,
        printed: Callable[[Row], str],
        now: float,
    ) -> tuple[list[Row], set[str], list[Op]]:
        """-> of the next page the rows that the sweep before didn't show so, ids that a sweep which ends with it leaves
        to be read, and where it stands then."""
        folders = [folder.id for folder in changes.folders or () if folder.role != "drafts"]
        sweep = Sweep.load(held.value if held else None).aim(folders, now)
        news, ops, last = list[Row](), list[Op](), dict[str, Any]()
        if sweep.folder:
            try:
                rows, place = _page(replica, sweep.folder, sweep.place)
            except TandemError as exc:
                log.info("a page of the sweep could not be read: %s (%s)", type(exc).__name__, exc.code)
                return [], set(), []
            sweep = sweep.turned(place).aim(folders, now)
            known, before = self._shown_before(name, sweep.pages)
            prints = {row.id: printed(row) for row in rows}
            news = [row for row in rows if prints[row.id] not in known]
            last = {"sweep": sweep.began, "ids": [mark(id) for id in prints], "prints": [*prints.values()]}
            ops.append(Op("put", swept_row(sweep.pages), {**last, "before": before}))
        unmet: set[str] = set()
        if not sweep.folder:
            unmet, doubted = self._ending(name, sweep, last)
            sweep = sweep.finished(now, doubted)
        ops.append(Op("put", sweep_row(DINGTALK), sweep.dump(), held.etag if held else ""))
        return news, unmet, ops

    def _shown_before(self, name: str, page: int) -> tuple[set[str], list[str]]:
        """What the sweep before showed about here, and on the page of this number. New mail has pushed what it showed
        onto this page or the next; where there was more, what is shown here is taken for news."""
        names = [swept_row(page - 1), swept_row(page)]
        held = self._table.get(name, names)
        before = list(held[names[1]].value["prints"]) if names[1] in held else []
        pushed = held[names[0]].value["before"] if names[0] in held else []
        return {*before, *pushed}, before

    def _ending(self, name: str, sweep: Sweep, last: Mapping[str, Any]) -> tuple[set[str], bool]:
        """Ids of linked messages that a sweep did not meet, or not as the base says, some of them where they are many;
        and whether it met one that reads by id don't find. `last`: its last page."""
        pages = (page.value for page in self._table.scan(name, SWEPT, after(SWEPT)))
        met, prints = set(last.get("ids", ())), set(last.get("prints", ()))
        for page in pages:
            if page["sweep"] == sweep.began:
                met.update(page["ids"])
                prints.update(page["prints"])
        odd, doubted, began = list[str](), False, sweep.began or 0.0
        for entity in self._table.scan(name, LINK, after(LINK)):
            link = link_of_json(entity.value)
            end, is_met = link.dingtalk, mark(link.dingtalk.id) in met
            doubted |= is_met and end.missed is not None
            is_lost = not is_met and end.missed is None and link.base["folder"] != "trash"
            differs = is_met and state_print(end.id, link.expected(DINGTALK)) not in prints
            if link.gone is None and max(link.written, end.placed) < began and (is_lost or differs):
                odd.append(end.id)
        return set(sorted(odd, key=lambda id: mark(f"{began}{id}"))[:MISSING]), doubted

    def _move_on(self, name: str, positions: Sequence[Op]) -> None:
        """Only once the differences are hints. Another look at the same pair may have moved the sweep meanwhile: then
        it stands where that one put it."""
        try:
            self._table.transact(name, list(positions))
        except Conflict:
            walked = [op for op in positions if op.key == walked_row(DINGTALK)]
            if walked:
                self._table.transact(name, walked)


def print_of(state: Callable[[Row], State], row: Row) -> str:
    return state_print(row.id, state(row))


def _page(replica: Looker, folder: str, place: str) -> tuple[tuple[Row, ...], str | None]:
    """A folder that isn't there is at its end."""
    try:
        return replica.page(folder, place)
    except NotFound:
        return (), None
