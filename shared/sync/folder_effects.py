"""Carrying out the steps of folders, and settling what became of them.

An effect is committed with the link before its request leaves, and stays with it until a walk shows what it wanted, or
until it is certain that it did not happen. There is one at a time for a folder, and no key is needed: a create is found
by its parent and name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shared.model.errors import LeaseLost, NotFound, OutcomeUnknown, StoreUnavailable, TandemError, Throttled
from shared.model.folder_names import fold
from shared.model.folders import (
    OWN,
    TOP,
    AgreeFolder,
    CloseFolder,
    DropFolder,
    FolderEffect,
    FolderEnd,
    FolderLink,
    FolderStep,
    ForgetFolder,
    LostPlace,
    MakeFolder,
    MoveFolder,
    RenameFolder,
    WaitFolder,
)
from shared.model.mail import Folder
from shared.model.words import DINGTALK, OUTLOOK, Side, other
from shared.sync.folder_plan import SYSTEM
from shared.sync.folder_view import FolderSight
from shared.sync.folders import LINKS
from shared.sync.ledger import Entry
from shared.sync.run import Run

LONG = 900.0


class FolderEffects:
    """`sight` is what the steps were planned on. `written`: sides that a request of ours may have changed."""

    def __init__(self, run: Run, sight: FolderSight) -> None:
        self._run, self._sight, self._map = run, sight, run.folders
        self.written: set[Side] = set()
        self._changed: set[tuple[Side, str]] = set()

    def _put(self, link: FolderLink) -> FolderLink:
        return self._map.put(link, self._run.session)

    def _note(self, link: FolderLink, what: str, side: Side | None = None, **detail: object) -> None:
        row = LINKS + link.key
        self._run.session.note_folder(row, Entry(what, row, side, detail))

    # ---- settling
    def settle(self) -> None:
        """What the walks say of every effect under way."""
        for link in list(self._map.links.values()):
            if link.effect is not None:
                SETTLERS[link.effect.what](self, link, link.effect)

    def _settle_create(self, link: FolderLink, effect: FolderEffect) -> None:
        tree = self._sight.trees[effect.side]
        folder = tree.get(link.end(effect.side).id) or self._find(effect)
        if folder is None:
            self._not_found(replace(link, effect=effect))
            return
        end = replace(_made_again(link.end(effect.side)), id=folder.id, placed=link.end(effect.side).placed)
        name, parent = ("", TOP) if link.role else (effect.name, effect.parent)
        end = replace(end, name=name, parent=parent)
        self._done(self._agreed(link.with_end(effect.side, end), effect, name=True, parent=True))

    def _find(self, effect: FolderEffect) -> Folder | None:
        """By parent and name, among those without a link."""
        side, sight = effect.side, self._sight
        for folder in sight.trees[side].folders:
            free = folder.role is None and self._map.link_of(side, folder.id) is None
            if free and (sight.hash(folder), sight.parent(side, folder)) == (effect.name, effect.parent):
                return folder
        return None

    def _not_found(self, link: FolderLink) -> None:
        """Twice, a minute apart, after the longest request: it was not made."""
        effect, now = link.effect, self._run.now()
        assert effect is not None
        if now < effect.settle_after:
            self._put(replace(link, due=effect.settle_after))
        elif effect.missed is None:
            later = now + self._run.policy.reread
            self._put(replace(link, effect=replace(effect, missed=now), due=later))
        elif now >= effect.missed + self._run.policy.reread:
            self._note(link, "not found", effect.side, kind=effect.what)
            self._put(replace(link, effect=None, due=now).with_end(effect.side, _made_again(link.end(effect.side))))

    def _agreed(
        self, link: FolderLink, effect: FolderEffect, *, name: bool = False, parent: bool = False
    ) -> FolderLink:
        """Both sides agree on what this effect carried across."""
        name, parent = name and not link.role, parent and not link.role
        twin, end = link.end(other(effect.side)), link.end(effect.side)
        if name and effect.source[0] != OWN:
            end, twin = replace(end, name=effect.name), replace(twin, name=effect.source[0])
        if parent and effect.source[1] != OWN:
            end, twin = replace(end, parent=effect.parent), replace(twin, parent=effect.source[1])
        return link.with_end(effect.side, end).with_end(other(effect.side), twin)

    def _done(self, link: FolderLink) -> None:
        assert link.effect is not None
        self._note(link, "done", link.effect.side, kind=link.effect.what)
        self._put(replace(link, effect=None, needed=False, due=None, tries=0, waits=""))

    def _settle_rename(self, link: FolderLink, effect: FolderEffect) -> None:
        folder = self._sight.trees[effect.side].get(link.end(effect.side).id)
        if folder is not None and self._sight.hash(folder) == effect.name:
            self._done(self._agreed(link, effect, name=True))
        else:
            self._undone(link, effect)

    def _settle_move(self, link: FolderLink, effect: FolderEffect) -> None:
        side, sight = effect.side, self._sight
        folder = sight.trees[side].get(link.end(side).id)
        if folder is None and side == DINGTALK:
            folder = self._find(effect)
        if folder is not None and sight.parent(side, folder) == effect.parent:
            end = replace(link.end(side), id=folder.id, out=None, dead=False, trashed=False)
            self._done(self._agreed(link.with_end(side, end), effect, parent=True))
        else:
            self._undone(link, effect)

    def _undone(self, link: FolderLink, effect: FolderEffect) -> None:
        """Not (yet) as we wanted it: once it is certain, what is there counts."""
        now = self._run.now()
        if now < effect.settle_after:
            self._put(replace(link, due=effect.settle_after))
        else:
            self._note(link, "not found", effect.side, kind=effect.what)
            self._put(replace(link, effect=None, due=now))

    def _settle_delete(self, link: FolderLink, effect: FolderEffect) -> None:
        """Once it is certain, look inside: what arrived in it meanwhile brings it back."""
        side, tree, now = effect.side, self._sight.trees[effect.side], self._run.now()
        if now < effect.settle_after:
            self._put(replace(link, due=effect.settle_after))
            return
        id = link.end(side).id
        if tree.where(id) == "live":
            self._put(replace(link, effect=None, empty=None, due=now))
            return
        found = tree.get(id) or self._thrown_away(effect)
        if found is None or self._is_empty(side, found.id):
            self._note(link, "done", side, kind="delete")
            self._map.close(link, self._run.session)
            return
        self._note(link, "brought back", side)
        link = link.with_end(side, replace(link.end(side), id=found.id))
        parent = effect.parent if self._id(side, effect.parent) is not None else TOP
        self._send(replace(link, needed=True), "move", side, effect.name, parent, effect.source)

    def _thrown_away(self, effect: FolderEffect) -> Folder | None:
        trash = self._map.links.get("trash")
        below = self._sight.trees[effect.side].below(trash.end(effect.side).id) if trash else []
        free = (f for f in below if self._map.link_of(effect.side, f.id) is None)
        return next((f for f in free if self._sight.hash(f) == effect.name), None)

    def _is_empty(self, side: Side, id: str) -> bool:
        try:
            return not self._sight.trees[side].below(id) and self._run.replicas[side].is_empty(id)
        except NotFound:
            return True

    # ---- carrying out
    def carry_out(self, steps: list[FolderStep], deadline: float) -> bool:
        """-> whether all was done that can be done on this sight."""
        for step in steps:
            if self._run.clock.monotonic() > deadline:
                return False
            if step.key in self._map.links:
                STEPS[type(step)](self, self._map.links[step.key], step)
        return True

    def _agree(self, link: FolderLink, step: AgreeFolder) -> None:
        for side in (OUTLOOK, DINGTALK):
            folder = self._sight.trees[side].get(link.end(side).id)
            if folder is not None and (parent := self._sight.parent(side, folder)):
                end = replace(link.end(side), name=self._sight.hash(folder), parent=parent)
                link = link.with_end(side, end)
        self._put(replace(link, needed=False, tries=0, waits=""))

    def _lost(self, link: FolderLink, step: LostPlace) -> None:
        value = self._sight.hash_name(step.value) if step.field == "name" else step.value
        self._note(link, "overwritten", step.side, field=f"folder {step.field}", value=value)

    def _wait(self, link: FolderLink, step: WaitFolder) -> None:
        """Looked at again by the round."""

    def _forget(self, link: FolderLink, step: ForgetFolder) -> None:
        self._note(link, "made again", step.side)
        end = _made_again(link.end(step.side))
        self._put(replace(link, empty=None, due=self._run.now(), waits="").with_end(step.side, end))

    def _close(self, link: FolderLink, step: CloseFolder) -> None:
        self._note(link, "closed")
        self._map.close(link, self._run.session)

    def _make(self, link: FolderLink, step: MakeFolder) -> None:
        self._send(link, "create", step.side, step.name, step.parent, self._source(link, step.side))

    def _rename(self, link: FolderLink, step: RenameFolder) -> None:
        source = self._source(link, step.side)
        source = ("" if step.passing else OWN if step.own else source[0], source[1])
        folder = self._sight.trees[step.side].get(link.end(step.side).id)
        parent = self._sight.parent(step.side, folder) if folder else ""
        self._send(link, "rename", step.side, step.name, parent, source)

    def _move(self, link: FolderLink, step: MoveFolder) -> None:
        folder = self._sight.trees[step.side].get(link.end(step.side).id)
        name = self._sight.hash(folder) if folder else ""
        source = self._source(link, step.side)
        if self._sight.trees[step.side].where(link.end(step.side).id) == "trash":
            self._note(link, "overwritten", step.side, field="folder", value="trash")  # of all that is in it
        self._send(link, "move", step.side, name, step.parent, (source[0], OWN) if step.own else source)

    def _source(self, link: FolderLink, side: Side) -> tuple[str, str]:
        """What the other side shows now; its base where it shows nothing."""
        twin = link.end(other(side))
        folder = self._sight.trees[other(side)].get(twin.id)
        if folder is None:
            return twin.name, twin.parent
        return self._sight.hash(folder), self._sight.parent(other(side), folder) or twin.parent

    def _id(self, side: Side, key: str) -> str | None:
        """The id under which something can be put now: "" for the top."""
        if key == TOP:
            return ""
        link = self._map.links.get(key)
        end = link.end(side) if link else FolderEnd()
        return end.id if end.id and end.out is None else None

    def _placed(self, link: FolderLink, effect: FolderEffect, now: float) -> float:
        """What is put at the top or into a system folder can't drift into the trash with what it stands in. What is
        there already may stay there."""
        end, above = link.end(effect.side), self._map.links.get(effect.parent)
        if effect.what not in ("create", "move"):
            return end.placed
        return now if end.out is not None or (above is not None and not above.role) else 0.0

    def _above(self, link: FolderLink, side: Side) -> str | None:
        """The id of what a folder stands in, whether we know that or not: one that drifted into the trash stands below
        a folder that is no longer ours."""
        folder = self._sight.trees[side].get(link.end(side).id)
        return None if folder is None else folder.parent or ""

    def _send(self, link: FolderLink, what: str, side: Side, name: str, parent: str, source: tuple[str, str]) -> None:
        """Commit the effect with the link, send its one request, and take in what is known of its outcome. A create's
        and a rename's `name` is the name itself, of which only the hash is kept."""
        run = self._run
        link = self._map.links.get(link.key, link) if link.effect is None else link
        if link.effect is not None and link.effect.what != "delete":
            return
        if link.waits and link.due is not None and link.due > run.now():
            return
        above = self._above(link, side) if what == "rename" else self._id(side, parent)
        if what != "delete" and (above is None or not self._is_free(link, what, side, name, above)):
            self._put(replace(link, due=run.now() + run.policy.retry))
            return
        hashed = self._sight.hash_name(name) if what in ("create", "rename") else name
        now = run.now()
        effect = FolderEffect(what, side, hashed, parent, source, now + run.policy.settle())  # type: ignore[arg-type]
        end = replace(link.end(side), placed=self._placed(link, effect, now))
        link = self._put(replace(link, effect=effect, due=effect.settle_after).with_end(side, end))
        self._note(
            link, "planned", side, kind=f"folder {what}", name=hashed, parent=parent, before=[end.name, end.parent]
        )
        run.session.commit()
        self.written.add(side)
        try:
            made = self._request(effect, end.id, name, above or "")
        except OutcomeUnknown:
            return
        except (StoreUnavailable, LeaseLost):
            raise
        except TandemError as exc:
            self._refused(link, exc)
            if isinstance(exc, Throttled):
                raise
            return
        self._changed.add((side, end.id))
        if made:
            self._put(link.with_end(side, replace(end, id=made)))

    def _is_free(self, link: FolderLink, what: str, side: Side, name: str, above: str) -> bool:
        """Nobody stands there by this name: a step before this one, which was to make room, may not have been done."""
        tree, own = self._sight.trees[side], link.end(side).id
        folder = tree.get(own)
        if what == "move" and folder is not None:
            name = folder.name
        below = (f for f in tree.below(above) if f.id != own and (side, f.id) not in self._changed)
        return all(fold(side, f.name) != fold(side, name) for f in below)

    def _request(self, effect: FolderEffect, id: str, name: str, parent: str) -> str:
        replica, permit = self._run.replicas[effect.side], self._run.permit_until(effect.settle_after)
        if effect.what == "create":
            return replica.create_folder(name, parent, permit)
        if effect.what == "rename":
            replica.rename_folder(id, name, permit)
        elif effect.what == "move":
            replica.move_folder(id, parent, permit)
        else:
            replica.delete_folder(id, permit)
        return ""

    def _refused(self, link: FolderLink, exc: TandemError) -> None:
        """Nothing was done; a refused folder never stops the pair. Where DingTalk takes no folder in a system folder,
        it is tried at the top from now on."""
        run, effect = self._run, link.effect
        assert effect is not None
        if isinstance(exc, Throttled):
            delay, tries = exc.retry_after or run.policy.retry, link.tries
        else:
            tries = link.tries + 1
            delay = 0.0 if tries == 1 else min(LONG, run.policy.retry * 2**tries)
        if effect.side == DINGTALK and effect.parent in SYSTEM and not exc.retryable and tries > 1:
            self._map.flat, delay = True, 0.0
            self._map.put_facts(run.session, None)
        self._note(link, "refused", effect.side, kind=effect.what, why=exc.code or type(exc).__name__)
        waits = exc.code or type(exc).__name__
        self._put(replace(link, effect=None, empty=None, tries=tries, waits=waits, due=run.now() + delay))

    # ---- deleting what the other side deleted
    def _drop(self, link: FolderLink, step: DropFolder) -> None:
        """Seen empty twice, a minute apart, with no folder in it: deleted; else it stays, and is shown."""
        run, now, side = self._run, self._run.now(), step.side
        if link.due is not None and link.due > now:
            return
        if side not in run.policy.delete_folders:
            self._put(replace(link, waits="stays", due=None))
            return
        if not self._is_empty(side, link.end(side).id):
            since = link.end(other(side)).out or now
            later = now + min(LONG, max(run.policy.reread, now - since))
            self._put(replace(link, empty=None, waits="not empty", due=later))
        elif link.empty is None or now < link.empty + run.policy.reread:
            first = now if link.empty is None else link.empty
            self._put(replace(link, empty=first, due=first + run.policy.reread))
        else:
            folder = self._sight.trees[side].get(link.end(side).id)
            assert folder is not None
            parent = self._sight.parent(side, folder)
            self._send(link, "delete", side, self._sight.hash(folder), parent, self._source(link, side))


SETTLERS: dict[str, Callable[[FolderEffects, FolderLink, FolderEffect], None]] = {
    "create": FolderEffects._settle_create,
    "rename": FolderEffects._settle_rename,
    "move": FolderEffects._settle_move,
    "delete": FolderEffects._settle_delete,
}

STEPS: dict[type, Callable[..., None]] = {
    AgreeFolder: FolderEffects._agree,
    WaitFolder: FolderEffects._wait,
    LostPlace: FolderEffects._lost,
    ForgetFolder: FolderEffects._forget,
    CloseFolder: FolderEffects._close,
    MakeFolder: FolderEffects._make,
    RenameFolder: FolderEffects._rename,
    MoveFolder: FolderEffects._move,
    DropFolder: FolderEffects._drop,
}


def _made_again(end: FolderEnd) -> FolderEnd:
    """The end of a folder that has yet to be made: it knows no more than which folder was there before."""
    if end.out is not None and end.trashed:
        return FolderEnd(left=end.id, left_alive=end.alive)
    return FolderEnd(left=end.left, left_alive=end.left_alive)
