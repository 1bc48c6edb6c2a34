"""What people do to folders: make, rename, move, nest, delete and restore them."""

from __future__ import annotations

import random
from collections.abc import Callable

from sandbox.simulation.oracle import Oracle
from sandbox.truth import Mailbox, StoredFolder

NAMES: dict[str, tuple[str, ...]] = {
    "outlook": ("Orders", "orders", "Import/Export", "提单", "Clients", "2026 ", "QA\tdocs"),
    "dingtalk": ("Orders", "ORDERS", "Import／Export", "提单", "Clients", "2026", "客户"),
}
DEEPEST = 4
Done = Callable[[str], None]


class FolderPeople:
    """`done(text)` is called after each act."""

    def __init__(self, rng: random.Random, boxes: dict[str, Mailbox], oracle: Oracle, done: Done) -> None:
        self._rng, self._boxes, self._oracle, self._done = rng, boxes, oracle, done

    def act(self, side: str) -> None:
        acts = {self._make: 26, self._rename: 26, self._move: 22, self._delete: 12, self._restore: 14}
        self._rng.choices(list(acts), list(acts.values()))[0](side)

    def _live(self, side: str) -> list[StoredFolder]:
        return sorted(self._oracle.folders.live(side), key=lambda f: f.id)

    def _one(self, side: str) -> StoredFolder | None:
        """Not DingTalk's archive: what becomes of it is of another kind."""
        folders = [f for f in self._live(side) if f.name != "归档"]
        return self._rng.choice(folders) if folders else None

    def _place(self, side: str, moved: StoredFolder | None = None) -> str | None:
        """A parent: mostly the top, never below what is moved, nor too deep."""
        folders = [f.id for f in self._live(side) if len(self._oracle.folders.line(side, f.id)) < DEEPEST - 1]
        inbox = [self._boxes[side].role("inbox")] if not self._oracle.folders.flat or side == "outlook" else []
        ids = [id for id in [*folders, *inbox] if moved is None or moved.id not in self._above(side, id)]
        return None if not ids or self._rng.random() < 0.4 else self._rng.choice(ids)

    def _above(self, side: str, id: str) -> list[str]:
        return [f.id for f in self._oracle.folders.line(side, id)]

    def _is_free(self, side: str, name: str, parent: str | None, but: str = "") -> bool:
        beside = (f for f in self._boxes[side].folders() if f.parent == parent and f.id != but)
        return all(f.name.casefold() != name.casefold() if side == "outlook" else f.name != name for f in beside)

    # ---- acts
    def _make(self, side: str) -> None:
        name, parent = self._rng.choice(NAMES[side]), self._place(side)
        if len(self._live(side)) < 9 and self._is_free(side, name, parent):
            id = self._boxes[side].make_folder(name, parent)
            self._oracle.folders.was_made(side, id, name, parent)
            self._done(f"{side} makes {name!r}")

    def _rename(self, side: str) -> None:
        folder, name = self._one(side), self._rng.choice(NAMES[side])
        if folder is not None and name != folder.name and self._is_free(side, name, folder.parent, folder.id):
            self._oracle.folders.edited(side, folder.id, "name", name)
            self._boxes[side].rename_folder(folder.id, name)
            self._done(f"{side} renames {folder.name!r} to {name!r}")

    def _move(self, side: str) -> None:
        folder = self._one(side)
        if folder is None:
            return
        parent = self._place(side, folder)
        if parent != folder.parent and self._is_free(side, folder.name, parent):
            self._put(side, folder, parent)
            self._done(f"{side} moves {folder.name!r}")

    def _put(self, side: str, folder: StoredFolder, parent: str | None) -> None:
        folders, box = self._oracle.folders, self._boxes[side]
        folders.edited(side, folder.id, "parent", folders.place(side, parent) if parent else "top")
        box.move_folder(folder.id, parent)

    def _subtree(self, side: str, id: str) -> list[str]:
        below = sorted(f.id for f in self._boxes[side].folders() if f.parent == id)
        return [id, *(deep for child in below for deep in self._subtree(side, child))]

    def _delete(self, side: str) -> None:
        folder, box = self._one(side), self._boxes[side]
        if folder is None:
            return
        subtree = self._subtree(side, folder.id)
        items = [m for m in sorted(box.messages(), key=lambda m: m.id) if m.folder in subtree]
        if any(self._oracle.is_ambiguous(item) for item in items):
            return
        self._oracle.folders.deleted(side, subtree)
        for item in items:
            self._oracle.edited(side, item, "folder", "trash")
        box.delete_folder(folder.id)
        self._done(f"{side} deletes {folder.name!r} with {len(items)}")

    def _restore(self, side: str) -> None:
        box = self._boxes[side]
        trashed = sorted((f for f in box.folders() if f.parent == box.role("trash")), key=lambda f: f.id)
        if not trashed or len(self._live(side)) >= 9:
            return
        folder, parent = self._rng.choice(trashed), self._place(side)
        items = [m for m in sorted(box.messages(), key=lambda m: m.id) if m.folder in self._subtree(side, folder.id)]
        if not self._is_free(side, folder.name, parent) or any(self._oracle.is_ambiguous(item) for item in items):
            return
        self._oracle.folders.restored(side, folder.id)
        for item in items:
            self._oracle.edited(side, item, "folder", f"{side}/{item.folder}")
        box.move_folder(folder.id, parent)
        self._done(f"{side} restores {folder.name!r}")
