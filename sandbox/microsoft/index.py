"""What listings, filters and delta show of a mailbox: the store, after a lag."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.microsoft.records import Change, Message
from sandbox.microsoft.world import World

LAGGING = 0.4
"""Share of the changes that lag at all."""

_MEMBERS = {
    "read": "isRead",
    "flag": "flag",
    "importance": "importance",
    "categories": "categories",
    "inference": "inferenceClassification",
    "subject": "subject",
    "html": "body",
    "text": "body",
    "attachments": "hasAttachments",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a folder's log: this message came, changed or left here. `members`: what changed, by JSON name."""

    id: str
    default_id: str
    change: Change
    members: frozenset[str] = frozenset()


class Index:
    """Messages as shown, by folder, and a log for each folder, from which delta reads."""

    def __init__(self, world: World, items: Mapping[str, Message]) -> None:
        self._world = world
        self._items = items
        self._due: list[tuple[float, int, str]] = []
        self._shown: dict[str, Message] = {}
        self._by_folder: defaultdict[str, dict[str, Message]] = defaultdict(dict)
        self._sorted: dict[str, list[Message]] = {}
        self._unread: Counter[str] = Counter()
        self._logs: defaultdict[str, list[Entry]] = defaultdict(list)

    def touch(self, id: str) -> None:
        """The store's message changed, came or went."""
        lag, now = self._world.switches.list_lag, self._world.now()
        if lag and self._world.happens(LAGGING):
            heapq.heappush(self._due, (now + self._world.random.uniform(0, lag), self._world.serial(), id))
        else:
            self._show(id)

    def settle(self) -> None:
        """Show what is due by now. Called before each reading and each change of the store."""
        while self._due and self._due[0][0] <= self._world.now():
            self._show(heapq.heappop(self._due)[2])

    def folder(self, id: str) -> Mapping[str, Message]:
        self.settle()
        return self._by_folder[id]

    def newest_first(self, folder: str) -> Sequence[Message]:
        self.settle()
        if folder not in self._sorted:
            messages = self._by_folder[folder].values()
            self._sorted[folder] = sorted(messages, key=lambda m: (-m.received, -m.serial))
        return self._sorted[folder]

    def log(self, folder: str) -> Sequence[Entry]:
        self.settle()
        return self._logs[folder]

    def counters(self, folder: str) -> tuple[int, int]:
        """-> all messages, unread messages."""
        self.settle()
        return len(self._by_folder[folder]), self._unread[folder]

    def _show(self, id: str) -> None:
        old, new = self._shown.get(id), self._items.get(id)
        if old is new:
            return
        moved = old is None or new is None or old.folder != new.folder
        if old is not None:
            self._take_out(old, moved)
        if new is not None:
            self._put_in(old, new, moved)

    def _take_out(self, old: Message, moved: bool) -> None:
        del self._shown[old.id]
        self._sorted.pop(old.folder, None)
        self._unread[old.folder] -= not old.read
        if moved:
            del self._by_folder[old.folder][old.id]
            self._logs[old.folder].append(Entry(old.id, old.default_id, "deleted"))

    def _put_in(self, old: Message | None, new: Message, moved: bool) -> None:
        self._shown[new.id] = new
        self._sorted.pop(new.folder, None)
        self._unread[new.folder] += not new.read
        self._by_folder[new.folder][new.id] = new
        if old is None or moved:
            entry = Entry(new.id, new.default_id, "created")
        else:
            entry = Entry(new.id, new.default_id, "updated", _changed(old, new))
        self._logs[new.folder].append(entry)


def _changed(old: Message, new: Message) -> frozenset[str]:
    return frozenset(name for field, name in _MEMBERS.items() if getattr(old, field) != getattr(new, field))
