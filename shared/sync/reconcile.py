"""One run: lease, settle, observe, plan, guard, intents, effects, commit, cursors; again while there is news."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from shared.model.errors import Conflict, NotPermitted, Unavailable
from shared.model.folders import FolderStep
from shared.model.links import Intent, Link
from shared.model.mail import Row
from shared.model.plans import (
    Agree,
    Close,
    CreateAgain,
    LinkView,
    MarkGone,
    Observation,
    Overwritten,
    Step,
    Write,
)
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side, other
from shared.ports.state import Entity, Op, Table
from shared.sync.brake import Brake
from shared.sync.effects import carry_out
from shared.sync.folder_round import preview_folders, reconcile_folders
from shared.sync.labels import is_excluded
from shared.sync.lane import look_after
from shared.sync.lease import Leases
from shared.sync.match import EXCLUDED, plan_create, plan_unlinked
from shared.sync.notes import keep_notes, tell_barred
from shared.sync.observe import look, prefetch, put_off, take, touched
from shared.sync.plan import plan_link
from shared.sync.postpone import postpone
from shared.sync.quarantine import is_link_set_aside, rest_aside
from shared.sync.rows import HINT, SHUT, TREE, after, cursor_row, hint_row
from shared.sync.run import Run
from shared.sync.settle import settle
from shared.sync.shut import open_again
from shared.sync.stubs import retry

Cursors = Mapping[str, str]


class Reconcile:
    """Brings the two sides of one pair together as far as it can in one run."""

    def __init__(self, run: Run, leases: Leases, table: Table, partition: str) -> None:
        self._run, self._leases, self._table, self._partition = run, leases, table, partition
        self._cursors: dict[Side, dict[str, str]] = {side: {} for side in SIDES}
        self._brake = Brake()
        self._tree_hinted = False

    def work(self, polled: Cursors) -> None:
        """Rounds until nothing new is known or the time is up. `polled`: DingTalk cursors whose news already stand as
        hints."""
        run = self._run
        deadline = run.clock.monotonic() + run.policy.budget
        try:
            self._rounds(polled, deadline)
        except NotPermitted:
            tell_barred(run, self._table, self._partition, self._leases, deadline)
            raise

    def _rounds(self, polled: Cursors, deadline: float) -> None:
        run = self._run
        if polled:
            self._cursors[DINGTALK].update(polled)
        while True:
            due = self._round(deadline)
            fresh = set(run.session.due(run.now())) - due
            if run.stopped is not None:
                raise run.stopped
            if run.clock.monotonic() > deadline or not (fresh or self._leases.is_dirty()):
                return

    def preview(self) -> tuple[list[Intent], list[Intent], list[FolderStep]]:
        """A round over everything up to its first effect; -> what the brake lets go on, all that is planned for
        messages, and for folders."""
        run = self._run
        run.new_round()
        settle(run)
        look_after(run)
        due = set(run.session.due(run.now()))
        self._collect(self._hints(), frozenset(SIDES))
        folders = preview_folders(run)
        self._plan_all(sorted(due), everything=True)
        planned = list(run.todo.values())
        return self._brake.guard(run, planned), planned, folders

    def decide(self, ids: Sequence[tuple[Side, str]], deadline: float) -> None:
        """A round about these messages alone: streams, hints and what is due are left to the runs."""
        run = self._run
        run.new_round()
        settle(run)
        for side, id in ids:
            run.hinted[side].add(id)
        self._carry_out(deadline)

    def confirm(self, rows: Sequence[tuple[Side, Row]], deadline: float) -> None:
        """A round about what a listing shows."""
        self._run.new_round()
        for side, row in rows:
            self._run.listed[side][row.id] = row
        self._carry_out(deadline)

    def _carry_out(self, deadline: float) -> None:
        run = self._run
        self._plan_all([])
        run.session.commit()
        carry_out(run, self._brake, deadline)
        run.session.commit()
        if run.stopped is not None:
            raise run.stopped

    def _round(self, deadline: float) -> set[str]:
        run = self._run
        run.new_round()
        settle(run)
        self._leases.clear_dirty()
        look_after(run)
        hints = self._hints()
        due = set(run.session.due(run.now()))
        self._collect(hints)
        self._folders(due, deadline)
        if open_again(run, due, hint_row(DINGTALK, "") in {hint.key for hint in hints}, self._list_dingtalk):
            due.discard(SHUT)
        self._plan_all(sorted(due))
        run.session.commit()
        carry_out(run, self._brake, deadline)
        for side in SIDES:
            for collection, cursor in self._cursors[side].items():
                run.session.put_cursor(side, collection, cursor)
            self._cursors[side].clear()
        run.session.commit()
        self._drop(hints)
        if run.stopped is None:
            keep_notes(run, due, deadline)
        return due

    def _plan_all(self, due: list[str], everything: bool = False) -> None:
        """Of very much at once no more than a round can carry, unless `everything` is wanted."""
        run = self._run
        touching = touched(run, due)
        links, later = (touching, list[Link]()) if everything else put_off(run, touching)
        self._brake.foresee(run, [*links, *later] if later else ())
        prefetch(run, links)
        plan_unlinked(run, due, everything)
        known = {link.key for link in (*links, *later)}
        links += (one for one in touched(run, due) if one.copy is None and one.key not in known)  # matched just now
        for link in links:
            self._plan(link.key)

    def _folders(self, due: set[str], deadline: float) -> None:
        """Folders first: a message's place is told by what they are. What they made due is part of this round."""
        run = self._run
        for side, ids in reconcile_folders(run, due, self._tree_hinted, deadline).items():
            self._stream(side, ids, anew=True)
        run.session.commit()
        due |= set(run.session.due(run.now()))

    def _list_dingtalk(self, folders: list[str]) -> None:
        """Whatever has come there meanwhile is seen before anything that stood aside is copied."""
        self._stream(DINGTALK, folders, anew=True)

    # ---- collecting
    def _hints(self) -> list[Entity]:
        return list(self._table.scan(self._partition, HINT, after(HINT)))

    def _drop(self, hints: list[Entity]) -> None:
        """What the hints named was dealt with or written down. A hint stays if somebody renewed it meanwhile."""
        for start in range(0, len(hints), 100):
            some = [Op("delete", hint.key, if_match=hint.etag) for hint in hints[start : start + 100]]
            try:
                self._table.transact(self._partition, some)
            except Conflict:
                for op in some:
                    with suppress(Conflict):
                        self._table.transact(self._partition, [op])

    def _collect(self, hints: list[Entity], sides: frozenset[str] = frozenset()) -> None:
        """Ids from both streams and hints; of these `sides` everything. The ids that are sure to be read go with the
        streams in one request."""
        run, whole, self._tree_hinted = self._run, set(sides), False
        for hint in hints:
            side, _, id = hint.key[len(HINT) :].partition(":")
            if id == TREE:
                self._tree_hinted = True
            elif id:
                run.hinted[side].add(id)  # type: ignore[index]
                run.places[side, id] = str(hint.value.get("in", ""))  # type: ignore[index]
            else:
                whole.add(side)
        for side in SIDES:
            if side in whole or not run.folders.knows(side):
                self._stream(side, None)
            if side in whole:
                run.replicas[side].tidy(run.permit_until(run.now() + run.policy.settle()))
        if OUTLOOK not in whole and run.hinted[OUTLOOK]:
            self._stream(OUTLOOK, self._folders_of_hints())
            self._unknown_folders()

    def _folders_of_hints(self) -> list[str]:
        """Where the named messages are by their links; a new one is most likely in the inbox."""
        run, folders = self._run, dict[str, None]()
        run.session.prefetch_items((OUTLOOK, id) for id in sorted(run.hinted[OUTLOOK]))
        for id in sorted(run.hinted[OUTLOOK]):
            link = run.session.link_of(OUTLOOK, id)
            folder = run.folders.id(OUTLOOK, str(link.base["folder"]) if link else "inbox")
            if folder is not None:
                folders[folder] = None
        return list(folders)

    def _unknown_folders(self) -> None:
        """Messages turned out to be elsewhere: the streams of those folders too, and the tree if one is new."""
        run = self._run
        items = [run.peek(OUTLOOK, id) for id in sorted(run.hinted[OUTLOOK])]
        places = {item.folder for item in items if item is not None} - set(self._cursors[OUTLOOK])
        if any(run.folders.get(OUTLOOK, place) is None for place in places):
            self._stream(OUTLOOK, None)
        elif places:
            self._stream(OUTLOOK, sorted(p for p in places if p in set(run.folders.ids(OUTLOOK))))

    def _stream(self, side: Side, collections: list[str] | None, anew: bool = False) -> None:
        """`anew`: whatever was seen of these folders before, everything in them is listed."""
        run = self._run
        known = run.folders.ids(side) if collections is None else collections
        run.session.prefetch(cursor_row(side, c) for c in known)
        cursors = {c: str(v["cursor"]) for c in known if (v := run.session.value(cursor_row(side, c)))}
        if anew:
            cursors = dict.fromkeys(known, "")
        ids = sorted(run.hinted[side]) if side == OUTLOOK and not anew else []
        began = run.now()
        observed = run.observe(side, ids, cursors, collections)
        take(run, side, observed.changes, began)
        self._cursors[side].update(observed.changes.cursors or {})

    # ---- planning
    def _plan(self, key: str) -> None:
        run, link = self._run, self._run.session.link(key)
        if link is None:
            return
        if run.busy(key):
            until = max((i.settle_after for i in run.session.intents.values() if i.key == key), default=0.0)
            run.recheck(link, SIDES, max(until, run.now() + run.policy.busy))
            return
        try:
            seen = self._look(link)
        except Unavailable:
            run.recheck(link, SIDES, run.now() + run.policy.retry)
            return
        link = run.session.link(key) or link
        if any(self._is_excluded(link, side) for side in SIDES):
            for side in SIDES:
                link = link.with_end(side, replace(link.end(side), due=None))
            run.session.put_link(replace(link, waits="excluded"))
            return
        if link.stub and retry(run, link):
            return
        if "unknown" in {seen[side].word for side in SIDES}:
            for side in SIDES:
                if seen[side].word not in ("kept", "unknown") and link.gone != side:
                    self._wait_for_twin(link, side)
            return
        link = self._forget_read_elsewhere(link, seen)
        if link.read_elsewhere:
            run.rest(link)
            return
        view = LinkView(link.key, link.base, link.gone, frozenset(link.unsure))
        steps = plan_link(view, seen, run.policy.preferences)
        if is_link_set_aside(run, link) and any(isinstance(step, Write | CreateAgain) for step in steps):
            rest_aside(run, link)
            return
        if link.waits and not steps:
            link = run.session.put_link(replace(link, waits="", tries=0))
        try:
            for step in steps:
                self._apply(step)
        except Unavailable:
            run.recheck(link, SIDES, run.now() + run.policy.retry)

    def _forget_read_elsewhere(self, link: Link, seen: dict[Side, Observation]) -> Link:
        """Both sides were looked at, and one is not what was left as it was: plan it anew."""
        left = all(_is_as_left(link, side, seen[side]) for side in SIDES)
        if link.read_elsewhere is None or (left and self._run.policy.may_answer(link.read_elsewhere, "read")):
            return link
        return self._run.session.put_link(replace(link, read_elsewhere=None))

    def _is_excluded(self, link: Link, side: Side) -> bool:
        """In an excluded folder nothing is written or removed, on neither side."""
        run, item = self._run, self._run.peek(side, link.end(side).id)
        folder = run.folders.links.get(str(link.base["folder"]))
        id = item.folder if item is not None else folder.end(side).id if folder else ""
        return run.folders.is_hidden(side, id)

    def _wait_for_twin(self, link: Link, side: Side) -> None:
        """This side changed and the other is not found: they are read again together, as seldom as the missing one."""
        end, twin = link.end(side), link.end(other(side)).due
        when = max(self._run.now() + self._run.policy.retry, twin or 0.0)
        self._run.session.put_link(link.with_end(side, replace(end, due=when)))

    def _look(self, link: Link) -> dict[Side, Observation]:
        """Both sides; if one changed, or a step of the link waits, the other is read too."""
        run, key = self._run, link.key
        seen = {side: look(run, run.session.link(key) or link, side) for side in SIDES}
        for side in SIDES:
            changed = bool(link.waits) or not (
                seen[other(side)].word == "unknown" or _is_as_left(link, other(side), seen[other(side)])
            )
            if seen[side].word == "unknown" and changed and link.gone != other(side):
                seen[side] = look(run, run.session.link(key) or link, side, force=True)
        if all(seen[side].word in ("edited", "trashed") for side in SIDES):
            self._read_anew(link, seen)
        return seen

    def _read_anew(self, link: Link, seen: dict[Side, Observation]) -> None:
        """Both changed: a read from long before the other would make two acts one after the other look like one."""
        run = self._run
        at = {side: run.read_at(side, link.end(side).id) for side in SIDES}
        older, newer = sorted(SIDES, key=lambda side: at[side])
        if 0.0 < at[older] < at[newer] - run.policy.apart:
            run.forget(older, link.end(older).id)
            seen[older] = look(run, run.session.link(link.key) or link, older, force=True)

    def _apply(self, step: Step) -> None:
        """May raise Unavailable."""
        APPLY[type(step)](self, step)

    def _agree(self, step: Agree) -> None:
        link = self._link(step.link)
        unsure = tuple(name for name in link.unsure if name not in step.values)
        self._run.session.put_link(replace(link, base={**link.base, **step.values}, unsure=unsure))

    def _overwritten(self, step: Overwritten) -> None:
        self._run.note(self._link(step.link), "overwritten", step.side, field=step.field, value=step.value)

    def _mark_gone(self, step: MarkGone) -> None:
        link = self._link(step.link)
        end = replace(link.end(step.side), due=None)
        self._run.session.put_link(replace(link, gone=step.side, base=dict(step.base)).with_end(step.side, end))
        self._run.note(link, "gone", step.side)

    def _close(self, step: Close) -> None:
        link = self._link(step.link)
        self._run.session.close_link(link)
        self._run.note(link, "closed")

    def _create_again(self, step: CreateAgain) -> None:
        """Once; the next time the item is shown as vanished after the copy."""
        run, link = self._run, self._link(step.link)
        source = run.read(other(step.side), link.end(other(step.side)).id)
        waits = "" if source is None else EXCLUDED if is_excluded(source.categories) else "vanished_after_copy"
        if source is None or link.made > 1 or waits == EXCLUDED:
            run.session.put_link(replace(link, waits=waits))
            run.recheck(link, SIDES, run.now() + run.policy.waits)
            return
        plan_create(run, other(step.side), source, link.key)

    def _write(self, step: Write) -> None:
        run, link = self._run, self._link(step.link)
        changes = self._harmless(link, step)
        if not changes:
            self._run.rest(self._link(step.link))
            return
        target = link.end(step.side).id
        intent = Intent(
            link.key,
            "write",
            step.side,
            link.mid,
            link.sent,
            target=target,
            want=changes,
            state={name: step.before[name] for name in changes},
            because=step.because is not None,
        )
        if "folder" in changes and run.folders.id(step.side, str(changes["folder"])) is None:
            rest = {name: value for name, value in changes.items() if name != "folder"}
            run.folders.need(step.side, str(changes["folder"]), run.session)
            postpone(run, intent, "folder", run.policy.waits)
            if not rest:
                return
            intent = replace(intent, want=rest, state={name: step.before[name] for name in rest})
        run.todo[intent.id] = intent

    def _harmless(self, link: Link, step: Write) -> dict[str, str | bool]:
        """Leave out what might send a receipt: marking read, and trashing unread, a message that asks for one."""
        changes = dict(step.changes)
        item = self._run.read(step.side, link.end(step.side).id)
        if item is None or not item.wants_receipt:
            return changes
        may_answer = self._run.policy.may_answer
        if changes.get("read") is True and may_answer(step.side, "read"):
            del changes["read"]
            self._run.session.put_link(replace(self._link(step.link), read_elsewhere=step.side))
        if changes.get("folder") == "trash" and not item.read and may_answer(step.side, "trashed unread"):
            del changes["folder"]
            self._run.session.put_link(replace(self._link(step.link), waits="receipt"))
        return changes

    def _link(self, key: str) -> Link:
        link = self._run.session.link(key)
        assert link is not None
        return link


def _is_as_left(link: Link, side: Side, seen: Observation) -> bool:
    return seen.word in ("kept", "edited") and seen.state == link.expected(side)


APPLY: dict[type, Callable[..., None]] = {
    Agree: Reconcile._agree,
    Overwritten: Reconcile._overwritten,
    MarkGone: Reconcile._mark_gone,
    Close: Reconcile._close,
    CreateAgain: Reconcile._create_again,
    Write: Reconcile._write,
}
