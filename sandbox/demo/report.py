"""The figures of a demo, from the simulated vendors' stores and counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.demo.compare import Difference, Identity, census, differences, shown
from sandbox.demo.watch import SIDES, Line, Side, Watcher, other
from sandbox.truth import Mailbox

Boxes = Mapping[str, Mapping[Side, Mailbox]]


@dataclass(frozen=True, slots=True)
class Figures:
    """The JSON of `--json`. Latencies are in milliseconds: p50 and p95 from the vendor's notification, or from the poll
    that saw the act, to the other side; end to end is from the act. `calls`: requests by vendor and route."""

    pairs: int
    mirrored: int
    mirrored_to_outlook: int
    mirrored_to_dingtalk: int
    state_changes: int
    held_twins: int
    equal: bool
    lost: int
    duplicated: int
    echo_writes: int
    sent_to_others: int
    latency_ms: Mapping[str, int]
    end_to_end_ms: Mapping[str, int]
    held_end_to_end_ms: Mapping[str, int]
    calls: Mapping[str, int]

    @property
    def good(self) -> bool:
        return self.equal and not (self.lost or self.duplicated or self.echo_writes or self.sent_to_others)

    def json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Counted:
    """What the vendors counted. `writes`: requests of the product that changed a mailbox, by the side they went to,
    until everything had crossed; `late`: how many came after that. `sent`: mail and receipts that went to anyone."""

    writes: Mapping[Side, int]
    late: int
    sent: int
    calls: Mapping[str, int]


def figures(boxes: Boxes, made: Mapping[str, Counter[Identity]], watcher: Watcher, counted: Counted) -> Figures:
    mirrored = {side: sum(_copies(boxes[pair][side], made[pair]) for pair in boxes) for side in SIDES}
    counts = [census(box, made[pair]) for pair, sides in boxes.items() for box in sides.values()]
    return Figures(
        pairs=len(boxes),
        mirrored=sum(mirrored.values()),
        mirrored_to_outlook=mirrored["outlook"],
        mirrored_to_dingtalk=mirrored["dingtalk"],
        state_changes=sum(1 for line in watcher.lines if line.kind == "change" and line.done is not None),
        held_twins=sum(1 for line in watcher.lines if line.kind in ("twin", "held")),
        equal=not any(compared(boxes).values()),
        lost=sum(count.lost for count in counts),
        duplicated=sum(count.duplicated for count in counts),
        echo_writes=counted.late + surplus(counted.writes, mirrored, watcher.lines),
        sent_to_others=counted.sent,
        latency_ms=_percentiles(watcher.latencies()),
        end_to_end_ms=_percentiles(watcher.end_to_end("copy", "change")),
        held_end_to_end_ms=_percentiles(watcher.end_to_end("held")),
        calls=counted.calls,
    )


def compared(boxes: Boxes) -> dict[str, list[Difference]]:
    """Pair -> what keeps its two mailboxes from being the same."""
    return {pair: differences(sides["outlook"], sides["dingtalk"]) for pair, sides in boxes.items()}


def _copies(box: Mailbox, made: Counter[Identity]) -> int:
    """Messages that people made elsewhere and a client of the vendor's interfaces put here."""
    names = {name for name, _ in made}
    return sum(1 for message in box.messages() if message.by == "client" and message.message_id in names)


def surplus(writes: Mapping[Side, int], mirrored: Mapping[Side, int], lines: Iterable[Line]) -> int:
    """Writes beyond one for each copy and those that each change of state needs on the other side: DingTalk's flags are
    tags, and one may have to go when another comes."""
    allowed: Counter[Side] = Counter(mirrored)
    for line in lines:
        if line.kind == "change":
            tags = line.side == "outlook" and "flag" in line.want
            allowed[other(line.side)] += 2 if tags else 1
    return sum(max(0, writes[side] - allowed[side]) for side in SIDES)


def _percentiles(values: Sequence[int]) -> dict[str, int]:
    """Nearest rank; 0 when there are none."""
    ranked = sorted(values)
    return {f"p{p}": ranked[max(0, -(-p * len(ranked) // 100) - 1)] if ranked else 0 for p in (50, 95)}


def messages(boxes: Boxes, pair: str) -> tuple[int, int]:
    """How many messages each side of a pair shows: Outlook's, DingTalk's."""
    return len(shown(boxes[pair]["outlook"])), len(shown(boxes[pair]["dingtalk"]))
