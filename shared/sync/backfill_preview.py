"""What a backfill would bring over. It reads at both vendors and writes nothing anywhere."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shared.model.errors import WrongSettings
from shared.model.mail import Row
from shared.model.pairs import Pair
from shared.model.words import DINGTALK, SIDES, Side, other
from shared.ports.replica import Replica
from shared.ports.state import Table
from shared.sync.backfill_cost import NOTHING, Asked, asked, seconds
from shared.sync.calls import partition
from shared.sync.folders import FolderMap
from shared.sync.labels import is_excluded
from shared.sync.rows import pointer
from shared.sync.windows import Place, Window, window

SAMPLE = 20
"""Messages of each side whose sizes are read, to reckon with."""
SOURCES = (None, "inbox", "sent", "archive")


@dataclass(slots=True)
class Foreseen:
    """Counts by side where the messages stand. `copied`: by place; `bytes`: reckoned from a sample, None where the
    vendor shows no sizes; `linked`: are in step already, `twins`: stand on both sides and are linked; `left`: will not
    come, by reason. `total`: of all messages that were listed. `large`: how many of the `sampled` messages are too
    large to come. `outside`: folders that are left out, by path. `asked`: requests that it takes, about, and `seconds`
    how long at least."""

    total: int = 0
    copied: dict[Side, Counter[str]] = field(default_factory=lambda: {side: Counter() for side in SIDES})
    bytes: dict[Side, int | None] = field(default_factory=lambda: dict.fromkeys(SIDES))
    linked: int = 0
    twins: int = 0
    left: Counter[str] = field(default_factory=Counter)
    large: int = 0
    sampled: int = 0
    outside: dict[Side, list[str]] = field(default_factory=lambda: {side: [] for side in SIDES})
    asked: Asked = NOTHING
    seconds: float = 0.0


def foresee(
    table: Table,
    pair: Pair,
    replicas: Mapping[Side, Replica],
    since: float,
    largest: int,
    told: Callable[[int], None],
) -> Foreseen:
    """Count window by window; `told` hears how many messages were listed so far. `largest`: bytes of a message that is
    carried. WrongSettings before the first look at the pair."""
    folders = FolderMap.of(table, partition(pair.id))
    if not all(folders.knows(side) for side in SIDES):
        raise WrongSettings(f"pair {pair.id} has not been looked at yet; try again in a minute")
    trees = {side: replicas[side].tree() for side in SIDES}
    paths = {(side, f.id): "/".join(f.path) for side in SIDES for f in trees[side]}
    places: dict[Place, float] = {(side, id): math.inf for side in SIDES for id in folders.ids(side)}
    seen, samples, end = Foreseen(), {side: list[str]() for side in SIDES}, math.ceil(table.now())
    position, since = float(end), float(math.floor(since))
    while position > since:
        shown = window(replicas, places, since, position)
        for side in SIDES:
            _count(table, pair, folders, shown, side, seen, samples[side], paths)
        places |= shown.following
        position = shown.start
        told(seen.total)
    for side in SIDES:
        seen.outside[side] = [
            paths[side, f.id] for f in trees[side] if f.role is None and folders.is_hidden(side, f.id)
        ]
        sizes = _sizes(replicas[side], samples[side])
        seen.bytes[side] = _reckoned(sizes, seen.copied[side].total())
        seen.sampled, seen.large = seen.sampled + len(sizes), seen.large + sum(size > largest for size in sizes)
    seen.asked = asked({side: seen.copied[side].total() for side in SIDES}, seen.twins // 2, seen.total)
    seen.seconds = seconds(seen.asked, seen.bytes[DINGTALK] or 0)
    return seen


def _count(
    table: Table,
    pair: Pair,
    folders: FolderMap,
    shown: Window,
    side: Side,
    seen: Foreseen,
    sample: list[str],
    paths: Mapping[Place, str],
) -> None:
    rows = shown.within(side)
    ours = [pointer(s, row.id) for s in SIDES for row in shown.rows[s].values()]
    known = {key for at in range(0, len(ours), 100) for key in table.get(partition(pair.id), ours[at : at + 100])}
    there = Counter(
        row.message_id for row in shown.rows[other(side)].values() if pointer(other(side), row.id) not in known
    )
    for row in rows:
        seen.total += 1
        if pointer(side, row.id) in known:
            seen.linked += 1
        elif row.message_id and there[row.message_id] > 0:
            there[row.message_id] -= 1
            seen.twins += 1
        elif reason := _why_not(folders, side, row):
            seen.left[reason] += 1
        else:
            seen.copied[side][paths.get((side, row.folder), "?")] += 1
            if len(sample) < SAMPLE:
                sample.append(row.id)


def _why_not(folders: FolderMap, side: Side, row: Row) -> str:
    """As for any message that is seen first there: junk and trash are no sources."""
    known = folders.get(side, row.folder)
    if known is None or known.role not in SOURCES:
        return (known.role if known else None) or "folder"
    return "excluded" if is_excluded(row.categories) else ""


def _sizes(replica: Replica, sample: list[str]) -> list[int]:
    items = replica.observe(sample).items.values() if sample else ()
    return [item.size for item in items if item is not None and item.size is not None]


def _reckoned(sizes: list[int], count: int) -> int | None:
    return round(sum(sizes) / len(sizes) * count) if sizes else None if count else 0
