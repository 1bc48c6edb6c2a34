"""One taking of the lease: what a run knows, reads and remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.model.errors import LeaseLost, TandemError, Unavailable
from shared.model.links import End, Intent, Link, Waiting
from shared.model.mail import Folder, Item, Row
from shared.model.pairs import Pair
from shared.model.plans import Policy as Preferences
from shared.model.plans import State
from shared.model.words import SIDES, Side
from shared.ports.replica import Replica
from shared.ports.world import Clock, Executor
from shared.sync.folders import FolderMap
from shared.sync.identity import Identity
from shared.sync.ledger import Entry, Session


@dataclass(frozen=True, slots=True)
class Policy:
    """Times in seconds. `timeout`: the longest a small request may take; `grace`: how much later its effect may still
    land. `hold`: how long mail to both accounts waits for its twin. `reread`: between two looks that say "not found".
    `apart`: two reads further apart than this are not held against each other. `fresh`: a read this recent counts as
    made just before. `brake_*`: removals in 24 hours that are held.
    `may_send_not_read`: trashing an unread message that asks for a receipt might send one, so it waits.
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
    brake_folder: int = 2000
    may_send_not_read: bool = True
    delete_folders: tuple[Side, ...] = SIDES
    preferences: Preferences = field(default_factory=Preferences)

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
    ) -> None:
        self.pair, self.replicas, self.session, self.folders = pair, replicas, session, folders
        self.identity, self.policy, self.clock, self.executor = identity, policy, clock, executor
        self.listed: dict[Side, dict[str, Row]] = {side: {} for side in SIDES}
        self.removed: dict[Side, set[str]] = {side: set() for side in SIDES}
        self.hinted: dict[Side, set[str]] = {side: set() for side in SIDES}
        self.trees: dict[Side, tuple[tuple[Folder, ...], float]] = {}
        self.todo: dict[str, Intent] = {}
        self.stopped: TandemError | None = None
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
    def remember(self, side: Side, items: Mapping[str, Item | None]) -> None:
        at = self.clock.monotonic()
        self._reads.update({(side, id): (item, at) for id, item in items.items()})

    def forget(self, side: Side, id: str) -> None:
        self._reads.pop((side, id), None)

    def prefetch(self, side: Side, ids: Iterable[str]) -> None:
        """Read ids in one go; those that can't be read now stay unread."""
        missing = [id for id in dict.fromkeys(ids) if (side, id) not in self._reads]
        if missing:
            try:
                self.remember(side, self.replicas[side].observe(missing).items)
            except TandemError as exc:
                if not exc.retryable:
                    raise

    def read(self, side: Side, id: str, within: float | None = None) -> Item | None:
        """The item as it is (None: not found), from this round, or, with `within`, from that many seconds ago at most.
        Unavailable when it can't be read."""
        held = self._reads.get((side, id))
        if held is not None and (within is None or self.clock.monotonic() - held[1] <= within):
            return held[0]
        items = self.replicas[side].observe((id,)).items
        if id not in items:
            raise Unavailable(f"message {id[-12:]} on {side} could not be read; it is tried again later")
        self.remember(side, items)
        return items[id]

    def peek(self, side: Side, id: str) -> Item | None:
        """The item if this round has read it."""
        return self._reads.get((side, id), (None, 0.0))[0]

    def read_at(self, side: Side, id: str) -> float:
        """When this round read it, in monotonic time; 0.0 if it has not."""
        return self._reads.get((side, id), (None, 0.0))[1]

    # ---- what items mean
    def state(self, side: Side, item: Item | Row) -> State:
        return {"read": item.read, "flag": item.flag, "folder": self.folders.key(side, item.folder)}

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
        return known is not None and known.role in (None, "inbox", "sent", "archive")

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


SLACK = 5.0
"""How long a request may wait between the commit of its intent and its sending."""


def found_again(end: End, due: float | None) -> End:
    """A read found the item: whatever was missing or said about it is over."""
    return replace(end, missed=None, said=False, due=due)
