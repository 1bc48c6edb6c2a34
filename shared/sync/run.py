"""One taking of the lease: what a run knows, reads and remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from typing import Literal

from shared.model.errors import LeaseLost, NotPermitted, TandemError, Unavailable
from shared.model.links import End, Intent, Link, Waiting
from shared.model.mail import Folder, Item, Observed, Row
from shared.model.metrics import LAG, MIRRORED
from shared.model.pairs import Pair
from shared.model.plans import Policy as Preferences
from shared.model.plans import State
from shared.model.spooled import LARGEST_ENCODED
from shared.model.words import DINGTALK, SIDES, Side, other
from shared.ports.replica import Replica
from shared.ports.state import WorkQueue
from shared.ports.telemetry import SILENCE, Telemetry
from shared.ports.world import Clock, Executor
from shared.sync.carry import call
from shared.sync.folders import FolderMap
from shared.sync.identity import Identity
from shared.sync.labels import Labels, crossing
from shared.sync.ledger import Entry, Session


@dataclass(frozen=True, slots=True)
class Policy:
    """Times in seconds. `timeout`: the longest a small request may take; `grace`: how much later its effect may still
    land. `hold`: how long mail to both accounts waits for its twin. `reread`: between two looks that say "not found".
    `apart`: two reads further apart than this are not held against each other. `fresh`: a read this recent counts as
    made just before. `brake_*`: removals in 24 hours that are held.
    `junk`: whether what is first seen in junk is copied to junk. `categories`: whether they cross. `receipts`: whether
    Outlook may answer requests for receipts, by reading and by trashing unread; DingTalk is always taken to do so.
    `notes`: whether people are told by notes in their mailboxes, with times in `zone`.
    `large`: bytes above which a message is carried beside the runs; `largest`: above which, as encoded, it isn't
    carried at all.
    `delete_folders`: sides on which an emptied folder is deleted; elsewhere it stays, empty."""

    timeout: float = 30.0
    grace: float = 75.0
    hold: float = 120.0
    reread: float = 60.0
    fresh: float = 2.0
    apart: float = 10.0
    echo: float = 300.0
    unborn: float = 600.0
    retry: float = 30.0
    busy: float = 15.0
    waits: float = 900.0
    budget: float = 60.0
    lease: float = 240.0
    batch: int = 4
    brake_many: int = 500
    brake_some: int = 100
    brake_share: float = 0.25
    brake_vanished: int = 10
    brake_folder: int = 2000
    junk: Literal["watch", "copy"] = "watch"
    categories: bool = False
    receipts: Literal["careful", "on_read", "never_sent"] = "careful"
    large: int = 3_900_000
    largest: int = LARGEST_ENCODED
    delete_folders: tuple[Side, ...] = SIDES
    notes: bool = True
    zone: tzinfo = UTC
    preferences: Preferences = field(default_factory=Preferences)

    def may_answer(self, side: Side, when: Literal["read", "trashed unread"]) -> bool:
        """Might a message there that asks for a receipt send one then?"""
        confirmed: dict[str, tuple[str, ...]] = {
            "careful": (),
            "on_read": ("trashed unread",),
            "never_sent": ("read", "trashed unread"),
        }
        return side == DINGTALK or when not in confirmed[self.receipts]

    def settle(self, size: int = 0) -> float:
        """How long after its sending a request's effect is certain."""
        return self.timeout + size / 100_000 + self.grace


class Run:
    """`listed`: what streams showed in this round; `removed`: ids they say left a folder; `trees`: folders as walked in
    this round, and when the walk began; `todo`: effects planned."""

    def __init__(
        self,
        pair: Pair,
        replicas: Mapping[Side, Replica],
        session: Session,
        folders: FolderMap,
        identity: Identity,
        policy: Policy,
        clock: Clock,
        executor: Executor,
        labels: Labels | None = None,
    ) -> None:
        self.labels = labels or Labels(identity)
        self.pair, self.replicas, self.session, self.folders = pair, replicas, session, folders
        self.identity, self.policy, self.clock, self.executor = identity, policy, clock, executor
        self.listed: dict[Side, dict[str, Row]] = {side: {} for side in SIDES}
        self.removed: dict[Side, set[str]] = {side: set() for side in SIDES}
        self.hinted: dict[Side, set[str]] = {side: set() for side in SIDES}
        self.trees: dict[Side, tuple[tuple[Folder, ...], float]] = {}
        self.todo: dict[str, Intent] = {}
        self.stopped: TandemError | None = None
        self.barred: Side | None = None
        """The side that may not be opened or written."""
        self.must_yield: Callable[[], bool] = lambda: False
        """Whether live work waits, so that no new effect may start."""
        self.call_carrier: Callable[[Intent], None] = lambda intent: None
        """Ask for somebody who carries this large message."""
        self.telemetry: Telemetry = SILENCE
        self.noticed = self.now()
        """When it was noticed that there is something to do (the store's time)."""
        self._reads: dict[tuple[Side, str], tuple[Item | None, float]] = {}

    def new_round(self) -> None:
        for side in SIDES:
            self.listed[side].clear()
            self.removed[side].clear()
            self.hinted[side].clear()
        self.trees.clear()
        self.todo.clear()
        self._reads.clear()

    def now(self) -> float:
        return self.session.now()

    # ---- reading
    def observe(
        self, side: Side, ids: Sequence[str], cursors: Mapping[str, str] = {}, collections: Sequence[str] | None = ()
    ) -> Observed:
        """As the replica's. What was read is as old as its request: the answer may have waited for a frozen process."""
        asked = self.clock.monotonic()
        try:
            observed = self.replicas[side].observe(ids, cursors, collections)
        except NotPermitted:
            self.barred = side
            raise
        self.remember(side, observed.items, asked)
        return observed

    def remember(self, side: Side, items: Mapping[str, Item | None], at: float | None = None) -> None:
        """`at`: when they were read, on the monotonic clock (default: now)."""
        at = self.clock.monotonic() if at is None else at
        self._reads.update({(side, id): (item, at) for id, item in items.items()})

    def forget(self, side: Side, id: str) -> None:
        self._reads.pop((side, id), None)

    def prefetch(self, side: Side, ids: Iterable[str]) -> None:
        """Read ids in one go; those that can't be read now stay unread."""
        missing = [id for id in dict.fromkeys(ids) if (side, id) not in self._reads]
        if missing:
            try:
                self.observe(side, missing)
            except TandemError as exc:
                if not exc.retryable:
                    raise

    def read(self, side: Side, id: str, within: float | None = None) -> Item | None:
        """The item as it is (None: not found), from this round and at most `within` seconds ago (default: the run's
        budget; a process may have been frozen in the middle). Unavailable when it can't be read."""
        held, within = self._reads.get((side, id)), self.policy.budget if within is None else within
        if held is not None and self.clock.monotonic() - held[1] <= within:
            return held[0]
        items = self.observe(side, (id,)).items
        if id not in items:
            raise Unavailable(f"message {id[-12:]} on {side} could not be read; it is tried again later")
        return items[id]

    def peek(self, side: Side, id: str) -> Item | None:
        """The item if this round has read it."""
        return self._reads.get((side, id), (None, 0.0))[0]

    def read_at(self, side: Side, id: str) -> float:
        """When this round read it, in monotonic time; 0.0 if it has not."""
        return self._reads.get((side, id), (None, 0.0))[1]

    # ---- what items mean
    def state(self, side: Side, item: Item | Row) -> State:
        return state_of(side, item, self.folders, self.labels)

    def is_sent(self, side: Side, item: Item) -> bool:
        """In the sent role, or in a person's folder and written by the mailbox's owner to others."""
        known = self.folders.get(side, item.folder)
        if known is not None and known.role is not None:
            return known.role == "sent"
        own = self.pair.addresses(side)
        return item.sender in own and not own.intersection(item.recipients)

    def is_source(self, side: Side, item: Item) -> bool:
        """Does a message seen first in this folder get a copy?"""
        known = self.folders.get(side, item.folder)
        junk = ("junk",) if self.policy.junk == "copy" else ()
        return known is not None and known.role in (None, "inbox", "sent", "archive", *junk)

    # ---- writing rows
    def recheck(self, link: Link, sides: Sequence[Side] = SIDES, when: float | None = None) -> Link:
        """Read these sides again from `when` (default: now). An earlier due time is never pushed back."""
        when = self.now() if when is None else when
        link = self.session.link(link.key) or link
        for side in sides:
            end = link.end(side)
            link = link.with_end(side, replace(end, due=when if end.due is None else min(end.due, when)))
        return self.session.put_link(link)

    def wait(self, side: Side, item: Item, reason: str, due: float | None) -> None:
        """Leave a row for a message without a link, so that it is looked at again."""
        old = self.session.waiting(side, item.id)
        row = Waiting(
            side,
            item.id,
            self.identity.mid(item),
            self.is_sent(side, item),
            item.folder,
            old.first if old else self.now(),
            reason,
            due,
            None,
            item.key,
            old.tries if old else 0,
        )
        if row != old:
            self.session.put_waiting(row)

    def rest(self, link: Link) -> Link:
        """What these reads show needs no step: nothing is due. A side not read, or missed, keeps its mark."""
        for side in SIDES:
            end = link.end(side)
            if end.due is not None and end.missed is None and self.peek(side, end.id) is not None:
                link = link.with_end(side, replace(end, due=None))
        return self.session.put_link(link)

    def note(self, link: Link | Intent, what: str, side: Side | None = None, **detail: object) -> None:
        self.session.note(link.mid, Entry(what, link.key, side, detail))

    def mirrored(self, intent: Intent) -> None:
        """Tell that this effect has landed, and how long after the change that it carries over. A message that came
        long before it was noticed was moved or imported; it counts from then."""
        since = self.noticed
        if intent.kind == "create" and intent.received > self.noticed - JUST_NOW:
            since = max(intent.received, self.pair.since)
        lag = max(0.0, self.now() - since)
        pair, kind, side = self.pair.id, "mail", other(intent.side)
        self.telemetry.count(MIRRORED, pair=pair, kind=kind, side=side)
        self.telemetry.record(LAG, lag, pair=pair, kind=kind, side=side)
        with self.telemetry.span("mirrored", pair=pair, kind=kind, side=side, effect=intent.kind, lag=lag):
            self.telemetry.keep()

    def busy(self, key: str) -> bool:
        """Has this link an intent that is open or planned?"""
        return any(i.key == key for i in (*self.session.intents.values(), *self.todo.values()))

    def permit(self, intent: Intent) -> Callable[[], None]:
        """What must hold as the last thing before this intent's request leaves."""

        return self.permit_until(intent.settle_after)

    def permit_until(self, settle_after: float) -> Callable[[], None]:
        def check() -> None:
            now = self.now()
            if self.session.lease.expiry < settle_after:
                raise LeaseLost("the lease does not outlive this request; nothing was sent")
            if now > settle_after - self.policy.settle() + SLACK:
                raise LeaseLost("the request waited too long for its turn; nothing was sent")

        return check


def state_of(side: Side, item: Item | Row, folders: FolderMap, labels: Labels) -> State:
    return {
        "read": item.read,
        "flag": item.flag,
        "folder": folders.key(side, item.folder),
        "categories": labels.value(item.categories),
    }


def open_run(
    pair: Pair,
    session: Session,
    replicas: Mapping[Side, Replica],
    key: bytes,
    policy: Policy,
    clock: Clock,
    executor: Executor,
    queue: WorkQueue | None = None,
) -> Run:
    """A run on what the ledger holds of the folders, with the categories that cross. `key`: the deployment's; `queue`:
    where carriers are asked for, None for one that has no effects."""
    folders, identity = FolderMap.load(session.folder_rows()), Identity(key, pair)
    labels = crossing(policy.categories, identity, replicas.values())
    run = Run(pair, replicas, session, folders, identity, policy, clock, executor, labels)
    if queue is not None:
        run.call_carrier = lambda intent: call(queue, pair.id, intent)
    return run


JUST_NOW = 3600.0
SLACK = 5.0
"""How long a request may wait between the commit of its intent and its sending."""


def found_again(end: End, due: float | None) -> End:
    """A read found the item: whatever was missing or said about it is over."""
    return replace(end, missed=None, said=False, due=due)
