"""Taking a pair out: it stops, and what is known of it is deleted. Mail stays as it is on both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shared.model.errors import TandemError
from shared.model.pairs import Pair
from shared.ops.standstill import Standstill, clear
from shared.ports.state import Table
from shared.sync.calls import partition


class Removal:
    """`save`, `drop`: change and forget the pair; `forget_password`, `unsubscribe`: delete these. A removal that was
    cut short is finished by another one."""

    def __init__(
        self,
        table: Table,
        standstill: Standstill,
        *,
        save: Callable[[Pair], None],
        drop: Callable[[str], None],
        forget_password: Callable[[Pair], None],
        unsubscribe: Callable[[Pair], None],
    ) -> None:
        self._table, self._standstill = table, standstill
        self._save, self._drop = save, drop
        self._forget_password, self._unsubscribe = forget_password, unsubscribe

    def remove(self, pair: Pair) -> list[str]:
        """-> what could not be done at a vendor, and does no harm. Waits for a run that is under way; Unavailable when
        that takes longer than a lease does."""
        self._save(replace(pair, paused=True))
        self._standstill.take(pair)
        notes = []
        try:
            self._unsubscribe(pair)
        except TandemError as exc:
            notes.append(
                f"Microsoft could not be told to stop its notifications ({type(exc).__name__} {exc.code}): they end by"
                " themselves within a week, and are dropped until then"
            )
        self._forget_password(pair)
        clear(self._table, partition(pair.id))
        self._drop(pair.id)
        return notes
