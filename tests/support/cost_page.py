"""docs/cost.md, made from the model: `python -m tests.support.cost_page` writes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shared.cli.cost import EACH
from shared.ops.cost import Bill, Model
from shared.ops.cost_data import Measured, Prices
from shared.sync.schedule import SHARD

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cost.md"
SIZES = (1, 10, 100, 1_000, 10_000)

HEAD = """\
# What Tandem costs

A month on Azure, in Hong Kong dollars, as `tandem cost --pairs N --messages M` computes it. It is a model and no offer:
list prices of {on}, without tax, HK$ {hkd:g} for a US dollar. No price sheet of East Asia could be read, so prices
that differ by region are multiplied by {factor:g}, which is the dearest that was found; yours may be as low as 1.0.
Look once at your own invoice after a week (Azure portal, Cost Management, by meter).

This page is made from the code: `python -m tests.support.cost_page`.
"""
COMPUTE = """
## What it is made of

- **Time.** An instance is billed while it runs at least one function: its memory ({memory:g} GB) times that time, a
  second at least and from there in steps of 100 ms. Executions that overlap in one instance share it. The timer and
  each queue have instances of their own, and all HTTP functions share theirs. {gbs:,} GB-s and {executions:,}
  executions a month are free for each subscription; with an always-ready instance nothing is.
- **The timer** (`TANDEM_TICK_SCHEDULE`, every {tick} s) is most of what few pairs cost. It looks at DingTalk itself as
  long as there are at most {shard} pairs: a look by message would be billed as a second more. Looks come every {look} s
  from 07 to 23 and every {night} s at night (`TANDEM_POLL_SECONDS`, `TANDEM_NIGHT_POLL_SECONDS`, `TANDEM_DAY`). A tick
  every 10 s would take 259,200 executions a month, more than is free.
- **Alimail's limit.** It takes 40 requests a second from a whole organisation, and a look takes about {requests}. The
  model gives looks {rate} of them. So with more than {most} pairs in one mail domain looks come less often, by
  themselves: every so many seconds as a quarter of its pairs (1,000 pairs: 250 s). The tables take all pairs for one
  domain. [How far it scales](scale.md) says more.
- **Catch-ups.** Every pair is looked at as a whole every five minutes. With many pairs this is most of the time.
- **Many pairs.** A tick asks for each pair whether something is due, about {per_pair:.0f} ms each, one after the other.
  With more than some {ticks:,} pairs that takes longer than until the next tick, which then is left out.
- **Alerts** are billed by rule and by how often it is evaluated. There are {rules}, one of them
  every {minutes} minutes and the others every 15 or more. Every 5 minutes they would cost three times as much, more
  than everything else at ten pairs.
- **A fixed address** for outgoing requests needs a NAT gateway, which costs by the hour whatever is sent.
- **Support from outside** is assumed to be {hours:g} h in the first year at HK$ {hour:,g}; nobody has offered it yet.
"""
MEASURED = """
## Where the figures come from

`shared/ops/prices.toml` has every price with its source and how certain it is, and every assumption. Uncertain is above
all whether looks of the host at an empty queue are billed (they are counted), and what an instance's processor is worth
({cores:g} of a core of the machine that measured).

`shared/ops/measured.json` was written by `{by}` on {day}: {python},
{engine}, vendors that answer {rtt_ms} ms late, a store that answers {store_ms} ms late, {folders} folders on each
side. One execution took:

"""
COLD = """
## Starting an instance

Azure starts an instance by importing the app, before it knows of any function, and gives it 30 s. So that import holds
the triggers alone, about a hundred milliseconds of a whole core, most of it the Functions library; the product comes
with the first call of each instance. `python -m tests.bench.cold_start` prints both in seconds and in starts of Python
itself. An instance with {memory:g} GB has a part of a core, so the first call may take some seconds there, and DingTalk
gives a callback 1.5 s. Nothing is lost by that: DingTalk sends the event again, and whoever left is found by the daily
look at everybody. Who can't wait has one always-ready instance for `http`, and pays for it without the free grant.
"""


def page() -> str:
    measured, prices = Measured.read(), Prices.read()
    bills = [
        (
            Model(measured, prices, pairs, EACH * pairs).bill(False),
            Model(measured, prices, pairs, EACH * pairs).bill(True),
        )
        for pairs in SIZES
    ]
    facts = _facts(measured, prices)
    parts = (
        HEAD.format(**facts),
        "".join(_totals(bills)),
        COMPUTE.format(**facts),
        *(line for bill, _ in bills for line in _bill(bill)),
        MEASURED.format(**facts),
        "".join(_executions(measured)),
        COLD.format(**facts),
    )
    return "".join(parts)


def _facts(measured: Measured, prices: Prices) -> dict[str, Any]:
    app, compute, assumed = (prices.text[name] for name in ("app", "compute", "assumed"))
    low, high = min(measured.tick), max(measured.tick)
    per_pair = (measured.tick[high].seconds - measured.tick[low].seconds) / (high - low)
    made: Mapping[str, Any] = measured.made
    return {
        "on": prices.text["on"],
        "hkd": prices.text["hkd_per_usd"],
        "factor": prices.text["region_factor"],
        "memory": app["memory_gb"],
        "gbs": compute["free_gb_seconds"],
        "executions": compute["free_executions"],
        "shard": SHARD,
        "tick": app["tick_seconds"],
        "look": app["look_seconds"],
        "night": app["night_look_seconds"],
        "requests": assumed["look_requests"],
        "rate": assumed["domain_rate"],
        "most": app["look_seconds"] * assumed["domain_rate"] // assumed["look_requests"],
        "per_pair": 1000 * per_pair,
        "ticks": int(round(app["tick_seconds"] / per_pair, -3)),
        "rules": len(app["alert_minutes"]),
        "minutes": min(app["alert_minutes"]),
        "hours": prices.of("support", "hours")["value"],
        "hour": prices.of("support", "hkd_per_hour")["value"],
        "cores": assumed["cores"],
        "day": made["on"],
        **{name: made[name] for name in ("by", "engine", "rtt_ms", "store_ms", "folders")},
        "python": f"Python {made['python']}",
    }


def _totals(bills: list[tuple[Bill, Bill]]) -> Iterator[str]:
    columns = ("pairs", "new messages a day", "compute, storage and logs", "all, a month", "first year")
    fixed_too = ("with a fixed address, a month", "and the first year")
    yield f"\n| {' | '.join((*columns, *fixed_too))} |\n|{7 * '---:|'}\n"
    for bill, fixed in bills:
        figures = (bill.running, bill.month, bill.year, fixed.month, fixed.year)
        yield f"| {bill.pairs:,} | {bill.messages:,} | " + " | ".join(f"{hkd:,.0f}" for hkd in figures) + " |\n"
    yield f"\nThe first year includes HK$ {bills[0][0].support:,.0f} for support from outside.\n"


def _bill(bill: Bill) -> Iterator[str]:
    yield f"\n### {_pairs(bill.pairs)}, {bill.messages:,} new messages a day, no fixed address\n\n"
    yield "| item | amount a month | free | HK$ |\n|---|---:|---:|---:|\n"
    for line in bill.lines:
        yield f"| {line.item} | {_amount(line.amount)} {line.unit} | {_amount(line.free)} | {line.hkd:,.2f} |\n"


def _amount(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 or amount == int(amount) else f"{amount:,.2f}"


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count:,} pairs"


def _executions(measured: Measured) -> Iterator[str]:
    yield "| execution | seconds | of them processor, ms | rows read | transactions | queue operations |\n"
    yield "|---|---:|---:|---:|---:|---:|\n"
    named = {
        **{f"tick, {_pairs(n)}": taken for n, taken in measured.tick.items()},
        **{f"tick that looks at DingTalk itself, {_pairs(n)}": taken for n, taken in measured.look.items()},
        **{f"tick that asks for a catch-up, {_pairs(n)}": taken for n, taken in measured.round.items()},
        "a look by message at 20 pairs": measured.shard,
        "a catch-up of one quiet pair": measured.catch_up,
        "a run that copies one message": measured.message_run,
        "a notification from Microsoft": measured.notification,
    }
    for name, taken in named.items():
        counts = (taken.seconds, 1000 * taken.cpu, taken.reads, taken.writes, taken.queue)
        yield (f"| {name} | {counts[0]:.2f} | " + " | ".join(f"{n:.0f}" for n in counts[1:]) + " |\n")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
