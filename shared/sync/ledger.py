"""A session of work on one partition of the ledger: rows read once, written together, fenced by the lease."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from shared.model.links import Intent, Link, Waiting
from shared.model.words import SIDES, Side
from shared.ports.state import Op, Table
from shared.sync.lease import Lease, Leases
from shared.sync.rows import (
    ASKED,
    BACKFILL,
    DUE,
    FAILING,
    FOLDER,
    INTENT,
    JOURNAL,
    LINK,
    NOTE,
    WAITING,
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
    walked_row,
)

TRANSACTION = 99
"""Rows of one transaction beside the lease's own."""
Group = tuple[str, str]
"""What a row belongs to: an identity (`mid`), and an item of it, OWN for the identity's own row."""
OWN = ""
LAST = "~"
"""Stands for the identity of rows that belong to no item (folders, cursors): they go last, each on its own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the journal: what was planned, done, refused or overwritten, with its before-image."""

    what: str
    link: str
    side: Side | None = None
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """Rows and lines of the journal that stand in one transaction."""

    ops: tuple[Op, ...] = ()
    entries: tuple[Entry, ...] = ()

    def __add__(self, other: Unit) -> Unit:
        return Unit(self.ops + other.ops, self.entries + other.entries)

    @property
    def size(self) -> int:
        return len(self.ops) + len(self.entries)


class Session:
    """Reads through a cache, collects writes, and commits them in fenced transactions.

    What belongs to one identity (`mid`) stands in one transaction. Where it is more than fits into one, as with a
    hundred copies of one mail, each item stands whole: a link, its intents, its due marks and its journal rows."""

    def __init__(self, table: Table, partition: str, leases: Leases, lease: Lease) -> None:
        self.lease = lease
        self._table, self._partition, self._leases = table, partition, leases
        self._cache: dict[str, Mapping[str, Any] | None] = {}
        self._links: dict[str, tuple[Mapping[str, Any], Link]] = {}
        self._pending: dict[Group, dict[str, Op]] = {}
        self._places: dict[str, Group] = {}
        self._notes: dict[Group, list[Entry]] = {}
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
        if value is None:
            return None
        held = self._links.get(key)
        if held is None or held[0] is not value:
            held = self._links[key] = value, link_of_json(value)
        return held[1]

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

    def each_waiting(self) -> Iterator[Waiting]:
        return (waiting_of_json(e.value) for e in self._scan(WAITING))

    def all_waiting(self) -> list[Waiting]:
        return list(self.each_waiting())

    def prefixed(self, prefix: str) -> dict[str, Mapping[str, Any] | None]:
        """All rows whose keys start so, as they will be committed; None for one that goes."""
        fresh = {key: value for key, value in self._cache.items() if key.startswith(prefix)}
        return {e.key: e.value for e in self._scan(prefix)} | fresh

    def due(self, until: float, limit: int = 200) -> list[str]:
        """Names of the rows (`l:…`, `u:…`, `i:…`) that are due. A backfill is never among them: it has messages of its
        own, and its due time only tells whether they were lost."""
        rows = self._table.scan(self._partition, DUE, due_row(until, "~"), limit)
        return [name for row in rows if (name := row.key.split(":", 2)[2]) != BACKFILL]

    def next_due(self) -> float | None:
        for row in self._table.scan(self._partition, DUE, after(DUE), 2):
            _, due, name = row.key.split(":", 2)
            if name != BACKFILL:
                return float(due)
        return None

    # ---- writing
    def _put(self, group: Group, key: str, value: Mapping[str, Any]) -> None:
        self._collect(group, Op("put", key, value))

    def _delete(self, group: Group, key: str) -> None:
        self._collect(group, Op("delete", key))

    def _collect(self, group: Group, op: Op) -> None:
        """The last write of a row counts, whichever group it came from."""
        if op.key in self._places:
            del self._pending[self._places[op.key]][op.key]
        self._places[op.key] = group
        self._cache[op.key] = op.value
        self._pending.setdefault(group, {})[op.key] = op

    def _index(self, group: Group, row: str, old: float | None, new: float | None) -> None:
        if old is not None and old != new:
            self._delete(group, due_row(old, row))
        if new is not None and old != new:
            self._put(group, due_row(new, row), {})

    def put_link(self, link: Link) -> Link:
        old, group = self.link(link.key), (link.mid, link.key)
        self._put(group, LINK + link.key, to_json(link))
        for side in SIDES:
            if old is None or old.end(side).id != link.end(side).id:
                if old is not None:
                    self._release(old, side)
                self._put(group, pointer(side, link.end(side).id), {"link": link.key})
        self._index(group, LINK + link.key, old.due() if old else None, link.due())
        if old is not None and old.tries and not link.tries:
            self._forgive(link.mid, LINK + link.key)
        if old is None:
            self._links_delta += 1
            self._member(link.mid, "links", link.key, True)
        return link

    def _release(self, link: Link, side: Side) -> None:
        """Take the pointer from the id that the link had there, unless it leads to another link by now."""
        row = pointer(side, link.end(side).id)
        if (held := self.value(row)) and held["link"] == link.key:
            self._delete((link.mid, link.key), row)

    def close_link(self, link: Link) -> None:
        old = self.link(link.key)
        if old is None:
            return
        group = (old.mid, old.key)
        self._index(group, LINK + old.key, old.due(), None)
        if old.tries:
            self._forgive(old.mid, LINK + old.key)
        for side in SIDES:
            self._release(old, side)
        self._member(old.mid, "links", old.key, False)
        self._delete(group, LINK + old.key)
        self._links_delta -= 1

    def put_intent(self, intent: Intent) -> None:
        old, group = self.intents.get(intent.id), (intent.mid, intent.key)
        self.intents[intent.id] = intent
        self._put(group, INTENT + intent.id, to_json(intent))
        self._index(group, INTENT + intent.id, old.settle_after if old else None, intent.settle_after)

    def close_intent(self, intent: Intent) -> None:
        old = self.intents.pop(intent.id, None)
        if old is not None:
            group = (old.mid, old.key)
            self._index(group, INTENT + old.id, old.settle_after, None)
            self._delete(group, INTENT + old.id)

    def put_waiting(self, row: Waiting) -> None:
        name, old = waiting_row(row.side, row.id), self.waiting(row.side, row.id)
        if old is not None and old.mid != row.mid:
            self.drop_waiting(row.side, row.id)
            old = None
        self._put((row.mid, name), name, to_json(row))
        self._index((row.mid, name), name, old.due if old else None, row.due)
        if old is None:
            self._member(row.mid, "waiting", [row.side, row.id], True)

    def drop_waiting(self, side: Side, id: str) -> None:
        old = self.waiting(side, id)
        if old is not None:
            name = waiting_row(side, id)
            self._index((old.mid, name), name, old.due, None)
            self._member(old.mid, "waiting", [side, id], False)
            if old.tries:
                self._forgive(old.mid, name)
            self._delete((old.mid, name), name)

    def _member(self, mid: str, name: str, member: Any, present: bool) -> None:
        value = self.value(identity_row(mid)) or {"links": [], "waiting": []}
        rest = (
            [m for m in value[name] if list(m) != list(member)]
            if name == "waiting"
            else [m for m in value[name] if m != member]
        )
        value = {**value, name: [*rest, member] if present else rest}
        if value["links"] or value["waiting"]:
            self._put((mid, OWN), identity_row(mid), value)
        else:
            self._delete((mid, OWN), identity_row(mid))

    def rows(self, prefix: str) -> list[str]:
        """Names of the rows that start so, as committed."""
        return [entity.key for entity in self._scan(prefix)]

    def put_beside(self, mid: str, row: str, key: str, value: Mapping[str, Any]) -> None:
        """A row that stands with an item's own (`row`): a link's, or a waiting item's."""
        self._put((mid, row.removeprefix(LINK)), key, value)

    def drop_beside(self, mid: str, row: str, key: str) -> None:
        self._delete((mid, row.removeprefix(LINK)), key)

    def _forgive(self, mid: str, row: str) -> None:
        """What it failed on is over, or it is gone."""
        self.prefetch((FAILING + row, ASKED + row))
        for key in (FAILING + row, ASKED + row):
            if self.value(key) is not None:
                self.drop_beside(mid, row, key)
                self.end_note(row)

    def end_note(self, row: str) -> None:
        """A note about this item may have to go: it is due."""
        note = self.value(name := f"{NOTE}item:{row}")
        if note is not None:
            self.put_folder(name, note, self.now())

    def put_row(self, key: str, value: Mapping[str, Any]) -> None:
        """A row that belongs to no item (folders, cursors); it is committed last."""
        self._put((LAST, key), key, value)

    def delete_row(self, key: str) -> None:
        self._delete((LAST, key), key)

    # ---- folders
    def folder_rows(self) -> dict[str, Mapping[str, Any]]:
        rows = {e.key: e.value for e in self._scan(FOLDER)}
        self._cache.update(rows)
        self._cache.setdefault(BACKFILL, None)
        return rows

    def put_folder(self, row: str, value: Mapping[str, Any], due: float | None) -> None:
        """A row about folders, or a note, with when it is due."""
        old = self.value(row) or {}
        self._put((LAST, row), row, {**value, "due": due})
        self._index((LAST, row), row, old.get("due"), due)

    def drop_folder(self, row: str) -> None:
        old = self.value(row) or {}
        self._index((LAST, row), row, old.get("due"), None)
        self._delete((LAST, row), row)

    def walked(self, side: Side) -> float:
        """When the last walk of this side's folders began that showed them as they are known."""
        return float((self.value(walked_row(side)) or {}).get("at", 0.0))

    def put_walked(self, side: Side, began: float) -> None:
        if began > self.walked(side):
            self.put_row(walked_row(side), {"at": began})

    def note_folder(self, row: str, entry: Entry) -> None:
        """A line of the journal that stands with the folder's row."""
        self._notes.setdefault((LAST, row), []).append(entry)

    def put_cursor(self, side: Side, collection: str, cursor: str) -> None:
        if (self.value(cursor_row(side, collection)) or {}).get("cursor") != cursor:
            self.put_row(cursor_row(side, collection), {"cursor": cursor})

    def note(self, mid: str, entry: Entry) -> None:
        self._notes.setdefault((mid, entry.link), []).append(entry)

    def plan_wake(self, when: float) -> None:
        self.lease = replace(self.lease, wake=when)

    # ---- committing
    def commit(self) -> None:
        """Write everything collected since the last commit; renews the lease even when there is nothing."""
        items: dict[str, dict[str, Unit]] = {LAST: {}}
        for group in dict.fromkeys([*self._pending, *self._notes]):
            identity, item = group
            unit = Unit(tuple(self._pending.get(group, {}).values()), tuple(self._notes.get(group, ())))
            items.setdefault(identity, {})[item] = unit
        self._pending, self._places, self._notes = {}, {}, {}
        last = items.pop(LAST).values()
        full = Unit()
        for unit in [*(unit for parts in items.values() for unit in _together(parts)), *last]:
            if full.size and full.size + unit.size > TRANSACTION:
                self._transact(full)
                full = Unit()
            full += unit
        self._transact(full)

    def _transact(self, unit: Unit) -> None:
        lease, now = self.lease, self._table.now()
        journal: list[Op] = []
        for entry in unit.entries:
            key = f"{JOURNAL}{now:014.3f}:{lease.entries:010d}"
            row = {**asdict(entry), "prev": lease.head}
            journal.append(Op("put", key, row))
            lease = replace(lease, head=chain(row), entries=lease.entries + 1)
        lease = replace(lease, links=lease.links + self._links_delta)
        self.lease = self._leases.commit(lease, [*unit.ops, *journal])
        self._links_delta = 0


def _together(parts: Mapping[str, Unit]) -> list[Unit]:
    """The units of one identity's items as one, or apart where that is more than a transaction takes. Its own row goes
    first then: the name of an item that is not there yet does no harm, a nameless item would be copied again."""
    whole = sum(parts.values(), Unit())
    if whole.size <= TRANSACTION:
        return [whole]
    return [parts.get(OWN, Unit()), *(unit for item, unit in parts.items() if item != OWN)]


def chain(row: Mapping[str, Any]) -> str:
    """The hash by which the next row of the journal names this one."""
    return hashlib.sha256(json.dumps(row, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
