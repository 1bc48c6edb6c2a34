"""Play an hour, or some minutes of it, and say what it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shared.model.words import DINGTALK, OUTLOOK
from tests.bench.scale.azure import Plan
from tests.bench.scale.costs import Costs
from tests.bench.scale.office import Office, Person
from tests.bench.scale.time_line import TimeLine

HOURS = (2, 1, 1, 1, 1, 3, 8, 22, 70, 110, 108, 92, 52, 84, 104, 102, 90, 66, 34, 20, 12, 8, 5, 4)
"""Of a day's 1,000 messages, how many come in each hour in Hong Kong (assumed: an office of a trading company)."""
TICK = 10.0
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """`messages`: a day and pair, half of them to each account; `reads`: of each message somebody reads one copy.
    `hour`: in Hong Kong. The first `warm` seconds aren't measured."""

    pairs: int
    domains: int
    hour: int = 9
    messages: float = 200.0
    reads: float = 1.0
    minutes: float = 5.0
    warm: float = 60.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Lag:
    """Seconds; what isn't carried over at the end counts with its age, and is also counted as `waiting`."""

    p50: float
    p95: float
    changes: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Rates are a second, `gigabyte_seconds` and operations a day at this hour's pace. `interval`: mean seconds between
    two looks at a mailbox; `imap`, `imap_mailbox`: connections at the end, and those to one mailbox; `busiest`:
    requests in the busiest second of any domain; `graph_mailbox`: those of the busiest mailbox in ten minutes."""

    scenario: Scenario
    lags: dict[str, Lag]
    interval: float
    instances: dict[str, int]
    gigabyte_seconds: float
    executions: float
    table_operations: float
    queue_operations: float
    alimail: float
    busiest: int
    refused: int
    graph: float
    graph_mailbox: float
    vault: float
    imap: int
    imap_mailbox: int
    deepest: dict[str, int]
    overlaps: int
    poisoned: int

    def json(self) -> dict[str, Any]:
        return asdict(self)


def play(scenario: Scenario, costs: Costs, plan: Plan | None = None) -> Outcome:
    line = TimeLine(scenario.seed)
    office = Office(line, costs, plan or Plan(), scenario.pairs, scenario.domains)
    timer = office.start_timer(TICK)
    people = list(office.people.values())
    weight = HOURS[scenario.hour] / sum(HOURS)
    rate = scenario.pairs * scenario.messages * weight / 3600.0
    _arrivals(line, rate, lambda: office.happens(_someone(line, people), "mail", _side(line)))
    _arrivals(line, rate * scenario.reads, lambda: office.happens(_someone(line, people), "read", _side(line)))
    line.run_until(line.now + scenario.warm)
    before, billed = Counter(office.counts), _used(office, timer)
    office.lags.clear()
    began = line.now
    line.run_until(began + scenario.minutes * 60.0)
    return _outcome(scenario, office, Counter(office.counts) - before, _used(office, timer), billed, began)


def _arrivals(line: TimeLine, rate: float, happens: Callable[[], None]) -> None:
    def one() -> None:
        happens()
        line.after(line.rng.expovariate(rate), one)

    if rate:
        line.after(line.rng.expovariate(rate), one)


def _someone(line: TimeLine, people: Sequence[Person]) -> Person:
    return people[line.rng.randrange(len(people))]


def _side(line: TimeLine) -> Any:
    return OUTLOOK if line.rng.random() < 0.5 else DINGTALK


def _used(office: Office, timer: Any) -> tuple[float, int]:
    instances = [timer, *office.door.all, *(i for group in office.groups.values() for i in group.all)]
    return sum(i.used() for i in instances), sum(i.executions for i in instances)


def _outcome(
    scenario: Scenario,
    office: Office,
    counts: Counter[str],
    used: tuple[float, int],
    before: tuple[float, int],
    began: float,
) -> Outcome:
    seconds = scenario.minutes * 60.0
    a_day = DAY / seconds
    domains = office.domains.values()
    return Outcome(
        scenario,
        {
            f"{what} {side}": _lag(office, what, side, began)
            for what in ("mail", "read")
            for side in (OUTLOOK, DINGTALK)
        },
        _interval(office, scenario),
        {"http": len(office.door.all), **{name: group.most for name, group in office.groups.items()}},
        round((used[0] - before[0]) * office.plan.gigabytes * a_day),
        round((used[1] - before[1]) * a_day),
        round(counts["table"] * a_day),
        round(counts["queue"] * a_day),
        round(max((d.requests for d in domains), default=0) / (seconds + scenario.warm), 1),
        max((d.busiest for d in domains), default=0),
        sum(d.refused for d in domains),
        round(counts["graph"] / seconds, 1),
        round(max(p.graph for p in office.people.values()) * 600.0 / (seconds + scenario.warm), 1),
        round(counts["vault"] / seconds, 1),
        sum(office.connections()),
        max(office.connections(), default=0),
        {name: group.deepest for name, group in office.groups.items()},
        office.overlaps,
        office.queues.poisoned.total(),
    )


def _interval(office: Office, scenario: Scenario) -> float:
    looks = sum(map(len, office.looks.values()))
    return round((scenario.minutes * 60.0 + scenario.warm) * scenario.pairs / max(1, looks), 1)


def _lag(office: Office, what: str, side: Any, began: float) -> Lag:
    now = office.line.now
    open_ = [now - c.at for p in office.people.values() for c in p.pending[side] if c.what == what]
    lags = sorted([*office.lags[what, side], *open_])
    if not lags:
        return Lag(0.0, 0.0, 0, 0)
    return Lag(round(_share(lags, 0.5), 1), round(_share(lags, 0.95), 1), len(lags), len(open_))


def _share(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
