"""What a job of the product costs, as recorded in the sandbox (record.py) and kept in costs.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("costs.json")


@dataclass(frozen=True, slots=True)
class Cost:
    """`seconds`: from begin to end, without the store; `graph`, `alimail`, `imap`: requests and exchanges; `trips`: how
    often the store was waited for; `operations`: what Azure would count for it; `cpu`: seconds of the processor."""

    seconds: float = 0.0
    graph: float = 0.0
    alimail: float = 0.0
    imap: float = 0.0
    trips: float = 0.0
    operations: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Cost)))

    def times(self, factor: float) -> Cost:
        return Cost(*(getattr(self, f.name) * factor for f in fields(Cost)))

    def rounded(self) -> Cost:
        return Cost(*(round(max(0.0, getattr(self, f.name)), 3) for f in fields(Cost)))


@dataclass(frozen=True, slots=True)
class Job:
    """A run with so many changes costs `base` and for each of them `each`."""

    base: Cost
    each: Cost = Cost()

    @classmethod
    def of(cls, one: Cost, many: Cost, count: int) -> Job:
        each = (many + one.times(-1.0)).times(1.0 / (count - 1)).rounded()
        return cls((one + each.times(-1.0)).rounded(), each)

    def cost(self, changes: int) -> Cost:
        return self.base + self.each.times(changes)


@dataclass(frozen=True, slots=True)
class Costs:
    """`recorded`: the date; `rtt`: seconds that each of the vendors' answers took longer than in the sandbox itself.
    `jobs`: "look", "catch-up", "echo" (a notification of our own writing), "noted" (a look that saw our own writing),
    and "mail outlook", "mail dingtalk", "read outlook", "read dingtalk" by where the change was made."""

    recorded: str
    rtt: float
    jobs: Mapping[str, Job]

    def dump(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def load(cls, text: str = "") -> Costs:
        value: dict[str, Any] = json.loads(text or FILE.read_text())
        jobs = {name: Job(Cost(**job["base"]), Cost(**job["each"])) for name, job in value["jobs"].items()}
        return cls(value["recorded"], value["rtt"], jobs)
