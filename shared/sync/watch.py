"""Looking at the side without push: what differs from what the ledger says, told without taking the lease."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from shared.model.mail import Changes, Row
from shared.model.words import Side
from shared.ports.state import Table
from shared.sync.folders import FolderMap
from shared.sync.labels import Labels
from shared.sync.match import is_readmitted
from shared.sync.rows import LINK, link_of_json, pointer, waiting_row
from shared.sync.run import state_of

DAY = 86400.0


def differing(
    table: Table,
    partition: str,
    side: Side,
    folders: FolderMap,
    labels: Labels,
    changes: Changes,
    since: float,
    swept: Collection[str] = (),
) -> list[str]:
    """Ids among the rows that a run has to look at: linked and not as the base says, or unlinked and not waiting where
    they stand. An unlinked message that is older than the pair is nobody's business, and a step that waits for its time
    is not hurried on by what a sweep meets (ids in `swept`)."""
    rows = {row.id: row for row in changes.rows}
    found = table.get(partition, [pointer(side, id) for id in rows])
    found |= table.get(partition, [waiting_row(side, id) for id in rows if pointer(side, id) not in found])
    keys = {id: f"{LINK}{found[name].value['link']}" for id in rows if (name := pointer(side, id)) in found}
    links = table.get(partition, list(keys.values()))
    ids: list[str] = []
    for id, row in rows.items():
        if id in keys:
            held = links.get(keys[id])
            link = link_of_json(held.value) if held else None
            waits = link is not None and bool(link.waits) and link.due() is not None and id in swept
            news = link is None or (not waits and state_of(side, row, folders, labels) != link.expected(side))
        else:
            waiting = found.get(waiting_row(side, id))
            news = row.received >= since - DAY and (waiting is None or _is_news(waiting.value, row))
        if news:
            ids.append(id)
    return ids


def _is_news(waits: Mapping[str, Any], row: Row) -> bool:
    return waits["folder"] != row.folder or is_readmitted(waits["reason"], row)
