"""Which folder is which: read-only pairing by role or equal path.

A message's state names a folder by its key, which is the same on both sides: the role, or a name of the pair of ids.
A folder without a twin has a key of its own side; a message in it waits.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from shared.model.mail import Folder
from shared.model.words import SIDES, Role, Side, other
from shared.sync.identity import Identity
from shared.sync.ledger import Session
from shared.sync.rows import FOLDER

PAIRED_ROLES: tuple[Role, ...] = ("inbox", "sent", "archive", "junk", "trash")
NEVER: tuple[Role, ...] = ("drafts", "system")
WATCHED: tuple[Role, ...] = ("junk", "trash")


@dataclass(frozen=True, slots=True)
class Known:
    """A folder as the ledger knows it. `path` is a hash. `twin`: the key both sides share, "" without one."""

    side: Side
    id: str
    role: Role | None
    path: str
    twin: str

    @property
    def key(self) -> str:
        return self.twin or f"{self.side}/{self.id}"


class FolderMap:
    """Folders of both sides by id and key. Changes are written to the session as they are made."""

    def __init__(self, known: Iterable[Known]) -> None:
        self._known: dict[tuple[Side, str], Known] = {(k.side, k.id): k for k in known}
        self._ids: dict[tuple[Side, str], str] = {}
        self._index()

    @classmethod
    def load(cls, rows: Mapping[str, Mapping[str, Any]]) -> FolderMap:
        return cls(Known(**value) for key, value in rows.items() if key.startswith(FOLDER))

    def _index(self) -> None:
        self._ids = {(k.side, k.twin): k.id for k in self._known.values() if k.twin}

    def get(self, side: Side, id: str) -> Known | None:
        return self._known.get((side, id))

    def key(self, side: Side, id: str) -> str:
        known = self._known.get((side, id))
        return known.key if known else f"{side}/{id}"

    def id(self, side: Side, key: str) -> str | None:
        """The vendor's id of the folder with this key, None when the side has none."""
        return self._ids.get((side, key))

    def ids(self, side: Side) -> list[str]:
        """Folders that may hold items of ours."""
        return [k.id for k in self._known.values() if k.side == side and k.role not in NEVER]

    def knows(self, side: Side) -> bool:
        return any(k.side == side for k in self._known.values())

    def differs(self, side: Side, folders: Iterable[Folder], identity: Identity) -> bool:
        now = {f.id: (f.role, identity.path(normal(f))) for f in folders}
        return now != {k.id: (k.role, k.path) for k in self._known.values() if k.side == side}

    def update(self, side: Side, folders: Iterable[Folder], identity: Identity, session: Session) -> None:
        """Take over one side's tree as it is now. Pairs made once stay, as long as both folders exist; new ones are
        made by role, else by equal path."""
        before = dict(self._known)
        fresh = {(side, f.id): self._as_known(side, f, identity) for f in folders}
        self._known = {at: k for at, k in self._known.items() if k.side != side} | fresh
        self._drop_widows()
        self._pair(side, identity)
        self._index()
        for at, known in self._known.items():
            if before.get(at) != known:
                session.put_row(f"{FOLDER}{known.side}:{known.id}", asdict(known))
        for at in before.keys() - self._known.keys():
            session.delete_row(f"{FOLDER}{at[0]}:{at[1]}")

    def _as_known(self, side: Side, folder: Folder, identity: Identity) -> Known:
        old = self._known.get((side, folder.id))
        twin = folder.role if folder.role in PAIRED_ROLES else old.twin if old and not old.role else ""
        return Known(side, folder.id, folder.role, identity.path(normal(folder)), twin or "")

    def _drop_widows(self) -> None:
        held = {(k.side, k.twin) for k in self._known.values() if k.twin}
        for at, k in list(self._known.items()):
            if k.twin and not k.role and (other(k.side), k.twin) not in held:
                self._known[at] = replace(k, twin="")

    def _pair(self, side: Side, identity: Identity) -> None:
        free = {
            s: {k.path: k for k in self._known.values() if k.side == s and not k.twin and not k.role} for s in SIDES
        }
        for path, mine in free[side].items():
            theirs = free[other(side)].get(path)
            if theirs is not None:
                outlook = mine if side == "outlook" else theirs
                twin = "folder:" + identity.hash("folder", outlook.id)[:16]
                for k in (mine, theirs):
                    self._known[k.side, k.id] = replace(k, twin=twin)


def normal(folder: Folder) -> Folder:
    return Folder(folder.id, tuple(unicodedata.normalize("NFC", name) for name in folder.path), folder.role)
