"""Thousands of pairs: the real scheduling, with looks and runs replaced by what they were recorded to cost."""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from sandbox.simulation.adapters import Stored
from shared.dingtalk.bucket import LOOKERS, PATIENCE, Bucket
from shared.dingtalk.line import SharedLine
from shared.model.errors import Throttled
from shared.model.pairs import Pair
from shared.model.words import DINGTALK, OUTLOOK, Side, other
from shared.ports.state import Op
from shared.state.azure_table import PAGE
from shared.sync.calls import enqueue, leave_hints, partition
from shared.sync.identity import Identity
from shared.sync.lease import Leases
from shared.sync.ledger import Session
from shared.sync.pushes import SUBSCRIPTIONS
from shared.sync.rhythm import Rhythm
from shared.sync.rows import HINT, after
from shared.sync.run import Policy
from shared.sync.service import Service
from shared.wiring.replicas import CONNECTIONS
from tests.bench.scale.azure import Door, Group, Instance, Plan, Queues, Table
from tests.bench.scale.costs import Cost, Costs
from tests.bench.scale.time_line import EPOCH, Chance, Clock, Executor, Lock, TimeLine

KEY = b"0" * 32
LIMIT = 40
"""Requests a second and mail domain (Alimail: rate)."""
KEPT = 300.0
"""Seconds for which a process keeps a secret that it read (docs/storage-operations.md)."""


class Domain:
    """Alimail as one mail domain meets it: more than 40 requests within any second are refused."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=LIMIT)
        self.requests = self.refused = self.busiest = 0
        self._window: deque[float] = deque()

    def request(self, now: float) -> bool:
        if len(self._latest) == LIMIT and now - self._latest[0] < 1.0:
            self.refused += 1
            return False
        self._latest.append(now)
        self.requests += 1
        self._window.append(now)
        while now - self._window[0] >= 1.0:
            self._window.popleft()
        self.busiest = max(self.busiest, len(self._window))
        return True


@dataclass(slots=True)
class Change:
    at: float
    what: str
    side: Side


@dataclass(slots=True)
class Person:
    """`pending`: what was changed on a side and isn't carried over; `graph`: requests for this mailbox."""

    pair: Pair
    pending: dict[Side, list[Change]] = field(default_factory=lambda: {OUTLOOK: [], DINGTALK: []})
    wrote_to_dingtalk: bool = False
    running: bool = False
    graph: float = 0.0


class Office:
    """`lags`: seconds from each change to its being carried over, by (what, side). `overlaps`: runs of one pair at
    once. `looks`: when each pair was looked at."""

    def __init__(self, line: TimeLine, costs: Costs, plan: Plan, pairs: int, domains: int) -> None:
        self.line, self.costs, self.plan = line, costs, plan
        self.counts: Counter[str] = Counter()
        self.stored = Stored()
        self.table = Table(line, self.stored, plan, self.counts)
        self.queues = Queues(line, plan, self.counts)
        self.people = {f"pair-{n:05d}": Person(_pair(n, domains)) for n in range(pairs)}
        self.domains: dict[str, Domain] = defaultdict(Domain)
        self.lags: dict[tuple[str, Side], list[float]] = defaultdict(list)
        self.looks: dict[str, list[float]] = defaultdict(list)
        self.overlaps = 0
        self.processes: list[Modelled] = []
        self._furnish()
        self.door = Door(line, plan, lambda instance: self._service(instance).notified)
        self.groups = {
            "poll": Group(line, self.queues, plan, "poll", lambda instance: self._service(instance).poll),
            "work": Group(line, self.queues, plan, "work", lambda instance: self._service(instance).work),
        }

    def _furnish(self) -> None:
        """The rows of an office that has been there for a while: all subscribed, everybody looked at just now."""
        for id in self.people:
            self._row(SUBSCRIPTIONS, f"pair:{id}", {"id": f"s-{id}", "expires": EPOCH + 500_000.0})
            self._row(SUBSCRIPTIONS, f"id:s-{id}", {"pair": id})
        self._row("schedule", "poll", {"at": EPOCH})
        self._row("schedule", "catch-up", {"at": EPOCH})

    def _row(self, partition: str, key: str, value: Mapping[str, Any]) -> None:
        self.table._transact(partition, [Op("put", key, value)])

    def _service(self, instance: Instance) -> Modelled:
        self.processes.append(Modelled(self, instance))
        return self.processes[-1]

    def start_timer(self, period: float) -> Instance:
        """The instance of the timer, whose runs never overlap."""
        instance = Instance(self.line)
        service = self._service(instance)

        def forever() -> None:
            while True:
                due = (self.line.now // period + 1) * period
                self.line.sleep(due - self.line.now)
                instance.begin()
                service.tick()
                instance.end()

        self.line.spawn(forever)
        return instance

    def connections(self) -> list[int]:
        """For each mailbox that has any, how many IMAP connections to it are kept."""
        kept = Counter(id for process in self.processes if process.lives() for id in process.doors)
        return list(kept.values())

    # ---- what happens to people
    def happens(self, person: Person, what: str, side: Side) -> None:
        person.pending[side].append(Change(self.line.now, what, side))
        if side == OUTLOOK:
            self.push(person)

    def push(self, person: Person) -> None:
        """Graph tells of a change within some seconds (Graph: latency of notifications)."""
        self.line.after(self.line.rng.uniform(0.5, 4.0), lambda: self._notify(person))

    def _notify(self, person: Person) -> None:
        state = Identity(KEY, person.pair).client_state()
        id = f"m-{self.line.rng.getrandbits(40):x}"
        item = {"subscriptionId": f"s-{person.pair.id}", "clientState": state, "resourceData": {"id": id}}
        self.door.request(json.dumps({"value": [item]}).encode())

    def carried(self, change: Change) -> None:
        self.lags[change.what, change.side].append(self.line.now - change.at)


def _pair(number: int, domains: int) -> Pair:
    domain = f"d{number % domains:03d}.example"
    return Pair(f"pair-{number:05d}", "", f"{number}@office.example", f"{number}@{domain}", EPOCH)


class Modelled(Service):
    """A process of the product: everything is real but what a look and a run do at the vendors and in the ledger."""

    def __init__(self, office: Office, instance: Instance) -> None:
        self._office, self._instance = office, instance
        line = office.line
        super().__init__(
            table=office.table,
            queue=office.queues,
            clock=Clock(line),
            random=Chance(line),
            executor=Executor(line),
            replicas=_nobody,
            looker=_nobody,
            is_crowded=lambda pair: SharedLine(office.table, pair.mail_domain).is_crowded(),
            subscriptions=_nobody,
            pairs=self._listed,
            pair=self._read,
            key=KEY,
            policy=Policy(),
            notification_url="https://tandem.example",
            rhythm=Rhythm(30.0, 30.0, 0, 0, UTC),
            migrated=lambda pair, version: None,
            poisoned=lambda queue: 0,
        )
        self._looks.look = self._look  # type: ignore[method-assign]
        self._buckets: dict[tuple[str, float], Bucket] = {}
        self._secrets: dict[str, float] = {}
        self.doors: dict[str, None] = {}

    def lives(self) -> bool:
        return any(self._instance in group.live for group in self._office.groups.values())

    def _listed(self) -> tuple[Pair, ...]:
        """All pairs, for the price of reading them, but not decoded each time."""
        pages = 1 + len(self._office.people) // PAGE
        self._office.counts["table"] += pages
        self._office.line.sleep(pages * self._office.plan.store)
        return tuple(person.pair for person in self._office.people.values())

    def _read(self, id: str) -> Pair | None:
        self._office.counts["table"] += 1
        self._office.line.sleep(self._office.plan.store)
        person = self._office.people.get(id)
        return person.pair if person else None

    def _look(self, every: float, pair: Pair) -> None:
        office, person = self._office, self._office.people[pair.id]
        self._spend(person, office.costs.jobs["look"].base, LOOKERS)
        office.looks[pair.id].append(office.line.now)
        news = person.pending[DINGTALK]
        if news:
            leave_hints(self._table, partition(pair.id), DINGTALK, {f"{change.at:.3f}" for change in news})
        if news or person.wrote_to_dingtalk:
            person.wrote_to_dingtalk = False
            enqueue(self._queue, pair.id, "poll", cursors={"2": "moved"})

    def _reconcile(self, pair: Pair, leases: Leases, session: Session, message: Mapping[str, Any], bulk: bool) -> None:
        office, person = self._office, self._office.people[pair.id]
        office.overlaps += person.running
        self._read_secret(person)
        person.running = True
        try:
            end = office.line.now + self._policy.budget
            while self._round(person, leases, session, end) and leases.is_dirty():
                pass
        finally:
            person.running = False

    def _round(self, person: Person, leases: Leases, session: Session, end: float) -> bool:
        """Carry over what hints name; -> whether there is time for another round."""
        name = partition(person.pair.id)
        leases.clear_dirty()
        hints = list(self._table.scan(name, HINT, after(HINT)))
        sides = {hint.key[len(HINT) :].partition(":")[0] for hint in hints}
        news = [change for side in (OUTLOOK, DINGTALK) if side in sides for change in person.pending[side]]
        whole = any(hint.key == f"{HINT}{OUTLOOK}:" for hint in hints)
        self._spend(person, self._base(news, whole, OUTLOOK in sides))
        for change in news:
            if self._office.line.now > end:
                leases.set_dirty()
                return False
            self._spend(person, self._office.costs.jobs[f"{change.what} {change.side}"].each)
            person.pending[change.side].remove(change)
            self._office.carried(change)
            if other(change.side) == OUTLOOK:
                self._office.push(person)
            else:
                person.wrote_to_dingtalk = True
                if change.what == "mail":
                    self._connect(person)
        session.commit()
        if hints:
            self._table.transact(name, [Op("delete", hint.key) for hint in hints[:100]])
        return self._office.line.now <= end

    def _base(self, news: list[Change], whole: bool, told: bool) -> Cost:
        jobs = self._office.costs.jobs
        kinds = {f"{change.what} {change.side}" for change in news}
        bases = [jobs[kind].base for kind in sorted(kinds)] or [jobs["echo" if told else "noted"].base]
        dearest = max(bases, key=lambda cost: cost.seconds)
        return dearest + jobs["catch-up"].base if whole else dearest

    def _spend(self, person: Person, cost: Cost, patience: float = PATIENCE) -> None:
        """Time, requests and the processor, as they were recorded."""
        office, line = self._office, self._office.line
        self._instance.think(cost.cpu)
        office.counts["graph"] += round(cost.graph)
        office.counts["table"] += round(cost.operations)
        person.graph += cost.graph
        store, requests = cost.trips * office.plan.store, int(cost.alimail + line.rng.random())
        for number in range(requests):
            self._ask_alimail(person.pair.mail_domain, patience)
            line.sleep(cost.seconds / requests + (store if number == 0 else 0.0))
        if not requests:
            line.sleep(cost.seconds + store)

    def _ask_alimail(self, name: str, patience: float) -> None:
        line = self._office.line
        if (name, patience) not in self._buckets:
            shared = SharedLine(self._table, name)
            self._buckets[name, patience] = Bucket(Clock(line), Lock(line), shared, patience=patience)
        bucket = self._buckets[name, patience]
        bucket.take()
        if not self._office.domains[name].request(line.now):
            bucket.hold(None)
            raise Throttled("refused", code="429", retry_after=None)

    def _connect(self, person: Person) -> None:
        """A process keeps its latest IMAP connections."""
        self.doors.pop(person.pair.id, None)
        self.doors[person.pair.id] = None
        if len(self.doors) > CONNECTIONS:
            del self.doors[next(iter(self.doors))]

    def _read_secret(self, person: Person) -> None:
        """The client password, which a process keeps for five minutes."""
        if self._secrets.get(person.pair.id, 0.0) <= self._office.line.now:
            self._office.counts["vault"] += 1
            self._secrets[person.pair.id] = self._office.line.now + KEPT


def _nobody(*args: object) -> Any:
    raise AssertionError("a vendor was called")
