"""Old mail of both sides, window by window, newest first, in bounded memory.

A window is a span of received dates that was listed in every folder of both sides, with a margin below it, so that
whatever is the same mail on the other side is seen beside it. A folder whose next message is older than that is not
asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shared.model.mail import Row
from shared.model.words import SIDES, Side
from shared.ports.replica import Replica

MARGIN = 3600.0
"""Seconds by which the two sides' dates of one mail may differ."""
Place = tuple[Side, str]
"""A side, and the vendor's id of a folder there."""


@dataclass(frozen=True, slots=True)
class Window:
    """Messages received from `start` on and before `end`; `rows` holds those of the margin below too. `following`: the
    newest message below `start`, by folder that was asked (0.0: there is none)."""

    start: float
    end: float
    rows: Mapping[Side, Mapping[str, Row]]
    following: Mapping[Place, float]

    def within(self, side: Side) -> list[Row]:
        """Newest first."""
        rows = [row for row in self.rows[side].values() if self.start <= row.received < self.end]
        return sorted(rows, key=lambda row: (-row.received, row.id))


@dataclass(slots=True)
class _Stream:
    pages: Iterator[tuple[Row, ...]]
    rows: dict[str, Row] = field(default_factory=dict)
    oldest: float = math.inf
    ended: bool = False

    def read(self, below: float) -> None:
        """Go on until a message from before `below` is shown, or to the end."""
        while not self.ended and self.oldest >= below:
            page = next(self.pages, None)
            self.ended = page is None
            for row in page or ():
                self.rows[row.id] = row
                self.oldest = min(self.oldest, row.received)


def window(replicas: Mapping[Side, Replica], places: Mapping[Place, float], since: float, end: float) -> Window:
    """The next window below `end` (whole seconds), not below `since`. `places`: each folder with the date of its newest
    message below `end`, or infinity where that isn't known."""
    streams: dict[Place, _Stream] = {}
    start = since
    for place, newest in sorted(places.items(), key=lambda entry: (-entry[1], entry[0])):
        if newest < max(since, start - MARGIN):
            continue
        side, folder = place
        stream = streams[place] = _Stream(replicas[side].history(folder, since - MARGIN, end))
        stream.read(below=end - 1.0)
        if not stream.ended:
            start = max(start, math.floor(stream.oldest) + 1.0)
    rows: dict[Side, dict[str, Row]] = {side: {} for side in SIDES}
    following: dict[Place, float] = {}
    for (side, folder), stream in streams.items():
        stream.read(below=start - MARGIN)
        rows[side] |= {id: row for id, row in stream.rows.items() if row.received < end}
        following[side, folder] = max((r.received for r in stream.rows.values() if r.received < start), default=0.0)
    return Window(start, end, rows, following)
