"""What keeping two mailboxes in step takes: python -m tests.bench.performance --messages 5000 --rounds 3 --delay 80

The app is served in a process of its own, and so are both vendors, whose answers come `--delay` milliseconds later.
Half of the messages stand on each side. CPU and peak memory are those of the app's process alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from tests.support.killed import Office
from tests.support.processes import Served, until

CHANGES = 50
WITHIN = 3600.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one case in one round. `graph`, `alimail`: requests, IMAP commands among the latter; `sent`: bytes of bodies
    both ways; `cpu`: seconds; `peak`: megabytes; `writes`: requests that change a mailbox."""

    seconds: float
    graph: float
    alimail: float
    sent: float
    cpu: float
    peak: float
    writes: float


COLUMNS: Mapping[str, str] = {
    "seconds": "seconds",
    "graph": "requests to Graph",
    "alimail": "to Alimail, IMAP too",
    "sent": "bytes",
    "cpu": "CPU, s",
    "peak": "peak, MB",
    "writes": "writes",
}


class Play:
    """The cases in their order, each from where the one before it ended."""

    def __init__(self, folder: Path, stack: ExitStack, messages: int, delay: float, limits: bool) -> None:
        half = messages // 2
        holds = {"outlook": half, "dingtalk": half}
        self._office = Office(folder, stack, holds, hasty=False, rtt=delay / 1000, limits=limits)
        self._messages, self._serving = 2 * half, self._office.serve()
        self._office.looked(self._serving)

    # ---- the cases
    def first(self) -> None:
        self._office.ask()
        self._until(self._office.is_over)
        self._check()

    def same(self) -> None:
        """One round over everything."""
        before = self._looks()
        self._office.catch_up()
        self._until(lambda: self._looks() > before and self._office.is_quiet())

    def _looks(self) -> int:
        """Requests to Graph, which is asked for what has changed in a round over everything alone."""
        asked: dict[str, int] = self._office.vendors.ask("counts")["requests"]
        return asked["outlook"]

    def changes(self) -> None:
        self._office.vendors.act("change", CHANGES)
        self._office.catch_up()
        self._until(lambda: not self._office.vendors.ask("unlike") and self._office.is_quiet())

    def lost(self) -> None:
        self._office.ask()
        self._until(self._office.is_over)
        self._check()

    def prepare(self, case: str) -> None:
        """What comes before it and isn't measured. The first round after many copies is shown all of them once more."""
        if case == "same":
            self.same()
        if case == "lost":
            assert self._serving.end() == 0, self._serving.output()
            self._office.lose()
            self._serving = self._office.serve()
            self._office.looked(self._serving)

    def _until(self, is_so: Callable[[], bool]) -> None:
        until(is_so, WITHIN, lambda: f"{self._office.progress()}\n{self._serving.output()}")

    def _check(self) -> None:
        seen = self._office.vendors.ask("compared")
        assert (seen["outlook"], seen["dingtalk"], seen["differences"]) == (self._messages, self._messages, 0), seen

    # ---- measuring
    def measured(self, case: str) -> Figures:
        self.prepare(case)
        before, began, cpu = self._office.vendors.ask("counts"), time.monotonic(), cpu_of(self._serving)
        forget_peak(self._serving)
        getattr(self, case)()
        seconds, after = time.monotonic() - began, self._office.vendors.ask("counts")
        asked = {side: after["requests"][side] - before["requests"][side] for side in after["requests"]}
        sent = sum(after["bytes"].values()) - sum(before["bytes"].values())
        spent, writes = cpu_of(self._serving) - cpu, after["writes"] - before["writes"]
        return Figures(seconds, asked["outlook"], asked["dingtalk"], sent, spent, peak_of(self._serving), writes)


CASES = {
    "first": "the first sync, half of it on each side",
    "same": "nothing changed, one round over everything",
    "changes": f"{CHANGES} changes, half of them on each side",
    "lost": "all state lost, both sides equal",
}


def cpu_of(serving: Served) -> float:
    """Seconds, of the program and of the system for it (proc: stat)."""
    fields = Path(f"/proc/{serving.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_of(serving: Served) -> float:
    """Megabytes that were in memory at most (proc: status) since `forget_peak`."""
    lines = Path(f"/proc/{serving.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def forget_peak(serving: Served) -> None:
    Path(f"/proc/{serving.pid}/clear_refs").write_text("5")


def play(messages: int, delay: float, limits: bool, cases: Sequence[str]) -> dict[str, Figures]:
    """One round. What the cases that are asked for build upon is played too."""
    last = max(list(CASES).index(case) for case in cases)
    with TemporaryDirectory() as folder, ExitStack() as stack:
        played = Play(Path(folder), stack, messages, delay, limits)
        found = {case: played.measured(case) for case in list(CASES)[: last + 1]}
    return {case: figures for case, figures in found.items() if case in cases}


def told(rounds: Sequence[Mapping[str, Figures]], title: str) -> Table:
    """The median of all rounds, and from the least to the most."""
    table = Table("", *COLUMNS.values(), title=title)
    for case in rounds[0]:
        table.add_row(CASES[case], *(spread([getattr(figures[case], name) for figures in rounds]) for name in COLUMNS))
    return table


def spread(values: Sequence[float]) -> str:
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:,.4g}" if least == most else f"{middle:,.4g} ({least:,.4g}-{most:,.4g})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=5000, help="of both sides together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay", type=float, default=0.0, help="milliseconds that a vendor takes longer")
    parser.add_argument("--cases", default=",".join(CASES), help="some of: " + ", ".join(CASES))
    parser.add_argument("--no-limits", action="store_true", help="no vendor limits its requests, and the app its own")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    asked = parser.parse_args()
    cases, limits = asked.cases.split(","), not asked.no_limits
    if unknown := set(cases) - set(CASES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}; choose from {', '.join(CASES)}")
    rounds = [play(asked.messages, asked.delay, limits, cases) for _ in range(asked.rounds)]
    title = f"{asked.messages} messages, answers {asked.delay:g} ms later, {asked.rounds} rounds"
    title += ", with the vendors' limits" if limits else ", without limits"
    Console(width=190).print(told(rounds, title))
    if asked.json:
        facts = {"messages": asked.messages, "delay": asked.delay, "limits": limits}
        figures = [{case: asdict(one) for case, one in played.items()} for played in rounds]
        asked.json.write_text(json.dumps({**facts, "rounds": figures}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
