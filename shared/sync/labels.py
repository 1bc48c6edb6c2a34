"""Categories: which of their names both sides can hold, and how a state names them without saying them."""

from __future__ import annotations

from collections.abc import Iterable

from shared.ports.replica import Replica
from shared.sync.identity import Identity

NOT_IN_TANDEM = "Not in Tandem"
"""A message with this category is never copied. The category itself stays where a person put it."""


def is_excluded(categories: Iterable[str]) -> bool:
    return any(name.casefold() == NOT_IN_TANDEM.casefold() for name in categories)


class Labels:
    """`names`: the categories that cross. All others are out of equality, and no write touches them."""

    def __init__(self, identity: Identity, names: Iterable[str] = ()) -> None:
        self._identity = identity
        crossing = sorted(name for name in names if not is_excluded([name]))
        self._names = {self._hash(name): name for name in reversed(crossing)}

    def _hash(self, name: str) -> str:
        return self._identity.hash("category", name.casefold())[:16]

    def value(self, categories: Iterable[str]) -> str:
        """As a state holds them; the same for every order and case."""
        return " ".join(sorted({hash for name in categories if (hash := self._hash(name)) in self._names}))

    def merged(self, categories: Iterable[str], value: str) -> tuple[str, ...]:
        """What an item that has `categories` must have to show `value`."""
        wanted = {hash: self._names[hash] for hash in value.split() if hash in self._names}
        kept = [name for name in categories if (hash := self._hash(name)) not in self._names or hash in wanted]
        there = {self._hash(name) for name in kept}
        return (*kept, *(name for hash, name in wanted.items() if hash not in there))


def crossing(on: bool, identity: Identity, replicas: Iterable[Replica]) -> Labels:
    """Where categories are switched on, those that every side knows."""
    known = [names for replica in replicas if (names := replica.labels()) is not None] if on else []
    return Labels(identity, frozenset.intersection(*known) if known else ())
