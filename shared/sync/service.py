"""What the triggers call: notifications, the timer, polls and work. Each may run anywhere, any number of times."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from shared.model.errors import LeaseLost, NewerState, TandemError, Throttled
from shared.model.metrics import LEASE_CONTENTION, POISON, POLLED, SUBSCRIPTION_FAILED
from shared.model.pairs import Pair
from shared.model.words import OUTLOOK, SIDES, Side
from shared.ports.replica import Looker, Replica, Subscriptions
from shared.ports.state import Table, WorkQueue
from shared.ports.telemetry import SILENCE, Span, Telemetry
from shared.ports.world import Clock, Executor, Random
from shared.sync import backfill
from shared.sync.calls import enqueue, leave_hints, partition
from shared.sync.events import CallbackStatus, Events
from shared.sync.lease import Lease, Leases
from shared.sync.ledger import Session
from shared.sync.looking import Looks
from shared.sync.pushes import Pushes, message_id, notifications
from shared.sync.rhythm import Rhythm
from shared.sync.run import Policy, open_run
from shared.sync.schedule import SHARD, WAVE, in_turn, looks, shards
from shared.sync.schema import SCHEMA, Schema
from shared.sync.turns import Turns

T = TypeVar("T")
R = TypeVar("R")
Find = Callable[[str], Pair | None]
log = logging.getLogger("tandem.sync")

CATCH_UP, GAUGES = 300.0, 3600.0
PEOPLE, EVERYBODY = 3600.0, 86400.0
QUEUES = ("poll", "work", "bulk")
BULK = 10.0
"""Seconds in which a bulk run starts effects."""
LATER, TOLD = 60.0, 300.0
"""Seconds after which a message that only a newer version can work on is looked at again, and between two lines of the
log that say so."""
SCANS = 20.0
"""Pairs a second that ticks look at for something overdue; of very many pairs the catch-up finds it sooner."""
STARTS = 50.0
"""Catch-ups a second, where many are due at once, as after a pause."""
SUBSCRIBE = 1000
"""Subscriptions that one tick asks for at most."""


@dataclass(frozen=True, slots=True)
class AppStatus:
    """`poisoned`: messages that failed for good, by queue; `callbacks`: None without DingTalk's callback."""

    poisoned: Mapping[str, int]
    callbacks: CallbackStatus | None


class Service:
    """The product as its triggers see it. `looker`: the DingTalk side for looks that come every so many seconds;
    `is_crowded`: whether the pair's mail domain can bear no run now. `notification_url`: where the vendor with push
    reaches us, None without. `events`: what is done about callbacks, None without them. `poisoned`: how many messages
    of a queue failed for good. `pairs`, `pair`: all, and the one with this id, read at the beginning of each trigger;
    NewerState where a newer version has taken over, which ends it with nothing written. `migrated`: keep with the pair
    which version its rows are in. `gauges`: tells what changes slowly, once in an hour; None where nobody is told."""

    def __init__(
        self,
        *,
        table: Table,
        queue: WorkQueue,
        clock: Clock,
        random: Random,
        executor: Executor,
        replicas: Callable[[Pair, Side, bool], Replica],
        looker: Callable[[Pair, float], Looker],
        is_crowded: Callable[[Pair], bool],
        subscriptions: Callable[[Pair], Subscriptions],
        pairs: Callable[[], Sequence[Pair]],
        pair: Callable[[str], Pair | None],
        migrated: Callable[[Pair, int], None],
        key: bytes,
        policy: Policy,
        notification_url: str | None,
        rhythm: Rhythm,
        poisoned: Callable[[str], int],
        events: Events | None = None,
        schema: Schema = SCHEMA,
        telemetry: Telemetry = SILENCE,
        gauges: Callable[[], None] | None = None,
    ) -> None:
        self._table, self._queue = table, queue
        self._clock, self._random, self._executor = clock, random, executor
        self._is_crowded = is_crowded
        self._replicas, self._pairs, self._pair = replicas, pairs, pair
        self._turns = Turns(table)
        self._pushes = Pushes(table, queue, subscriptions, pair, key, notification_url)
        self._key, self._policy, self._rhythm = key, policy, rhythm
        self._events, self._poisoned = events, poisoned
        self._schema, self._migrated, self._told = schema, migrated, -TOLD
        self._telemetry, self._gauges = telemetry, gauges
        self._looks = Looks(table, queue, looker, key, policy, schema, telemetry, executor)

    # ---- triggers
    def notified(self, body: bytes) -> int:
        """A push from Graph: leave a hint for each genuine item and enqueue its pair; -> how many were genuine.

        Calls no vendor. What is malformed, unknown or carries a wrong clientState is dropped and counted."""
        named: dict[str, set[str]] = {}
        dropped = 0
        for item in notifications(body):
            pair = self._pushes.pair_of(item)
            if pair is None:
                dropped += 1
            else:
                named.setdefault(pair.id, set()).add(message_id(item))
                if item.get("lifecycleEvent") == "subscriptionRemoved":
                    self._pushes.forget(pair, str(item["subscriptionId"]))
                if item.get("lifecycleEvent") == "reauthorizationRequired":
                    self._pushes.renew_soon(pair, str(item["subscriptionId"]))
        if named:
            self._telemetry.keep()
        for pair_id, ids in named.items():
            leave_hints(self._table, partition(pair_id), OUTLOOK, ids)
            delay = self._leases(pair_id).call()
            if delay is not None:
                enqueue(self._queue, pair_id, "notified", delay, at=self._table.now())
        if dropped:
            log.warning("notifications dropped: %d", dropped)
        return sum(len(ids) for ids in named.values())

    def tick(self, here: bool = False) -> None:
        """The one timer: decide what is due, and enqueue it. Calls no vendor, except with `here` and pairs that make
        one shard at most: those it looks at itself, last of all. A message would have each look cost one execution
        more, in an instance of its own, and that is billed as a second at least."""
        try:
            pairs = [pair for pair in self._pairs() if not pair.paused]
        except NewerState as exc:
            return self._tell_newer(exc)
        now = self._table.now()
        here = here and len(pairs) <= SHARD
        _, due = self._turns.claim("poll", now, lambda since: looks(pairs, self._rhythm.every(now), since, now))
        if not pairs:
            self._telemetry.count(POLLED, 0)
        if not here:
            self._each(due, lambda one: self._queue.send("poll", one.message(), one.delay))
        for late in shards(self._pushes.late(pairs, now)[:SUBSCRIBE]):
            self._queue.send("poll", {"subscribe": late})
        if self._events is not None:
            self._events.tick()
            if self._turns.come("people", now, PEOPLE):
                self._events.sweep(everybody=self._turns.come("everybody", now, EVERYBODY))
        rounds = list(shards(pairs))  # not pair by pair: runs at the same time share an instance, and so its bill
        since, shard = self._turns.claim("catch-up", now, lambda since: in_turn(rounds, CATCH_UP, since, now))
        caught = [pair for some in shard for pair in some]
        if in_turn(("poison",), CATCH_UP, since, now):
            self._tell_poisoned()
            if self._gauges is not None and self._turns.come("gauges", now, GAUGES):
                self._gauges()
        self._each(list(enumerate(caught)), lambda one: self._catch_up(one[1], now, one[0] / STARTS))
        awake = {pair.id for pair in caught}
        others = [pair for pair in in_turn(pairs, len(pairs) / SCANS, since, now) if pair.id not in awake]
        self._each(others, self._wake_forsaken)
        for one in due if here else ():
            self._poll(one.message(), {pair.id: pair for pair in pairs}.get)

    def _catch_up(self, pair: Pair, now: float, delay: float) -> None:
        leave_hints(self._table, partition(pair.id), OUTLOOK, {""})
        enqueue(self._queue, pair.id, "catch-up", delay, at=now)

    def _wake_forsaken(self, pair: Pair) -> None:
        if self._leases(pair.id).is_forsaken(self._policy.busy):
            enqueue(self._queue, pair.id, "due")

    def _each(self, items: Sequence[T], act: Callable[[T], R]) -> list[R]:
        """Several at a time, since almost all of it is waiting, and waiting is billed; the first that failed is raised
        when all have been tried."""
        outcomes = self._executor.map([partial(act, item) for item in items])
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return [outcome for outcome in outcomes if not isinstance(outcome, Exception)]

    def poll(self, message: Mapping[str, Any]) -> None:
        """Look at the pairs of one shard, and enqueue those that differ. Commits nothing but hints.

        Where a mail domain's rate is used up, the rest of its pairs wait; what waited until it was due again is left
        to the message that comes then."""
        self._poll(message, self._pair)

    def _poll(self, message: Mapping[str, Any], find: Find) -> None:
        now, until, crowded = self._table.now(), message.get("until"), dict[str, float]()
        every = message.get("every") or self._rhythm.every(now)
        wanted = () if until is not None and now > until else message.get("poll", ())
        try:
            waiting = self._each(wanted, partial(self._one, find, "poll", partial(self._looks.look, every), crowded))
            self._each(message.get("subscribe", ()), partial(self._one, find, "subscribe", self._pushes.subscribe, {}))
        except NewerState as exc:
            return self._tell_newer(exc)  # the next look is due soon anyway
        if put_off := [id for id in waiting if id]:
            self._queue.send("poll", {**message, "poll": put_off, "subscribe": []}, max(WAVE, *crowded.values()))

    def _one(self, find: Find, name: str, act: Callable[[Pair], None], crowded: dict[str, float], id: str) -> str:
        """-> the id, when it is to be done later. `crowded`: mail domains that can bear no more, and for how long. One
        that fails keeps none of the others from its turn."""
        pair = find(id)
        if pair is None or pair.paused:
            return ""
        if pair.mail_domain in crowded:
            return id
        try:
            with self._telemetry.span(name, pair=id):
                act(pair)
        except NewerState:
            raise
        except TandemError as exc:
            log.warning("%s of pair %s failed: %s (%s)", name, id, type(exc).__name__, exc.code)
            if name == "subscribe":
                self._telemetry.count(SUBSCRIPTION_FAILED, pair=id)
            elif isinstance(exc, Throttled):
                crowded[pair.mail_domain] = exc.retry_after or self._policy.retry
                return id
        return ""

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
                self._telemetry.keep()
                self._events.work(message)
            return
        pair = self._pair(str(message.get("pair")))
        if pair is None or pair.paused:
            return
        if self._is_crowded(pair):
            self._queue.send("bulk" if bulk else "work", message, self._policy.retry * (1.0 + self._random.uniform()))
            return
        leases = self._leases(pair.id)
        holder = self._random.token()
        lease = leases.take(holder)
        if lease is None:
            self._telemetry.count(LEASE_CONTENTION, pair=pair.id)
            lease = leases.take(holder) if leases.set_dirty() else None
            if lease is None and (delay := leases.guard()) is not None:
                enqueue(self._queue, pair.id, "dirty", delay)
        if lease is not None and lease.epoch == 1 and ((now := self._pair(pair.id)) is None or now.paused):
            return leases.forget(lease)  # the pair was removed, with all its rows, since the message was looked at
        if lease is not None and (upgraded := self._upgraded(pair, leases, lease)) is not None:
            cause = message.get("cause")
            cause = cause if cause in CAUSES else "other"
            with self._telemetry.span("run", pair=pair.id, kind="mail", cause=cause, bulk=bulk) as span:
                if cause not in QUIET:
                    self._telemetry.keep()
                self._run(pair, leases, upgraded, message, bulk, span)

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
            delay = (exc.code != "rate" and exc.retry_after) or self._policy.retry
            error = f"{type(exc).__name__} {exc.code}".rstrip()
            span.fail(error)
        if delay:
            self._wake(pair, session, self._table.now() + delay, "again")
        leases.release(session.lease, error)
        if not delay and leases.is_dirty():
            enqueue(self._queue, pair.id, "again")

    def _reconcile(self, pair: Pair, leases: Leases, session: Session, message: Mapping[str, Any], bulk: bool) -> None:
        replicas = {side: self._replicas(pair, side, bulk) for side in SIDES}
        policy = replace(self._policy, budget=BULK) if bulk else self._policy
        run = open_run(pair, session, replicas, self._key, policy, self._clock, self._executor, self._queue)
        run.telemetry, at = self._telemetry, message.get("at")
        run.noticed = float(at) if isinstance(at, int | float) else run.now()
        backfill.reconcile(run, leases, self._table, self._queue, message, bulk)

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

    def unsubscribe(self, pair: Pair) -> None:
        """End the pair's subscription at its vendor, and forget it here even if that fails."""
        self._pushes.unsubscribe(pair)

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
                self._telemetry.gauge(POISON, count, queue=queue)
                log.error("queue %s: %d messages failed for good; look at them and replay them", queue, count)

    def app_status(self) -> AppStatus:
        """What concerns no single pair."""
        poisoned = {queue: self._poisoned(queue) for queue in QUEUES}
        return AppStatus(poisoned, self._events.status() if self._events else None)


MIN_WAKE = 1.0
CAUSES = (
    "notified",
    "poll",
    "first",
    "subscribed",
    "approved",
    "asked",
    "catch-up",
    "due",
    "dirty",
    "again",
    "upgrade",
    "carried",
    "backfill",
)
QUIET = ("catch-up", "due", "dirty", "again")
"""Causes of runs that mostly find nothing to do, and are then not worth a trace."""
