"""What a vendor's callbacks tell: noted by the trigger, acted upon by a worker, once each.

Rows of the partition `callbacks`:

| row | holds |
|---|---|
| `e:<key>` | until when a callback that comes again is known, by which it is dropped |
| `n:<key>` | the news of it, until a worker has acted: type, user ids, tries, due |
| `clock` | when and by how many seconds a genuine call was stamped away from our time |

Both rows of a callback are written in one transaction before it is answered, so that it is neither lost nor done twice;
a message that got lost on its way to a worker is made up for by the timer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from shared.model.errors import Conflict, NewerState, NotFound, TandemError
from shared.model.pairs import Pair
from shared.ports.state import Op, Table, WorkQueue
from shared.sync.rows import after

log = logging.getLogger("tandem.sync")

PARTITION = "callbacks"
SEEN, NEWS, CLOCK = "e:", "n:", "clock"
REMEMBERED = 86400.0
"""Seconds that a callback is known by. A call stamped further away is an old one sent again, whatever clocks say."""
LOST = 60.0
"""Seconds after which a message that nobody acted upon is taken for lost, and the pause after a first failure."""
SLOWEST = 3600.0
REPEATED = 5.0
"""A callback that comes again sooner than this is on its way to a worker."""
DOUBT = 3600.0
"""Seconds that a clock is shown as doubtful after a call that says so."""
MANY = 20

LEFT = "left"
"""`Pair.paused_why`: the person has left the organisation in DingTalk."""


@dataclass(frozen=True, slots=True)
class Event:
    """A genuine callback. `key`: 32 hex digits that it is known by; `users`: the user ids that it names."""

    key: str
    type: str
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """A person in the organisation's directory. `id` is the organisation's, `union_id` the same in all its apps."""

    id: str
    union_id: str
    name: str


class Directory(Protocol):
    """The organisation's people. NotFound when there is no such person (any more); otherwise as every replica."""

    def user(self, id: str) -> User: ...
    def user_of_union(self, union_id: str) -> User: ...


class PairBook(Protocol):
    def list(self) -> Sequence[Pair]: ...
    def update(self, id: str, **changes: Any) -> None:
        """Change these fields of the pair as it then is; nothing when it is gone."""
        ...


@dataclass(frozen=True, slots=True)
class CallbackStatus:
    """`waiting`: callbacks noted and not acted upon; `clock_off`: seconds by which our time seems to be ahead (behind,
    when negative), None while nothing says so."""

    waiting: int
    clock_off: float | None


class Events:
    """Safe among threads and processes."""

    def __init__(self, table: Table, queue: WorkQueue, pairs: PairBook, directory: Directory) -> None:
        self._table, self._queue, self._pairs, self._directory = table, queue, pairs, directory

    # ---- the trigger's side: calls no vendor
    def note(self, event: Event) -> bool:
        """Remember it and, where it says anything to us, leave the news and enqueue it; -> whether it was new."""
        now = self._table.now()
        news = event.type in self.HANDLERS
        ops = [Op("put", SEEN + event.key, {"until": now + REMEMBERED}, "")]
        if news:
            value = {
                "type": event.type,
                "users": list(event.users),
                "tries": 0,
                "due": now + LOST,
                "at": now,
                "sent": now,
            }
            ops.append(Op("put", NEWS + event.key, value))
        try:
            self._table.transact(PARTITION, ops)
        except Conflict:
            self._again(event.key, now)
            return False
        if news:
            self._enqueue(event.key)
        return True

    def _again(self, key: str, now: float) -> None:
        """It is sent again: perhaps we fell over between noting and enqueueing. Enqueued once in a while at most, and
        only as long as nobody has acted upon it, so that nobody can fill the queue with it."""
        held = self._table.get(PARTITION, [NEWS + key]).get(NEWS + key)
        if held is None or held.value["tries"] or now - held.value["sent"] <= REPEATED:
            return
        with suppress(Conflict):
            self._table.transact(PARTITION, [Op("put", NEWS + key, {**held.value, "sent": now}, held.etag)])
            self._enqueue(key)

    def doubt_clock(self, key: str, off: float) -> None:
        """A genuine call was stamped `off` seconds before our time. Unless it is one that we know, the clock is in
        doubt. Written at most once a minute."""
        held = self._table.get(PARTITION, [SEEN + key, CLOCK])
        noted = held.get(CLOCK)
        now = self._table.now()
        if SEEN + key in held or abs(off) > REMEMBERED or (noted is not None and now - noted.value["at"] < LOST):
            return
        self._table.transact(PARTITION, [Op("put", CLOCK, {"at": now, "off": off})])

    # ---- the timer's side
    def tick(self) -> None:
        """Enqueue what waits for longer than a message needs."""
        now = self._table.now()
        for entity in self._table.scan(PARTITION, NEWS, after(NEWS)):
            if entity.value["due"] <= now:
                self._put_off(entity.key, entity.value, now, entity.etag)
                self._enqueue(entity.key[len(NEWS) :])

    def sweep(self, everybody: bool) -> None:
        """Forget callbacks that won't come again, and enqueue a look at the people whose user id isn't known yet, or at
        `everybody`: a callback that was not taken the third time is not sent again."""
        now = self._table.now()
        old = [e.key for e in self._table.scan(PARTITION, SEEN, after(SEEN)) if e.value["until"] <= now]
        for start in range(0, len(old), 100):
            self._table.transact(PARTITION, [Op("delete", key) for key in old[start : start + 100]])
        pairs = [pair for pair in self._pairs.list() if pair.union_id and not pair.paused]
        asked = [pair.id for pair in pairs if everybody or not pair.user_id]
        for start in range(0, len(asked), MANY):
            self._queue.send("work", {"people": asked[start : start + MANY]})

    # ---- the worker's side
    def work(self, message: Mapping[str, Any]) -> None:
        """Act upon the event that the message names, or find the user ids of the pairs that it names."""
        if "people" in message:
            return self._find_people(message["people"])
        name = f"{NEWS}{message.get('event')}"
        held = self._table.get(PARTITION, [name]).get(name)
        if held is None:
            return
        event = Event(str(message["event"]), held.value["type"], tuple(held.value["users"]))
        try:
            self.HANDLERS[event.type](self, event)
        except NewerState:
            raise
        except TandemError as exc:
            log.warning("event %s: %s (%s); tried again later", event.type, type(exc).__name__, exc.code)
            tries = {**held.value, "tries": held.value["tries"] + 1}
            self._put_off(name, tries, self._table.now(), held.etag)
        else:
            self._table.transact(PARTITION, [Op("delete", name)])

    def _put_off(self, name: str, value: Mapping[str, Any], now: float, etag: str) -> None:
        """Due later, longer each time; dropped after a day."""
        if now - value["at"] > REMEMBERED:
            log.error("event %s failed for a day and is dropped after %d tries", value["type"], value["tries"])
            self._table.transact(PARTITION, [Op("delete", name)])
            return
        due = now + min(SLOWEST, LOST * 2 ** value["tries"])
        try:
            self._table.transact(PARTITION, [Op("put", name, {**value, "due": due}, etag)])
        except Conflict:
            return  # somebody else is at it

    def _left(self, event: Event) -> None:
        """The person has left: nothing may be written into a mailbox that somebody else may soon get."""
        for id in event.users:
            pair = next((p for p in self._pairs.list() if p.user_id == id), None) or self._pair_in_directory(id)
            if pair is None:
                log.info("somebody who is in no pair has left the organisation")
            else:
                self._pause(pair)

    def _pause(self, pair: Pair) -> None:
        if not pair.paused:
            self._pairs.update(pair.id, paused=True, paused_why=LEFT)
            log.warning("pair %s is paused: its person has left the organisation in DingTalk", pair.id)

    def _pair_in_directory(self, id: str) -> Pair | None:
        """The pair of somebody whose user id we never learnt; the directory may still know them."""
        try:
            union = self._directory.user(id).union_id
        except NotFound:
            return None
        return next((pair for pair in self._pairs.list() if union and pair.union_id == union), None)

    def _changed(self, event: Event) -> None:
        for id in event.users:
            try:
                self._keep(self._directory.user(id))
            except NotFound:
                log.info("an event names somebody who is no longer in the directory")

    def _keep(self, user: User) -> None:
        """What the directory says now, in the pair of this person."""
        pair = next((p for p in self._pairs.list() if user.union_id and p.union_id == user.union_id), None)
        if pair is not None and (pair.user_id, pair.name) != (user.id, user.name or pair.name):
            self._pairs.update(pair.id, user_id=user.id, name=user.name or pair.name)
            log.info("pair %s: name and user id are taken from the directory", pair.id)

    def _find_people(self, ids: Sequence[str]) -> None:
        who, pairs = self._directory, {pair.id: pair for pair in self._pairs.list()}
        for pair in (pairs[id] for id in ids if id in pairs):
            known = bool(pair.user_id)
            try:
                user = who.user(pair.user_id) if known else who.user_of_union(pair.union_id)
                self._keep(user if user.union_id == pair.union_id else who.user_of_union(pair.union_id))
            except NotFound:
                if known:
                    self._pause(pair)
                else:
                    log.warning("pair %s: nobody in the directory has its union id; correct it", pair.id)
            except TandemError as exc:
                log.warning("pair %s: the directory can't be read: %s (%s)", pair.id, type(exc).__name__, exc.code)

    HANDLERS: ClassVar[Mapping[str, Callable[[Events, Event], None]]] = {
        "user_leave_org": _left,
        "user_modify_org": _changed,
        "user_add_org": _changed,
    }
    """What is done about each type of event. Any other is answered, remembered and otherwise left alone."""

    # ---- small things
    def _enqueue(self, key: str) -> None:
        self._queue.send("work", {"event": key, "cause": "callback"})

    def status(self) -> CallbackStatus:
        now = self._table.now()
        clock = self._table.get(PARTITION, [CLOCK]).get(CLOCK)
        doubtful = clock is not None and now - clock.value["at"] < DOUBT
        waiting = sum(1 for _ in self._table.scan(PARTITION, NEWS, after(NEWS)))
        return CallbackStatus(waiting, float(clock.value["off"]) if clock is not None and doubtful else None)
