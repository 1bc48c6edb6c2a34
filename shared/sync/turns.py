"""What the timers of all processes agree on: when something was done last, so that it is done once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from shared.model.errors import Conflict
from shared.ports.state import Op, Table

T = TypeVar("T")

SCHEDULE = "schedule"
EARLY = 2.0
"""Seconds: timers fire a little early or late, and the store's clock may show whole seconds only."""


class Turns:
    """A row for each thing that comes round, with the time of its last turn."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def claim(self, name: str, now: float, choose: Callable[[float | None], list[T]]) -> tuple[float | None, list[T]]:
        """When this was last claimed, and what is due since then by `choose`: only one of several timers that ask at
        once is told."""
        held = self._table.get(SCHEDULE, [name]).get(name)
        since = float(held.value["at"]) if held else None
        due = choose(since)
        try:
            if due:
                self._table.transact(SCHEDULE, [Op("put", name, {"at": now}, held.etag if held else "")])
        except Conflict:
            return since, []
        return since, due

    def come(self, name: str, now: float, seconds: float) -> bool:
        """Whether it is time again; only one of several timers that ask at once is told so."""
        held = self._table.get(SCHEDULE, [name]).get(name)
        if held is not None and now - held.value["at"] < seconds - min(EARLY, seconds / 10):
            return False
        try:
            self._table.transact(SCHEDULE, [Op("put", name, {"at": now}, held.etag if held else "")])
        except Conflict:
            return False
        return True
