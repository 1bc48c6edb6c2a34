"""One mailbox: its folders and messages, and what listings show of them after a lag."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from typing import Any, Literal

from sandbox.dingtalk.errors import Refusal, invalid
from sandbox.dingtalk.mime import parse
from sandbox.dingtalk.records import (
    COMPLETE,
    DRAFTS,
    FLAGGED,
    INBOX,
    JUNK,
    ROLES,
    SENT,
    TOP,
    TRASH,
    Folder,
    Message,
)
from sandbox.dingtalk.world import World

NAMES: dict[str, dict[str, str]] = {
    "zh-CN": {"1": "已发送", "2": "收件箱", "3": "垃圾邮件", "5": "草稿", "6": "已删除邮件"},
    "zh-TW": {"1": "寄件備份", "2": "收件匣", "3": "垃圾郵件", "5": "草稿", "6": "已刪除郵件"},
    "en": {"1": "Sent", "2": "Inbox", "3": "Spam", "5": "Drafts", "6": "Trash"},
}
LAGGING = 0.4
"""Share of the changes that lag at all."""
FIRST_FOLDER = 100


class Store:
    """Keyed by address. `items` is the truth, `shown` what listings and counters see."""

    def __init__(self, world: World, address: str, password: str | None, language: str, aliases: Iterable[str]) -> None:
        self.world, self.address, self.password = world, address, password
        self.password_expired, self.imap_off = False, False
        self.aliases = tuple(aliases)
        self.name = address.partition("@")[0]
        self.forwards: tuple[str, ...] = ()
        self.folders: dict[str, Folder] = {id: Folder(id, NAMES[language][id], uidvalidity=int(id)) for id in ROLES}
        self.items: dict[str, Message] = {}
        self.tags: dict[str, str] = {}
        """A person's own, names by id."""
        self.moved_folders: dict[str, str] = {}
        self.quota: int | None = None
        self._shown: dict[str, Message] = {}
        self._searched: dict[str, Message] = {}
        self._due: list[tuple[float, int, str, bool]] = []
        self._previous: dict[str, tuple[float, Message]] = {}
        self._glitches: dict[str, float] = {}
        self._uids: Counter[str] = Counter()

    # ---- changes
    def add(
        self,
        folder: str,
        mime: bytes,
        *,
        received: float,
        read: bool = False,
        tags: frozenset[str] = frozenset(),
        answered: bool = False,
        marks: frozenset[str] = frozenset(),
        by: Literal["person", "client"] = "person",
        posted: bool = False,
    ) -> Message:
        """What a mailbox has sent itself, or is still to send, asks others for receipts and not its reader."""
        now, parsed = self.world.now(), parse(mime)
        due = parsed.wants_receipt and folder not in (SENT, DRAFTS)
        message = Message(
            self._new_id(), folder, mime, parsed, received, now, now, self.next_uid(folder), read, tags, answered,
            marks, by, due, posted,
        )  # fmt: skip
        return self._put(message)

    def _new_id(self) -> str:
        return f"Dzzzz{self.world.serial():06d}"

    def next_uid(self, folder: str) -> int:
        self._uids[folder] += 1
        return self._uids[folder]

    def uid_next(self, folder: str) -> int:
        return self._uids[folder] + 1

    def change(self, message: Message, **fields: Any) -> Message:
        """New field values; `modified` moves unless the vendor keeps it for state changes."""
        if self.world.switches.lastmod_on_flag:
            fields = {"modified": self.world.now(), **fields}
        return self._put(replace(message, version=message.version + 1, **fields))

    def move(self, message: Message, folder: str) -> Message:
        """Into another folder: a new UID, and, by a switch, a new id."""
        moved = {"folder": folder, "uid": self.next_uid(folder), "marks": message.marks - {"\\deleted"}}
        if self.world.switches.move_keeps_id:
            return self.change(message, **moved)
        self.purge(message)
        return self.change(replace(message, id=self._new_id()), **moved)

    def mark_read(self, message: Message, **fields: Any) -> Message:
        """A client marks it read, which may send a receipt."""
        sends = message.receipt_due and not message.read and self.world.switches.read_sends_receipt
        self.world.receipts += sends
        return self.change(message, read=True, receipt_due=message.receipt_due and not sends, **fields)

    def relocate(self, message: Message, folder: str) -> Message:
        """A client moves it; unread into the trash, that may send a receipt (of a message deleted unread)."""
        if folder == TRASH and message.receipt_due and not message.read:
            self.world.receipts += self.world.switches.trash_sends_receipt
        return self.move(message, folder)

    def purge(self, message: Message) -> None:
        self.items.pop(message.id, None)
        self._index_later(message.id)

    def _put(self, message: Message) -> Message:
        old = self.items.get(message.id)
        if old is not None:
            self._previous[message.id] = (self.world.now(), old)
        self.items[message.id] = message
        self._index_later(message.id)
        return message

    # ---- what listings and searches see
    def _index_later(self, id: str) -> None:
        for searched, lag in ((False, self.world.switches.list_lag), (True, self.world.switches.search_lag)):
            if lag and self.world.happens(LAGGING):
                at = self.world.now() + self.world.random.uniform(0, lag)
                heapq.heappush(self._due, (at, self.world.serial(), id, searched))
            else:
                self._index(id, searched)

    def _index(self, id: str, searched: bool) -> None:
        index, item = self._searched if searched else self._shown, self.items.get(id)
        if item is None:
            index.pop(id, None)
        else:
            index[id] = item

    def _settle(self) -> None:
        while self._due and self._due[0][0] <= self.world.now():
            _, _, id, searched = heapq.heappop(self._due)
            self._index(id, searched)

    def listed(self, folder: str) -> list[Message]:
        self._settle()
        return [message for message in self._shown.values() if message.folder == folder]

    def searched(self) -> list[Message]:
        self._settle()
        return list(self._searched.values())

    def counters(self, folder: str) -> tuple[int, int]:
        """-> all messages, unread messages."""
        messages = self.listed(folder)
        return len(messages), sum(not message.read for message in messages)

    # ---- reads
    def get(self, id: str) -> Message | None:
        """A read by id, with the vendor's moods."""
        now, switches, item = self.world.now(), self.world.switches, self.items.get(id)
        calm = now - self._glitches.get(id, -1e9) > switches.glitch_seconds + 75
        if item is not None and calm and self.world.happens(switches.glitch_404):
            self._glitches[id] = now
        if now - self._glitches.get(id, -1e9) < switches.glitch_seconds:
            return None
        if item is not None and switches.get_stale and id in self._previous:
            when, old = self._previous[id]
            if now - when < switches.get_stale and self.world.happens(0.5):
                return old
        return item

    # ---- folders
    def children(self, parent: str) -> list[Folder]:
        return [folder for folder in self.folders.values() if folder.parent == parent]

    def make_folder(self, name: str, parent: str = TOP) -> Folder:
        self._check_place(name, parent)
        serial = FIRST_FOLDER + self.world.serial()
        folder = Folder(str(serial), name, parent, serial)
        self.folders[folder.id] = folder
        return folder

    def rename_folder(self, folder: Folder, name: str) -> None:
        self._refuse_system(folder)
        if name != folder.name:
            self._check_place(name, folder.parent)
        self.folders[folder.id] = replace(folder, name=name)

    def move_folder(self, folder: Folder, parent: str, name: str | None = None) -> Folder:
        """-> the folder as it is afterwards."""
        name = folder.name if name is None else name
        self._refuse_system(folder)
        if parent != TOP and folder in self.line(self.folders[parent]):
            raise invalid("a folder can't be moved into itself")
        if (parent, name) != (folder.parent, folder.name):
            self._check_place(name, parent)
        return self._place(folder, parent, name)

    def _place(self, folder: Folder, parent: str, name: str) -> Folder:
        if self.world.switches.folder_keeps_id or parent == folder.parent:
            self.folders[folder.id] = replace(folder, parent=parent, name=name)
            return self.folders[folder.id]
        serial = FIRST_FOLDER + self.world.serial()
        moved = Folder(str(serial), name, parent, serial)
        self.folders[moved.id] = moved
        for message in [message for message in self.items.values() if message.folder == folder.id]:
            self._put(replace(message, folder=moved.id, uid=self.next_uid(moved.id)))
        for child in self.children(folder.id):
            self._place(child, moved.id, child.name)
        del self.folders[folder.id]
        self.moved_folders[folder.id] = moved.id
        return moved

    def delete_folder(self, folder: Folder) -> None:
        """What becomes of it and of what is in it is a switch."""
        self._refuse_system(folder)
        how = self.world.switches.folder_delete
        filled = any(message.folder == folder.id for message in self.items.values())
        if how == "under_trash" and self.folders[TRASH] not in self.line(folder):
            self._place(folder, TRASH, self._free_name(folder.name, TRASH))
        elif self.children(folder.id) or (filled and how == "refuses"):
            raise Refusal(400, "folder.notEmpty", "the folder is not empty")
        else:
            for message in [message for message in self.items.values() if message.folder == folder.id]:
                self.relocate(message, TRASH)
            del self.folders[folder.id]

    def _free_name(self, name: str, parent: str) -> str:
        taken = {folder.name for folder in self.children(parent)}
        names = (name if number == 1 else f"{name}{number}" for number in count(1))
        return next(name for name in names if name not in taken)

    def _check_place(self, name: str, parent: str) -> None:
        switches = self.world.switches
        if not name.strip() or "/" in name or any(ord(c) < 32 for c in name) or len(name) > switches.folder_name_length:
            raise invalid("displayName")
        if parent in (SENT, INBOX, JUNK) and not switches.system_takes_folders:
            raise Refusal(400, "folder.parent", "a system folder takes no folders")
        if not switches.equal_names and any(folder.name == name for folder in self.children(parent)):
            raise Refusal(400, "folder.exists", "a folder of this name is there already")

    def _refuse_system(self, folder: Folder) -> None:
        if folder.id in ROLES:
            raise Refusal(403, "folder.forbidden", "a system folder can't be changed")

    def line(self, folder: Folder) -> tuple[Folder, ...]:
        """The folders from the top down to this one."""
        above = self.line(self.folders[folder.parent]) if folder.parent in self.folders else ()
        return (*above, folder)


def flag_of(message: Message) -> Literal["none", "flagged", "complete"]:
    return "complete" if COMPLETE in message.tags else "flagged" if FLAGGED in message.tags else "none"
