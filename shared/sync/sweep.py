"""The rolling sweep: page by page through everything on the side without push, newest first, folder by folder.

Counters and first pages are hints; this is the truth. Of each page what the sweep before didn't show so is compared
with the bases of the links, and at its end all that it showed. Where it stands moves only once the differences are
hints, in one transaction with what it showed: a crash reads a page again and misses none. A message that moves ahead of
the sweep may be met twice, one that moves behind it is met by the next sweep. Folders whose counters moved below their
first page are read through at once besides, as far as the mail domain's rate has room.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from shared.model.mail import Unexplained
from shared.model.plans import State

PAGE = 99.0
"""Messages that a page adds: of a hundred, the first is the last of the page before (Alimail: list)."""
KEPT = 2
"""Complete sweeps that are remembered."""
REST, LONGEST_REST = 60, 3600.0
"""Looks from the beginning of one sweep to that of the next at least, and the seconds that they may last: what a sweep
of a small mailbox finds, the looks at first pages mostly found before."""
LAG = 45.0
"""Seconds that a listing may lag behind counters."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A folder whose counters moved below its first page, to be read through until so many messages were met that
    differ, none when that is done. `counters`: as they are now; `place`: the page that is next; `due`: not before;
    `shows`: what moved them may yet show on the first page; `again`: it was read through in vain once, since listings
    may lag."""

    folder: str
    wanted: int
    counters: tuple[int, int]
    place: str
    due: float
    shows: bool = False
    again: bool = False

    @classmethod
    def of(cls, what: Unexplained, now: float) -> Moved:
        """What came in is left to the next look first: most likely it is a new message."""
        due = now + 1.0 if what.came else now
        return cls(what.folder, what.messages, what.counters, what.place, due, shows=what.came)

    @property
    def is_done(self) -> bool:
        return self.wanted <= 0

    def turned(self, place: str | None, met: int, now: float) -> Moved:
        """One page further, where so many differ; None is the folder's end."""
        wanted = self.wanted - met
        if place is None and (self.again or wanted <= 0):
            return replace(self, wanted=0)
        if place is None:
            return replace(self, wanted=wanted, place="", due=now + LAG, again=True)
        return replace(self, wanted=wanted, place=place, shows=False)


@dataclass(frozen=True, slots=True)
class Sweep:
    """`began`: when the present sweep read its first page, None between two. `folder` and `place`: the page that is
    next, "" where a new folder begins; `behind`: the folders that are done; `pages`: read so far; `pushed`: what the
    sweep before showed on the page before the next. `moved`: folders to be read through besides. `done`: beginning and
    end of the last complete sweeps, newest last, as far as they may tell what is gone; `ended`, `took`: when the last
    one of all ended, and its seconds."""

    began: float | None = None
    folder: str = ""
    place: str = ""
    behind: tuple[str, ...] = ()
    pages: int = 0
    pushed: tuple[str, ...] = ()
    moved: tuple[Moved, ...] = ()
    done: tuple[tuple[float, float], ...] = ()
    ended: float | None = None
    took: float = 0.0

    def dump(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def load(cls, value: Mapping[str, Any] | None) -> Sweep:
        if value is None:
            return cls()
        done = tuple((float(began), float(ended)) for began, ended in value["done"])
        behind, pushed = tuple(value["behind"]), tuple(value["pushed"])
        moved = tuple(Moved(**{**one, "counters": tuple(one["counters"])}) for one in value["moved"])
        return cls(**{**value, "behind": behind, "pushed": pushed, "moved": moved, "done": done})

    def is_resting(self, now: float, every: float) -> bool:
        """Whether it is too soon for another sweep, with looks that come every so many seconds."""
        return self.began is None and self.ended is not None and now < self.ended - self.took + rest(every)

    def aim(self, folders: Sequence[str], now: float) -> Sweep:
        """With the folder to read next; `folders` are all that there are, in any order. It names none when the sweep is
        complete."""
        if self.began is None:
            return replace(self.aim_at(folders, ()), began=now, pages=0, pushed=())
        if self.folder in folders:
            return self
        return self.aim_at(folders, self.behind)

    def aim_at(self, folders: Sequence[str], behind: tuple[str, ...]) -> Sweep:
        rest = (folder for folder in sorted(folders) if folder not in behind)
        return replace(self, folder=next(rest, ""), place="", behind=behind)

    def turned(self, place: str | None, pushed: Sequence[str]) -> Sweep:
        """One page further; None is the folder's end."""
        fresh = replace(self, pages=self.pages + 1, pushed=tuple(pushed))
        if place is not None:
            return replace(fresh, place=place)
        return replace(fresh, folder="", place="", behind=(*self.behind, self.folder))

    def finished(self, now: float, doubted: bool) -> Sweep:
        """Between two sweeps. `doubted`: listings showed what reads by id don't find, so that nothing is proved."""
        began = now if self.began is None else self.began
        done = () if doubted else (*self.done, (began, now))[-KEPT:]
        return Sweep(moved=self.moved, done=done, ended=now, took=now - began)

    @property
    def proves(self) -> float | None:
        """The moment since which two complete sweeps have begun: what was nowhere before it and is nowhere now, was in
        no folder that they read. None as long as there are no two."""
        return self.done[0][0] if len(self.done) == KEPT else None


def mark(id: str) -> str:
    """An id as a sweep remembers it: short, and another one for every id of a mailbox."""
    return hashlib.sha256(id.encode()).hexdigest()[:16]


def state_print(id: str, state: State) -> str:
    """An id and what it shows, as a sweep remembers them."""
    return mark(json.dumps([id, dict(state)], sort_keys=True))


def rest(every: float) -> float:
    """Seconds from the beginning of one sweep to that of the next, at least."""
    return min(REST * every, LONGEST_REST)


def duration(messages: int, folders: int, every: float) -> float:
    """Seconds that a full sweep takes at a page in `every` seconds, at most: each folder's last page may be short."""
    return (math.ceil(messages / PAGE) + folders) * every
