"""What people ask of a pair: how it stands, what a run would do now, what the brake holds, and to let that go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.model.folders import DropFolder, MakeFolder, MoveFolder, RenameFolder
from shared.model.links import Intent, Link, Waiting
from shared.model.mail import Item
from shared.model.pairs import Pair
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side, other
from shared.ports.replica import Replica
from shared.ports.state import Op, Table, WorkQueue
from shared.ports.world import Clock, Executor
from shared.sync.backfill import Progress, check_ended, progress, start
from shared.sync.backfill_preview import Foreseen, foresee
from shared.sync.brake import Held, approve, held
from shared.sync.calls import enqueue, leave_hints, partition
from shared.sync.folders import FolderMap
from shared.sync.lease import Lease, Leases
from shared.sync.ledger import Session
from shared.sync.overlay import Overlay, ReadOnly
from shared.sync.quarantine import Failing, set_aside
from shared.sync.reconcile import Reconcile
from shared.sync.rows import DUE, INTENT, LEASE, LINK, SHUT, WAITING, after, link_of_json, sweep_row, waiting_of_json
from shared.sync.run import Policy, Run, open_run
from shared.sync.schema import SCHEMA, Schema
from shared.sync.shut import Shut, shut_of
from shared.sync.sweep import Sweep


@dataclass(frozen=True, slots=True)
class Status:
    """How a pair stands; ids, reasons and times only (epoch seconds). `waiting`: items without a link; `held_back`:
    links with a step that waits; `gone`: links of which one side vanished; `read_elsewhere`: messages that ask for a
    receipt and were read on the other side alone; `set_aside`: what kept being refused; `shut`: nothing new can be put
    into DingTalk, or what waited for that is due again just now. `ended` and `error`: of the last run, None before the
    first one, "" when it went well. `backfill`: how the last one stands, None when there was none. `folders`:
    those of the side without push; `sweep`: how far the sweep of it has come."""

    links: int
    gone: int
    read_elsewhere: int
    waiting: tuple[Waiting, ...]
    held_back: tuple[Link, ...]
    open_intents: int
    next_due: float | None
    ended: float | None
    error: str
    brake: Held | None
    set_aside: tuple[Failing, ...]
    shut: Shut | None
    folders: int
    sweep: Sweep
    backfill: Progress | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A step that a run would take now on `side`. `item`: the message it starts from, as read, None for a step about a
    folder; `folder`: the role or path of the folder it is about, or of the message's; `held`: by the brake."""

    kind: str
    side: Side
    item: Item | None
    folder: str
    want: Mapping[str, str | bool]
    held: bool


@dataclass(frozen=True, slots=True)
class Preview:
    steps: tuple[Planned, ...]
    waiting: tuple[Waiting, ...]


class Desk:
    """`replicas` as the service has them. Nothing here needs the lease; only `approve`, `wake` and `backfill`
    write."""

    def __init__(
        self,
        *,
        table: Table,
        queue: WorkQueue,
        clock: Clock,
        executor: Executor,
        replicas: Callable[[Pair, Side], Replica],
        key: bytes,
        policy: Policy,
        schema: Schema = SCHEMA,
    ) -> None:
        self._schema = schema
        self._table, self._queue, self._clock, self._executor = table, queue, clock, executor
        self._replicas, self._key, self._policy = replicas, key, policy

    def status(self, pair: Pair) -> Status:
        name, table = partition(pair.id), self._table
        lease = table.get(name, [LEASE]).get(LEASE)
        if lease is not None and lease.value.get("migrated", 1) != self._schema.version:
            table = self._taken(name)[0]
        swept = table.get(name, [sweep_row(DINGTALK)]).get(sweep_row(DINGTALK))
        links = [link_of_json(e.value) for e in table.scan(name, LINK, after(LINK))]
        shut = table.get(name, [SHUT]).get(SHUT)
        due = next((float(e.key.split(":")[1]) for e in table.scan(name, DUE, after(DUE), 1)), None)
        return Status(
            len(links),
            sum(link.gone is not None for link in links),
            sum(link.read_elsewhere is not None for link in links),
            tuple(row for e in table.scan(name, WAITING, after(WAITING)) if _is_shown(row := waiting_of_json(e.value))),
            tuple(link for link in links if link.waits),
            sum(1 for _ in table.scan(name, INTENT, after(INTENT))),
            due,
            lease.value["ended"] or None if lease else None,
            lease.value["error"] if lease else "",
            held(table, name),
            tuple(set_aside(table, name)),
            shut_of(shut.value if shut else None),
            len(FolderMap.of(table, name).ids(DINGTALK)),
            Sweep.load(swept.value if swept else None),
            progress(self._table, pair),
        )

    # ---- the brake
    def held(self, pair: Pair) -> tuple[Held | None, tuple[Planned, ...]]:
        """What the brake holds, with each removal as a step whose message was read just now."""
        name = partition(pair.id)
        shown = held(self._table, name)
        if shown is None:
            return None, ()
        folders = FolderMap.of(self._table, name)
        items = self._replicas(pair, OUTLOOK).observe([link.outlook.id for link in shown.links]).items
        steps = []
        for link in shown.links:
            item = items.get(link.outlook.id)
            trashed = item is not None and folders.key(OUTLOOK, item.folder) == "trash"
            side = DINGTALK if trashed else OUTLOOK
            steps.append(Planned("write", side, item, str(link.base["folder"]), {"folder": "trash"}, held=True))
        return shown, tuple(steps)

    def approve(self, pair: Pair, hash: str) -> int:
        """Let the removals that were shown with this hash go on, and no other; -> how many. WrongSettings when the set
        is another one by now."""
        name = partition(pair.id)
        released = approve(self._table, name, hash).links
        leave_hints(self._table, name, OUTLOOK, {link.outlook.id for link in released})
        enqueue(self._queue, pair.id, "approved")
        return len(released)

    def wake(self, pair: Pair) -> None:
        """Look at everything of the pair soon."""
        for side in SIDES:
            leave_hints(self._table, partition(pair.id), side, {""})
        enqueue(self._queue, pair.id, "asked")

    # ---- old mail
    def foresee(self, pair: Pair, since: float, told: Callable[[int], None]) -> Foreseen:
        """What a backfill down to `since` would bring over; see `backfill_preview.foresee`."""
        replicas = {side: ReadOnly(self._replicas(pair, side)) for side in SIDES}
        return foresee(self._table, pair, replicas, since, self._policy.largest, told)

    def check_backfill(self, pair: Pair) -> None:
        """WrongSettings while one is going on."""
        check_ended(pair, progress(self._table, pair))

    def backfill(self, pair: Pair, since: float, total: int | None) -> None:
        """Begin it; `total` is what was foreseen, None when nobody looked. WrongSettings while another one is going
        on."""
        start(self._table, self._queue, pair, since, total)

    # ---- what would be done
    def preview(self, pair: Pair) -> Preview:
        """What a run would do now, item by item. It reads at both vendors and writes nothing anywhere. Raises what the
        reads raise."""
        name = partition(pair.id)
        table, leases, lease = self._taken(name)
        session = Session(table, name, leases, lease)
        replicas = {side: ReadOnly(self._replicas(pair, side)) for side in SIDES}
        run = open_run(pair, session, replicas, self._key, self._policy, self._clock, self._executor)
        allowed, planned, about_folders = Reconcile(run, leases, table, name).preview()
        steps = [_planned_folder(run, step) for step in about_folders if isinstance(step, CHANGING)]
        steps += [_planned(run, intent, intent not in allowed) for intent in planned]
        return Preview(
            tuple(steps), tuple(row for row in session.all_waiting() if row.reason != "copying" and _is_shown(row))
        )

    def _taken(self, name: str) -> tuple[Overlay, Leases, Lease]:
        """The rows with the lease taken, and in this version, in memory alone: whoever has it goes on undisturbed."""
        table = Overlay(self._table)
        row = table.get(name, [LEASE]).get(LEASE)
        if row is not None:
            table.transact(name, [Op("put", LEASE, {**row.value, "expiry": 0.0})])
        leases = Leases(table, name, self._policy.lease, self._schema)
        lease = leases.take("preview")
        assert lease is not None
        return table, leases, leases.upgrade(lease)


def _is_shown(row: Waiting) -> bool:
    """A note of ours waits for nothing."""
    return row.reason != "note"


def _planned(run: Run, intent: Intent, held: bool) -> Planned:
    link = run.session.link(intent.key)
    source = other(intent.side) if intent.kind == "create" else intent.side
    id = intent.source if intent.kind == "create" else intent.target
    item = run.peek(source, id) or (link and run.peek(other(source), link.end(other(source)).id)) or None
    want = {n: _place(run, str(v)) if n == "folder" else v for n, v in (intent.want or {}).items()}
    return Planned(intent.kind, intent.side, item, _place(run, str((intent.state or {}).get("folder", ""))), want, held)


CHANGING = (MakeFolder, RenameFolder, MoveFolder, DropFolder)


def _planned_folder(run: Run, step: MakeFolder | RenameFolder | MoveFolder | DropFolder) -> Planned:
    want = {"name": step.name} if isinstance(step, RenameFolder) else {}
    want |= {"parent": _place(run, step.parent)} if isinstance(step, MoveFolder) else {}
    return Planned(KINDS[type(step)], step.side, None, _place(run, step.key), want, held=False)


KINDS: Mapping[type, str] = {
    MakeFolder: "make folder",
    RenameFolder: "rename folder",
    MoveFolder: "move folder",
    DropFolder: "delete folder",
}


def _place(run: Run, key: str) -> str:
    """A folder as people know it: its role, or its path on the side that has it."""
    link = run.folders.links.get(key)
    if link is None or link.role is not None:
        return link.role or key if link else key
    paths = {folder.id: "/".join(folder.path) for folders, _ in run.trees.values() for folder in folders}
    return next((paths[id] for side in SIDES if (id := link.end(side).id) in paths), key)
