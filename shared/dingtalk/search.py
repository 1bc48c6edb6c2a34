"""Finding one message among the listings: by our key, or by Message-ID where there is no key.

Alimail can't search by header, but a listing can be narrowed to received dates. Where listings show the headers, they
decide; where they don't, a row with the right Message-ID is read. Servers that ignore the INTERNALDATE of an APPEND
show a copy on the newest page instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from shared.dingtalk import mapping
from shared.dingtalk.mailbox import Mailbox, Window, known
from shared.model.errors import NotFound
from shared.model.mail import Item, Row
from shared.ports.world import Executor

Json = Any

AROUND = 120.0
"""Seconds before and after the received date in which a message is looked for."""

PAGES = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """`key` "" means: by Message-ID alone. `ours`: made by an APPEND, whose date the server may not have kept."""

    key: str
    message_id: str
    received: float
    ours: bool

    @property
    def windows(self) -> tuple[Window | None, ...]:
        """Where to look, one after the other; None is the newest page."""
        around = Window(self.received - AROUND, self.received + AROUND)
        return (around, None) if self.ours else (around,)

    def matches(self, item: Item) -> bool:
        return item.key == self.key if self.key else item.message_id == self.message_id != ""


class Search:
    def __init__(self, mailbox: Mailbox, executor: Executor) -> None:
        self._mailbox = mailbox
        self._executor = executor

    def created(self, folder: str, wanted: Wanted) -> Row | None:
        """The row that shows the copy just made."""
        for window in wanted.windows:
            for row in self._candidates(folder, wanted, window):
                if mapping.key(row) == wanted.key or self._read(row["id"], wanted):
                    return mapping.row(row, self._mailbox.tags)
        return None

    def created_all(self, folder: str, wanted: Sequence[Wanted]) -> dict[str, Row]:
        """The rows that show copies just made there, by their keys: in one listing around all their dates, unless this
        takes more pages than there are copies."""
        left, found = {one.key: one for one in wanted}, dict[str, Row]()
        dates = [one.received for one in wanted]
        around = Window(min(dates) - AROUND, max(dates) + AROUND)
        pages = self._mailbox.pages(folder, mapping.LISTED, around)
        whole = self._take(islice(pages, len(wanted)), left, found) < len(wanted)
        if left and not whole:
            shown = {key: row for key, one in left.items() if (row := self.created(folder, one)) is not None}
            return found | shown
        if left:
            self._take(islice(self._mailbox.pages(folder, mapping.LISTED), 1), left, found)
        return found

    def _take(self, pages: Iterable[list[Json]], left: dict[str, Wanted], found: dict[str, Row]) -> int:
        """Go through the pages as long as something is left to be found; -> how many these were."""
        read = 0
        for page in pages:
            read += 1
            for row in page:
                if (key := self._key(row, left)) in left:
                    found[left.pop(key).key] = mapping.row(row, self._mailbox.tags)
            if not left:
                break
        return read

    def _key(self, row: Json, left: Mapping[str, Wanted]) -> str:
        """The key of a copy; where listings show no headers, those that may be one that is left are read."""
        if (shown := mapping.key(row)) is not None:
            return shown
        if not any(_may_be(row, one) for one in left.values()):
            return ""
        with suppress(NotFound):
            return mapping.item(self._mailbox.message(str(row["id"]), mapping.ITEM)).key
        return ""

    def inside(self, folders: Sequence[str], wanted: Wanted) -> tuple[Item, ...]:
        """The matches in these folders, as read by id."""
        for window in wanted.windows:
            calls = [partial(self._candidates, folder, wanted, window) for folder in folders]
            ids = {str(row["id"]): None for rows in self._executor.map(calls) for row in known(rows)}
            items = self._executor.map([partial(self._read, id, wanted) for id in ids])
            if matches := tuple(item for item in map(known, items) if item is not None):
                return matches
        return ()

    def _candidates(self, folder: str, wanted: Wanted, window: Window | None) -> list[Json]:
        """Rows that are the message, or may be it as far as they tell; newest first."""
        try:
            rows = self._mailbox.rows(folder, mapping.LISTED, window, PAGES if window else 1)
        except NotFound:
            return []
        return [row for row in rows if _may_be(row, wanted)]

    def _read(self, id: str, wanted: Wanted) -> Item | None:
        try:
            item = mapping.item(self._mailbox.message(id, mapping.ITEM), self._mailbox.tags)
        except NotFound:
            return None
        return item if wanted.matches(item) else None


def _may_be(row: Json, wanted: Wanted) -> bool:
    shown = mapping.key(row)
    if wanted.key and shown is not None:
        return shown == wanted.key
    message_id = mapping.row(row).message_id
    if wanted.key:
        return message_id == wanted.message_id or not message_id or not wanted.message_id
    return message_id == wanted.message_id != ""
