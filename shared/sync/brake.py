"""The brake: a landslide of removals stops before its first one; everything else goes on."""

from __future__ import annotations

from collections.abc import Sequence

from shared.model.links import Intent
from shared.model.words import other
from shared.sync.postpone import postpone
from shared.sync.run import Run

ROW = "brake"
HOUR, DAY = 3600, 86400


class Brake:
    """Counts removals by the hour in the row `brake` and holds those that would be too many within 24 hours. Once on it
    stays on, so that a landslide can't pass in small pieces. A folder that a person deleted is one act, whatever was in
    it, up to `brake_folder` messages."""

    def guard(self, run: Run, todo: Sequence[Intent]) -> list[Intent]:
        """-> the effects that may go on. Held ones are due again, and shown as waiting."""
        removals = [i for i in todo if i.kind == "write" and (i.want or {}).get("folder") == "trash"]
        if not removals:
            return list(todo)
        now = run.now()
        row = run.session.value(ROW) or {}
        hours = {hour: n for hour, n in row.get("hours", {}).items() if int(hour) * HOUR > now - DAY - HOUR}
        folders = {key: held for key, held in row.get("folders", {}).items() if held["at"] > now - DAY}
        acts = _acts(run, removals, folders)
        total = sum(hours.values()) + acts
        landslide = any(held["messages"] > run.policy.brake_folder for held in folders.values())
        if "held" in row or landslide or self._too_many(run, total):
            for intent in removals:
                postpone(run, intent, "brake", run.policy.waits)
            run.session.put_row(ROW, {"hours": hours, "folders": folders, "held": row.get("held", now)})
            return [i for i in todo if i not in removals]
        hour = str(int(now // HOUR))
        run.session.put_row(ROW, {"hours": {**hours, hour: hours.get(hour, 0) + acts}, "folders": folders})
        return list(todo)

    @staticmethod
    def _too_many(run: Run, total: int) -> bool:
        policy, links = run.policy, run.session.lease.links
        return total > policy.brake_many or (total > policy.brake_some and total > policy.brake_share * links)


def _acts(run: Run, removals: Sequence[Intent], folders: dict[str, dict[str, float]]) -> int:
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
