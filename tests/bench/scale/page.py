"""The table of docs/scale.md, from the outcomes that results.json keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.scale.play import Scenario

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[3] / "docs" / "scale.md"
BEGIN, END = "<!-- table: python -m tests.bench.scale page -->\n", "<!-- end of table -->"
HOURS = {"peak": 9, "night": 3}
LARGE = ((10_000, 1), (10_000, 20), (10_000, 200))
SCENARIOS = {
    **{f"{n:,} in 1, peak": Scenario(n, 1, HOURS["peak"]) for n in (120, 250, 500, 1000)},
    **{
        f"{n:,} in {d}, {name}": Scenario(n, d, hour, minutes=1.5, warm=40.0)
        for name, hour in HOURS.items()
        for n, d in LARGE
    },
}

Results = dict[str, Mapping[str, Any]]


def kept() -> Results:
    """The outcomes by scenario."""
    return dict(json.loads(RESULTS.read_text())) if RESULTS.exists() else {}


def keep(results: Results) -> None:
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def write(results: Results) -> None:
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(head + BEGIN + table(results) + END + tail)


def table(results: Results) -> str:
    """One column for each scenario that was played, one line for each figure."""
    names = [name for name in SCENARIOS if name in results]
    lines = ["| pairs in mail domains | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {what} | " + " | ".join(show(results[name]) for name in names) + " |" for what, show in LINES.items()]
    return "\n".join(lines) + "\n"


def lag(key: str) -> Any:
    """p50 / p95 in seconds, marked where much is still waiting at the end and counts with its age so far."""

    def show(outcome: Mapping[str, Any]) -> str:
        one = outcome["lags"][key]
        more = " or more" if one["waiting"] > 0.2 * max(1, one["changes"]) else ""
        return f"{one['p50']:.0f} / {one['p95']:.0f}{more}" if one["changes"] else "nothing came"

    return show


def number(key: str, scale: float = 1.0, form: str = ",.0f") -> Any:
    return lambda outcome: format(outcome[key] * scale, form)


LINES: Mapping[str, Any] = {
    "mail to Outlook, copied to DingTalk: p50 / p95, s": lag("mail outlook"),
    "mail to DingTalk, copied to Outlook: p50 / p95, s": lag("mail dingtalk"),
    "read in Outlook, carried to DingTalk, s": lag("read outlook"),
    "read in DingTalk, carried to Outlook, s": lag("read dingtalk"),
    "a mailbox is looked at every, s": number("interval"),
    "instances at most: HTTP, poll, work": lambda o: " + ".join(map(str, o["instances"].values())),
    "longest queues: poll, work": lambda o: " + ".join(f"{n:,}" for n in o["deepest"].values()),
    "GB-s a day, million": number("gigabyte_seconds", 1e-6, ",.1f"),
    "executions a day, million": number("executions", 1e-6, ",.1f"),
    "table operations a day, million": number("table_operations", 1e-6, ",.0f"),
    "Alimail requests a second, busiest domain": number("alimail", 1.0, ",.1f"),
    "Alimail requests in the busiest second of any domain": number("busiest"),
    "of them refused (429)": number("refused"),
    "Graph requests a second": number("graph"),
    "Graph requests of the busiest mailbox in 10 minutes": number("graph_mailbox"),
    "vault reads a second": number("vault"),
    "IMAP connections at the end, and to one mailbox": lambda o: f"{o['imap']:,}, {o['imap_mailbox']}",
}
