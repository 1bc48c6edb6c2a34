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
ENOUGH = 50
"""Messages of a folder that are worth a window."""
Place = tuple[Side, str]
"""A side, and the vendor's id of a folder there."""


@dataclass(frozen=True, slots=True)
class Window:
    """Messages received from `start` on and before `end`; `rows` holds those of the margin below too. `listed`: all
    that was read, by folder that was asked."""

    start: float
    end: float
    listed: Mapping[Place, Mapping[str, Row]]
    rows: Mapping[Side, Mapping[str, Row]]

    @classmethod
    def of(cls, start: float, end: float, listed: Mapping[Place, Mapping[str, Row]]) -> Window:
        rows: dict[Side, dict[str, Row]] = {side: {} for side in SIDES}
        for (side, _), shown in listed.items():
            rows[side] |= {id: row for id, row in shown.items() if row.received < end}
        return cls(start, end, listed, rows)

    @property
    def following(self) -> dict[Place, float]:
        """The newest message below `start`, by folder that was asked (0.0: there is none)."""
        return {
            place: max((row.received for row in shown.values() if row.received < self.start), default=0.0)
            for place, shown in self.listed.items()
        }

    def above(self, received: float) -> Window | None:
        """The part of it in which everything is newer than that; None when there is none."""
        start = math.floor(received) + 1.0
        return Window(start, self.end, self.listed, self.rows) if start < self.end else None

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

    def read(self, below: float, count: int = 1) -> None:
        """Go on until so many messages from before `below` are shown, or to the end."""
        while not self.ended and sum(row.received < below for row in self.rows.values()) < count:
            page = next(self.pages, None)
            self.ended = page is None
            for row in page or ():
                self.rows[row.id] = row
                self.oldest = min(self.oldest, row.received)


def window(
    replicas: Mapping[Side, Replica], places: Mapping[Place, float], since: float, end: float, top: float = 0.0
) -> Window:
    """The next window below `end` (whole seconds), not below `since`. `places`: each folder with the date of its newest
    message below `end`, or infinity where that isn't known. Where it is asked, what was received up to `top` is listed
    too."""
    streams: dict[Place, _Stream] = {}
    start = since
    for place, newest in sorted(places.items(), key=lambda entry: (-entry[1], entry[0])):
        if newest < max(since, start - MARGIN):
            continue
        side, folder = place
        stream = streams[place] = _Stream(replicas[side].history(folder, since - MARGIN, max(end, top)))
        stream.read(below=end - 1.0, count=ENOUGH)
        if not stream.ended:
            start = max(start, _start(stream.oldest, end))
    for stream in streams.values():
        stream.read(below=start - MARGIN)
    return Window.of(start, end, {place: stream.rows for place, stream in streams.items()})


def _start(oldest: float, end: float) -> float:
    """Where a window may start of which messages from `oldest` on are known; with the margin above that, so that no
    more has to be read for it, unless too little of the window would be left."""
    return math.floor(oldest) + 1.0 + (MARGIN if end - oldest > 2 * MARGIN else 0.0)
