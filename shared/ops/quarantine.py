"""What people ask of messages that stand aside: which they are, to try them again, or to leave them alone for good."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from shared.model.errors import WrongSettings
from shared.model.mail import Item
from shared.model.pairs import Pair
from shared.model.words import Side, other
from shared.ports.replica import Replica
from shared.ports.state import Table, WorkQueue
from shared.sync.calls import enqueue, leave_hints, partition
from shared.sync.quarantine import DROP, RETRY, Failing, ask, set_aside


@dataclass(frozen=True, slots=True)
class Case:
    """`id`: what it is called in commands, short and the same every time. `side`: where the message stands whose copy,
    or whose change, can't be put on the other side."""

    id: str
    failing: Failing

    @property
    def side(self) -> Side:
        return other(self.failing.side)


@dataclass(frozen=True, slots=True)
class Shown:
    """A case with its message as read just now, None when it can't be read; `folder`: its path, "" when unknown."""

    case: Case
    item: Item | None
    folder: str


class Quarantine:
    """`replicas` as the service has them; only reads are made. Nothing here needs the lease: what is asked is done by
    the next run."""

    def __init__(self, table: Table, queue: WorkQueue, replicas: Callable[[Pair, Side], Replica]) -> None:
        self._table, self._queue, self._replicas = table, queue, replicas

    def cases(self, pair: Pair) -> tuple[Case, ...]:
        """What stands aside, the oldest first."""
        found = [Case(_short(failing.row), failing) for failing in set_aside(self._table, partition(pair.id))]
        return tuple(sorted(found, key=lambda case: (case.failing.at or 0.0, case.id)))

    def show(self, pair: Pair) -> tuple[Shown, ...]:
        """With what a person knows the messages by, asked of the vendors now. Raises what the reads raise."""
        cases, shown = self.cases(pair), list[Shown]()
        for side in sorted({case.side for case in cases}):
            replica, mine = self._replicas(pair, side), [case for case in cases if case.side == side]
            items = replica.observe([case.failing.source for case in mine]).items
            paths = {folder.id: "/".join(folder.path) for folder in replica.tree()}
            for case in mine:
                item = items.get(case.failing.source)
                shown.append(Shown(case, item, paths.get(item.folder, "") if item else ""))
        return tuple(sorted(shown, key=lambda one: cases.index(one.case)))

    def retry(self, pair: Pair, id: str | None) -> int:
        """Have it tried again, or without an id all that is not left alone; -> how many."""
        cases = [self._find(pair, id)] if id else [case for case in self.cases(pair) if not case.failing.left]
        self._ask(pair, cases, RETRY)
        return len(cases)

    def drop(self, pair: Pair, id: str) -> None:
        """Leave it alone for good; both sides stay as they are."""
        self._ask(pair, [self._find(pair, id)], DROP)

    def _find(self, pair: Pair, id: str) -> Case:
        found = next((case for case in self.cases(pair) if case.id == id.lower()), None)
        if found is None:
            raise WrongSettings(f"nothing of pair {pair.id} stands aside as {id}: see `tandem quarantine list`")
        return found

    def _ask(self, pair: Pair, cases: list[Case], what: str) -> None:
        name = partition(pair.id)
        for case in cases:
            ask(self._table, name, case.failing, what)
            leave_hints(self._table, name, case.side, {case.failing.source})
        if cases:
            enqueue(self._queue, pair.id, "asked")


def _short(row: str) -> str:
    return hashlib.sha256(row.encode()).hexdigest()[:8]
