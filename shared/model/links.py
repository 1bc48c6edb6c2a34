"""Rows of the ledger as records: links, intents and items that wait. Ids, hashes and states only, never content."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from shared.model.plans import State
from shared.model.words import Side


@dataclass(frozen=True, slots=True)
class End:
    """One side of a link. Times are the store's, in epoch seconds.

    `seen`: this side's own stream or listing has shown the item since our write, or said that it was removed. `said`:
    it was said to be removed. `due`: read it by id from then on, whatever the streams say. `missed`: when a read first
    answered "not found". `key`: the mark that the item itself carries. `placed`: when a create or move of ours last put
    it into a folder here."""

    id: str
    seen: bool = True
    said: bool = False
    due: float | None = None
    missed: float | None = None
    key: str = ""
    placed: float = 0.0


@dataclass(frozen=True, slots=True)
class Link:
    """Two ids are the same item; `base` is the state both sides last agreed on, as read.

    `mid`: hash of the identity; `sent`: a sent message, not a received one. `copy`: the side on which our copy stands,
    None when both are originals. `gone`: that side vanished, the other keeps its item. `unsure`: fields whose last
    write was not seen to land. `made`: creates so far. `written`: when the copy was made. `waits`: why a step of this
    link waits, "" if none does. `read_elsewhere`: the side whose message asks for a receipt and was read on the other
    side alone; it stays unread, and the two count as equal. `stub`: our copy says only where the original is, which is
    too large to be carried."""

    key: str
    mid: str
    sent: bool
    dingtalk: End
    outlook: End
    base: State
    copy: Side | None = None
    gone: Side | None = None
    unsure: tuple[str, ...] = ()
    made: int = 0
    written: float = 0.0
    waits: str = ""
    tries: int = 0
    read_elsewhere: Side | None = None
    stub: bool = False

    def expected(self, side: Side) -> State:
        """What this side shows when there is nothing to do."""
        if self.read_elsewhere is None or side == self.read_elsewhere:
            return self.base
        return {**self.base, "read": True}

    def end(self, side: Side) -> End:
        return self.dingtalk if side == "dingtalk" else self.outlook

    def with_end(self, side: Side, end: End) -> Link:
        return replace(self, dingtalk=end) if side == "dingtalk" else replace(self, outlook=end)

    def due(self) -> float | None:
        return min((d for d in (self.dingtalk.due, self.outlook.due) if d is not None), default=None)


@dataclass(frozen=True, slots=True)
class Intent:
    """Written before an effect, so that a crash in the middle can be settled.

    `side`: where the effect happens. create: `source` is the id on the other side, `state` what the copy is made with,
    `received` its date, `mark` the target's position before it. write: `target` is the id on this side, `want` the
    changes, `state` what it showed of them. retire: `target` is our copy whose original came late.
    `missed`: when a look for the key first found nothing. `large`: a carrier makes the copy, beside the runs
    (carry.py); `stub`: what is made only stands for the original."""

    key: str
    kind: Literal["create", "write", "retire"]
    side: Side
    mid: str
    sent: bool
    source: str = ""
    source_key: str = ""
    target: str = ""
    want: State | None = None
    state: State | None = None
    because: bool = False
    received: float = 0.0
    mark: str = ""
    attempts: int = 1
    settle_after: float = 0.0
    missed: float | None = None
    large: bool = False
    stub: bool = False

    @property
    def id(self) -> str:
        return f"{self.key}:{self.kind}:{self.side}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """An item without a link: held, out of scope as a source, unreadable, refused. `due` None: parked until it moves
    (then `folder`, the vendor's id, differs). `misses`: looks in a row that found nothing, the last one at `missed`."""

    side: Side
    id: str
    mid: str
    sent: bool
    folder: str
    first: float
    reason: str
    due: float | None = None
    missed: float | None = None
    key: str = ""
    tries: int = 0
    misses: int = 0
