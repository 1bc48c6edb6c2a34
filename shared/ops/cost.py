"""What a month costs on Azure: executions and how they overlap, operations of the store, logs, and what is fixed.

Flex Consumption bills the time in which an instance runs at least one function, at its memory: a second at least, and
from there in steps of 100 ms. Executions that overlap in an instance share it. The timer and every queue have
instances of their own, and all HTTP functions share theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from shared.ops.cost_data import Measured, Prices, Taken, between
from shared.sync.schedule import SHARD
from shared.sync.service import CATCH_UP

DAY = 86400.0
GIGA = 1e9
KEPT = 300.0
"""Seconds that an instance keeps a secret of the vault."""
IDLE_POLLS = 2.0
"""Seconds between two looks of the host at an empty queue (host.json: maxPollingInterval)."""
LINGER = 60.0
"""Seconds that an instance of a queue is taken to go on looking at it after its last execution."""


@dataclass(frozen=True, slots=True)
class Line:
    """One item of the bill. `amount` in `unit`, of which `free` is covered by a grant; `hkd` is what the rest costs."""

    item: str
    amount: float
    unit: str
    free: float
    hkd: float


@dataclass(frozen=True, slots=True)
class Bill:
    """A month, and the first year with support from outside, in Hong Kong dollars."""

    pairs: int
    messages: int
    egress: bool
    lines: tuple[Line, ...]
    support: float

    @property
    def running(self) -> float:
        """Compute, storage and logs."""
        return sum(line.hkd for line in self.lines if line.item in RUNNING)

    @property
    def month(self) -> float:
        return sum(line.hkd for line in self.lines)

    @property
    def year(self) -> float:
        return 12 * self.month + self.support


@dataclass(frozen=True, slots=True)
class Use:
    """Of one scale group in a day: seconds in which its instances are billed, executions, and what these take."""

    seconds: float = 0.0
    executions: float = 0.0
    table: float = 0.0
    queue: float = 0.0
    log: float = 0.0

    def __add__(self, other: Use) -> Use:
        return Use(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


RUNNING = ("compute: time", "compute: executions", "storage: tables", "storage: queues", "storage: state", "logs")


class Model:
    """`pairs` people who get `messages` new messages a day, all together and in both mailboxes."""

    def __init__(self, measured: Measured, prices: Prices, pairs: int, messages: int) -> None:
        self._measured, self._prices, self.pairs, self.messages = measured, prices, pairs, messages

    def bill(self, egress: bool) -> Bill:
        uses = self.uses()
        total = sum(uses.values(), Use())
        support = self._prices.of("support", "hours")["value"] * self._prices.of("support", "hkd_per_hour")["value"]
        lines = (*self._compute(total), *self._storage(total, uses), *self._fixed(), *self._network(egress))
        return Bill(self.pairs, self.messages, egress, lines, support)

    # ---- executions
    def uses(self) -> Mapping[str, Use]:
        """A day of each scale group."""
        return {"timer": self._timer(), "poll": self._poll(), "work": self._work(), "http": self._http()}

    def _looks(self) -> float:
        """A day. Alimail bounds the requests of an organisation, so many pairs are looked at less often."""
        app = self._prices.text["app"]
        night = 24 - app["day_hours"]
        allowed = self.pairs * self._prices.of("assumed", "look_requests") / self._prices.of("assumed", "domain_rate")
        every = max(app["look_seconds"], allowed), max(app["night_look_seconds"], allowed)
        return float(3600 * (app["day_hours"] / every[0] + night / every[1]))

    def _timer(self) -> Use:
        rounds, looks = DAY / CATCH_UP, self._looks() if self.pairs <= SHARD else 0.0
        ticks = DAY / self._prices.of("app", "tick_seconds") - looks - rounds
        kinds = (self._measured.tick, ticks), (self._measured.look, looks), (self._measured.round, rounds)
        use = sum((self._at_once(between(sizes, self.pairs), times, 1) for sizes, times in kinds), Use())
        return replace(use, seconds=min(DAY, use.seconds))  # a timer never overlaps itself

    def _poll(self) -> Use:
        shards = math.ceil(self.pairs / SHARD) if self.pairs > SHARD else 0
        return self._at_once(self._measured.shard, self._looks(), shards)

    def _work(self) -> Use:
        runs = self.pairs * self._measured.quiet["work"]
        quiet = self._at_once(self._measured.catch_up, DAY / CATCH_UP, runs)
        per_message = self._measured.message["work"]
        messages = self._scattered(self._measured.message_run, self.messages * per_message, "batch")
        taken = self._measured.message
        table = self.messages * (taken["table read"] + taken["table write"])
        return quiet + Use(messages.seconds, messages.executions, table, self.messages * taken["queue"], messages.log)

    def _http(self) -> Use:
        requests = self.messages * self._measured.message["notified"]
        use = self._scattered(self._measured.notification, requests, "http_at_once")
        return Use(use.seconds, use.executions, log=use.log)  # its operations are among the message's

    # ---- overlap
    def _span(self, taken: Taken, at_once: float) -> float:
        """Seconds in which an instance is billed for so many executions that begin together."""
        each, cores = self._measured.store_cpu_ms, float(self._prices.of("assumed", "cores"))
        store = (taken.reads * each["read"] + (taken.writes + taken.queue / 3) * each["write"]) / 1000
        cpu, wait = (taken.cpu + store) / cores, max(0.0, taken.seconds - taken.cpu)
        step, least = (float(self._prices.of("compute", f"{name}_seconds")) for name in ("step", "least"))
        return max(least, math.ceil((wait + cpu * at_once) / step - 1e-9) * step)

    def _at_once(self, taken: Taken, times: float, together: float) -> Use:
        """`times` a day, so many executions begin together and fill one instance after the other."""
        if not together:
            return Use()
        instances = math.ceil(together / self._prices.of("assumed", "batch"))
        seconds = times * instances * self._span(taken, together / instances)
        return self._use(taken, seconds, times * together)

    def _scattered(self, taken: Taken, executions: float, width: str) -> Use:
        """So many a day that begin at random in the busy hours: the time in which at least one runs, or, when there
        are more than one instance bears, what they take together."""
        busy = 3600.0 * float(self._prices.of("assumed", "busy_hours"))
        alone, full = self._span(taken, 1.0), float(self._prices.of("assumed", width))
        full = self._span(taken, full) / full
        rate = executions / busy
        return self._use(taken, busy * max(1 - math.exp(-rate * alone), rate * full), executions)

    def _use(self, taken: Taken, seconds: float, executions: float) -> Use:
        log = taken.log + self._prices.of("assumed", "log_bytes")
        table = executions * (taken.reads + taken.writes)
        return Use(seconds, executions, table, executions * taken.queue, executions * log)

    # ---- money
    def _line(self, item: str, amount: float, unit: str, free: float, price: float) -> Line:
        return Line(item, amount, unit, min(free, amount), max(0.0, amount - free) * price)

    def _compute(self, total: Use) -> tuple[Line, ...]:
        prices, days = self._prices, self._prices.text["days"]
        time, free = total.seconds * days * prices.of("app", "memory_gb"), prices.of("compute", "free_gb_seconds")
        count, given = total.executions * days, prices.of("compute", "free_executions")
        each = prices.hkd("compute", "usd_per_million_executions") / 1e6
        return (
            self._line("compute: time", time, "GB-s", free, prices.hkd("compute", "usd_per_gb_second")),
            self._line("compute: executions", count, "executions", given, each),
        )

    def _storage(self, total: Use, uses: Mapping[str, Use]) -> tuple[Line, ...]:
        prices, days = self._prices, self._prices.text["days"]
        state = self.pairs * prices.of("assumed", "pair_mb") / 1000
        tables, queue = total.table * days, (total.queue + self._idle_polls(uses)) * days
        free, logs = prices.of("logs", "free_gigabytes"), total.log * days / GIGA
        secrets = self.pairs * DAY / KEPT * days
        return (
            self._line("storage: tables", tables, "operations", 0, prices.hkd("storage", "table_10k") / 1e4),
            self._line("storage: queues", queue, "operations", 0, prices.hkd("storage", "queue_10k") / 1e4),
            self._line("storage: state", state, "GB", 0, prices.hkd("storage", "gigabyte")),
            self._line("logs", logs, "GB", free, prices.hkd("logs", "gigabyte")),
            self._line("key vault", secrets, "operations", 0, prices.hkd("vault", "secret_10k") / 1e4),
        )

    def _idle_polls(self, uses: Mapping[str, Use]) -> float:
        """A day of the host's looks at queues whose instances are there, if they are billed."""
        if not self._prices.of("assumed", "idle_polls"):
            return 0.0
        return sum(min(DAY, uses[name].executions * LINGER) / IDLE_POLLS for name in ("poll", "work"))

    def _fixed(self) -> tuple[Line, ...]:
        every = self._prices.text["app"]["alert_minutes"]
        prices = [self._prices.hkd("alerts", f"rule_{min(15, minutes)}") for minutes in every]
        return (self._line("alerts", len(prices), "rules", 0, sum(prices) / len(prices)),)

    def _network(self, egress: bool) -> tuple[Line, ...]:
        prices, days = self._prices, self._prices.text["days"]
        out = self.messages * days * prices.of("assumed", "message_kb") / 1e6
        free, hours = prices.of("egress", "free_gigabytes"), 24.0 * days
        fixed = prices.hkd("egress", "nat_hour") + prices.hkd("egress", "address_hour")
        lines = (self._line("traffic", out, "GB", free, prices.hkd("egress", "bandwidth_gigabyte")),)
        if not egress:
            return lines
        through = 2 * out  # in and out
        return (
            *lines,
            self._line("fixed address: gateway", hours, "hours", 0, fixed),
            self._line("fixed address: traffic", through, "GB", 0, prices.hkd("egress", "nat_gigabyte")),
        )
