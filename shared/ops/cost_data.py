"""The figures behind `tandem cost`: what was measured (measured.json) and what it costs (prices.toml)."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SIZED = ("tick", "look", "round")
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Taken:
    """What one execution takes. `seconds` and, of those, `cpu`; `reads`, `writes` and `queue`: operations of the store,
    a message as three; `log`: bytes."""

    seconds: float
    cpu: float
    reads: float
    writes: float
    queue: float
    log: float


@dataclass(frozen=True, slots=True)
class Measured:
    """As `python -m tests.bench.cost` wrote it.

    `tick`, `look` and `round`: the timer's executions by number of pairs, with nothing due, with its own look at
    DingTalk, and with a catch-up to ask for. `quiet` and `message`: executions and operations of one pair from one
    catch-up to the next, and of one message beyond that. `store_cpu_ms`: of the processor, for a read and a write."""

    made: Mapping[str, Any]
    tick: Mapping[int, Taken]
    look: Mapping[int, Taken]
    round: Mapping[int, Taken]
    shard: Taken
    catch_up: Taken
    message_run: Taken
    notification: Taken
    quiet: Mapping[str, float]
    message: Mapping[str, float]
    store_cpu_ms: Mapping[str, float]

    @classmethod
    def read(cls) -> Measured:
        text = json.loads((HERE / "measured.json").read_text("utf-8"))
        kinds = text.pop("executions")
        sizes: dict[str, Any] = {n: {int(pairs): Taken(**t) for pairs, t in kinds[n].items()} for n in SIZED}
        single: dict[str, Any] = {n: Taken(**taken) for n, taken in kinds.items() if n not in SIZED}
        return cls(**text, **sizes, **single)


def between(sizes: Mapping[int, Taken], pairs: int) -> Taken:
    """What an execution takes at this number of pairs, on the line through the smallest and the largest size."""
    low, high = min(sizes), max(sizes)
    share = (pairs - low) / (high - low)
    names = Taken.__slots__
    return Taken(*(max(0.0, _on_line(getattr(sizes[low], n), getattr(sizes[high], n), share)) for n in names))


def _on_line(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


@dataclass(frozen=True, slots=True)
class Prices:
    """prices.toml, whose comments say what each figure is."""

    text: Mapping[str, Any]

    @classmethod
    def read(cls) -> Prices:
        return cls(tomllib.loads((HERE / "prices.toml").read_text("utf-8")))

    def hkd(self, group: str, name: str) -> float:
        """One unit in Hong Kong dollars, in the dearest region that was found."""
        price = self.text[group][name]
        factor = self.text["region_factor"] if price["regional"] else 1.0
        return float(price["usd"] * factor * self.text["hkd_per_usd"])

    def of(self, group: str, name: str) -> Any:
        return self.text[group][name]
