"""A session of work on one partition of the ledger: rows read once, written together, fenced by the lease."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from shared.model.links import Intent, Link, Waiting
from shared.model.words import SIDES, Side
from shared.ports.state import Op, Table
from shared.sync.lease import Lease, Leases
from shared.sync.rows import (
    DUE,
    INTENT,
    JOURNAL,
    LINK,
    after,
    cursor_row,
    due_row,
    identity_row,
    intent_of_json,
    link_of_json,
    pointer,
    to_json,
    waiting_of_json,
    waiting_row,
)

TRANSACTION = 99
"""Rows of one transaction beside the lease's own."""
LAST = "~"
"""The group of rows that belong to no item (folders, cursors): they are committed last, each on its own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the journal: what was planned, done, refused or overwritten, with its before-image."""

    what: str
    link: str
    side: Side | None = None
    detail: Mapping[str, Any] | None = None


class Session:
    """Reads through a cache, collects writes, and commits them in fenced transactions.

    Writes are grouped by identity (`mid`), so that a link, its intents, its due marks and its journal rows always
    stand in one transaction."""

    def __init__(self, table: Table, partition: str, leases: Leases, lease: Lease) -> None:
        self.lease = lease
        self._table, self._partition, self._leases = table, partition, leases
        self._cache: dict[str, Mapping[str, Any] | None] = {}
        self._pending: dict[str, dict[str, Op]] = {}
        self._notes: dict[str, list[Entry]] = {}
        self._links_delta = 0
        self.intents: dict[str, Intent] = {
            intent.id: intent for intent in (intent_of_json(e.value) for e in self._scan(INTENT))
        }

    def now(self) -> float:
        return self._table.now()

    # ---- reading
    def _scan(self, prefix: str) -> Iterable[Any]:
        return self._table.scan(self._partition, prefix, after(prefix))

    def prefetch(self, keys: Iterable[str]) -> None:
        missing = [key for key in dict.fromkeys(keys) if key not in self._cache]
        if missing:
            found = self._table.get(self._partition, missing)
            self._cache.update({key: found[key].value if key in found else None for key in missing})

    def value(self, key: str) -> Mapping[str, Any] | None:
        self.prefetch([key])
        return self._cache[key]

    def link(self, key: str) -> Link | None:
        value = self.value(LINK + key)
        return link_of_json(value) if value else None

    def link_of(self, side: Side, id: str) -> Link | None:
        value = self.value(pointer(side, id))
        return self.link(value["link"]) if value else None

    def prefetch_items(self, ids: Iterable[tuple[Side, str]]) -> None:
        """Everything the ledger says of these ids, in two reads."""
        ids = list(ids)
        self.prefetch([row for side, id in ids for row in (pointer(side, id), waiting_row(side, id))])
        pointers = [self._cache[pointer(side, id)] for side, id in ids]
        self.prefetch([LINK + p["link"] for p in pointers if p])

    def waiting(self, side: Side, id: str) -> Waiting | None:
        value = self.value(waiting_row(side, id))
        return waiting_of_json(value) if value else None

    def links_by(self, mid: str) -> list[Link]:
        value = self.value(identity_row(mid)) or {}
        links = [self.link(key) for key in value.get("links", ())]
        return [link for link in links if link]

    def waiting_by(self, mid: str, side: Side) -> list[Waiting]:
        value = self.value(identity_row(mid)) or {}
        rows = [self.waiting(side, id) for where, id in value.get("waiting", ()) if where == side]
        return [row for row in rows if row]

    def links(self) -> Iterable[Link]:
        """All of them, as committed."""
        return (link_of_json(e.value) for e in self._scan(LINK))

    def all_waiting(self) -> list[Waiting]:
        return [waiting_of_json(e.value) for e in self._scan("u:")]

    def due(self, until: float, limit: int = 200) -> list[str]:
        """Names of the rows (`l:…`, `u:…`, `i:…`) that are due."""
        rows = self._table.scan(self._partition, DUE, due_row(until, "~"), limit)
        return [row.key.split(":", 2)[2] for row in rows]

    def next_due(self) -> float | None:
        for row in self._table.scan(self._partition, DUE, after(DUE), 1):
            return float(row.key.split(":", 2)[1])
        return None

    # ---- writing
    def _put(self, group: str, key: str, value: Mapping[str, Any]) -> None:
        self._collect(group, Op("put", key, value))

    def _delete(self, group: str, key: str) -> None:
        self._collect(group, Op("delete", key))

    def _collect(self, group: str, op: Op) -> None:
        """The last write of a row counts, whichever group it came from."""
        for ops in self._pending.values():
            ops.pop(op.key, None)
        self._cache[op.key] = op.value
        self._pending.setdefault(group, {})[op.key] = op

    def _index(self, group: str, row: str, old: float | None, new: float | None) -> None:
        if old is not None and old != new:
            self._delete(group, due_row(old, row))
        if new is not None and old != new:
            self._put(group, due_row(new, row), {})

    def put_link(self, link: Link) -> Link:
        old = self.link(link.key)
        self._put(link.mid, LINK + link.key, to_json(link))
        for side in SIDES:
            before, id = old.end(side).id if old else None, link.end(side).id
            if before != id:
                if before is not None and (held := self.value(pointer(side, before))) and held["link"] == link.key:
                    self._delete(link.mid, pointer(side, before))
                self._put(link.mid, pointer(side, id), {"link": link.key})
        self._index(link.mid, LINK + link.key, old.due() if old else None, link.due())
        if old is None:
            self._links_delta += 1
            self._member(link.mid, "links", link.key, True)
        return link

    def close_link(self, link: Link) -> None:
        old = self.link(link.key)
        if old is None:
            return
        self._index(old.mid, LINK + old.key, old.due(), None)
        for side in SIDES:
            self._delete(old.mid, pointer(side, old.end(side).id))
        self._member(old.mid, "links", old.key, False)
        self._delete(old.mid, LINK + old.key)
        self._links_delta -= 1

    def put_intent(self, intent: Intent) -> None:
        old = self.intents.get(intent.id)
        self.intents[intent.id] = intent
        self._put(intent.mid, INTENT + intent.id, to_json(intent))
        self._index(intent.mid, INTENT + intent.id, old.settle_after if old else None, intent.settle_after)

    def close_intent(self, intent: Intent) -> None:
        old = self.intents.pop(intent.id, None)
        if old is not None:
            self._index(old.mid, INTENT + old.id, old.settle_after, None)
            self._delete(old.mid, INTENT + old.id)

    def put_waiting(self, row: Waiting) -> None:
        name, old = waiting_row(row.side, row.id), self.waiting(row.side, row.id)
        if old is not None and old.mid != row.mid:
            self.drop_waiting(row.side, row.id)
            old = None
        self._put(row.mid, name, to_json(row))
        self._index(row.mid, name, old.due if old else None, row.due)
        if old is None:
            self._member(row.mid, "waiting", [row.side, row.id], True)

    def drop_waiting(self, side: Side, id: str) -> None:
        old = self.waiting(side, id)
        if old is not None:
            name = waiting_row(side, id)
            self._index(old.mid, name, old.due, None)
            self._member(old.mid, "waiting", [side, id], False)
            self._delete(old.mid, name)

    def _member(self, mid: str, name: str, member: Any, present: bool) -> None:
        value = self.value(identity_row(mid)) or {"links": [], "waiting": []}
        rest = (
            [m for m in value[name] if list(m) != list(member)]
            if name == "waiting"
            else [m for m in value[name] if m != member]
        )
        value = {**value, name: [*rest, member] if present else rest}
        if value["links"] or value["waiting"]:
            self._put(mid, identity_row(mid), value)
        else:
            self._delete(mid, identity_row(mid))

    def put_row(self, key: str, value: Mapping[str, Any]) -> None:
        """A row that belongs to no item (folders, cursors); it is committed last."""
        self._put(LAST, key, value)

    def delete_row(self, key: str) -> None:
        self._delete(LAST, key)

    def put_cursor(self, side: Side, collection: str, cursor: str) -> None:
        if (self.value(cursor_row(side, collection)) or {}).get("cursor") != cursor:
            self.put_row(cursor_row(side, collection), {"cursor": cursor})

    def note(self, mid: str, entry: Entry) -> None:
        self._notes.setdefault(mid, []).append(entry)

    def plan_wake(self, when: float) -> None:
        self.lease = replace(self.lease, wake=when)

    # ---- committing
    def commit(self) -> None:
        """Write everything collected since the last commit; renews the lease even when there is nothing."""
        pending, notes = self._pending, self._notes
        self._pending, self._notes = {}, {}
        last: list[tuple[list[Op], list[Entry]]] = [([op], []) for op in pending.pop(LAST, {}).values()]
        units: list[tuple[list[Op], list[Entry]]] = [
            (list(pending.get(group, {}).values()), notes.get(group, [])) for group in dict.fromkeys([*pending, *notes])
        ]
        ops: list[Op] = []
        entries: list[Entry] = []
        for more, lines in units + last:
            if ops and len(ops) + len(entries) + len(more) + len(lines) > TRANSACTION:
                self._transact(ops, entries)
                ops, entries = [], []
            ops, entries = [*ops, *more], [*entries, *lines]
        self._transact(ops, entries)

    def _transact(self, ops: list[Op], entries: list[Entry]) -> None:
        lease, now = self.lease, self._table.now()
        journal: list[Op] = []
        for entry in entries:
            key = f"{JOURNAL}{now:014.3f}:{lease.entries:010d}"
            row = {**asdict(entry), "prev": lease.head}
            journal.append(Op("put", key, row))
            lease = replace(lease, head=chain(row), entries=lease.entries + 1)
        lease = replace(lease, links=lease.links + self._links_delta)
        self.lease = self._leases.commit(lease, [*ops, *journal])
        self._links_delta = 0


def chain(row: Mapping[str, Any]) -> str:
    """The hash by which the next row of the journal names this one."""
    return hashlib.sha256(json.dumps(row, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
