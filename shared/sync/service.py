"""What the triggers call: notifications, the timer, polls and work. Each may run anywhere, any number of times."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from shared.model.errors import Conflict, LeaseLost, NotFound, TandemError, Throttled
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
from shared.sync.rows import DUE, TREE, after, cursor_row, due_row, walked_row
from shared.sync.run import Policy, open_run
from shared.sync.schedule import WAVE, in_turn, looks, shards
from shared.sync.watch import differing

T = TypeVar("T")
log = logging.getLogger("tandem.sync")

SUBSCRIPTIONS, SCHEDULE = "subscriptions", "schedule"
CATCH_UP = 300.0
PEOPLE, EVERYBODY = 3600.0, 86400.0
QUEUES = ("poll", "work", "bulk")
BULK = 10.0
"""Seconds in which a bulk run starts effects."""
RENEW = 86400.0
"""A subscription is renewed when it has less than this left."""
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
    """The product as its triggers see it. `looker`: the DingTalk side for looks; `is_crowded`: whether the pair's mail
    domain can bear no run now. `pair`: the one with this id, if any. `notification_url`: where the vendor with push
    reaches us, None without. `events`: what is done about callbacks, None without them.
    `poisoned`: how many messages of a queue failed for good, None where that can't be counted."""

    def __init__(
        self,
        *,
        table: Table,
        queue: WorkQueue,
        clock: Clock,
        random: Random,
        executor: Executor,
        replicas: Callable[[Pair, Side], Replica],
        looker: Callable[[Pair], Replica],
        is_crowded: Callable[[Pair], bool],
        subscriptions: Callable[[Pair], Subscriptions],
        pairs: Callable[[], Sequence[Pair]],
        pair: Callable[[str], Pair | None],
        key: bytes,
        policy: Policy,
        notification_url: str | None,
        poll_seconds: float,
        events: Events | None = None,
        poisoned: Callable[[str], int] | None = None,
    ) -> None:
        self._table, self._queue = table, queue
        self._clock, self._random, self._executor = clock, random, executor
        self._looker, self._is_crowded = looker, is_crowded
        self._replicas, self._subscriptions, self._pairs, self._pair = replicas, subscriptions, pairs, pair
        self._key, self._policy, self._url, self._poll_seconds = key, policy, notification_url, poll_seconds
        self._events, self._poisoned = events, poisoned

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
            delay = Leases(self._table, partition(pair_id), self._policy.lease).call()
            if delay is not None:
                enqueue(self._queue, pair_id, "notified", delay)
        if dropped:
            log.warning("notifications dropped: %d", dropped)
        return sum(len(ids) for ids in named.values())

    def tick(self) -> None:
        """The one timer: decide what is due, and enqueue it. Calls no vendor."""
        pairs = [pair for pair in self._pairs() if not pair.paused]
        now = self._table.now()
        _, due = self._claim("poll", now, lambda since: looks(pairs, self._poll_seconds, since, now))
        self._each(due, lambda one: self._queue.send("poll", {"poll": one.pairs, "until": one.until}, one.delay))
        if self._url:
            for late in shards(self._unsubscribed(pairs, now)[:SUBSCRIBE]):
                self._queue.send("poll", {"subscribe": late})
        if self._events is not None:
            self._events.tick()
            if self._turn("people", now, PEOPLE):
                self._events.sweep(everybody=self._turn("everybody", now, EVERYBODY))
        since, caught = self._claim("catch-up", now, lambda since: in_turn(pairs, CATCH_UP, since, now))
        if in_turn(("poison",), CATCH_UP, since, now):
            self._tell_poisoned()
        self._each(list(enumerate(caught)), lambda one: self._catch_up(one[1], one[0] / STARTS))
        awake = {pair.id for pair in caught}
        others = [pair for pair in in_turn(pairs, len(pairs) / SCANS, since, now) if pair.id not in awake]
        self._each(others, lambda pair: self._wake_overdue(pair, now))

    def _catch_up(self, pair: Pair, delay: float) -> None:
        leave_hints(self._table, partition(pair.id), OUTLOOK, {""})
        enqueue(self._queue, pair.id, "catch-up", delay)

    def _wake_overdue(self, pair: Pair, now: float) -> None:
        overdue = due_row(now - self._policy.busy, "~")
        if any(True for _ in self._table.scan(partition(pair.id), DUE, overdue, 1)):
            enqueue(self._queue, pair.id, "due")

    def _each(self, items: Sequence[T], act: Callable[[T], None]) -> None:
        """Several at a time; the first that failed is raised when all have been tried."""
        for outcome in self._executor.map([partial(act, item) for item in items]):
            if isinstance(outcome, Exception):
                raise outcome

    def poll(self, message: Mapping[str, Any]) -> None:
        """Look at the pairs of one shard, and enqueue those that differ. Commits nothing but hints.

        Where a mail domain's rate is used up, the rest of its pairs wait; what waited until it was due again is left
        to the message that comes then."""
        until = message.get("until")
        late = until is not None and self._table.now() > until
        waiting: dict[str, float] = {}
        put_off: list[str] = []
        for name, act in (("poll", self._look), ("subscribe", self._subscribe)):
            for pair_id in () if late and name == "poll" else message.get(name, ()):
                pair = self._pair(pair_id)
                if pair is None or pair.paused:
                    continue
                if name == "poll" and pair.mail_domain in waiting:
                    put_off.append(pair_id)
                    continue
                try:
                    act(pair)
                except TandemError as exc:
                    log.warning("%s of pair %s failed: %s (%s)", name, pair_id, type(exc).__name__, exc.code)
                    if isinstance(exc, Throttled) and name == "poll":
                        waiting[pair.mail_domain] = exc.retry_after or self._policy.retry
                        put_off.append(pair_id)
        if put_off:
            self._queue.send("poll", {"poll": put_off, "until": until}, max(WAVE, *waiting.values()))

    def work(self, message: Mapping[str, Any], bulk: bool = False) -> None:
        """Reconcile one pair, or leave a mark for whoever is doing so; or act upon what a callback told. `bulk`: for
        10 s at most, and no longer than until live work waits."""
        if "event" in message or "people" in message:
            if self._events is not None:
                self._events.work(message)
            return
        pair = self._pair(str(message.get("pair")))
        if pair is None or pair.paused:
            return
        if self._is_crowded(pair):
            self._queue.send("bulk" if bulk else "work", message, self._policy.retry * (1.0 + self._random.uniform()))
            return
        leases = Leases(self._table, partition(pair.id), self._policy.lease)
        holder = self._random.token()
        lease = leases.take(holder)
        if lease is None:
            lease = leases.take(holder) if leases.set_dirty() else None
            if lease is None and (delay := leases.guard()) is not None:
                enqueue(self._queue, pair.id, "dirty", delay)
        if lease is not None and lease.epoch == 1 and ((now := self._pair(pair.id)) is None or now.paused):
            return  # the first run of a pair that was removed, with all its rows, since the message was looked at
        if lease is not None:
            self._run(pair, leases, lease, message.get("cursors") or {}, bulk)

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
            delay = (exc.code != "rate" and exc.retry_after) or self._policy.retry
            error = f"{type(exc).__name__} {exc.code}".rstrip()
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
        folders = FolderMap.of(self._table, name)
        if not folders.knows(DINGTALK):
            enqueue(self._queue, pair.id, "first")
            return
        rows, known = self._table.scan(name, CURSORS, after(CURSORS)), set(folders.ids(DINGTALK))
        old = {id: e.value["cursor"] for e in rows if (id := e.key[len(CURSORS) :]) in known}
        replica, began = self._looker(pair), self._table.now()
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
        rows = self._table.scan(SUBSCRIPTIONS, "pair:", after("pair:"))
        good = {row.key for row in rows if row.value["expires"] - now >= RENEW}
        return [pair.id for pair in pairs if f"pair:{pair.id}" not in good]

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
        pair = self._pair(held.value["pair"]) if held else None
        expected = Identity(self._key, pair).client_state() if pair else "-" * 32
        genuine = hmac.compare_digest(expected.encode(), _text(item.get("clientState")).encode())
        return pair if genuine else None

    # ---- small things
    def _claim(self, name: str, now: float, choose: Callable[[float | None], list[T]]) -> tuple[float | None, list[T]]:
        """When this was last claimed, and what is due since then by `choose`: only one of several timers that ask at
        once is told."""
        held = self._table.get(SCHEDULE, [name]).get(name)
        since = float(held.value["at"]) if held else None
        due = choose(since)
        try:
            if due:
                self._table.transact(SCHEDULE, [Op("put", name, {"at": now}, held.etag if held else "")])
        except Conflict:
            return since, []
        return since, due

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
                log.error("queue %s: %d messages failed for good; look at them and replay them", queue, count)

    def app_status(self) -> AppStatus:
        """What concerns no single pair."""
        poisoned = {queue: self._poisoned(queue) for queue in QUEUES} if self._poisoned else {}
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
