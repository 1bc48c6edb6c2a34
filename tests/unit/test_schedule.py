"""Whose turn it is, and how looks give way to a mail domain's rate."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from shared.model.pairs import Pair
from shared.sync.schedule import LOOK, SHARD, SHARE, WAVE, in_turn, interval, looks

T0 = 1_790_000_003.0
TICK = 10.0


def office(mailboxes: int, domain: str = "factory.example") -> list[Pair]:
    return [Pair(f"{domain}-{n}", "", f"{n}@office.example", f"{n}@{domain}", 0.0) for n in range(mailboxes)]


def asked(pairs: list[Pair], seconds: float, tick: float = TICK) -> dict[str, list[float]]:
    """When each pair's look leaves the queue, from ticks over so many seconds."""
    times: dict[str, list[float]] = defaultdict(list)
    now, since = T0, None
    while now <= T0 + seconds:
        for one in looks(pairs, 30.0, since, now):
            for id in one.pairs:
                times[id].append(now + one.delay)
        now, since = now + tick, now
    return times


def test_a_small_domain_is_looked_at_as_often_as_asked_for() -> None:
    assert interval(1, 30.0) == interval(120, 30.0) == 30.0
    (times,) = asked(office(1), 300.0).values()
    gaps = [after - before for before, after in pairwise(times)]
    assert all(gap <= 30.0 for gap in gaps)
    assert set(gaps[1:]) == {30.0}


@pytest.mark.parametrize("mailboxes", [121, 1_000, 10_000])
def test_a_large_domain_is_looked_at_as_often_as_its_rate_allows(mailboxes: int) -> None:
    every = interval(mailboxes, 30.0)
    assert every == mailboxes * LOOK / SHARE
    times = asked(office(mailboxes), max(600.0, 3 * every))
    assert len(times) == mailboxes
    assert all(len(moments) >= 3 for moments in times.values())
    assert all(after - before <= every + TICK for moments in times.values() for before, after in pairwise(moments[1:]))
    asking = sorted(moment for moments in times.values() for moment in moments if moment > T0 + every + TICK)
    per_minute = Counter(int(moment // 60.0) for moment in asking)
    full = [per_minute[minute] for minute in sorted(per_minute)[1:-1]]
    assert max(full) * LOOK <= 60.0 * SHARE * 1.2


def test_domains_do_not_slow_each_other() -> None:
    pairs = [*office(10_000, "huge.example"), *office(1, "small.example")]
    assert len(asked(pairs, 300.0)["small.example-0"]) >= 10


def test_after_a_pause_everything_is_due_once_and_a_domain_is_asked_in_waves() -> None:
    pairs = [*office(50, "a.example"), *office(3, "b.example")]
    messages = looks(pairs, 30.0, T0 - 86_400.0, T0)
    told = [id for one in messages for id in one.pairs]
    assert sorted(told) == sorted(pair.id for pair in pairs)
    assert all(len(one.pairs) <= SHARD for one in messages)
    by_delay: Counter[float] = Counter()
    for one in messages:
        by_delay[one.delay] += sum(id.startswith("a.example") for id in one.pairs)
    assert by_delay == {0.0: 20, WAVE: 20, 2 * WAVE: 10}


def test_a_look_is_pointless_once_its_pair_is_due_again() -> None:
    (one,) = looks(office(1), 30.0, None, T0)
    assert one.until == T0 + 30.0
    last = looks(office(10_000), 30.0, None, T0)[-1]
    assert last.until == T0 + last.delay + 2500.0


def test_each_has_its_turn_exactly_once_a_round_whatever_the_ticks_are() -> None:
    items = list(range(7))
    now, since, told = T0, T0 - 1.0, list[int]()
    for step in (0.7, 3.1, 11.9, 4.3) * 25:
        now += step
        told += in_turn(items, 100.0, since, now)
        since = now
    rounds = (now - T0 + 1.0) / 100.0
    assert all(abs(count - rounds) <= 1.0 for count in Counter(told).values())
    assert len(Counter(told)) == 7


def test_nobody_is_due_where_nobody_is() -> None:
    assert in_turn([], 0.0, None, T0) == []
    assert in_turn([], 300.0, T0 - 10.0, T0) == []
    assert looks([], 30.0, None, T0) == []
