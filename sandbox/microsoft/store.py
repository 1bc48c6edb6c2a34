"""A mailbox's folders and messages, and everything that can be done to them. Callers hold the world's lock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sandbox.microsoft import ids, names
from sandbox.microsoft.errors import GraphError, bad_body, conflict, malformed_id, not_found
from sandbox.microsoft.index import Index
from sandbox.microsoft.records import Attachment, Folder, Message
from sandbox.microsoft.threads import conversation_of
from sandbox.microsoft.world import World


class Store:
    def __init__(self, world: World, address: str, display_name: str, language: str) -> None:
        self.world = world
        self.address = address
        self.display_name = display_name or address.partition("@")[0]
        self.language = language
        self.guid = ids.guid("user", address.lower())
        self.enabled = True
        self.denied = False
        self.sends_receipts = True
        self.purpose = "user"
        self.aliases: tuple[str, ...] = ()
        self.forwards: tuple[str, ...] = ()
        self.quota: int | None = None
        self.used = 0
        self.delta_epoch = 0
        self.folders: dict[str, Folder] = {}
        self.folder_log: list[str] = []
        self.items: dict[str, Message] = {}
        self.index = Index(world, self.items)
        self._current: dict[str, str] = {}
        self._well_known: dict[str, str] = {}
        self._conversations: dict[str, str] = {}
        self._previous: dict[str, tuple[float, Message]] = {}
        self._glitches: dict[str, float] = {}
        for known in names.WELL_KNOWN:
            if known.name != "archive" or not world.switches.archive_absent:
                self._make_well_known(known)

    # ---------------------------------------------------------------------------------------------------- folders
    def _make_well_known(self, known: names.WellKnown) -> Folder:
        parent = self._well_known[known.parent] if known.parent else ids.make(ids.DEFAULT, self.guid, "root")
        folder = self._add_folder(known.display(self.language), parent, known.hidden, known.name)
        self._well_known[known.name] = folder.id
        return folder

    def _add_folder(self, name: str, parent: str, hidden: bool, well_known: str = "") -> Folder:
        serial = self.world.serial()
        folder = Folder(ids.make(ids.DEFAULT, self.guid, "folder", serial), serial, name, parent, well_known, hidden)
        self._put_folder(folder)
        return folder

    def _put_folder(self, folder: Folder) -> None:
        self.folders[folder.id] = folder
        self.folder_log.append(folder.id)

    def folder(self, text: str, *, use: bool = False) -> Folder:
        """By id or well-known name. `use`: something is put there, which brings an absent archive into being."""
        name = text.lower()
        if name in names.ABSENT or (name == "archive" and name not in self._well_known and not use):
            raise not_found(f"The specified object was not found in the store., Default folder {name} not found.")
        if name in names.BY_NAME:
            if name not in self._well_known:
                self._make_well_known(names.BY_NAME[name])
            return self.folders[self._well_known[name]]
        if text in self.folders:
            return self.folders[text]
        raise not_found() if ids.well_formed(text) else malformed_id()

    def children(self, parent: str) -> list[Folder]:
        """In the vendor's order: by name."""
        return sorted((f for f in self.folders.values() if f.parent == parent), key=lambda f: (f.name, f.serial))

    def path(self, folder: str) -> Iterator[str]:
        """The folder's id and those of the folders above it."""
        while folder in self.folders:
            yield folder
            folder = self.folders[folder].parent

    def under(self, folder: str, well_known: str) -> bool:
        return self._well_known.get(well_known, "") in self.path(folder)

    def make_folder(self, name: str, parent: Folder, hidden: bool = False) -> Folder:
        self._check_name(name, parent.id)
        return self._add_folder(name, parent.id, hidden)

    def rename_folder(self, folder: Folder, name: str) -> Folder:
        self._refuse_well_known(folder)
        if name.casefold() != folder.name.casefold():
            self._check_name(name, folder.parent)
        return self._change_folder(folder, name=name)

    def move_folder(self, folder: Folder, target: Folder) -> Folder:
        self._refuse_well_known(folder)
        if folder.id in self.path(target.id):
            raise GraphError(400, "ErrorMoveCopyFailed", "The move or copy operation failed: it would make a cycle.")
        if target.id != folder.parent:
            self._check_name(folder.name, target.id)
        return self._change_folder(folder, parent=target.id)

    def delete_folder(self, folder: Folder) -> None:
        """Softly: it moves under the deleted items, under a free name."""
        self._refuse_well_known(folder)
        trash = self.folder("deleteditems")
        name, number = folder.name, 1
        while trash.id != folder.parent and self._taken(name, trash.id):
            name, number = f"{folder.name}{number}", number + 1
        self._change_folder(folder, parent=trash.id, name=name)

    def purge_folder(self, folder: Folder) -> None:
        self._refuse_well_known(folder)
        for child in self.children(folder.id):
            self.purge_folder(child)
        for message in [m for m in self.items.values() if m.folder == folder.id]:
            self.purge(message)
        del self.folders[folder.id]
        self.folder_log.append(folder.id)

    def _change_folder(self, folder: Folder, **changes: Any) -> Folder:
        changed = replace(folder, version=folder.version + 1, **changes)
        self._put_folder(changed)
        return changed

    def _refuse_well_known(self, folder: Folder) -> None:
        if folder.well_known:
            raise GraphError(
                self.world.switches.well_known_refusal,
                "ErrorDeleteDistinguishedFolder",
                "Distinguished folders cannot be deleted, renamed or moved.",
            )

    def _taken(self, name: str, parent: str) -> bool:
        return any(f.name.casefold() == name.casefold() for f in self.children(parent))

    def _check_name(self, name: str, parent: str) -> None:
        if not name.strip() or len(name) > 255:
            raise bad_body("The folder's displayName must have 1 to 255 characters.")
        if self._taken(name, parent):
            raise GraphError(409, "ErrorFolderExists", f"A folder with the specified name already exists., {name}")

    # --------------------------------------------------------------------------------------------------- messages
    def find(self, text: str) -> Message:
        """By either form of its id, as it stands."""
        id = self._current.get(text, text)
        if id in self.items:
            return self.items[id]
        raise not_found() if ids.well_formed(text) else malformed_id()

    def read(self, text: str) -> Message:
        """As `find`, with what can go wrong with a read by id."""
        message, switches, now = self.find(text), self.world.switches, self.world.now()
        since = now - self._glitches.get(message.id, float("-inf"))
        if since > 120 and self.world.happens(switches.glitch_404):
            self._glitches[message.id], since = now, 0.0
        if since < switches.glitch_seconds:
            raise not_found()
        if switches.get_stale and message.id in self._previous:
            when, old = self._previous[message.id]
            if now - when < switches.get_stale and self.world.happens(0.5):
                return old
        return message

    def add(self, folder: str, fields: dict[str, Any]) -> Message:
        """A new message. `fields` are those of Message; ids, times and conversation are filled in where missing."""
        serial, now = self.world.serial(), self.world.now()
        message = Message(
            id=ids.make(ids.IMMUTABLE, self.guid, "message", serial),
            default_id=ids.make(ids.DEFAULT, self.guid, "message", serial, 0),
            serial=serial,
            folder=folder,
            created=now,
            modified=now,
            **{"received": now, "sent": now, **fields},
        )
        message = replace(message, attachments=tuple(self._named(a) for a in message.attachments))
        if not message.message_id:
            message = replace(message, message_id=f"<{self.world.guid()}@prod.outlook.com>")
        if not message.conversation:
            message = replace(message, conversation=conversation_of(message, self._conversations))
        self.check_room(message.size)
        return self._put(None, message)

    def check_room(self, size: int) -> None:
        """Refuse what goes over the quota."""
        if self.quota is not None and self.used + size > self.quota:
            raise GraphError(
                self.world.switches.quota_status, "ErrorQuotaExceeded", "The mailbox quota has been exceeded."
            )

    def _named(self, attachment: Attachment) -> Attachment:
        if attachment.id:
            return attachment
        return replace(attachment, id=ids.make(ids.DEFAULT, self.guid, "attachment", self.world.serial()))

    def change(self, message: Message, **changes: Any) -> Message:
        return self._put(message, replace(message, **changes))

    def move(self, message: Message, folder: str) -> Message:
        serial = self.world.serial()
        moved = replace(message, folder=folder, default_id=ids.make(ids.DEFAULT, self.guid, "message", serial))
        if not message.read and message.receipt_due and self.folders[folder].well_known == "deleteditems":
            moved = self._send_unread_receipt(moved)
        return self._put(message, moved)

    def copy(self, message: Message, folder: str, by: str) -> Message:
        fields = {name: getattr(message, name) for name in _COPIED}
        if not self.world.switches.copy_keeps_key:
            fields["properties"] = {k: v for k, v in message.properties.items() if "{" not in k}
        return self.add(folder, {**fields, "by": by})

    def delete(self, message: Message) -> None:
        """What DELETE does: where it lands is a switch; from the trash it goes on to the recoverable items."""
        trash = self.folder("deleteditems")
        if self.under(message.folder, names.RECOVERABLE):
            self.purge(message)
            return
        soft = self.world.switches.delete_lands_in == "deleteditems" and message.folder != trash.id
        self.move(message, trash.id if soft else self.folder(names.RECOVERABLE).id)

    def purge(self, message: Message) -> None:
        self.index.settle()
        del self.items[message.id]
        del self._current[message.default_id]
        self._previous.pop(message.id, None)
        self.used -= message.size
        self.index.touch(message.id)
        self.world.announce(self, message, None)

    def check_version(self, message: Message, if_match: str | None) -> None:
        """`if_match` is the header If-Match: an etag, a change key or *."""
        key = ids.change_key(message.id, message.version)
        if if_match and if_match.strip() not in ("*", f'W/"{key}"', f'"{key}"', key):
            raise conflict()

    def _send_unread_receipt(self, message: Message) -> Message:
        if not self.world.switches.trash_sends_receipt or not self.sends_receipts:
            return message
        self.world.receipts += 1
        return replace(message, receipt_due=False)

    def _put(self, old: Message | None, new: Message) -> Message:
        self.index.settle()
        new = replace(new, version=new.version + 1, modified=self.world.now())
        if old is not None:
            self._previous[old.id] = (self.world.now(), old)
            self._current.pop(old.default_id, None)
            self.used -= old.size
        self.used += new.size
        self.items[new.id] = new
        self._current[new.default_id] = new.id
        self._conversations[new.message_id] = new.conversation
        self.index.touch(new.id)
        self.world.announce(self, old, new)
        return new


_COPIED = [
    "draft",
    "subject",
    "text",
    "html",
    "sender",
    "from_",
    "to",
    "cc",
    "bcc",
    "reply_to",
    "read",
    "flag",
    "importance",
    "categories",
    "inference",
    "received",
    "sent",
    "message_id",
    "in_reply_to",
    "references",
    "conversation",
    "headers",
    "attachments",
    "properties",
    "receipt",
    "receipt_due",
    "delivery_receipt",
    "meeting",
    "mime",
]
