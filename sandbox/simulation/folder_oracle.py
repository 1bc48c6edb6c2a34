"""What must be true of folders. It sees people's acts, both trees, and the rows of the ledger: only these say which
folder is whose twin."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sandbox.truth import Mailbox, StoredFolder

Rows = Mapping[str, Mapping[str, Any]]
SIDES = ("dingtalk", "outlook")
BLIND = 25.0
"""How long before a write of ours an act may fall without being seen by it: both trees are walked first."""


UNSEEN = 150.0
"""Seconds in which nobody may have looked, with a worker dead."""
AT_ONCE = 600.0
"""Two folders of one name that were made and deleted within this may have been one for the product."""


@dataclass(slots=True)
class FolderEdit:
    """`id`: the vendor's; `folder`: the link's key, or side/id while it has none."""

    side: str
    id: str
    folder: str
    field: str
    value: str
    at: float
    superseded: bool = False


class FolderOracle:
    def __init__(
        self,
        boxes: dict[str, Mailbox],
        now: Callable[[], float],
        rows: Callable[[], Rows],
        fail: Callable[[str, str], None],
    ) -> None:
        self._boxes, self._now, self._rows, self._fail = boxes, now, rows, fail
        self._keys: dict[str, str] | None = None
        self._shown_before: dict[str, set[str]] = {}
        self.edits: list[FolderEdit] = []
        self.made: dict[str, str] = {}
        self._may_go: set[str] = set()
        self._deleted: list[tuple[str, str, float]] = []
        self._made_at: dict[str, float] = {}
        self.history: list[str] = []
        self.flat, self.keeps_id = False, True

    # ---- names of folders
    @contextmanager
    def as_of(self, rows: Rows) -> Iterator[None]:
        """Many questions about one moment."""
        self._keys = _keys(rows)
        yield
        self._keys = None

    def key(self, side: str, id: str) -> str:
        """The link's key, or side/id while it has none. Where a folder got another id as it was moved, the ledger may
        still know it by an earlier one."""
        keys, name = self._keys if self._keys is not None else _keys(self._rows()), f"{side}/{id}"
        if name in keys:
            return keys[name]
        known = ((key, other.partition("/")) for other, key in keys.items())
        earlier = (key for key, (at, _, old) in known if at == side and self._boxes[side].folder_now(old) == id)
        return next(earlier, name)

    def now_called(self, name: str) -> str:
        """A folder that had no link then may have one now, and other ids."""
        side, _, id = name.partition("/")
        return self.key(side, self._boxes[side].folder_now(id)) if side in SIDES else name

    def place(self, side: str, folder: str) -> str:
        """Role, "trash" for what lies below it, else the folder's name here."""
        line = self.line(side, folder)
        if any(f.role == "trash" for f in line):
            return "trash"
        return line[0].role or self.key(side, folder)

    def line(self, side: str, id: str | None) -> list[StoredFolder]:
        """The folder and those above it."""
        folders, line = {f.id: f for f in self._boxes[side].folders()}, list[StoredFolder]()
        while id is not None and id in folders:
            line.append(folders[id])
            id = folders[id].parent
        return line

    def live(self, side: str) -> list[StoredFolder]:
        """Folders made by people, as far as they are not below a system folder."""
        found = []
        for folder in self._boxes[side].folders():
            top = self.line(side, folder.id)[-1]
            if folder.role is None and top.role in (None, "inbox") and top.name not in VENDORS:
                found.append(folder)
        return found

    # ---- told by people
    def was_made(self, side: str, id: str, name: str, parent: str | None) -> None:
        self.made[f"{side}/{id}"], self._made_at[f"{side}/{id}"] = name, self._now()
        self._tell(f"{side} makes {name} ({id[-6:]}) in {parent and parent[-6:]}")

    def edited(self, side: str, id: str, field: str, value: str) -> None:
        """`value`: a name, or the parent's name here ("top"). An edit back to what stood there before is no change to
        those who did not see what was between."""
        key = self.key(side, id)
        before = self._shown_before.setdefault(f"{side} {key} {field}", set())
        agreed = self._rows().get(f"f:={key}", {}).get(side, {}).get("parent")
        back, was = bool({value, canon(value)} & before), self._shown(side, id, field)
        before |= {was, value, canon(value)}
        for edit in self.edits:
            mine = edit.side == side and self._boxes[side].folder_now(edit.id) == id
            if (mine or self.now_called(edit.folder) == key) and edit.field == field:
                edit.superseded = True
        self.edits.append(
            FolderEdit(
                side, id, key, field, value, self._now(), superseded=back or (field == "parent" and value == agreed)
            )
        )
        self._tell(f"{side} {field} of {id[-6:]} {key[-8:]}: {value}")

    def deleted(self, side: str, subtree: list[str]) -> None:
        """Told before it happens: these folders and their twins may go."""
        names = {f.id: canon(f.name) for f in self._boxes[side].folders()}
        for id in subtree:
            key = self.key(side, id)
            self._deleted.append((side, names[id], self._now()))
            self._may_go |= {key, f"{side}/{id}"} | {name for name, k in _keys(self._rows()).items() if k == key}
        self._tell(f"{side} deletes {subtree[0][-6:]} {self.key(side, subtree[0])[-8:]}")

    def restored(self, side: str, id: str) -> None:
        self._tell(f"{side} restores {id[-6:]}")

    def _tell(self, text: str) -> None:
        self.history.append(f"{self._now():.1f} {text}")

    # ---- at the end
    def check(self, rows: Rows, windows: list[tuple[str, float, float]]) -> None:
        links = {row["key"]: row for key, row in rows.items() if key.startswith("f:=")}
        self._may_go |= {self.now_called(name) for name in self._may_go}
        stays = {key for key, row in links.items() if row["waits"] == "stays"}
        self._check_trees(links, stays)
        self._check_made(links)
        self._check_edits(rows, links, windows)
        for key, row in links.items():
            if row["effect"]:
                self._fail("open intent", f"folder {key} {row}")
            for side in SIDES:
                end = row[side]
                if end["id"] and not end["dead"] and not any(f.id == end["id"] for f in self._boxes[side].folders()):
                    self._fail("orphan", f"folder {key} points to nothing on {side}")

    def _story(self) -> str:
        return "; ".join(self.history)

    def _check_trees(self, links: Rows, stays: set[str]) -> None:
        """Equal but for what a side can't hold, and for what had to stay, empty."""
        trees = {side: self._paths(side, links, stays) for side in SIDES}
        if trees["outlook"] != trees["dingtalk"]:
            only = {s: sorted((trees[s] - trees[other(s)]).elements()) for s in SIDES}
            self._fail("trees differ", f"{only}; {self._story()}")

    def _paths(self, side: str, links: Rows, stays: set[str]) -> Counter[str]:
        archive = links.get("archive", {}).get(side, {}).get("id")
        found = Counter[str]()
        for folder in self.live(side):
            line = self.line(side, folder.id)
            if folder.id == archive or (self.key(side, folder.id) in stays and side == "dingtalk"):
                continue
            names = [f.role or canon(f.name) for f in reversed(line)]
            found["/".join(names[1:] if self.flat and line[-1].role else names)] += 1
        return found

    def _check_made(self, links: Rows) -> None:
        """No folder goes that nobody deleted."""
        live = {side: {f.id for f in self.live(side)} for side in SIDES}
        for name in self.made:
            now = self.now_called(name)
            side, _, id = name.partition("/")
            if {name, now, f"{side}/{self._boxes[side].folder_now(id)}"} & self._may_go:
                continue
            if self._was_one(name, side):
                continue
            row = links.get(now)
            missing = [s for s in SIDES if row is None or row[s]["id"] not in live[s]]
            if missing:
                self._fail("folder lost", f"{self.made[name]} {now} on {missing}; {self._story()}")

    def _was_one(self, name: str, side: str) -> bool:
        """Made about when its namesake on the other side was, which was deleted before the two were known as one."""
        about = (
            s != side and deleted == canon(self.made[name]) and abs(at - self._made_at[name]) < AT_ONCE
            for s, deleted, at in self._deleted
        )
        return any(about)

    def _check_edits(self, rows: Rows, links: Rows, windows: list[tuple[str, float, float]]) -> None:
        for edit in self.edits:
            key = self.now_called(edit.folder)
            gone = edit.superseded or {key, edit.folder, self.now_called(edit.value), edit.value} & self._may_go
            if gone or key not in links or _journaled(rows, key, edit.field):
                continue
            if not self.keeps_id and (self._is_lost_from_sight(edit) or _is_made_again(rows, key)):
                continue
            if any(start - BLIND <= edit.at <= end for _, start, end in windows):
                continue
            wanted = canon(edit.value) if edit.field == "name" else self.now_called(edit.value)
            shown = {side: self._shown(side, links[key][side]["id"], edit.field) for side in SIDES}
            if any(value != wanted for value in shown.values()) and not (self.flat and edit.field == "parent"):
                self._fail("folder edit lost", f"{edit} {shown}; {self._story()}")

    def _is_lost_from_sight(self, edit: FolderEdit) -> bool:
        """It, or the folder it was moved into, can't be known as the one that it was."""
        into = (e for e in self.edits if edit.field == "parent" and e.folder == edit.value)
        if self._is_replaced(edit) or self._is_moved_again(edit):
            return True
        return any(self._is_moved_and_renamed(e) for e in (edit, *into))

    def _is_moved_again(self, edit: FolderEdit) -> bool:
        """Moved under an id that no run had taken in yet: it had been moved before, or what it stands in had."""
        return edit.field == "parent" and edit.folder == f"dingtalk/{edit.id}" and edit.folder not in self.made

    def _is_replaced(self, edit: FolderEdit) -> bool:
        """Moved, and another one of that name was made where it stood before anybody looked."""
        line = self.line(edit.side, self._boxes[edit.side].folder_now(edit.id))
        if edit.field != "parent" or edit.side != "dingtalk" or not line:
            return False
        made = [n for n, name in self.made.items() if n.startswith("dingtalk/") and canon(name) == canon(line[0].name)]
        return any(0 < self._made_at[name] - edit.at < UNSEEN for name in made)

    def _is_moved_and_renamed(self, edit: FolderEdit) -> bool:
        """Under another id and another name an empty folder can't be known again: it is deleted and made again."""
        now = self._boxes["dingtalk"].folder_now
        mine = [e for e in self.edits if e.side == edit.side == "dingtalk" and now(e.id) == now(edit.id)]
        return len({e.field for e in mine}) > 1

    def _shown(self, side: str, id: str, field: str) -> str:
        line = self.line(side, id)
        if not line:
            return ""
        if field == "name":
            return canon(line[0].name)
        return (line[1].role or self.key(side, line[1].id)) if len(line) > 1 else "top"


VENDORS = ("Outbox", "Sync Issues", "Conversation History", "Scheduled")


def canon(name: str) -> str:
    """A name without what a side changes of it, and without the number of a clash."""
    name = re.sub(r"[\x00-\x1f]", " ", name.replace("/", "／")).strip().casefold()
    while (short := re.sub(r" \(\d+\)$", "", name)) != name:
        name = short
    return name


def _keys(rows: Rows) -> dict[str, str]:
    """side/id -> key, of folders without a role."""
    links = [row for key, row in rows.items() if key.startswith("f:=")]
    return {f"{side}/{row[side]['id']}": row["key"] for row in links for side in SIDES if row[side]["id"]}


def _is_made_again(rows: Rows, key: str) -> bool:
    """An empty folder that moved and got another id can't be known again where two had its name, nor while it is not
    certain that it was made."""
    lines = [row for name, row in rows.items() if name.startswith("j:") and row["link"] == f"f:={key}"]
    return any(
        row["what"] == "made again" or (row["what"] == "not found" and row["detail"]["kind"] == "create")
        for row in lines
    )


def _journaled(rows: Rows, key: str, field: str) -> bool:
    return any(
        row["what"] == "overwritten" and row["link"] == f"f:={key}" and row["detail"]["field"] == f"folder {field}"
        for name, row in rows.items()
        if name.startswith("j:")
    )


def other(side: str) -> str:
    return "outlook" if side == "dingtalk" else "dingtalk"
