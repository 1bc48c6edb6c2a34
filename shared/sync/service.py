"""What the triggers call: notifications, the timer, polls and work. Each may run anywhere, any number of times."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.model.errors import Conflict, LeaseLost, NotFound, TandemError
from shared.model.links import Link, Waiting
from shared.model.pairs import Pair
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side
from shared.ports.replica import Replica, Subscriptions
from shared.ports.state import Op, Table, WorkQueue
from shared.ports.world import Clock, Executor, Random
from shared.sync.folders import FolderMap
from shared.sync.identity import Identity
from shared.sync.lease import Lease, Leases
from shared.sync.ledger import Session
from shared.sync.reconcile import Reconcile
from shared.sync.rows import (
    DUE,
    FOLDER,
    LINK,
    TREE,
    after,
    cursor_row,
    due_row,
    hint_row,
    link_of_json,
    waiting_of_json,
    walked_row,
)
from shared.sync.run import Policy, Run
from shared.sync.watch import differing

log = logging.getLogger("tandem.sync")

SHARD = 20
SUBSCRIPTIONS, SCHEDULE = "subscriptions", "schedule"
CATCH_UP = 300.0
RENEW = 86400.0
"""A subscription is renewed when it has less than this left."""


@dataclass(frozen=True, slots=True)
class Status:
    """What waits and what is open in one pair; ids, reasons and times only."""

    links: int
    waiting: tuple[Waiting, ...]
    held_back: tuple[Link, ...]
    open_intents: int
    next_due: float | None


class Service:
    """The product as its triggers see it. `notification_url`: where the vendor with push reaches us, None without."""

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
    ) -> None:
        self._table, self._queue = table, queue
        self._clock, self._random, self._executor = clock, random, executor
        self._replicas, self._subscriptions, self._pairs = replicas, subscriptions, pairs
        self._key, self._policy, self._url, self._poll_seconds = key, policy, notification_url, poll_seconds

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
            self._hint(pair_id, OUTLOOK, ids)
            if Leases(self._table, f"{pair_id}:mail", self._policy.lease).call():
                self._enqueue(pair_id, "notified")
        if dropped:
            log.warning("notifications dropped: %d", dropped)
        return sum(len(ids) for ids in named.values())

    def tick(self) -> None:
        """The one timer: decide what is due, and enqueue it. Calls no vendor."""
        pairs = [pair for pair in self._pairs() if not pair.paused]
        now = self._table.now()
        if self._turn("poll", now, self._poll_seconds):
            for start in range(0, len(pairs), SHARD):
                self._queue.send("poll", {"poll": [pair.id for pair in pairs[start : start + SHARD]]})
        if self._url and (late := self._unsubscribed(pairs, now)):
            for start in range(0, len(late), SHARD):
                self._queue.send("poll", {"subscribe": late[start : start + SHARD]})
        if self._turn("catch-up", now, CATCH_UP):
            for pair in pairs:
                self._hint(pair.id, OUTLOOK, {""})
                self._enqueue(pair.id, "catch-up")
        else:
            for pair in pairs:
                if any(True for _ in self._table.scan(partition(pair), DUE, due_row(now - self._policy.busy, "~"), 1)):
                    self._enqueue(pair.id, "due")

    def poll(self, message: Mapping[str, Any]) -> None:
        """Look at the pairs of one shard, and enqueue those that differ. Commits nothing but hints."""
        pairs = {pair.id: pair for pair in self._pairs() if not pair.paused}
        for name, act in (("poll", self._look), ("subscribe", self._subscribe)):
            for pair_id in message.get(name, ()):
                if pair_id in pairs:
                    try:
                        act(pairs[pair_id])
                    except TandemError as exc:
                        log.warning("%s of pair %s failed: %s (%s)", name, pair_id, type(exc).__name__, exc.code)

    def work(self, message: Mapping[str, Any]) -> None:
        """Reconcile one pair, or leave a mark for whoever is doing so."""
        pair = next((p for p in self._pairs() if p.id == message.get("pair") and not p.paused), None)
        if pair is None:
            return
        leases = Leases(self._table, partition(pair), self._policy.lease)
        holder = self._random.token()
        lease = leases.take(holder)
        if lease is None and leases.set_dirty():
            lease = leases.take(holder)
            if lease is None:
                delay = max(0.0, leases.expiry() - self._table.now()) + 1.0
                self._queue.send("work", {"pair": pair.id, "kind": "mail", "cause": "dirty"}, delay)
        if lease is not None:
            self._run(pair, leases, lease, message.get("cursors") or {})

    # ---- a run
    def _run(self, pair: Pair, leases: Leases, lease: Lease, cursors: Mapping[str, str]) -> None:
        session = Session(self._table, partition(pair), leases, lease)
        delay = 0.0
        try:
            self._reconcile(pair, leases, session, cursors)
            self._plan_wake(pair, session)
        except LeaseLost:
            log.info("pair %s: the lease was lost; the run ends", pair.id)
            delay = self._policy.retry
        except TandemError as exc:
            log.warning("pair %s: %s (%s); the run ends", pair.id, type(exc).__name__, exc.code)
            delay = exc.retry_after or self._policy.retry
        leases.release(session.lease)
        if delay or leases.is_dirty():
            self._enqueue(pair.id, "again", delay)

    def _reconcile(self, pair: Pair, leases: Leases, session: Session, cursors: Mapping[str, str]) -> None:
        name = partition(pair)
        rows = session.folder_rows()
        replicas = {side: self._replicas(pair, side) for side in SIDES}
        identity = Identity(self._key, pair)
        run = Run(pair, replicas, session, FolderMap.load(rows), identity, self._policy, self._clock, self._executor)
        Reconcile(run, leases, self._table, name).work(cursors)

    def _plan_wake(self, pair: Pair, session: Session) -> None:
        """One delayed message for the next thing that is due, unless one is under way that comes earlier."""
        due, now = session.next_due(), session.now()
        if due is None:
            return
        when = max(due, now + MIN_WAKE) if due > now else now + self._policy.busy
        if now < session.lease.wake <= when:
            return
        session.plan_wake(when)
        self._enqueue(pair.id, "due", when - now)

    # ---- looking
    def _look(self, pair: Pair) -> None:
        """Page 1 of what may have changed at DingTalk, compared with the bases of the links."""
        name = partition(pair)
        folders = FolderMap.load({e.key: e.value for e in self._table.scan(name, FOLDER, after(FOLDER))})
        if not folders.knows(DINGTALK):
            self._enqueue(pair.id, "first")
            return
        keys = [cursor_row(DINGTALK, c) for c in folders.ids(DINGTALK)]
        old = {key[len("c:dingtalk:") :]: e.value["cursor"] for key, e in self._table.get(name, keys).items()}
        began = self._table.now()
        changes = self._replicas(pair, DINGTALK).observe((), old, None).changes
        ids = differing(self._table, name, DINGTALK, folders, changes, pair.since)
        cursors = {c: text for c, text in (changes.cursors or {}).items() if old.get(c) != text}
        if folders.differs(DINGTALK, changes.folders or (), Identity(self._key, pair)):
            ids.append(TREE)
        else:
            self._table.transact(name, [Op("put", walked_row(DINGTALK), {"at": began})])
        if ids or cursors:
            self._hint(pair.id, DINGTALK, set(ids))
            self._enqueue(pair.id, "poll", cursors=cursors)

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
        self._hint(pair.id, OUTLOOK, {""})
        self._enqueue(pair.id, "subscribed")

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

    def _hint(self, pair_id: str, side: Side, ids: set[str]) -> None:
        name, at, ordered = f"{pair_id}:mail", self._table.now(), sorted(ids)
        for start in range(0, len(ordered), 100):
            ops = [Op("put", hint_row(side, id), {"at": at}) for id in ordered[start : start + 100]]
            self._table.transact(name, ops)

    def _enqueue(self, pair_id: str, cause: str, delay: float = 0.0, **more: Any) -> None:
        self._queue.send("work", {"pair": pair_id, "kind": "mail", "cause": cause, **more}, delay)

    # ---- for people
    def status(self, pair: Pair) -> Status:
        name = partition(pair)
        lease = self._table.get(name, ["lease"]).get("lease")
        waiting = tuple(waiting_of_json(e.value) for e in self._table.scan(name, "u:", after("u:")))
        links = (link_of_json(e.value) for e in self._table.scan(name, LINK, after(LINK)))
        intents = sum(1 for _ in self._table.scan(name, "i:", after("i:")))
        due = next((float(e.key.split(":")[1]) for e in self._table.scan(name, DUE, after(DUE), 1)), None)
        held = tuple(link for link in links if link.waits)
        return Status(int(lease.value["links"]) if lease else 0, waiting, held, intents, due)


MIN_WAKE = 1.0
LONGEST_ID = 400


def partition(pair: Pair) -> str:
    """The ledger's partition of a pair's mail."""
    return f"{pair.id}:mail"


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
