"""Backfill: mail from before the pair was added, newest first, in short turns that yield to live mail.

Progress is a row of the pair and one for each folder, and neither is needed to be right: each message goes the way of
every other (look, match, intent, create, read back, commit), so whatever is done twice links instead of copying. What
was received before the position is never copied by anybody; what was received after it belongs to the live runs too,
which do whatever could not be done in its turn.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, cast

from shared.model.errors import WrongSettings
from shared.model.mail import Row
from shared.model.pairs import Pair
from shared.model.words import SIDES, Side
from shared.ports.state import Op, Table, WorkQueue
from shared.sync.calls import partition
from shared.sync.lease import Leases
from shared.sync.ledger import Session
from shared.sync.match import OLD
from shared.sync.reconcile import Reconcile
from shared.sync.rows import BACKFILL, HINT, POSITION, after, due_row, position_row
from shared.sync.run import Run
from shared.sync.windows import Place, Window, window

CAUSE = "backfill"
CHUNK = 39
"""Messages of one side that are decided and copied between two looks at the time and at live work. Where twenty reads
go in one request, what is read of so many copies later, and of the folder that they are in, makes two."""
LONGEST = 10.0
"""Seconds after which no further effect of a chunk begins."""
SOON = 1.0
"""Seconds between two turns: the lease is given back only after the next one was asked for."""
ECHO = 60.0
"""Seconds in which news of a copy of ours is about its making."""
LATEST = 30.0
"""Seconds after which a backfill that nothing was heard of is overdue, so that somebody wakes its pair."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Times in epoch seconds. `since`: how far back it goes; `top`: where it began; `position`: everything from here on
    was dealt with in this pass, `reached`: in any pass. `total`: messages of both sides that the preview counted, None
    without one; `passed`: those that the first pass has gone by; `passes`: that are over. `news`: whether this pass
    found something to do. `called`: when the message for its next turn comes. `again`: up to where, from the position
    on, messages were copied that no listing has shown since. `ended`: None while it goes on. `due`: when it is overdue,
    None once it has ended."""

    since: float
    top: float
    position: float
    reached: float
    began: float
    called: float
    total: int | None = None
    passed: int = 0
    passes: int = 0
    news: bool = False
    again: float = 0.0
    ended: float | None = None
    due: float | None = None


def progress_of(value: Mapping[str, Any] | None) -> Progress | None:
    return Progress(**value) if value else None


def progress(table: Table, pair: Pair) -> Progress | None:
    """How the pair's last backfill stands, None when there was none."""
    row = table.get(partition(pair.id), [BACKFILL]).get(BACKFILL)
    return progress_of(row.value) if row else None


def start(table: Table, queue: WorkQueue, pair: Pair, since: float, total: int | None = None) -> None:
    """Begin a backfill down to `since`. WrongSettings while another one is going on."""
    name, now = partition(pair.id), table.now()
    row = table.get(name, [BACKFILL]).get(BACKFILL)
    old = progress_of(row.value) if row else None
    check_ended(pair, old)
    top = math.ceil(now)
    reached = min(pair.since, old.reached if old else pair.since)
    due = now + LATEST
    fresh = Progress(math.floor(since), top, top, reached, now, now, total, due=due)
    ops = [Op("put", BACKFILL, asdict(fresh), if_match=row.etag if row else ""), Op("put", due_row(due, BACKFILL), {})]
    table.transact(name, ops)
    call(queue, pair.id, fresh)


def check_ended(pair: Pair, old: Progress | None) -> None:
    """WrongSettings while it is going on."""
    if old is not None and old.ended is None:
        raise WrongSettings(f"a backfill of pair {pair.id} is going on; `tandem status` says how far it is")


def call(queue: WorkQueue, pair_id: str, progress: Progress, delay: float = 0.0) -> None:
    """Ask for the next turn. A message from before is worth nothing then, so that there are never two at it."""
    queue.send("bulk", {"pair": pair_id, "kind": "mail", "cause": CAUSE, "turn": progress.called}, delay)


def reconcile(run: Run, leases: Leases, table: Table, queue: WorkQueue, message: Mapping[str, Any], bulk: bool) -> None:
    """What a message asks for under the lease: a turn of the backfill, or a run; a run sees to it that a backfill whose
    message was lost goes on."""
    worker = Reconcile(run, leases, table, partition(run.pair.id))
    if bulk:
        run.must_yield = partial(_is_live_work_waiting, run.session, leases, table, partition(run.pair.id))
    if message.get("cause") == CAUSE:
        before = progress_of(run.session.value(BACKFILL))
        if before is None or before.called != message.get("turn"):
            return
        going_on = Backfill(run, worker, before).turn()
    else:
        worker.work(message.get("cursors") or {})
        before = progress_of(run.session.value(BACKFILL))
        if before is None or run.now() < before.called:
            return  # a message that comes while the lease is taken is gone, and so is a lost one
        going_on = before
    if going_on.ended is None:
        going_on = replace(going_on, called=run.now() + SOON)
        put(run.session, going_on)
        run.session.commit()
        call(queue, run.pair.id, going_on, SOON)


def _is_live_work_waiting(session: Session, leases: Leases, table: Table, name: str) -> bool:
    """Whether anybody wants the lease for more than to look at copies that were just made under it, of which one of the
    vendors tells at once: those are looked at after the turn."""
    if not leases.is_dirty():
        return False
    hinted = [hint.key[len(HINT) :].split(":", 1) for hint in table.scan(name, HINT, after(HINT))]
    items: list[tuple[Side, str]] = [(cast(Side, side), id) for side, id in hinted]
    session.prefetch_items(items)
    return not items or not all(_is_echo(session, side, id) for side, id in items)


def _is_echo(session: Session, side: Side, id: str) -> bool:
    link = session.link_of(side, id)
    return link is not None and link.copy == side and session.now() - link.written < ECHO


def put(session: Session, progress: Progress) -> None:
    session.put_folder(BACKFILL, asdict(progress), None if progress.ended else session.now() + LATEST)


class Backfill:
    """Its turn under the lease."""

    def __init__(self, run: Run, worker: Reconcile, progress: Progress) -> None:
        self._run, self._worker, self._now = run, worker, progress
        self._deadline = run.clock.monotonic() + run.policy.budget
        self._must_yield, run.must_yield = run.must_yield, lambda: False  # what was read for a chunk is also sent
        # Both sides are listed: nobody's twin is still to come, and what was copied is seen again in a listing.
        run.policy = replace(run.policy, hold=0.0, again=run.policy.echo)

    def turn(self) -> Progress:
        """Windows until the time is up or live work waits; -> how it stands."""
        while self._now.ended is None and not self._must_stop():
            if not self._window(self._now):
                break
        return self._now

    def _must_stop(self) -> bool:
        return self._run.clock.monotonic() > self._deadline or self._must_yield()

    def _window(self, now: Progress) -> bool:
        """Deal with one window; False when it could not be ended in this turn: what is left of it is the next one."""
        run = self._run
        shown = window(run.replicas, self._places(now), now.since, now.position, now.again)
        self._confirm(shown)
        run.window = shown.rows
        run.pair = replace(run.pair, since=min(run.pair.since, shown.start))
        self._name_unnamed(shown)
        todo = [(side, row) for side, row in _rows(shown) if self._is_open(side, row.id)]
        done, copied = cast("Window | None", shown), False
        for some in _chunks(todo):
            if self._must_stop():
                done = shown.above(some[0][1].received)
                break
            if left := [(side, id) for side, id in _ids(some) if self._is_open(side, id)]:  # twins go together
                copied = self._decide(left) or copied
        if done is not None:
            self._move(replace(self._now, again=done.end if copied else 0.0), done)
        return done is shown

    def _decide(self, ids: list[tuple[Side, str]]) -> bool:
        """-> whether there was anything to do."""
        self._worker.decide(ids, self._run.clock.monotonic() + LONGEST)
        news = not all(self._is_open(side, id) for side, id in ids)
        if news and not self._now.news:
            self._now = replace(self._now, news=True)
            put(self._run.session, self._now)
        return news

    def _confirm(self, shown: Window) -> None:
        """What a listing shows as it was copied needs no read of its own."""
        session = self._run.session
        rows = [(side, row) for (side, _), listed in shown.listed.items() for row in listed.values()]
        session.prefetch_items(_ids(rows))
        links = [(side, row, session.link_of(side, row.id)) for side, row in rows]
        waiting = [(side, row) for side, row, link in links if link is not None and link.end(side).due is not None]
        if waiting:
            self._worker.confirm(waiting, self._deadline)

    def _is_open(self, side: Side, id: str) -> bool:
        """Is there neither a link, nor a row that says why there is none?"""
        session = self._run.session
        row = session.waiting(side, id)
        return session.link_of(side, id) is None and (row is None or row.reason == OLD)

    def _is_our_copy(self, side: Side, id: str) -> bool:
        """Made by this backfill, and so not among what was counted before."""
        link = self._run.session.link_of(side, id)
        return link is not None and link.copy == side and link.written >= self._now.began

    def _name_unnamed(self, shown: Window) -> None:
        """Rows without a Message-ID don't say which message they are: write it down, so that a twin finds them."""
        run = self._run
        for side in SIDES:
            unnamed = [row.id for row in shown.rows[side].values() if not row.message_id]
            run.session.prefetch_items((side, id) for id in unnamed)
            unnamed = [
                id for id in unnamed if run.session.link_of(side, id) is None and not run.session.waiting(side, id)
            ]
            for first in range(0, len(unnamed), CHUNK):
                some: Sequence[str] = unnamed[first : first + CHUNK]
                for item in run.observe(side, some).items.values():
                    if item is not None and not item.draft:
                        run.wait(side, item, OLD, None)

    # ---- positions
    def _places(self, now: Progress) -> dict[Place, float]:
        """Each folder with the date of its next message, infinity where this pass hasn't asked it yet."""
        run = self._run
        places = [(side, id) for side in SIDES for id in run.folders.ids(side)]
        run.session.prefetch(position_row(side, id) for side, id in places)
        values = {place: run.session.value(position_row(*place)) or {} for place in places}
        return {p: float(v["next"]) if v.get("pass") == _name(now) else math.inf for p, v in values.items()}

    def _move(self, now: Progress, shown: Window) -> None:
        """Everything of the window is done, or stands in a row that is due."""
        session = self._run.session
        for (side, folder), newest in shown.following.items():
            session.put_row(position_row(side, folder), {"next": newest, "pass": _name(now)})
        found = _ids(_rows(shown)) if now.passes == 0 else []
        passed = now.passed + sum(not self._is_our_copy(side, id) for side, id in found)
        reached = min(now.reached, shown.start)
        moved = replace(now, position=shown.start, reached=reached, passed=passed)
        if shown.start <= now.since:
            moved = self._end_pass(moved)
        self._now = moved
        put(session, moved)
        session.commit()

    def _end_pass(self, now: Progress) -> Progress:
        """A message that was moved meanwhile may have been passed by: it ends with a pass that finds nothing new."""
        if now.news:
            return replace(now, position=now.top, passes=now.passes + 1, news=False)
        for row in self._run.session.rows(POSITION):
            self._run.session.delete_row(row)
        return replace(now, ended=self._run.now())


def _rows(shown: Window) -> list[tuple[Side, Row]]:
    """Of both sides, newest first."""
    rows = [(side, row) for side in SIDES for row in shown.within(side)]
    return sorted(rows, key=lambda found: -found[1].received)


def _ids(rows: Sequence[tuple[Side, Row]]) -> list[tuple[Side, str]]:
    return [(side, row.id) for side, row in rows]


def _chunks(rows: Sequence[tuple[Side, Row]]) -> Iterator[list[tuple[Side, Row]]]:
    """In this order, with as many of one side as are copied at a time."""
    some, counts = list[tuple[Side, Row]](), Counter[Side]()
    for side, row in rows:
        some.append((side, row))
        counts[side] += 1
        if counts[side] == CHUNK:
            yield some
            some, counts = [], Counter[Side]()
    if some:
        yield some


def _name(progress: Progress) -> str:
    return f"{progress.began:.3f}:{progress.passes}"
