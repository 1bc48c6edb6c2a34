"""Observing folders: two walked trees and the links as the planner takes them, and which folder is which."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from shared.model.folder_names import alike, is_archive
from shared.model.folders import TOP, FolderEnd, FolderLink, FolderView, Held, Shown
from shared.model.mail import Folder
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side, other
from shared.sync.folders import NEVER, PAIRED_ROLES, Aside, is_adrift
from shared.sync.run import Run

Where = Literal["live", "trash", "junk", "system", "gone"]


class Tree:
    """One side's folders, as one walk showed them. `began`: the store's time when it began."""

    def __init__(self, side: Side, folders: Sequence[Folder], began: float) -> None:
        self.side, self.folders, self.began = side, folders, began
        self._by_id = {f.id: f for f in folders}
        self._below: dict[str, list[Folder]] = {}
        for folder in folders:
            self._below.setdefault(folder.parent, []).append(folder)

    def get(self, id: str) -> Folder | None:
        return self._by_id.get(id)

    def below(self, id: str) -> list[Folder]:
        return self._below.get(id, [])

    def up(self, id: str) -> Iterator[Folder]:
        """The folder itself and those above it."""
        seen = set[str]()
        while (folder := self._by_id.get(id)) is not None and id not in seen:
            yield folder
            seen.add(id)
            id = folder.parent

    def where(self, id: str) -> Where:
        line = list(self.up(id))
        if not line:
            return "gone"
        for folder in line[1:]:
            if folder.role == "trash" or folder.role == "junk":
                return folder.role
        return "system" if any(folder.role in NEVER for folder in line) else "live"


class FolderSight:
    """What a run sees of the folders on both sides."""

    def __init__(self, run: Run, trees: Mapping[Side, Tree]) -> None:
        self._run, self._map, self.trees = run, run.folders, trees
        self._unlinked: Counter[str] = Counter()

    # ---- taking in
    def take_in(self) -> None:
        """Bring the links up to what the trees show: roles, what is missing, exclusions, and which folder is which."""
        for side in SIDES:
            self._roles(side)
        for link in list(self._map.links.values()):
            self._put(self._missed(link))
        self._exclude()
        self._learn()
        free = (f for f in self.trees[DINGTALK].folders if f.role is None and not self._map.link_of(DINGTALK, f.id))
        self._unlinked = Counter(f.name for f in free)
        for side in SIDES:
            for folder in self.trees[side].folders:
                self._pair(side, folder)
        self.put_asides()
        for side in SIDES:
            tree = self.trees[side]
            self._run.session.put_walked(side, tree.began)
            self._map.put_print(side, tree.folders, self._run.identity, self._run.session)

    def put_asides(self) -> None:
        """Again after a link was closed or let go of an id: what stands in the trash is the trash from then on."""
        for side in SIDES:
            self._map.put_aside(side, dict(self._asides(side)), self._run.session)

    def _put(self, link: FolderLink) -> FolderLink:
        return self._map.put(link, self._run.session)

    def _roles(self, side: Side) -> None:
        found = {f.role: f.id for f in self.trees[side].folders if f.role in PAIRED_ROLES}
        archive = self._map.links.get("archive")
        if side == DINGTALK and not (archive and (archive.dingtalk.id or archive.effect)):
            names = (f for f in self.trees[side].below("") if f.role is None and is_archive(f.name))
            free = next((f for f in names if self._map.link_of(side, f.id) is None), None)
            found |= {"archive": free.id} if free else {}
        for role, id in found.items():
            link = self._map.links.get(str(role)) or FolderLink(str(role), 0, role)
            if link.end(side).id != id:
                self._put(link.with_end(side, FolderEnd(id, parent=TOP)))
        if "archive" not in self._map.links:
            self._put(FolderLink("archive", 0, "archive"))

    def _missed(self, link: FolderLink) -> FolderLink:
        """Twice, a minute apart, a walk must not show it live (Outlook's trash: once, since its ids are read)."""
        for side in SIDES:
            end, tree = link.end(side), self.trees[side]
            where = tree.where(end.id)
            if not end.id or self._swept(side, end.id):
                continue
            if where not in ("trash", "gone"):
                link = link.with_end(side, replace(end, out=None, dead=False, trashed=False))
                continue
            if end.out is None:
                end = replace(end, alive=self._run.session.walked(side))
            out = tree.began if end.out is None else end.out
            dead = end.dead or tree.began - out >= self._run.policy.reread
            dead = dead or (side == OUTLOOK and where == "trash")
            link = link.with_end(side, replace(end, out=out, dead=dead, trashed=where == "trash"))
        return link

    def _swept(self, side: Side, id: str) -> bool:
        """Where it is says nothing while a delete of ours, of it or of a folder above, is not settled."""
        links = (self._map.link_of(side, folder.id) for folder in self.trees[side].up(id))
        effects = (link.effect for link in links if link)
        return any(effect is not None and effect.what == "delete" and effect.side == side for effect in effects)

    def _exclude(self) -> None:
        entries = self._run.pair.exclude_folders
        for link in list(self._map.links.values()):
            meant = (e for e in entries if e in {f"{s}/{link.end(s).id}" for s in SIDES if link.end(s).id})
            excluded = link.excluded if link.excluded in entries else next(meant, "")
            self._put(replace(link, excluded=excluded))
        for side in SIDES:
            for folder in self.trees[side].folders:
                entry = f"{side}/{folder.id}"
                if entry in entries and folder.role is None and self._map.link_of(side, folder.id) is None:
                    self._put(replace(self._new(side, folder), excluded=entry))

    def _asides(self, side: Side) -> Iterator[tuple[str, Aside]]:
        tree = self.trees[side]
        for folder in tree.folders:
            where, linked = tree.where(folder.id), self._map.link_of(side, folder.id) is not None
            if folder.role == "drafts" or folder.role == "system":
                yield folder.id, folder.role
            elif self.is_hidden(side, folder.id) or (linked and where in ("junk", "system")):
                yield folder.id, "hidden"
            elif not linked and where != "live" and where != "gone":
                yield folder.id, where

    def is_hidden(self, side: Side, id: str) -> bool:
        links = (self._map.link_of(side, folder.id) for folder in self.trees[side].up(id))
        return any(link.excluded for link in links if link)

    # ---- which is which
    def _pair(self, side: Side, folder: Folder) -> None:
        """Every live folder in scope has a link: one that moved, one made again, one of this name, or a new one."""
        tree, parent = self.trees[side], self.parent(side, folder)
        known = self._map.link_of(side, folder.id) is not None
        if known or folder.role is not None or tree.where(folder.id) != "live" or not parent:
            return
        if self.is_hidden(side, folder.id) or self._is_being_made(side, folder, parent):
            return
        link = self._moved(folder) if side == DINGTALK else None
        if link is not None:
            end = replace(link.dingtalk, id=folder.id, out=None, dead=False, trashed=False)
            self._put(link.with_end(DINGTALK, end))
            return
        if self._may_be_made_again(side, folder, parent):
            return
        link = (
            self._made_again(side, folder, parent) or self._same_name(side, folder, parent) or self._new(side, folder)
        )
        end = FolderEnd(folder.id, self.hash(folder), parent)
        self._put(replace(link.with_end(side, end), needed=False, empty=None))

    def _is_being_made(self, side: Side, folder: Folder, parent: str) -> bool:
        effects = (link.effect for link in self._map.links.values() if link.effect)
        return any(
            e.what == "create" and e.side == side and (e.name, e.parent) == (self.hash(folder), parent) for e in effects
        )

    def _moved(self, folder: Folder) -> FolderLink | None:
        """A vanished DingTalk folder whose messages `folder` has, or whose name as the only one (Alimail: a moved
        folder's id may change)."""
        tree, links = self.trees[DINGTALK], self._map.links.values()
        if self._map.keeps_ids:
            return None
        lost = [k for k in links if k.dingtalk.id and not k.role and tree.get(k.dingtalk.id) is None and not k.effect]
        named = [link for link in lost if link.dingtalk.name == self.hash(folder)]
        if not lost or (len(named) == 1 and self._unlinked[folder.name] == 1):
            return named[0] if named else None
        rows = self._run.replicas[DINGTALK].observe((), {}, [folder.id]).changes.rows
        held = [self._run.session.link_of(DINGTALK, row.id) for row in rows]
        keys = [str(link.base["folder"]) for link in held if link]
        return next((link for link in lost if link.key in keys), None)

    def _learn(self) -> None:
        """A folder that stands elsewhere under its old id tells that DingTalk's folders keep theirs."""
        for link in self._map.links.values():
            if not self._map.keeps_ids and self.shown(link, DINGTALK).moved:
                self._map.keeps_ids = True
                self._map.put_facts(self._run.session, None)

    def _may_be_made_again(self, side: Side, folder: Folder, parent: str) -> bool:
        """A folder of this name and place is missing, and it is too early to say that it was deleted."""
        ends = [link.end(side) for link in self._map.links.values() if not link.role]
        missing = [(e.name, e.parent) for e in ends if e.out is not None and not e.dead]
        return (self.hash(folder), parent) in missing

    def _made_again(self, side: Side, folder: Folder, parent: str) -> FolderLink | None:
        """Deleted, then made again with the same name and parent: the new folder takes the place."""
        for link in self._map.links.values():
            end, twin = link.end(side), link.end(other(side))
            same = (end.name, end.parent) == (self.hash(folder), parent)
            if same and end.dead and not link.role and not link.effect and twin.out is None and not link.excluded:
                return link
        return None

    def _same_name(self, side: Side, folder: Folder, parent: str) -> FolderLink | None:
        """One that is only on the other side, in the same place by the same name; an excluded one binds its twin so."""
        tree = self.trees[other(side)]
        for link in self._map.links.values():
            twin = tree.get(link.end(other(side)).id)
            if link.end(side).id or link.role or link.effect or twin is None:
                continue
            beside = tree.where(twin.id) == "live" and self.parent(other(side), twin) == parent
            if beside and alike(twin.name, folder.name):
                return link
        return None

    def _new(self, side: Side, folder: Folder) -> FolderLink:
        age = max((link.age for link in self._map.links.values()), default=0) + 1
        key = "folder:" + self._run.identity.hash("folder", side, folder.id, str(age))[:16]
        end = FolderEnd(folder.id, self.hash(folder), self.parent(side, folder))
        return FolderLink(key, age).with_end(side, end)

    # ---- what the planner takes
    def hash(self, folder: Folder) -> str:
        return self.hash_name(folder.name)

    def hash_name(self, name: str) -> str:
        return self._run.identity.hash("folder-name", unicodedata.normalize("NFC", name))

    def parent(self, side: Side, folder: Folder) -> str:
        """The key of the folder above, "" when that has none."""
        if not folder.parent:
            return TOP
        link = self._map.link_of(side, folder.parent)
        return link.key if link else ""

    def views(self) -> list[FolderView]:
        return [self._view(link) for link in self._map.links.values()]

    def _view(self, link: FolderLink) -> FolderView:
        shown = {side: self.shown(link, side) for side in SIDES}
        placed = any(shown[s].word == "out" and is_adrift(link.end(s), link.end(s).placed) for s in SIDES)
        return FolderView(link.key, link.age, link.role, shown[DINGTALK], shown[OUTLOOK], link.needed, placed)

    def shown(self, link: FolderLink, side: Side) -> Shown:
        end, folder = link.end(side), self.trees[side].get(link.end(side).id)
        if link.effect is not None:
            return Shown("unknown")
        if not end.id:
            return Shown("none")
        if self._swept(side, end.id):
            return Shown("unknown")
        if end.out is not None:
            if folder is not None and is_adrift(end, end.placed):
                return Shown("live", folder.name, "", self.hash(folder) != end.name, adrift=True)
            return Shown("out" if end.dead else "unknown")
        if folder is None or self.is_hidden(side, end.id) or self.trees[side].where(end.id) != "live":
            return Shown("hidden")
        parent = self.parent(side, folder)
        moved = bool(parent) and parent != end.parent
        return Shown("live", folder.name, parent, self.hash(folder) != end.name, moved)

    def held(self) -> list[Held]:
        found: list[Held] = []
        for side in SIDES:
            tree = self.trees[side]
            for folder in tree.folders:
                link = self._map.link_of(side, folder.id)
                parent = self.parent(side, folder)
                if parent and tree.where(folder.id) in ("live", "system"):
                    found.append(Held(side, parent, folder.name, link.key if link else ""))
        return found
