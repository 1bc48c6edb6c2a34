"""Follows what people did until it shows on the other side, and takes the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.demo.compare import Identity, identity, places
from sandbox.truth import Mailbox, Stored

Side = Literal["outlook", "dingtalk"]
Kind = Literal["copy", "held", "twin", "change"]
SIDES: tuple[Side, ...] = ("outlook", "dingtalk")

STEP = 0.005
"""Seconds between two looks at whether the product wrote anything."""
LANDS = 0.15
"""A write lands in the store within this after it was counted."""
SAFETY = 0.5
"""The stores are looked at this often even when no write was counted."""


def other(side: Side) -> Side:
    return "dingtalk" if side == "outlook" else "outlook"


@dataclass(slots=True)
class Line:
    """One act of a person on `side`, and what it should lead to on the other side.

    `kind`: a new message that is copied; one that names both accounts and is copied only after its twin didn't come
    (held); one that came to both; a change of state. `want`: fields of the item over there (`place` among them), empty
    when it only has to be there. `not_before`: it counts as done only from then on, which is when nothing more would
    come. `done`: when it showed; times in epoch seconds. `now`: where it stands."""

    pair: str
    side: Side
    kind: Kind
    what: str
    subject: str
    identity: Identity
    at: float
    want: Mapping[str, Any] = field(default_factory=dict)
    not_before: float = 0.0
    done: float | None = None
    now: str = ""


class Watcher:
    """`boxes`: pair -> side -> mailbox. `written`: a number that grows with each write of the product.

    `polls(address)`: when the product's looks at a mailbox without push began."""

    def __init__(
        self,
        boxes: Mapping[str, Mapping[Side, Mailbox]],
        written: Callable[[], int],
        polls: Callable[[str], Sequence[float]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._boxes, self._written, self._polls, self._clock = boxes, written, polls, clock
        self.lines: list[Line] = []
        self._count = -1
        self._moved = self._looked = 0.0

    def expect(self, line: Line) -> None:
        self.lines.append(line)

    @property
    def pending(self) -> list[Line]:
        return [line for line in self.lines if line.done is None]

    def look(self) -> None:
        """Look at the stores if the product has just written, or for safety's sake once in a while."""
        now, count = self._clock(), self._written()
        if count != self._count:
            self._count, self._moved = count, now
        if now - self._moved < LANDS or now - self._looked > SAFETY:
            self._looked = now
            self._resolve()

    def _resolve(self) -> None:
        wanted = {(line.pair, other(line.side)) for line in self.pending}
        for pair, side in wanted:
            box = self._boxes[pair][side]
            place = places(box)
            found: dict[Identity, list[Stored]] = {}
            for message in box.messages():
                found.setdefault(identity(message, place[message.folder]), []).append(message)
            now = self._clock()
            for line in self.pending:
                if (line.pair, other(line.side)) == (pair, side):
                    _settle(line, found.get(line.identity, []), place, now)

    # ---- figures
    def seen(self, line: Line) -> float | None:
        """When the product could first know: at once where the vendor pushes, else when the next look began; None while
        it hasn't crossed. A look that was under way may have seen it: then the time of the act."""
        if line.done is None or line.side == "outlook":
            return line.at if line.done else None
        began = self._polls(self._boxes[line.pair][line.side].address)
        return next((at for at in began if line.at <= at < line.done), line.at)

    def latencies(self) -> list[int]:
        """Milliseconds from the vendor's notification, or from the beginning of the look that saw the act, to the
        other side; without mail that names both accounts."""
        spans = [(self.seen(line), line.done) for line in self.lines if line.kind in ("copy", "change")]
        return [_ms(done - seen) for seen, done in spans if seen is not None and done is not None]

    def end_to_end(self, *kinds: Kind) -> list[int]:
        """Milliseconds from the act to the other side."""
        return [_ms(line.done - line.at) for line in self.lines if line.done is not None and line.kind in kinds]


def _settle(line: Line, found: Sequence[Stored], place: Mapping[str, str], now: float) -> None:
    line.now = ", ".join(place[message.folder] for message in found)
    if len(found) != 1 or now < line.not_before:
        return
    shows = {name: getattr(found[0], name) for name in line.want if name != "place"}
    shows |= {"place": place[found[0].folder]} if "place" in line.want else {}
    if shows == line.want:
        line.done = now


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
