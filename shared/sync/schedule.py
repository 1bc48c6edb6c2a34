"""Whose turn it is. Pure: times in epoch seconds, and no memory but the moment of the last tick.

Everything that comes round is spread evenly over its round, so that ten thousand pairs are a steady trickle and not a
flood every few minutes. Looks at DingTalk come as often as asked for, or as seldom as their mail domain's rate demands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from shared.model.pairs import Pair

T = TypeVar("T")

SHARD = 20
"""Pairs in one message."""
LOOK = 5.0
"""Requests of a quiet look at twenty folders, apart from the page of the sweep: looks are so rare that these pages take
a tenth of the domain's rate at most (and may take a quarter); tests/simulation/test_budgets.py counts both."""
SHARE = 20.0
"""Requests a second that looks may take of the 40 that a mail domain has (Alimail: rate)."""
WAVE = SHARD * LOOK / SHARE
"""Seconds in which one domain may be asked for the looks of one message."""
EARLY = 0.05
"""Seconds by which a timer may come too soon."""


@dataclass(frozen=True, slots=True)
class Looks:
    """One message: the pairs to look at after `delay` seconds, until when it makes sense (from then on they are due
    again anyway), and how many seconds are between two looks."""

    pairs: tuple[str, ...]
    delay: float
    until: float
    every: float

    def message(self) -> dict[str, object]:
        return {"poll": list(self.pairs), "until": self.until, "every": self.every}


def interval(mailboxes: int, least: float) -> float:
    """Seconds between two looks at a mailbox, in a mail domain of so many."""
    return max(least, mailboxes * LOOK / SHARE)


def in_turn(items: Sequence[T], every: float, since: float | None, now: float) -> list[T]:
    """Those whose turn has come after `since`: each once in `every` seconds, evenly spread; all of them when that is as
    long ago, or None."""
    if since is None or now - since >= every - EARLY:
        return list(items)
    first, last = (int(len(items) * at // every) for at in (since, now))
    return [items[position % len(items)] for position in range(first + 1, last + 1)]


def looks(pairs: Iterable[Pair], least: float, since: float | None, now: float) -> list[Looks]:
    """The looks whose turn has come. What one domain can't bear at once, as after a pause, comes in waves."""
    domains: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        domains[pair.mail_domain].append(pair)
    waves: defaultdict[int, list[tuple[str, float]]] = defaultdict(list)
    for members in domains.values():
        every = interval(len(members), least)
        for number, pair in enumerate(in_turn(members, every, since, now)):
            waves[number // SHARD].append((pair.id, every))
    return [_message(some, wave * WAVE, now) for wave, due in sorted(waves.items()) for some in shards(due)]


def _message(due: Sequence[tuple[str, float]], delay: float, now: float) -> Looks:
    every = max(every for _, every in due)
    return Looks(tuple(id for id, _ in due), delay, now + delay + every, every)


def shards(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[start : start + SHARD] for start in range(0, len(items), SHARD))
