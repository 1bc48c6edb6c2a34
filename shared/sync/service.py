"""What the triggers call: notifications, the timer, polls and work. Each may run anywhere, any number of times."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shared.model.errors import Conflict, LeaseLost, NotFound, TandemError
from shared.model.metrics import LEASE_CONTENTION, POISON, POLLED, SUBSCRIPTION_FAILED
from shared.model.pairs import Pair
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side
from shared.ports.replica import Replica, Subscriptions
from shared.ports.state import Op, Table, WorkQueue
from shared.ports.telemetry import SILENCE, Span, Telemetry
from shared.ports.world import Clock, Executor, Random
from shared.sync.calls import enqueue, leave_hints, partition
from shared.sync.events import CallbackStatus, Events
from shared.sync.folders import FolderMap
from shared.sync.identity import Identity
from shared.sync.labels import crossing
from shared.sync.lease import Lease, Leases
from shared.sync.ledger import Session
from shared.sync.reconcile import Reconcile
from shared.sync.rows import DUE, TREE, after, cursor_row, due_row, walked_row
from shared.sync.run import Policy, open_run
from shared.sync.watch import differing

log = logging.getLogger("tandem.sync")

SHARD = 20
SUBSCRIPTIONS, SCHEDULE = "subscriptions", "schedule"
CATCH_UP, GAUGES = 300.0, 3600.0
PEOPLE, EVERYBODY = 3600.0, 86400.0
QUEUES = ("poll", "work", "bulk")
BULK = 10.0
"""Seconds in which a bulk run starts effects."""
RENEW = 86400.0
"""A subscription is renewed when it has less than this left."""


@dataclass(frozen=True, slots=True)
class AppStatus:
    """`poisoned`: messages that failed for good, by queue; `callbacks`: None without DingTalk's callback."""

    poisoned: Mapping[str, int]
    callbacks: CallbackStatus | None


class Service:
    """The product as its triggers see it. `notification_url`: where the vendor with push reaches us, None without.
    `events`: what is done about callbacks, None without them. `poisoned`: how many messages of a queue failed for good,
    None where that can't be counted. `gauges`: tells what changes slowly, once in an hour;
    None where nobody is told."""

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
        key: bytes,
        policy: Policy,
        notification_url: str | None,
        poll_seconds: float,
        events: Events | None = None,
        poisoned: Callable[[str], int] | None = None,
        telemetry: Telemetry = SILENCE,
        gauges: Callable[[], None] | None = None,
    ) -> None:
        self._table, self._queue = table, queue
        self._clock, self._random, self._executor = clock, random, executor
        self._replicas, self._subscriptions, self._pairs = replicas, subscriptions, pairs
        self._key, self._policy, self._url, self._poll_seconds = key, policy, notification_url, poll_seconds
        self._events, self._poisoned = events, poisoned
        self._telemetry, self._gauges = telemetry, gauges

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
        if named:
            self._telemetry.keep()
        for pair_id, ids in named.items():
            leave_hints(self._table, partition(pair_id), OUTLOOK, ids)
            delay = Leases(self._table, partition(pair_id), self._policy.lease).call()
            if delay is not None:
                enqueue(self._queue, pair_id, "notified", delay, at=self._table.now())
        if dropped:
            log.warning("notifications dropped: %d", dropped)
        return sum(len(ids) for ids in named.values())

    def tick(self) -> None:
        """The one timer: decide what is due, and enqueue it. Calls no vendor."""
        pairs = [pair for pair in self._pairs() if not pair.paused]
        now = self._table.now()
        if self._turn("poll", now, self._poll_seconds):
            if not pairs:
                self._telemetry.count(POLLED, 0)
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
                enqueue(self._queue, pair.id, "catch-up", at=now)
            if self._gauges is not None and self._turn("gauges", now, GAUGES):
                self._gauges()
        else:
            overdue = due_row(now - self._policy.busy, "~")
            for pair in pairs:
                if any(True for _ in self._table.scan(partition(pair.id), DUE, overdue, 1)):
                    enqueue(self._queue, pair.id, "due")

    def poll(self, message: Mapping[str, Any]) -> None:
        """Look at the pairs of one shard, and enqueue those that differ. Commits nothing but hints."""
        pairs = {pair.id: pair for pair in self._pairs() if not pair.paused}
        for name, act in (("poll", self._look), ("subscribe", self._subscribe)):
            for pair_id in message.get(name, ()):
                if pair_id in pairs:
                    try:
                        with self._telemetry.span(name, pair=pair_id):
                            act(pairs[pair_id])
                    except TandemError as exc:
                        log.warning("%s of pair %s failed: %s (%s)", name, pair_id, type(exc).__name__, exc.code)
                        if name == "subscribe":
                            self._telemetry.count(SUBSCRIPTION_FAILED, pair=pair_id)

    def work(self, message: Mapping[str, Any], bulk: bool = False) -> None:
        """Reconcile one pair, or leave a mark for whoever is doing so; or act upon what a callback told. `bulk`: for
        10 s at most, and no longer than until live work waits."""
        if "event" in message or "people" in message:
            if self._events is not None:
                self._telemetry.keep()
                self._events.work(message)
            return
        pair = next((p for p in self._pairs() if p.id == message.get("pair") and not p.paused), None)
        if pair is None:
            return
        leases = Leases(self._table, partition(pair.id), self._policy.lease)
        holder = self._random.token()
        lease = leases.take(holder)
        if lease is None:
            self._telemetry.count(LEASE_CONTENTION, pair=pair.id)
            lease = leases.take(holder) if leases.set_dirty() else None
            if lease is None and (delay := leases.guard()) is not None:
                enqueue(self._queue, pair.id, "dirty", delay)
        if lease is not None and lease.epoch == 1 and not any(p.id == pair.id and not p.paused for p in self._pairs()):
            return  # the first run of a pair that was removed, with all its rows, since the message was looked at
        if lease is not None:
            cause = message.get("cause")
            cause = cause if cause in CAUSES else "other"
            with self._telemetry.span("run", pair=pair.id, kind="mail", cause=cause, bulk=bulk) as span:
                if cause not in QUIET:
                    self._telemetry.keep()
                self._run(pair, leases, lease, message, bulk, span)

    # ---- a run
    def _run(
        self, pair: Pair, leases: Leases, lease: Lease, message: Mapping[str, Any], bulk: bool, span: Span
    ) -> None:
        session = Session(self._table, partition(pair.id), leases, lease)
        delay, error = 0.0, ""
        try:
            self._reconcile(pair, leases, session, message, bulk)
            self._plan_wake(pair, session)
        except LeaseLost:
            log.info("pair %s: the lease was lost; the run ends", pair.id)
            self._telemetry.count(LEASE_CONTENTION, pair=pair.id)
            delay = self._policy.retry
        except TandemError as exc:
            log.warning("pair %s: %s (%s); the run ends", pair.id, type(exc).__name__, exc.code)
            delay, error = exc.retry_after or self._policy.retry, f"{type(exc).__name__} {exc.code}".rstrip()
            span.fail(error)
        if delay:
            self._wake(pair, session, self._table.now() + delay, "again")
        leases.release(session.lease, error)
        if not delay and leases.is_dirty():
            enqueue(self._queue, pair.id, "again")

    def _reconcile(self, pair: Pair, leases: Leases, session: Session, message: Mapping[str, Any], bulk: bool) -> None:
        replicas = {side: self._replicas(pair, side) for side in SIDES}
        policy = replace(self._policy, budget=BULK) if bulk else self._policy
        run = open_run(pair, session, replicas, self._key, policy, self._clock, self._executor)
        run.telemetry, at = self._telemetry, message.get("at")
        run.noticed = float(at) if isinstance(at, int | float) else run.now()
        if bulk:
            run.must_yield = leases.is_dirty
        Reconcile(run, leases, self._table, partition(pair.id)).work(message.get("cursors") or {})

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
            self._telemetry.keep()
            leave_hints(self._table, partition(pair.id), DINGTALK, set(ids))
            enqueue(self._queue, pair.id, "poll", cursors=cursors, at=began)
        self._telemetry.count(POLLED)

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
    def _tell_poisoned(self) -> None:
        for queue, count in self.app_status().poisoned.items():
            if count:
                self._telemetry.gauge(POISON, count, queue=queue)
                log.error("queue %s: %d messages failed for good; look at them and replay them", queue, count)

    def app_status(self) -> AppStatus:
        """What concerns no single pair."""
        poisoned = {queue: self._poisoned(queue) for queue in QUEUES} if self._poisoned else {}
        return AppStatus(poisoned, self._events.status() if self._events else None)


MIN_WAKE = 1.0
CAUSES = ("notified", "poll", "first", "subscribed", "approved", "asked", "catch-up", "due", "dirty", "again")
QUIET = ("catch-up", "due", "dirty", "again")
"""Causes of runs that mostly find nothing to do, and are then not worth a trace."""
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
