"""The pairs, as rows of the table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from shared.model.errors import Conflict, WrongSettings
from shared.model.pairs import Pair
from shared.model.words import SIDES
from shared.ports.state import Entity, Op, Table
from shared.sync.schema import SCHEMA, Schema

PARTITION = "pairs"
ROW, END = "p:", "p;"
VERSION = ROW
"""The first row of the range: the version that a worker must know to touch this state; missing while that is 1. So it
is read with the pairs, at the beginning of whatever is done, and costs nothing."""
GUARD = "guard"
"""A row that every change of pairs replaces, so that two who add at once can't both find a mailbox free."""
TRIES = 20

_ID = re.compile(r"[a-z0-9-]{1,64}")
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")


class Pairs:
    """A mailbox is in one pair at most. No error shows a name or an address. Every method raises NewerState, with
    nothing written, where a newer version has written the state."""

    def __init__(self, table: Table, schema: Schema = SCHEMA) -> None:
        self._table, self._schema = table, schema

    def check(self) -> None:
        """StoreUnavailable when the state can't be read."""
        self._version(self._table.get(PARTITION, [VERSION]).get(VERSION))

    def get(self, id: str) -> Pair | None:
        found = self._table.get(PARTITION, [VERSION, ROW + id])
        self._version(found.get(VERSION))
        entity = found.get(ROW + id)
        return pair_of_json(entity.value) if entity else None

    def list(self) -> tuple[Pair, ...]:
        """All pairs, by id."""
        return self._read()[1]

    def served(self) -> tuple[Pair, ...]:
        """The same, for the app itself: from here on an older version than this may not touch the state. A person's
        command line that is newer only reads until it has something to write."""
        version, pairs = self._read()
        if version < self._schema.version:
            self._change(lambda held: None)
        return pairs

    def _read(self) -> tuple[int, tuple[Pair, ...]]:
        rows = {row.key: row for row in self._table.scan(PARTITION, ROW, END)}
        version = self._version(rows.pop(VERSION, None))
        return version, tuple(pair_of_json(row.value) for row in rows.values())

    def _version(self, row: Entity | None) -> int:
        version = int(row.value["schema"]) if row else 1
        self._schema.check(version)
        return version

    def add(self, pair: Pair) -> None:
        """WrongSettings when it can't be a pair, or when its id or one of its mailboxes is already in one."""
        _check(pair)

        def change(held: Iterable[Pair]) -> Op:
            if any(other.id == pair.id for other in held):
                raise WrongSettings(f"there is a pair {pair.id} already: choose another id")
            _check_free(pair, held)
            return Op("put", ROW + pair.id, pair_to_json(pair), "")

        self._change(change)

    def save(self, pair: Pair) -> None:
        """Replace the pair of this id. WrongSettings as for `add`, or when there is none."""
        _check(pair)

        def change(held: Iterable[Pair]) -> Op:
            others = [other for other in held if other.id != pair.id]
            if len(others) == len(tuple(held)):
                raise WrongSettings(f"there is no pair {pair.id}: add it first")
            _check_free(pair, others)
            return Op("put", ROW + pair.id, pair_to_json(pair))

        self._change(change)

    def update(self, id: str, **changes: Any) -> None:
        """Change these fields of the pair as it then is; nothing when it is gone. WrongSettings as for `add`."""

        def change(held: Iterable[Pair]) -> Op | None:
            pair = next((pair for pair in held if pair.id == id), None)
            if pair is None:
                return None
            changed = replace(pair, **changes)
            _check(changed)
            _check_free(changed, [other for other in held if other.id != id])
            return Op("put", ROW + id, pair_to_json(changed))

        self._change(change)

    def remove(self, id: str) -> None:
        """Forget the pair, if there is one; its mailboxes and its ledger stay as they are."""
        self._change(lambda held: Op("delete", ROW + id))

    def _change(self, change: Callable[[Iterable[Pair]], Op | None]) -> None:
        """Write what `change` makes of the pairs as they are, if anything, and the version; again when somebody else
        was quicker."""
        for _ in range(TRIES):
            guard = self._table.get(PARTITION, [GUARD]).get(GUARD)
            version, pairs = self._read()
            ops = [op] if (op := change(pairs)) is not None else []
            if version < self._schema.version:
                ops.append(Op("put", VERSION, {"schema": self._schema.version}))
            if not ops:
                return
            try:
                self._table.transact(PARTITION, [*ops, Op("put", GUARD, {}, guard.etag if guard else "")])
                return
            except Conflict:
                continue
        raise Conflict("the pairs are being changed by somebody else; nothing was written: try again")


def _check(pair: Pair) -> None:
    if not _ID.fullmatch(pair.id):
        raise WrongSettings("a pair's id is made of a-z, 0-9 and '-', 64 at most: choose another")
    for side in SIDES:
        if not all(_ADDRESS.fullmatch(address) for address in pair.addresses(side)):
            raise WrongSettings(f"pair {pair.id}: an address of its {side} side is no mail address: correct it")


def _check_free(pair: Pair, others: Iterable[Pair]) -> None:
    for other in others:
        for side in SIDES:
            if pair.addresses(side) & other.addresses(side):
                raise WrongSettings(f"the {side} mailbox is in pair {other.id} already: remove that pair first")


def pair_to_json(pair: Pair) -> dict[str, Any]:
    return asdict(pair)


def pair_of_json(value: Mapping[str, Any]) -> Pair:
    lists = {name: tuple(held) for name, held in value.items() if isinstance(held, list)}
    return Pair(**{**value, **lists})
