"""Which folder is which: the folder links of a pair, and the keys by which messages name them.

A message's state names a folder by its link's key, which is the same on both sides and outlives renames and moves: the
role, or a hash. What stands under the trash is the trash, what stands under junk is junk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from shared.model.folders import FolderEffect, FolderEnd, FolderLink
from shared.model.mail import Folder
from shared.model.words import SIDES, Role, Side, other
from shared.ports.state import Table
from shared.sync.identity import Identity
from shared.sync.ledger import Session
from shared.sync.rows import FOLDER, after

PAIRED_ROLES: tuple[Role, ...] = ("inbox", "sent", "archive", "junk", "trash")
NEVER: tuple[Role, ...] = ("drafts", "system")
WATCHED: tuple[Role, ...] = ("junk", "trash")

Aside = Literal["trash", "junk", "drafts", "system", "hidden"]
"""Where a folder without a part in the pairing stands. `hidden`: excluded by the person, or out of our reach."""

LINKS, ASIDE, PRINT, FACTS = f"{FOLDER}=", f"{FOLDER}-", f"{FOLDER}tree:", f"{FOLDER}facts"


LAG = 45.0
"""How long a write of ours, or a listing, may lag behind."""


def is_adrift(end: FolderEnd, placed: float) -> bool:
    """Did something that we put there at `placed` end in a folder that was deleted by then? Only a walk begun long
    enough afterwards that still showed the folder live says that it did not."""
    return end.out is not None and placed > end.alive - LAG


@dataclass(frozen=True, slots=True)
class Known:
    """A folder by its vendor's id. `role`: its own, or that of what it stands in; "system" where nobody looks."""

    side: Side
    id: str
    role: Role | None
    key: str


class FolderMap:
    """Folders of both sides by id and key. Changes are written to the session as they are made. `flat`: DingTalk's
    system folders take no folders; `keeps_ids`: a folder moved there keeps its id. Both are learned."""

    def __init__(self) -> None:
        self.links: dict[str, FolderLink] = {}
        self.flat, self.keeps_ids = False, False
        self._asides: dict[tuple[Side, str], Aside] = {}
        self._prints: dict[Side, str] = {}
        self._keys: dict[tuple[Side, str], str] = {}

    @classmethod
    def of(cls, table: Table, partition: str) -> FolderMap:
        """As committed."""
        return cls.load({e.key: e.value for e in table.scan(partition, FOLDER, after(FOLDER))})

    @classmethod
    def load(cls, rows: Mapping[str, Mapping[str, Any]]) -> FolderMap:
        folders = cls()
        for row, value in rows.items():
            if row.startswith(LINKS):
                folders._hold(link_of_json(value))
            elif row.startswith(ASIDE):
                folders._asides[value["side"], value["id"]] = value["aside"]
            elif row.startswith(PRINT):
                folders._prints[value["side"]] = value["print"]
            elif row == FACTS:
                folders.flat, folders.keeps_ids = value["flat"], value["keeps_ids"]
        return folders

    def _hold(self, link: FolderLink) -> None:
        for side in SIDES:
            old = self.links.get(link.key)
            if old is not None and self._keys.get((side, old.end(side).id)) == link.key:
                del self._keys[side, old.end(side).id]
        self.links[link.key] = link
        for side in SIDES:
            if link.end(side).id:
                self._keys[side, link.end(side).id] = link.key

    # ---- asking
    def link_of(self, side: Side, id: str) -> FolderLink | None:
        key = self._keys.get((side, id))
        return self.links[key] if key is not None else None

    def get(self, side: Side, id: str) -> Known | None:
        """None for a folder that no walk has shown yet."""
        link, aside = self.link_of(side, id), self._asides.get((side, id))
        if link is None and aside is None:
            return None
        role: Role | None = "system" if aside == "hidden" else aside or (link.role if link else None)
        if link is not None and link.end(side).dead:
            role = "trash"
        return Known(side, id, role, self.key(side, id))

    def key(self, side: Side, id: str) -> str:
        aside, link = self._asides.get((side, id)), self.link_of(side, id)
        if aside in WATCHED:
            return str(aside)
        if link is None:
            return f"{side}/{id}"
        end = link.end(side)
        return "trash" if end.dead and end.trashed else link.key

    def id(self, side: Side, key: str) -> str | None:
        """The vendor's id of the folder with this key, None when the side has none that can take anything now."""
        link = self.links.get(key)
        end = link.end(side) if link else FolderEnd()
        usable = end.id and end.out is None and not self.is_hidden(side, end.id)
        return end.id if usable and link and not (link.effect and link.effect.what in ("create", "delete")) else None

    def swallowed(self, side: Side, id: str, placed: float) -> bool:
        """Is what we put into this folder at `placed` in the trash by nobody's act?"""
        link = self.link_of(side, id)
        if link is None:  # it may have been made again since
            ends = (known.end(side) for known in self.links.values())
            return bool(id) and any(end.left == id and placed > end.left_alive - LAG for end in ends)
        return link.end(side).trashed and is_adrift(link.end(side), placed)

    def is_deleted(self, side: Side, key: str) -> bool:
        """Did a person delete this folder there?"""
        link = self.links.get(key)
        return link is not None and not link.role and link.end(side).dead

    def is_hidden(self, side: Side, id: str) -> bool:
        return self._asides.get((side, id)) == "hidden"

    def ids(self, side: Side) -> list[str]:
        """Folders that may hold items of ours."""
        linked = [link.end(side).id for link in self.links.values() if link.end(side).id]
        watched = [id for (s, id), aside in self._asides.items() if s == side and aside in WATCHED]
        return [id for id in linked if not self.is_hidden(side, id)] + watched

    def knows(self, side: Side) -> bool:
        return side in self._prints

    def differs(self, side: Side, folders: Iterable[Folder], identity: Identity) -> bool:
        return self._prints.get(side) != tree_print(folders, identity)

    # ---- changing
    def put(self, link: FolderLink, session: Session) -> FolderLink:
        if self.links.get(link.key) != link:
            self._hold(link)
            session.put_folder(LINKS + link.key, asdict(link), link.due)
        return link

    def close(self, link: FolderLink, session: Session) -> None:
        for side in SIDES:
            if self._keys.get((side, link.end(side).id)) == link.key:
                del self._keys[side, link.end(side).id]
        del self.links[link.key]
        session.drop_folder(LINKS + link.key)

    def put_aside(self, side: Side, asides: Mapping[str, Aside], session: Session) -> None:
        """All of one side's, as they are now."""
        old = {id: aside for (s, id), aside in self._asides.items() if s == side}
        for id, aside in asides.items():
            if old.get(id) != aside:
                self._asides[side, id] = aside
                session.put_folder(f"{ASIDE}{side}:{id}", {"side": side, "id": id, "aside": aside}, None)
        for id in old.keys() - asides.keys():
            del self._asides[side, id]
            session.drop_folder(f"{ASIDE}{side}:{id}")

    def put_print(self, side: Side, folders: Iterable[Folder], identity: Identity, session: Session) -> None:
        text = tree_print(folders, identity)
        if self._prints.get(side) != text:
            self._prints[side] = text
            session.put_folder(PRINT + side, {"side": side, "print": text}, None)

    def put_facts(self, session: Session, due: float | None) -> None:
        """`due`: when both trees are to be read again whatever they look like."""
        session.put_folder(FACTS, {"flat": self.flat, "keeps_ids": self.keeps_ids}, due)

    def need(self, side: Side, key: str, session: Session) -> bool:
        """A message wants this folder on `side`, where it was deleted or never was: it is made (again). -> whether
        there is a folder to make."""
        link = self.links.get(key)
        if link is None or link.excluded or self.is_hidden(other(side), link.end(other(side)).id):
            return False
        end = link.end(side)
        if not link.needed and (end.dead or (link.role == "archive" and not end.id)):
            self.put(replace(link, needed=True, due=session.now()), session)
        return True


def tree_print(folders: Iterable[Folder], identity: Identity) -> str:
    """The same for the same tree (ids, places, names and roles) and the same folders that are to be left alone."""
    rows = sorted(f"{f.id}\0{f.parent}\0{f.role or ''}\0{f.name}" for f in folders)
    return identity.hash("tree", *rows, *sorted(identity.pair.exclude_folders))


def link_of_json(value: Mapping[str, Any]) -> FolderLink:
    effect = value["effect"]
    if effect is not None:
        effect = FolderEffect(**{**effect, "source": tuple(effect["source"])})
    ends: dict[str, Any] = {side: FolderEnd(**value[side]) for side in SIDES}
    return FolderLink(**{**value, **ends, "effect": effect})
