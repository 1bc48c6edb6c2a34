"""The part of a round that brings folders together, before any message is looked at.

Nothing is read when neither tree differs from the last walk and nothing is due. Names and places are written only when
both trees were walked in this run; after writes the walks are made again, and what they show is agreed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from shared.model.errors import Throttled, Unavailable
from shared.model.folder_names import archive_name
from shared.model.folders import DropFolder, FolderLink, FolderStep
from shared.model.words import SIDES, Side, other
from shared.sync.folder_effects import FolderEffects
from shared.sync.folder_plan import plan_folders
from shared.sync.folder_view import FolderSight, Tree
from shared.sync.folders import FACTS
from shared.sync.rows import FOLDER
from shared.sync.run import Run

PASSES = 12
"""How often in one round the trees are walked anew after writes; what is left then is due again."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What messages could see of the folders: the key of each id, and the ids that can be written to by key."""

    keys: dict[tuple[Side, str], str]
    open: dict[tuple[Side, str], str]

    @classmethod
    def of(cls, run: Run) -> Seen:
        folders = run.folders
        ids = {(s, link.end(s).id) for link in folders.links.values() for s in SIDES if link.end(s).id}
        usable = {(s, k): id for k in folders.links for s in SIDES if (id := folders.id(s, k))}
        return cls({at: folders.key(*at) for at in ids if not folders.is_hidden(*at)}, usable)


def reconcile_folders(run: Run, due: Iterable[str], hinted: bool, deadline: float) -> dict[Side, list[str]]:
    """-> folders whose messages are news: they are new, or back from the trash."""
    rows = [row for row in due if row.startswith(FOLDER)]
    changed = [s for s in run.trees if run.folders.differs(s, run.trees[s][0], run.identity)]
    if not (rows or changed or hinted):
        for side, (_, began) in run.trees.items():
            run.session.put_walked(side, began)
        return {}
    if FACTS in rows:
        run.folders.put_facts(run.session, None)
    before, first = Seen.of(run), {s: not run.folders.knows(s) for s in SIDES}
    try:
        _passes(run, deadline)
    except (Unavailable, Throttled) as exc:
        run.folders.put_facts(run.session, run.now() + (exc.retry_after or run.policy.retry))
    return _tell_messages(run, before, Seen.of(run), first)


def preview_folders(run: Run) -> list[FolderStep]:
    """What would be done about folders now; nothing is sent."""
    sight = FolderSight(run, {side: _walk(run, side) for side in SIDES})
    sight.take_in()
    return plan_folders(sight.views(), sight.held(), flat=run.folders.flat, archive=archive_name(run.pair.language))


def _passes(run: Run, deadline: float) -> None:
    for _ in range(PASSES):
        sight = FolderSight(run, {side: _walk(run, side) for side in SIDES})
        effects = FolderEffects(run, sight)
        effects.settle()
        sight.take_in()
        run.session.commit()
        views, held = sight.views(), sight.held()
        steps = plan_folders(views, held, flat=run.folders.flat, archive=archive_name(run.pair.language))
        done = effects.carry_out(steps, deadline)
        sight.put_asides()
        for side in effects.written:
            run.trees.pop(side, None)
        if not done or not effects.written:
            _plan_looks(run, steps)
            if not done:
                run.folders.put_facts(run.session, run.now())
            return
    run.folders.put_facts(run.session, run.now() + run.policy.retry)


def _walk(run: Run, side: Side) -> Tree:
    if side not in run.trees:
        began = run.now()
        run.trees[side] = (run.replicas[side].tree(), began)
    folders, began = run.trees[side]
    return Tree(side, folders, began)


def _plan_looks(run: Run, steps: list[FolderStep]) -> None:
    """When each folder is to be looked at again; what is settled is not."""
    dropping = {step.key for step in steps if isinstance(step, DropFolder)}
    blocked = {step.key for step in steps} - dropping
    for link in list(run.folders.links.values()):
        if link.effect is None and link.key not in dropping:
            fresh = replace(link, due=_next_look(run, link, link.key in blocked), empty=None)
            fresh = fresh if link.key in blocked else replace(fresh, waits="", tries=0)
            run.folders.put(fresh, run.session)


def _next_look(run: Run, link: FolderLink, blocked: bool) -> float | None:
    now = run.now()
    missing = [link.end(s).out for s in SIDES if link.end(s).out is not None and not link.end(s).dead]
    if missing:
        return max(now + 1.0, min(out for out in missing if out is not None) + run.policy.reread)
    if blocked:
        return link.due if link.due is not None and link.due > now else now + run.policy.retry
    return None


# ---- what it means for messages
def _tell_messages(run: Run, before: Seen, after: Seen, first: dict[Side, bool]) -> dict[Side, list[str]]:
    """Messages in folders that mean something else now are read again; folders that are new are listed."""
    if before == after:
        return {}
    fresh: dict[Side, list[str]] = {side: [] for side in SIDES}
    left, changed = set[tuple[Side, str]](), set[tuple[Side, str]]()
    for side, id in sorted(before.keys.keys() | after.keys.keys()):
        old, new = before.keys.get((side, id)), after.keys.get((side, id))
        if old != new:
            changed.add((side, id))
            if old is not None:
                left.add((side, old))
            if new not in (None, "trash") and not first[side]:
                fresh[side].append(id)
    _read_again(run, left, changed, opened=bool(after.open.keys() - before.open.keys()))
    return {side: ids for side, ids in fresh.items() if ids}


def _read_again(run: Run, left: set[tuple[Side, str]], changed: set[tuple[Side, str]], opened: bool) -> None:
    """`left`: keys that mean something else on a side now; `changed`: ids of such folders; `opened`: something can be
    written to that couldn't before."""
    for link in run.session.links():
        waits = opened and link.waits == "folder"
        sides = [s for s in SIDES if waits or ((s, link.base["folder"]) in left and link.base["folder"] != "trash")]
        if sides and run.session.link(link.key) is not None:
            run.recheck(link, sides)
    for row in run.session.all_waiting():
        key = run.folders.key(row.side, row.folder)
        ready = row.reason == "folder" and run.folders.id(other(row.side), key) is not None
        if ready or (row.side, row.folder) in changed:
            run.session.put_waiting(replace(row, due=run.now()))
