"""One look's part in the sweep of a pair: a page of it, and pages of folders whose counters moved."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.model.errors import NotFound, TandemError
from shared.model.mail import Changes, Row, Unexplained
from shared.model.pairs import Pair
from shared.model.words import DINGTALK
from shared.ports.replica import Looker
from shared.ports.state import Entity, Op, Table
from shared.sync.folders import FolderMap
from shared.sync.labels import Labels
from shared.sync.rows import FOLDER, JOURNAL, LINK, SWEPT, after, link_of_json, sweep_row, swept_row
from shared.sync.run import state_of
from shared.sync.sweep import Moved, Sweep, mark, state_print
from shared.sync.watch import DAY, differing

log = logging.getLogger("tandem.sync")

Page = tuple[tuple[Row, ...], str | None]
"""What a page shows, and where the next one begins; None after the last."""
LONGEST = 5.0
"""Seconds that a look reads pages of folders whose counters moved, and no longer than until the next look."""
LATELY = 90.0
"""Seconds in which an effect of ours may have moved the counters that a look sees."""
MISSING = 200
"""Hints of one sweep for links that it didn't show, or not as agreed; the others are left to the next one."""


class Sweeper:
    """`held`: where the sweep stands by the ledger; `now`: when the look began, `every`: seconds between two. After
    `take`, `ops` say where it stands, to be committed once what was found are hints."""

    def __init__(
        self,
        table: Table,
        name: str,
        pair: Pair,
        replica: Looker,
        folders: FolderMap,
        labels: Labels,
        held: Entity | None,
        now: float,
        every: float,
    ) -> None:
        self._table, self._name, self._pair, self._replica = table, name, pair, replica
        self._folders, self._labels = folders, labels
        self._held, self._now, self._every = held, now, every
        self._before = self._sweep = Sweep.load(held.value if held else None)
        self._page_op: list[Op] = []
        self._ahead: tuple[str, str, Page | None] | None = None

    @property
    def ops(self) -> list[Op]:
        if self._sweep == self._before:
            return []
        etag = self._held.etag if self._held else ""
        return [*self._page_op, Op("put", sweep_row(DINGTALK), self._sweep.dump(), etag)]

    def differing(self, rows: Sequence[Row], swept: Collection[str] = ()) -> set[str]:
        """Ids that a run has to look at."""
        changes, since = Changes(tuple(rows)), self._pair.since
        return set(differing(self._table, self._name, DINGTALK, self._folders, self._labels, changes, since, swept))

    def read_ahead(self) -> None:
        """Read the page that is next by what was known of the folders before: it needs nobody's answer, and so can be
        asked for beside the look's other requests."""
        if self._sweep.is_resting(self._now, self._every):
            return
        ids = self._folders.ids(DINGTALK)
        known = [id for id in ids if (folder := self._folders.get(DINGTALK, id)) and folder.role != "drafts"]
        sweep = self._sweep.aim(known, self._now)
        if sweep.folder:
            self._ahead = sweep.folder, sweep.place, self._page(sweep.folder, sweep.place)

    def take(self, changes: Changes) -> set[str]:
        """Ids that a run has to look at, of what the look showed and what the sweep reads now."""
        all = [folder.id for folder in changes.folders or () if folder.role != "drafts"]
        news, unmet = self._one_page(all)
        swept = {row.id for row in news} - {row.id for row in changes.rows}
        found = self.differing([*changes.rows, *news], swept) | unmet
        self._take_up(changes, all)
        return found | self._read_moved()

    def _print(self, row: Row) -> str:
        return state_print(row.id, state_of(DINGTALK, row, self._folders, self._labels))

    # ---- folders whose counters moved
    def _take_up(self, changes: Changes, all: Collection[str]) -> None:
        """What moved them shows by now, or it is more of the same, or most likely an effect of ours."""
        shown, odd = {row.folder for row in changes.rows}, {what.folder for what in changes.unexplained}
        kept = dict[str, Moved]()
        for one in self._sweep.moved:
            is_over = one.folder not in odd if one.is_done else one.shows and one.folder in shown
            if one.folder in all and not is_over:
                kept[one.folder] = one
        news = [what for what in changes.unexplained if not _is_known(what, kept.get(what.folder))]
        for what in self._not_ours(news):
            moved, held = Moved.of(what, self._now), kept.get(what.folder)
            kept[what.folder] = replace(moved, wanted=moved.wanted + max(0, held.wanted)) if held else moved
        self._sweep = replace(self._sweep, moved=tuple(kept.values()))

    def _not_ours(self, unexplained: Sequence[Unexplained]) -> list[Unexplained]:
        """In no folder that we wrote to lately. What a person did there besides is met by the sweep."""
        if not unexplained:
            return []
        since = f"{JOURNAL}{self._table.now() - LATELY:014.3f}"
        rows = [entity.value for entity in self._table.scan(self._name, since, after(JOURNAL))]
        ours = [row for row in rows if row["side"] == DINGTALK and not row["link"].startswith(FOLDER)]
        links = self._table.get(self._name, sorted({LINK + row["link"] for row in ours}))
        keys = {str(entity.value["base"]["folder"]) for entity in links.values()}
        for row in ours:
            wrote = (row["detail"].get(when) or {} for when in ("want", "before"))
            keys |= {str(state["folder"]) for state in wrote if "folder" in state}
        return [what for what in unexplained if self._folders.key(DINGTALK, what.folder) not in keys]

    def _read_moved(self) -> set[str]:
        found, until = set[str](), self._table.now() + min(LONGEST, self._every)
        moved = {one.folder: one for one in self._sweep.moved}
        todo = [one for one in moved.values() if self._is_due(one)]
        agreed = self._agreed() if todo else {}
        while todo and self._table.now() < until:
            one = todo[-1]
            page = self._page(one.folder, one.place, spare=True)
            if page is None:
                break
            rows, place = page
            ids = self.differing([row for row in rows if self._is_suspect(row, agreed)])
            is_ours = any(row.id in agreed or self._may_be_copied(row) for row in rows)
            found |= ids
            moved[one.folder] = todo[-1] = one.turned(place if is_ours else None, len(ids), self._now)
            if not self._is_due(todo[-1]):
                todo.pop()
        self._sweep = replace(self._sweep, moved=tuple(moved.values()))
        return found

    def _is_due(self, one: Moved) -> bool:
        return not one.is_done and one.due <= self._now

    def _agreed(self) -> dict[str, str]:
        """What each linked message should show. Many rows in one scan, instead of two for each message of a page."""
        links = (link_of_json(entity.value) for entity in self._table.scan(self._name, LINK, after(LINK)))
        return {link.dingtalk.id: state_print(link.dingtalk.id, link.expected(DINGTALK)) for link in links}

    def _is_suspect(self, row: Row, agreed: Mapping[str, str]) -> bool:
        return agreed[row.id] != self._print(row) if row.id in agreed else self._may_be_copied(row)

    def _may_be_copied(self, row: Row) -> bool:
        return row.received >= self._pair.since - DAY

    # ---- the sweep
    def _one_page(self, all: Sequence[str]) -> tuple[list[Row], set[str]]:
        """-> of the next page the rows that the sweep before didn't show so, and ids that a sweep which ends with it
        leaves to be read."""
        sweep = self._sweep
        if sweep.is_resting(self._now, self._every):
            return [], set()
        sweep, news, last = sweep.aim(all, self._now), list[Row](), dict[str, Any]()
        if sweep.folder:
            page = self._next_page(sweep)
            if page is None:
                return [], set()
            rows, place = page
            row = swept_row(sweep.pages + 1)
            shown = self._table.get(self._name, [row]).get(row)
            before = shown.value["prints"] if shown else ()
            prints = {row.id: self._print(row) for row in rows}
            # new mail has pushed what was shown onto this page or the next; where there was more, it is taken for news
            news = [row for row in rows if prints[row.id] not in {*before, *sweep.pushed}]
            last = {"sweep": sweep.began, "ids": [mark(id) for id in prints], "prints": [*prints.values()]}
            self._page_op = [Op("put", row, last)]
            sweep = sweep.turned(place, before).aim(all, self._now)
        unmet: set[str] = set()
        if not sweep.folder:
            unmet, doubted = self._ending(sweep, last)
            sweep = sweep.finished(self._now, doubted)
        self._sweep = sweep
        return news, unmet

    def _ending(self, sweep: Sweep, last: Mapping[str, Any]) -> tuple[set[str], bool]:
        """Ids of linked messages that a sweep did not meet, or not as the base says, some of them where they are many;
        and whether it met one that reads by id don't find. `last`: its last page."""
        pages = (page.value for page in self._table.scan(self._name, SWEPT, after(SWEPT)))
        met, prints = set(last.get("ids", ())), set(last.get("prints", ()))
        for page in pages:
            if page["sweep"] == sweep.began:
                met.update(page["ids"])
                prints.update(page["prints"])
        odd, doubted, began = list[str](), False, sweep.began or 0.0
        for entity in self._table.scan(self._name, LINK, after(LINK)):
            link = link_of_json(entity.value)
            end, is_met = link.dingtalk, mark(link.dingtalk.id) in met
            doubted |= is_met and end.missed is not None
            is_lost = not is_met and end.missed is None and link.base["folder"] != "trash"
            differs = is_met and state_print(end.id, link.expected(DINGTALK)) not in prints
            is_known = link.gone is not None or bool(link.waits) or end.due is not None  # it will be read, or is told
            if not is_known and max(link.written, end.placed) < began and (is_lost or differs):
                odd.append(end.id)
        return set(sorted(odd, key=lambda id: mark(f"{began}{id}"))[:MISSING]), doubted

    def _next_page(self, sweep: Sweep) -> Page | None:
        if self._ahead is not None and self._ahead[:2] == (sweep.folder, sweep.place):
            return self._ahead[2]
        return self._page(sweep.folder, sweep.place)

    def _page(self, folder: str, place: str, spare: bool = False) -> Page | None:
        """None where it can't be read now. A folder that isn't there is at its end."""
        try:
            return self._replica.page(folder, place, spare=spare)
        except NotFound:
            return (), None
        except TandemError as exc:
            if not spare:
                log.info("a page of the sweep could not be read: %s (%s)", type(exc).__name__, exc.code)
            return None


def _is_known(what: Unexplained, held: Moved | None) -> bool:
    """The cursor moves a while after the look that saw this."""
    return held is not None and held.counters == what.counters
