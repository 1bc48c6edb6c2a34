"""What the triggers call: notifications, the timer, polls and work. Each may run anywhere, any number of times."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shared.model.errors import Conflict, LeaseLost, NewerState, NotFound, TandemError
from shared.model.pairs import Pair
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side
from shared.ports.replica import Replica, Subscriptions
from shared.ports.state import Op, Table, WorkQueue
from shared.ports.world import Clock, Executor, Random
from shared.sync.calls import enqueue, leave_hints, partition
from shared.sync.events import CallbackStatus, Events
from shared.sync.folders import FolderMap
from shared.sync.identity import Identity
from shared.sync.labels import crossing
from shared.sync.lease import Lease, Leases
from shared.sync.ledger import Session
from shared.sync.reconcile import Reconcile
from shared.sync.rows import TREE, after, cursor_row, walked_row
from shared.sync.run import Policy, open_run
from shared.sync.schema import SCHEMA, Schema
from shared.sync.watch import differing

log = logging.getLogger("tandem.sync")

SHARD = 20
SUBSCRIPTIONS, SCHEDULE = "subscriptions", "schedule"
CATCH_UP = 300.0
PEOPLE, EVERYBODY = 3600.0, 86400.0
QUEUES = ("poll", "work", "bulk")
BULK = 10.0
"""Seconds in which a bulk run starts effects."""
LATER, TOLD = 60.0, 300.0
"""Seconds after which a message that only a newer version can work on is looked at again, and between two lines of the
log that say so."""
RENEW = 86400.0
"""A subscription is renewed when it has less than this left."""


@dataclass(frozen=True, slots=True)
class AppStatus:
    """`poisoned`: messages that failed for good, by queue; `callbacks`: None without DingTalk's callback."""

    poisoned: Mapping[str, int]
    callbacks: CallbackStatus | None


class Service:
    """The product as its triggers see it. `notification_url`: where the vendor with push reaches us, None without.
    `events`: what is done about callbacks, None without them. `poisoned`: how many messages of a queue failed for good.
    `pairs`: read at the beginning of each trigger; NewerState where a newer version has taken over, which ends it with
    nothing written. `migrated`: keep with the pair which version its rows are in."""

    def __init__(
        self,
        *,
        table: Table,
        queue: WorkQueue,
        clock: Clock,
        random: Random,
        executor: Executor,
        replicas: Callable[[Pair, Side], Replica],
        subscriptions: Callable[[Pair], Subscriptions],
        pairs: Callable[[], Sequence[Pair]],
        migrated: Callable[[Pair, int], None],
        key: bytes,
        policy: Policy,
        notification_url: str | None,
        poll_seconds: float,
        poisoned: Callable[[str], int],
        events: Events | None = None,
        schema: Schema = SCHEMA,
    ) -> None:
        self._table, self._queue = table, queue
        self._clock, self._random, self._executor = clock, random, executor
        self._replicas, self._subscriptions, self._pairs = replicas, subscriptions, pairs
        self._key, self._policy, self._url, self._poll_seconds = key, policy, notification_url, poll_seconds
        self._events, self._poisoned = events, poisoned
        self._schema, self._migrated, self._told = schema, migrated, -TOLD

    # ---- triggers
    def notified(self, body: bytes) -> int:
        """A push from Graph: leave a hint for each genuine item and enqueue its pair; -> how many were genuine.

        Calls no vendor. What is malformed, unknown or carries a wrong clientState is dropped and counted."""
        named: dict[str, set[str]] = {}
        dropped = 0
        for item in _notifications(body):
            pair = self._pair_of(item)
            if pair is None:
                dropped += 1
            else:
                named.setdefault(pair.id, set()).add(_message_id(item))
                if item.get("lifecycleEvent") == "subscriptionRemoved":
                    self._forget_subscription(pair, str(item["subscriptionId"]))
                if item.get("lifecycleEvent") == "reauthorizationRequired":
                    self._renew_soon(pair, str(item["subscriptionId"]))
        for pair_id, ids in named.items():
            leave_hints(self._table, partition(pair_id), OUTLOOK, ids)
            delay = self._leases(pair_id).call()
            if delay is not None:
                enqueue(self._queue, pair_id, "notified", delay)
        if dropped:
            log.warning("notifications dropped: %d", dropped)
        return sum(len(ids) for ids in named.values())

    def tick(self) -> None:
        """The one timer: decide what is due, and enqueue it. Calls no vendor."""
        try:
            pairs = [pair for pair in self._pairs() if not pair.paused]
        except NewerState as exc:
            return self._tell_newer(exc)
        now = self._table.now()
        if self._turn("poll", now, self._poll_seconds):
            for start in range(0, len(pairs), SHARD):
                self._queue.send("poll", {"poll": [pair.id for pair in pairs[start : start + SHARD]]})
        if self._url and (late := self._unsubscribed(pairs, now)):
            for start in range(0, len(late), SHARD):
                self._queue.send("poll", {"subscribe": late[start : start + SHARD]})
        if self._events is not None:
            self._events.tick()
            if self._turn("people", now, PEOPLE):
                self._events.sweep(everybody=self._turn("everybody", now, EVERYBODY))
        if self._turn("catch-up", now, CATCH_UP):
            self._tell_poisoned()
            for pair in pairs:
                leave_hints(self._table, partition(pair.id), OUTLOOK, {""})
                enqueue(self._queue, pair.id, "catch-up")
        else:
            for pair in pairs:
                if Leases(self._table, partition(pair.id), self._policy.lease).is_forsaken(self._policy.busy):
                    enqueue(self._queue, pair.id, "due")

    def poll(self, message: Mapping[str, Any]) -> None:
        """Look at the pairs of one shard, and enqueue those that differ. Commits nothing but hints."""
        try:
            pairs = {pair.id: pair for pair in self._pairs() if not pair.paused}
        except NewerState as exc:
            return self._tell_newer(exc)  # the next look is due soon anyway
        for name, act in (("poll", self._look), ("subscribe", self._subscribe)):
            for pair_id in message.get(name, ()):
                if pair_id in pairs:
                    try:
                        act(pairs[pair_id])
                    except TandemError as exc:
                        log.warning("%s of pair %s failed: %s (%s)", name, pair_id, type(exc).__name__, exc.code)

    def work(self, message: Mapping[str, Any], bulk: bool = False) -> None:
        """Reconcile one pair, or leave a mark for whoever is doing so; or act upon what a callback told. `bulk`: for
        10 s at most, and no longer than until live work waits. What only a newer version can do is left for it."""
        try:
            self._work(message, bulk)
        except NewerState as exc:
            self._tell_newer(exc)
            self._queue.send("bulk" if bulk else "work", message, LATER)

    def _work(self, message: Mapping[str, Any], bulk: bool) -> None:
        if "event" in message or "people" in message:
            if self._events is not None:
                self._events.work(message)
            return
        pair = next((p for p in self._pairs() if p.id == message.get("pair") and not p.paused), None)
        if pair is None:
            return
        leases = self._leases(pair.id)
        holder = self._random.token()
        lease = leases.take(holder)
        if lease is None:
            lease = leases.take(holder) if leases.set_dirty() else None
            if lease is None and (delay := leases.guard()) is not None:
                enqueue(self._queue, pair.id, "dirty", delay)
        if lease is not None and lease.epoch == 1 and not any(p.id == pair.id and not p.paused for p in self._pairs()):
            return leases.forget(lease)  # the pair was removed, with all its rows, since the message was looked at
        if lease is not None and (upgraded := self._upgraded(pair, leases, lease)) is not None:
            self._run(pair, leases, upgraded, message.get("cursors") or {}, bulk)

    def _leases(self, pair_id: str) -> Leases:
        return Leases(self._table, partition(pair_id), self._policy.lease, self._schema)

    def _upgraded(self, pair: Pair, leases: Leases, lease: Lease) -> Lease | None:
        """With all rows in this version; None when the lease was lost over it, and a message goes on later."""
        try:
            upgraded = leases.upgrade(lease)
        except LeaseLost:
            enqueue(self._queue, pair.id, "again", self._policy.retry)
            return None
        if pair.schema != upgraded.migrated:
            self._migrated(pair, upgraded.migrated)
        return upgraded

    # ---- a run
    def _run(self, pair: Pair, leases: Leases, lease: Lease, cursors: Mapping[str, str], bulk: bool) -> None:
        session = Session(self._table, partition(pair.id), leases, lease)
        delay, error = 0.0, ""
        try:
            self._reconcile(pair, leases, session, cursors, bulk)
            self._plan_wake(pair, session)
        except LeaseLost:
            log.info("pair %s: the lease was lost; the run ends", pair.id)
            delay = self._policy.retry
        except TandemError as exc:
            log.warning("pair %s: %s (%s); the run ends", pair.id, type(exc).__name__, exc.code)
            delay, error = exc.retry_after or self._policy.retry, f"{type(exc).__name__} {exc.code}".rstrip()
        if delay:
            self._wake(pair, session, self._table.now() + delay, "again")
        leases.release(session.lease, error)
        if not delay and leases.is_dirty():
            enqueue(self._queue, pair.id, "again")

    def _reconcile(self, pair: Pair, leases: Leases, session: Session, cursors: Mapping[str, str], bulk: bool) -> None:
        replicas = {side: self._replicas(pair, side) for side in SIDES}
        policy = replace(self._policy, budget=BULK) if bulk else self._policy
        run = open_run(pair, session, replicas, self._key, policy, self._clock, self._executor)
        if bulk:
            run.must_yield = leases.is_dirty
        Reconcile(run, leases, self._table, partition(pair.id)).work(cursors)

    def _plan_wake(self, pair: Pair, session: Session) -> None:
        """A message for the next thing that is due."""
        due, now = session.next_due(), session.now()
        if due is not None:
            when = max(due, now + MIN_WAKE) if due > now else now + self._policy.busy
            self._wake(pair, session, when, "due")

    def _wake(self, pair: Pair, session: Session, when: float, cause: str) -> None:
        """One delayed message, unless one is under way that comes about then or earlier: a trouble that lasts must not
        fill the queue."""
        now = self._table.now()
        if now < session.lease.wake <= when + MIN_WAKE:
            return
        session.plan_wake(when)
        enqueue(self._queue, pair.id, cause, when - now)

    # ---- looking
    def _look(self, pair: Pair) -> None:
        """Page 1 of what may have changed at DingTalk, compared with the bases of the links."""
        name = partition(pair.id)
        if pair.schema != self._schema.version:
            enqueue(self._queue, pair.id, "upgrade")  # what it is compared with can't be read before
            return
        folders = FolderMap.of(self._table, name)
        if not folders.knows(DINGTALK):
            enqueue(self._queue, pair.id, "first")
            return
        rows, known = self._table.scan(name, CURSORS, after(CURSORS)), set(folders.ids(DINGTALK))
        old = {id: e.value["cursor"] for e in rows if (id := e.key[len(CURSORS) :]) in known}
        replica, began = self._replicas(pair, DINGTALK), self._table.now()
        labels = crossing(self._policy.categories, Identity(self._key, pair), [replica])
        changes = replica.observe((), old, None).changes
        ids = differing(self._table, name, DINGTALK, folders, labels, changes, pair.since)
        cursors = {c: text for c, text in (changes.cursors or {}).items() if old.get(c) != text}
        if folders.differs(DINGTALK, changes.folders or (), Identity(self._key, pair)):
            ids.append(TREE)
        else:
            self._table.transact(name, [Op("put", walked_row(DINGTALK), {"at": began})])
        if ids or cursors:
            leave_hints(self._table, partition(pair.id), DINGTALK, set(ids))
            enqueue(self._queue, pair.id, "poll", cursors=cursors)

    # ---- subscriptions
    def _unsubscribed(self, pairs: Iterable[Pair], now: float) -> list[str]:
        names = {f"pair:{pair.id}": pair.id for pair in pairs}
        held = self._table.get(SUBSCRIPTIONS, list(names))
        return [id for name, id in names.items() if name not in held or held[name].value["expires"] - now < RENEW]

    def _subscribe(self, pair: Pair) -> None:
        """Renew the pair's subscription, or make one, and then look at everything once: news may have been missed."""
        door, name = self._subscriptions(pair), f"pair:{pair.id}"
        held = self._table.get(SUBSCRIPTIONS, [name]).get(name)
        if held is not None:
            if held.value["expires"] - self._table.now() >= RENEW:
                return
            try:
                expires = door.renew(held.value["id"])
                return self._keep_subscription(pair, held.value["id"], expires, None)
            except NotFound:
                log.info("pair %s: its subscription is gone; a new one is made", pair.id)
        id, expires = door.create(str(self._url), Identity(self._key, pair).client_state())
        self._keep_subscription(pair, id, expires, held.value["id"] if held else None)
        leave_hints(self._table, partition(pair.id), OUTLOOK, {""})
        enqueue(self._queue, pair.id, "subscribed")

    def _keep_subscription(self, pair: Pair, id: str, expires: float, old: str | None) -> None:
        ops = [
            Op("put", f"pair:{pair.id}", {"id": id, "expires": expires}),
            Op("put", f"id:{id}", {"pair": pair.id}),
        ]
        if old is not None and old != id:
            ops.append(Op("delete", f"id:{old}"))
        self._table.transact(SUBSCRIPTIONS, ops)

    def _forget_subscription(self, pair: Pair, id: str) -> None:
        """The vendor has removed it: the next tick makes a new one."""
        self._table.transact(SUBSCRIPTIONS, [Op("delete", f"pair:{pair.id}"), Op("delete", f"id:{id}")])

    def _renew_soon(self, pair: Pair, id: str) -> None:
        """The vendor is silent until it is renewed (Graph: lifecycle notifications): the next tick does so."""
        value = {"id": id, "expires": 0.0}
        self._table.transact(SUBSCRIPTIONS, [Op("put", f"pair:{pair.id}", value)])

    def unsubscribe(self, pair: Pair) -> None:
        """End the pair's subscription at its vendor, and forget it here even if that fails."""
        name = f"pair:{pair.id}"
        held = self._table.get(SUBSCRIPTIONS, [name]).get(name)
        if held is not None:
            try:
                self._subscriptions(pair).delete(held.value["id"])
            finally:
                self._forget_subscription(pair, held.value["id"])

    def _pair_of(self, item: Mapping[str, Any]) -> Pair | None:
        """The pair a notification is for, if it carries what only the vendor was told."""
        name = f"id:{_text(item.get('subscriptionId'))}"
        held = self._table.get(SUBSCRIPTIONS, [name]).get(name)
        pair = next((p for p in self._pairs() if held and p.id == held.value["pair"]), None)
        expected = Identity(self._key, pair).client_state() if pair else "-" * 32
        genuine = hmac.compare_digest(expected.encode(), _text(item.get("clientState")).encode())
        return pair if genuine else None

    # ---- small things
    def _turn(self, name: str, now: float, seconds: float) -> bool:
        """Whether it is time again; only one of several timers that ask at once is told so."""
        held = self._table.get(SCHEDULE, [name]).get(name)
        if held is not None and now - held.value["at"] < seconds - 0.05:
            return False
        try:
            self._table.transact(SCHEDULE, [Op("put", name, {"at": now}, held.etag if held else "")])
        except Conflict:
            return False
        return True

    # ---- for people
    def _tell_newer(self, newer: NewerState) -> None:
        """Once in a while: the timer alone would say it all the time."""
        now = self._clock.monotonic()
        if now - self._told >= TOLD:
            self._told = now
            log.error("%s; this one does nothing", newer)

    def _tell_poisoned(self) -> None:
        for queue, count in self.app_status().poisoned.items():
            if count:
                log.error("queue %s: %d messages failed for good; look at them and replay them", queue, count)

    def app_status(self) -> AppStatus:
        """What concerns no single pair."""
        poisoned = {queue: self._poisoned(queue) for queue in QUEUES}
        return AppStatus(poisoned, self._events.status() if self._events else None)


MIN_WAKE = 1.0
LONGEST_ID = 400
CURSORS = cursor_row(DINGTALK, "")


def _notifications(body: bytes) -> list[Mapping[str, Any]]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return []
    items = value.get("value") if isinstance(value, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _message_id(item: Mapping[str, Any]) -> str:
    """The id a notification names; "" (look at everything) for lifecycle events and whatever else names none."""
    data = item.get("resourceData")
    id = data.get("id") if isinstance(data, dict) and not item.get("lifecycleEvent") else None
    return _text(id)


def _text(value: Any) -> str:
    """An id or token as the vendor makes them: a short ASCII string; "" for anything else."""
    return value if isinstance(value, str) and value.isascii() and len(value) <= LONGEST_ID else ""
