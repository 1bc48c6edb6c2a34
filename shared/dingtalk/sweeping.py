"""Where a walk through a folder stands that reads one page at a time, over hours. Pure.

The vendor's cursor is a position in the list: what leaves the folder above it would let messages slip by unseen. So a
walk goes on from the date that it has reached; only within one second that fills a page, or where the vendor does not
honour the date, does it go on by the vendor's cursor (Alimail: list).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from shared.model.mail import Row


@dataclass(frozen=True, slots=True)
class Place:
    """`until`: the received date down to which everything was read, None for the newest, or where dates aren't
    honoured. `cursor`: the vendor's, "" for the first page."""

    until: float | None = None
    cursor: str = ""

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Place:
        """The newest where the text says no place that this version understands."""
        try:
            value = json.loads(text)
            until = value["until"]
            return cls(None if until is None else float(until), str(value["cursor"]))
        except (ValueError, TypeError, KeyError):
            return cls()


def after(place: Place, rows: Sequence[Row], following: str) -> Place | None:
    """The place after a page of these rows, with the vendor's cursor of the page after it ("" for none); None at the
    folder's end."""
    if not rows or not following:
        return None
    dates = [row.received for row in rows]
    is_ordered = dates == sorted(dates, reverse=True) and dates[-1] > 0
    if not is_ordered or (place.until is not None and dates[0] >= int(place.until) + 1):
        return Place(None, following)
    is_stuck = place.until is not None and int(dates[-1]) >= int(place.until)
    if is_stuck or (place.until is None and place.cursor):
        return Place(place.until, following)
    return Place(dates[-1])
