"""What a look at a folder remembers, and which folders are worth a look. Pure.

DingTalk mail has neither push nor delta (Alimail: incremental sync). A folder's counters are a hint and never a gate:
they lag, and two changes may leave them as they were. So inbox and sent are looked at every time, a folder whose
counters differ at once, and every folder once in ROUND polls.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared.dingtalk import sweeping
from shared.dingtalk.folders import Counted
from shared.dingtalk.mailbox import PAGE
from shared.dingtalk.sweeping import Place
from shared.model.mail import Row, Unexplained

ALWAYS = ("inbox", "sent")
ROUND = 10
DEEPEST = 20
"""Pages that one look reads at most."""

Counters = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last look at a folder. `counters`: all and unread, None when they weren't read. `page`: hash of its first
    page. `newest`: received date up to which everything was seen. `again`: the next poll looks once more, because
    something was going on that the look did not show for certain."""

    counters: Counters | None
    page: str
    newest: float
    again: bool = False

    def dump(self) -> str:
        again = {"again": True} if self.again else {}
        return json.dumps({"counters": self.counters, "page": self.page, "newest": self.newest, **again})

    @classmethod
    def load(cls, text: str | None) -> Cursor | None:
        """None where there is no cursor, or none that this version understands."""
        try:
            value = json.loads(text or "")
            counters = value["counters"]
            pair = None if counters is None else (int(counters[0]), int(counters[1]))
            return cls(pair, str(value["page"]), float(value["newest"]), bool(value.get("again")))
        except (ValueError, TypeError, KeyError, IndexError):
            return None


EVERYTHING = Cursor(None, "", 0.0)
"""A look from this one goes as deep as looks ever go."""


def due(tree: Iterable[Counted], cursors: Mapping[str, str], turn: int) -> list[str]:
    """Ids of the folders to look at in poll number `turn`."""
    return [counted.folder.id for counted in tree if _is_due(counted, cursors.get(counted.folder.id), turn)]


def _is_due(counted: Counted, text: str | None, turn: int) -> bool:
    if counted.folder.role == "drafts":
        return False
    cursor = Cursor.load(text)
    return (
        counted.folder.role in ALWAYS
        or cursor is None
        or cursor.again
        or cursor.counters != (counted.total, counted.unread)
        or (turn + _digest(counted.folder.id)) % ROUND == 0
    )


def goes_on(page: Sequence[Row], cursor: Cursor | None) -> bool:
    """Whether the page after this one may hold rows that the last look didn't see. A first look needs no second page:
    what was there before is a backfill's."""
    return cursor is not None and len(page) >= PAGE and all(row.received > cursor.newest for row in page)


def looked(
    pages: Sequence[Sequence[Row]], cursor: Cursor | None, counters: Counters | None
) -> tuple[tuple[Row, ...], Cursor]:
    """The rows that are news, and the new cursor; a quiet folder gives no rows and an equal cursor.

    After a look that needed several pages (they may have shifted while it read) or that didn't show what moved the
    counters (listings may lag behind them), the next poll looks once more, from where this one did."""
    first = page_hash(pages[0])
    deep = len(pages) > 1
    quiet = cursor is not None and not deep and first == cursor.page
    moved = cursor is not None and counters is not None and counters != cursor.counters
    again = not (cursor is not None and cursor.again) and (deep or (quiet and moved))
    seen = {row.id: row for page in pages for row in page}
    newest = max((row.received for row in seen.values()), default=0.0)
    if cursor is not None:
        newest = cursor.newest if deep and again else max(newest, cursor.newest)
        counters = counters or cursor.counters
    return () if quiet else tuple(seen.values()), Cursor(counters, first, newest, again)


def unexplained(
    folder: str, first: Sequence[Row], cursor: Cursor | None, counters: Counters | None
) -> Unexplained | None:
    """What the counters say that a full first page, which is as it was, doesn't show. Messages that only left are met
    where they went, or in no listing at all."""
    if cursor is None or cursor.counters is None or counters is None or len(first) < PAGE:
        return None
    if page_hash(first) != cursor.page:
        return None
    total, unread = (now - before for now, before in zip(counters, cursor.counters, strict=True))
    flipped = max(0, unread - max(total, 0), min(total, 0) - unread)
    messages = max(total, 0) + flipped
    place = sweeping.after(Place(), first, "unknown")
    if not messages:
        return None
    return Unexplained(folder, messages, counters, total > 0, place.dump() if place and not place.cursor else "")


def page_hash(rows: Sequence[Row]) -> str:
    shown = [(row.id, row.folder, row.read, row.flag, row.categories) for row in rows]
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:32]


def _digest(id: str) -> int:
    """The same for an id in every process, unlike `hash`."""
    return int.from_bytes(hashlib.sha256(id.encode()).digest()[:4], "big")
