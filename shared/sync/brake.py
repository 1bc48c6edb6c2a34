"""The brake: a landslide of removals stops before its first one; everything else goes on.

| row | holds |
|---|---|
| `brake` | removals by the hour, and since when the brake is on |
| `approval` | when somebody approved the set that was shown; deleted by the next run |
| `a:<link>` | a removal of that set |
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.model.errors import WrongSettings
from shared.model.links import Intent, Link
from shared.model.metrics import BRAKE
from shared.model.words import DINGTALK, other
from shared.ports.state import Op, Table
from shared.sync.postpone import postpone
from shared.sync.rows import LINK, after, link_of_json
from shared.sync.run import Run
from shared.sync.troubles import trouble

ROW, APPROVAL, APPROVED = "brake", "approval", "a:"
HOUR, DAY = 3600, 86400
REASON = "brake"
BATCH = 100


class Brake:
    """Counts removals by the hour and holds those that would be too many within 24 hours. Once on it stays on, so that
    a landslide can't pass in small pieces, until the set that it holds is approved. A folder that a person deleted is
    one act, whatever was in it, up to `brake_folder` messages."""

    def guard(self, run: Run, todo: Sequence[Intent]) -> list[Intent]:
        """-> the effects that may go on. Held ones are due again, and shown as waiting."""
        removals = [i for i in todo if i.kind == "write" and (i.want or {}).get("folder") == "trash"]
        if not removals:
            return list(todo)
        now = run.now()
        row = _released(run) or run.session.value(ROW) or {}
        counted = [i for i in removals if not _is_approved(run, i)]
        hours = {hour: n for hour, n in row.get("hours", {}).items() if int(hour) * HOUR > now - DAY - HOUR}
        folders = {key: held for key, held in row.get("folders", {}).items() if held["at"] > now - DAY}
        acts = _acts(run, counted, folders)
        landslide = any(held["messages"] > run.policy.brake_folder for held in folders.values())
        if counted and ("held" in row or landslide or self._too_many(run, counted, sum(hours.values()) + acts)):
            for intent in counted:
                postpone(run, intent, REASON, run.policy.waits)
            run.session.put_row(ROW, {"hours": hours, "folders": folders, "held": row.get("held", now)})
            run.telemetry.gauge(BRAKE, 1, pair=run.pair.id)
            trouble(run, REASON, DINGTALK)
            return [i for i in todo if i not in counted]
        hour = str(int(now // HOUR))
        run.session.put_row(ROW, {**row, "hours": {**hours, hour: hours.get(hour, 0) + acts}, "folders": folders})
        return list(todo)

    @staticmethod
    def _too_many(run: Run, removals: Sequence[Intent], total: int) -> bool:
        """`total`: acts of people within a day. Removals that carry no one's trashing over mirror what vanished
        (setting `mirror_vanished`)."""
        policy, links = run.policy, run.session.lease.links
        vanished = sum(not intent.because for intent in removals)
        return (
            total > policy.brake_many
            or (total > policy.brake_some and total > policy.brake_share * links)
            or (policy.preferences.mirror_vanished and vanished > policy.brake_vanished)
        )


def _acts(run: Run, removals: Sequence[Intent], folders: dict[str, Any]) -> int:
    """How many acts of people these removals carry across; those of deleted folders are added up in `folders`."""
    acts = 0
    for intent in removals:
        key = str((intent.state or {}).get("folder", ""))
        if not run.folders.is_deleted(other(intent.side), key):
            acts += 1
            continue
        acts += key not in folders
        held = folders.get(key, {"at": run.now(), "messages": 0})
        folders[key] = {**held, "messages": held["messages"] + 1}
    return acts


def _released(run: Run) -> dict[str, Any] | None:
    """After an approval the brake is off and counts anew; None when there was none."""
    if run.session.value(APPROVAL) is None:
        return None
    run.session.delete_row(APPROVAL)
    return {"hours": {}}


def _is_approved(run: Run, intent: Intent) -> bool:
    row = run.session.value(APPROVED + intent.key)
    return row is not None and run.now() - float(row["at"]) < DAY


# ---- for people
@dataclass(frozen=True, slots=True)
class Held:
    """The removals that the brake holds: `since` (epoch seconds), their links, and the hash that approves them."""

    since: float
    links: tuple[Link, ...]

    @property
    def hash(self) -> str:
        names = sorted(f"{link.key} {link.dingtalk.id} {link.outlook.id}" for link in self.links)
        return hashlib.sha256("\n".join(names).encode()).hexdigest()


def held(table: Table, partition: str) -> Held | None:
    """What waits for an approval; None while the brake is off."""
    row = table.get(partition, [ROW]).get(ROW)
    if row is None or "held" not in row.value or table.get(partition, [APPROVAL]):
        return None
    links = (link_of_json(e.value) for e in table.scan(partition, LINK, after(LINK)))
    return Held(float(row.value["held"]), tuple(link for link in links if link.waits == REASON))


def approve(table: Table, partition: str, hash: str) -> Held:
    """Release exactly the set with this hash, for a day, and nothing that comes later; -> the set.

    WrongSettings, with nothing released, when the set is another one by now. Needs no lease: the next run finds it."""
    now_held = held(table, partition)
    if now_held is None or now_held.hash != hash:
        raise WrongSettings("what the brake holds has changed since it was shown: nothing was released; look again")
    old = [Op("delete", e.key) for e in table.scan(partition, APPROVED, after(APPROVED))]
    at = table.now()
    new = [Op("put", APPROVED + link.key, {"at": at}) for link in now_held.links]
    kept = {op.key for op in new}
    ops = [*(op for op in old if op.key not in kept), *new]
    for start in range(0, len(ops), BATCH):
        table.transact(partition, ops[start : start + BATCH])
    table.transact(partition, [Op("put", APPROVAL, {"at": at})])
    return now_held
