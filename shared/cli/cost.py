"""`tandem cost`: what a month on Azure costs, from what was measured and from list prices."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from shared.cli.common import console

if TYPE_CHECKING:
    from shared.ops.cost import Bill

EACH = 20
"""New messages a day for each pair, when nothing else is said."""


def cost(
    pairs: Annotated[int, typer.Option(min=1, max=100_000, help="How many people are paired.")] = 10,
    messages: Annotated[
        int | None, typer.Option(min=0, help=f"New messages a day, of all together; {EACH} for each pair by default.")
    ] = None,
    egress: Annotated[bool, typer.Option("--egress", help="With a fixed address for outgoing requests.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """What a month on Azure would cost, in Hong Kong dollars. A model: docs/cost.md says from what."""
    from shared.ops.cost import Model
    from shared.ops.cost_data import Measured, Prices

    prices = Prices.read()
    bill = Model(Measured.read(), prices, pairs, EACH * pairs if messages is None else messages).bill(egress)
    if as_json:
        totals = {"running": bill.running, "month": bill.month, "year": bill.year, "prices_on": prices.text["on"]}
        print(json.dumps({**asdict(bill), **totals}, indent=1))
        return
    _show(bill, prices.text["on"])


def _show(bill: Bill, on: str) -> None:
    table = Table("Item", "Amount", "Unit", "Free", "HK$")
    for column in (1, 3, 4):
        table.columns[column].justify = "right"
    for line in bill.lines:
        table.add_row(line.item, f"{line.amount:,.0f}", line.unit, f"{line.free:,.0f}", f"{line.hkd:,.2f}")
    console.print(f"{bill.pairs} pairs, {bill.messages} new messages a day, a month:")
    console.print(table)
    console.print(f"Compute, storage and logs HK$ {bill.running:,.2f}, all together HK$ {bill.month:,.2f} a month.")
    console.print(
        f"The first year HK$ {bill.year:,.0f}, with HK$ {bill.support:,.0f} for support from outside (assumed)."
    )
    console.print(f"List prices of {on} without tax and a model's amounts, not an offer: see docs/cost.md.")
