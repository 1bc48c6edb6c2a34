"""Folders of an Alimail mailbox: the tree with its counters, and which folder has which role. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.model.mail import Folder
from shared.model.words import Role

Json = Any

ROLES: dict[str, Role] = {"1": "sent", "2": "inbox", "3": "junk", "5": "drafts", "6": "trash"}
"""Alimail: well-known folder ids. Display names of these folders are localised; only the id counts."""

DRAFTS = "5"
DEPTH = 32
"""Levels after which a tree is taken for a loop in the vendor's answer."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A folder with the vendor's counters: all messages, and the unread ones."""

    folder: Folder
    total: int
    unread: int


def walk(children: Callable[[Sequence[str | None]], Sequence[Sequence[Json]]]) -> tuple[Counted, ...]:
    """The whole tree, parents first. `children` gives, for each parent's id (None = the top), its folders as JSON;
    it is asked once per level, about parents with `childFolderCount` > 0 only (Alimail: one level per call)."""
    tree: dict[str, Counted] = {}
    level: dict[str | None, tuple[str, ...]] = {None: ()}
    for _ in range(DEPTH):
        parents, level = level, {}
        for (above, path), folders in zip(parents.items(), children(list(parents)), strict=True):
            for json in folders:
                counted = _counted(json, above or "", path)
                if tree.setdefault(counted.folder.id, counted) is counted and _count(json, "childFolderCount"):
                    level[counted.folder.id] = counted.folder.path
        if not level:
            break
    return tuple(tree.values())


def name(text: str) -> str:
    """A display name in the one form that names are compared in (Unicode NFC)."""
    return unicodedata.normalize("NFC", text)


def _counted(json: Json, above: str, path: tuple[str, ...]) -> Counted:
    id = str(json["id"])
    folder = Folder(id, (*path, name(str(json.get("displayName") or ""))), ROLES.get(id), above)
    return Counted(folder, _count(json, "totalItemCount"), _count(json, "unreadItemCount"))


def _count(json: Json, member: str) -> int:
    return int(json.get(member) or 0)
