"""The pairs, as rows of the table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from shared.model.errors import Conflict, WrongSettings
from shared.model.pairs import Pair
from shared.model.words import SIDES
from shared.ports.state import Op, Table

PARTITION = "pairs"
ROW, END = "p:", "p;"
GUARD = "guard"
"""A row that every change of pairs replaces, so that two who add at once can't both find a mailbox free."""
TRIES = 20

_ID = re.compile(r"[a-z0-9-]{1,64}")
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")


class Pairs:
    """A mailbox is in one pair at most. No error shows a name or an address."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, id: str) -> Pair | None:
        entity = self._table.get(PARTITION, [ROW + id]).get(ROW + id)
        return pair_of_json(entity.value) if entity else None

    def list(self) -> tuple[Pair, ...]:
        """All pairs, by id."""
        return tuple(pair_of_json(entity.value) for entity in self._table.scan(PARTITION, ROW, END))

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

    def remove(self, id: str) -> None:
        """Forget the pair, if there is one; its mailboxes and its ledger stay as they are."""
        self._change(lambda held: Op("delete", ROW + id))

    def _change(self, change: Callable[[Iterable[Pair]], Op]) -> None:
        """Write what `change` makes of the pairs as they are; again when somebody else was quicker."""
        for _ in range(TRIES):
            guard = self._table.get(PARTITION, [GUARD]).get(GUARD)
            op = change(self.list())
            try:
                self._table.transact(PARTITION, [op, Op("put", GUARD, {}, guard.etag if guard else "")])
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
    names = ("outlook_aliases", "dingtalk_aliases", "exclude_folders")
    return Pair(**{**value, **{name: tuple(value.get(name, ())) for name in names}})
