"""What changed in folders since their cursors (Graph: message delta, one folder at a time)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from shared.model.answers import fits
from shared.model.errors import NotFound, Unavailable
from shared.model.mail import Changes, Folder, Row
from shared.outlook import mapping
from shared.outlook.errors import EXPIRED, code_of
from shared.outlook.shapes import ROW
from shared.outlook.transport import PAGES, Answer, Graph, Part, endless, failure, listed

PAGE = "odata.maxpagesize=500"
LONGEST = 8
"""Pages of a folder's changes that one look reads; the next one goes on from there. What lists the whole folder is read
to its end, for only that says what is not in it."""
WHAT = "changes of a folder"
OWN = "{own}"
"""In a cursor, the mailbox's address, which Graph's links hold and no row may."""


@dataclass(slots=True)
class Stream:
    """What a round over one folder has shown. `whole`: it lists everything; `again`: because its token had expired.
    `pages` so far. A cursor is a link below the base URL, so that it outlives a move of the service."""

    whole: bool
    again: bool = False
    pages: int = 0
    rows: dict[str, Row] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    cursor: str = ""


class Delta:
    def __init__(self, graph: Graph, mailbox: str) -> None:
        self._graph, self._mailbox = graph, mailbox
        self._own = mailbox.rpartition("/")[2]
        spelled = self._own, self._own.replace("@", "%40")
        self._spelled = re.compile("|".join(map(re.escape, spelled)), re.IGNORECASE)

    def part(self, folder: str, cursor: str | None) -> Part:
        """The first read of a round over one folder; without a cursor the whole of it is listed."""
        if cursor is not None:
            return Part(cursor.replace(OWN, self._own), PAGE)
        return Part(f"{self._mailbox}/mailFolders/{folder}/messages/delta?$select={mapping.ROW_FIELDS}", PAGE)

    def changes(
        self, cursors: Mapping[str, str], answers: Mapping[str, Answer], tree: tuple[Folder, ...] | None
    ) -> Changes:
        """Go on from each folder's first answer to its end, or to where the next look goes on, a page of every folder
        at a time. A folder whose cursor has expired is listed anew; one that was deleted has no cursor afterwards."""
        streams = {folder: Stream(whole=not cursors.get(folder)) for folder in answers}
        for _ in range(PAGES):
            parts: dict[str, Part] = {}
            for folder, answer in answers.items():
                if answer.status != 200 and _is_expired(answer) and not streams[folder].again:
                    streams[folder] = Stream(whole=True, again=True)
                    parts[folder] = self.part(folder, None)
                elif (link := self._take(folder, answer, streams[folder])) is not None:
                    parts[folder] = Part(link, PAGE)
            if not parts:
                return _together(streams, tree)
            answers = dict(zip(parts, self._graph.batch(list(parts.values()), WHAT), strict=True))
        raise endless(WHAT)

    def _take(self, folder: str, answer: Answer, stream: Stream) -> str | None:
        """-> the link to the next page, if there is one."""
        if answer.status != 200:
            if isinstance(error := failure(WHAT, answer), NotFound):
                return None
            raise error
        page = answer.body
        for value in listed(page, WHAT):
            _take_row(folder, value, stream)
        stream.pages += 1
        next_link = page.get("@odata.nextLink")
        if next_link and (stream.whole or stream.pages < LONGEST):
            return self._graph.relative(next_link)
        if not (link := next_link or page.get("@odata.deltaLink")):
            raise Unavailable(f"{WHAT}: Graph's answer leads nowhere", code="cut_short")
        stream.cursor = self._spelled.sub(OWN, self._graph.relative(link))
        return None


def _take_row(folder: str, value: Mapping[str, Any], stream: Stream) -> None:
    """Of several rows the last one wins; an id shown both present and removed stands in both. A row may hold no more
    than what changed, and what it leaves out, or shows in a way that can't be read, is unknown: such a row is like no
    state and as new as can be, so that it is read, linked or not."""
    id = str(value["id"])
    if "@removed" in value:
        stream.removed.add(id)
        return
    try:
        stream.rows[id] = mapping.row(value, folder) if fits(value, ROW) else Row(id, "", False, "none", inf)
    except Unavailable:  # a time that is none
        stream.rows[id] = Row(id, "", False, "none", inf)


def _together(streams: Mapping[str, Stream], tree: tuple[Folder, ...] | None) -> Changes:
    """A message that moved meanwhile may be shown in two folders: it left one of them."""
    rows: dict[str, Row] = {}
    removed = {(folder, id) for folder, stream in streams.items() for id in stream.removed}
    for stream in streams.values():
        removed |= {(rows[id].folder, id) for id in rows.keys() & stream.rows.keys() if rows[id].folder}
        rows |= stream.rows
    ended: Iterable[tuple[str, Stream]] = [(folder, s) for folder, s in streams.items() if s.cursor]
    return Changes(
        rows=tuple(rows.values()),
        removed=frozenset(removed),
        complete=frozenset(folder for folder, stream in ended if stream.whole),
        folders=tree,
        cursors={folder: stream.cursor for folder, stream in ended},
    )


def _is_expired(answer: Answer) -> bool:
    return answer.status == 410 or code_of(answer.body).lower() in EXPIRED
