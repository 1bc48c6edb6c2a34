"""What a month costs: the model's rules, its data, and the page and the command that show it."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from typer.testing import CliRunner

from sandbox.main import app
from shared.ops.cost import DAY, Bill, Model
from shared.ops.cost_data import Measured, Prices, Taken
from tests.bench.cost import counted
from tests.bench.metered import Taken as Metered
from tests.support.bicep import INFRA
from tests.support.cost_page import PAGE, page

MEASURED, PRICES = Measured.read(), Prices.read()
NOTHING = Taken(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def model(pairs: int, messages: int, **other: Any) -> Model:
    return Model(replace(MEASURED, **other), PRICES, pairs, messages)


def hkd(bill: Bill) -> dict[str, float]:
    return {line.item: line.hkd for line in bill.lines}


def test_ten_pairs_with_two_hundred_messages_a_day_cost_less_than_was_promised() -> None:
    bill = model(10, 200).bill(egress=False)
    assert 0 < bill.running < 20
    assert bill.running < bill.month < bill.year < 1500
    assert bill.support > 0


def test_one_pair_runs_within_the_free_grants() -> None:
    bill = model(1, 20).bill(egress=False)
    assert hkd(bill)["compute: time"] == hkd(bill)["compute: executions"] == hkd(bill)["logs"] == 0
    assert all(line.free == line.amount for line in bill.lines if line.item.startswith("compute"))


def test_more_pairs_and_more_messages_never_cost_less() -> None:
    months = [model(pairs, 20 * pairs).bill(egress=False).month for pairs in (1, 10, 20, 100, 1000, 10_000)]
    assert months == sorted(months)
    assert model(10, 2000).bill(egress=False).month > model(10, 200).bill(egress=False).month


def test_a_fixed_address_costs_by_the_hour_and_nothing_else_changes() -> None:
    without, fixed = (model(10, 200).bill(egress) for egress in (False, True))
    more = hkd(fixed).keys() - hkd(without).keys()
    assert more == {"fixed address: gateway", "fixed address: traffic"}
    assert hkd(fixed)["fixed address: gateway"] == pytest.approx(24 * 30 * (0.045 + 0.005) * 7.8)
    assert {item: hkd(fixed)[item] for item in hkd(without)} == hkd(without)


@pytest.mark.parametrize(("seconds", "billed"), [(0.05, 1.0), (0.999, 1.0), (1.01, 1.1), (2.0, 2.0), (2.31, 2.4)])
def test_an_execution_alone_is_billed_as_a_second_at_least_and_then_in_steps(seconds: float, billed: float) -> None:
    taken = replace(NOTHING, seconds=seconds)
    same = {1: taken, 20: taken}
    ticking = Model(replace(MEASURED, tick=same, look=same, round=same), PRICES, 1, 0)
    timer = ticking.uses()["timer"]
    assert timer.executions == DAY / PRICES.of("app", "tick_seconds")
    assert timer.seconds / timer.executions == pytest.approx(billed)


def test_executions_that_begin_together_share_an_instance_until_it_is_full() -> None:
    waiting, once = replace(NOTHING, seconds=3.0), {**MEASURED.quiet, "work": 1.0}
    alone, full, more = (model(n, 0, catch_up=waiting, quiet=once).uses()["work"] for n in (1, 16, 17))
    assert full.executions == 16 * alone.executions
    assert full.seconds == alone.seconds, "they wait, all at the same time"
    assert more.seconds == 2 * alone.seconds, "one more needs an instance more"
    busy = replace(NOTHING, seconds=3.0, cpu=3.0)
    assert model(16, 0, catch_up=busy, quiet=once).uses()["work"].seconds == pytest.approx(
        16 * model(1, 0, catch_up=busy, quiet=once).uses()["work"].seconds
    ), "a processor is not shared"


def test_messages_far_apart_are_billed_each_and_close_together_they_overlap() -> None:
    quick = replace(NOTHING, seconds=0.1)
    few, many = (model(1, messages, notification=quick).uses()["http"] for messages in (10, 100_000))
    assert few.seconds == pytest.approx(10 * MEASURED.message["notified"], rel=0.01)
    assert many.seconds < 0.5 * 100_000 * MEASURED.message["notified"]
    assert many.seconds <= DAY


def test_the_timer_never_runs_more_than_all_day() -> None:
    assert model(10_000, 0).uses()["timer"].seconds == DAY
    assert model(10_000, 0).uses()["poll"].executions > 0
    assert model(20, 0).uses()["poll"].executions == 0, "the timer looks itself"


def test_what_was_measured_is_what_the_product_still_does() -> None:
    """Counts alone, since they don't depend on the machine: after a change, `python -m tests.bench.cost` measures
    anew."""
    for kind, now in counted().items():
        kept: Any = getattr(MEASURED, kind)
        assert now == pytest.approx(kept, rel=0.1, abs=0.5), kind
    assert [f.name for f in fields(Taken)] == [f.name for f in fields(Metered)]


def test_every_price_says_where_it_is_from_and_how_certain_it_is() -> None:
    prices = {
        name: price
        for group in PRICES.text.values()
        if isinstance(group, dict)
        for name, price in group.items()
        if isinstance(price, dict) and "usd" in price
    }
    assert len(prices) >= 10
    for name, price in prices.items():
        assert price["usd"] > 0, name
        assert price["certainty"] in ("read", "converted", "assumed"), name
        assert price["source"], name


def test_the_alerts_that_are_paid_for_are_those_that_are_deployed() -> None:
    alerts = json.loads((INFRA / "alerts.json").read_text("utf-8"))
    every = {"PT10M": 10, "PT15M": 15, "PT1H": 60}
    assert sorted(PRICES.text["app"]["alert_minutes"]) == sorted(every[alert["every"]] for alert in alerts)


def test_the_page_of_costs_is_fresh() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python -m tests.support.cost_page`"


def test_the_command_shows_the_bill_and_gives_it_to_scripts() -> None:
    shown = CliRunner().invoke(app, ["cost", "--pairs", "10", "--messages", "200", "--egress"])
    assert shown.exit_code == 0
    assert "fixed address: gateway" in shown.output
    told = json.loads(CliRunner().invoke(app, ["cost", "--pairs", "10", "--json"]).output)
    assert (told["pairs"], told["messages"], told["egress"]) == (10, 200, False)
    assert told["month"] == pytest.approx(sum(line["hkd"] for line in told["lines"]))
    assert told["year"] == pytest.approx(12 * told["month"] + told["support"])
