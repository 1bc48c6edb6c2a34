"""Calls to DingTalk's open platform, counted by month: the standard edition gives the whole organisation 5,000."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol

from shared.model.errors import Conflict
from shared.ports.state import Op, Table

PARTITION = "quota"
CHINA = timezone(timedelta(hours=8))
"""DingTalk counts by calendar month; where its month begins is taken to be there."""
TRIES = 20
MONTHLY = 5000
"""Metered calls that the standard edition gives."""


class Counts(Protocol):
    def count(self, *, metered: bool) -> None:
        """One more call is about to be made."""
        ...


class Quota:
    """A row for each month, `dingtalk:2026-11`, with the calls that are metered and those that are not."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def count(self, *, metered: bool) -> None:
        """One more call, written down before it is made. Conflict when others are so busy that it can't be."""
        name, field = self._month(), "metered" if metered else "free"
        for _ in range(TRIES):
            held = self._table.get(PARTITION, [name]).get(name)
            value = held.value if held is not None else {"metered": 0, "free": 0}
            more = {**value, field: value[field] + 1}
            try:
                self._table.transact(PARTITION, [Op("put", name, more, held.etag if held is not None else "")])
                return
            except Conflict:
                continue
        raise Conflict("calls to DingTalk can't be counted now, so none is made: try again")

    def used(self) -> int:
        """Metered calls of this month."""
        held = self._table.get(PARTITION, [self._month()]).get(self._month())
        return int(held.value["metered"]) if held is not None else 0

    def left(self) -> int:
        """Metered calls that may still be made this month; 0 at least."""
        return max(0, MONTHLY - self.used())

    def _month(self) -> str:
        return f"dingtalk:{datetime.fromtimestamp(self._table.now(), UTC).astimezone(CHINA):%Y-%m}"
