"""People at their mailbox, and what it really holds: the simulator's side door."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from sandbox.dingtalk.records import (
    COMPLETE,
    DRAFTS,
    FLAGGED,
    IMPORTANT,
    INBOX,
    ROLES,
    TOP,
    TRASH,
    Address,
    Message,
    Part,
)
from sandbox.dingtalk.store import Store, flag_of
from sandbox.truth import Flag, Role, Stored, StoredAttachment, StoredFolder

TAGS: dict[Flag, frozenset[str]] = {
    "none": frozenset(),
    "flagged": frozenset({FLAGGED}),
    "complete": frozenset({COMPLETE}),
}


class AliMailbox:
    """Satisfies `sandbox.truth.Mailbox`."""

    def __init__(self, store: Store) -> None:
        self.store, self.address, self._world = store, store.address, store.world

    def folders(self) -> Sequence[StoredFolder]:
        with self._world.lock:
            return [
                StoredFolder(f.id, f.name, None if f.parent == TOP else f.parent, ROLES.get(f.id))
                for f in self.store.folders.values()
            ]

    def messages(self) -> Sequence[Stored]:
        with self._world.lock:
            return [stored(message, self.store.tags) for message in self.store.items.values()]

    def role(self, role: Role) -> str:
        return next(id for id, known in ROLES.items() if known == role)

    def deliver(self, mime: bytes, folder: str | None = None, *, read: bool = False) -> str:
        with self._world.lock:
            return self.store.add(folder or INBOX, mime, received=self._world.now(), read=read).id

    def set_read(self, id: str, read: bool) -> None:
        """A person who reads a message that asks for a receipt answers it; that is the person's own mail."""
        with self._world.lock:
            message = self.store.items[id]
            self.store.change(message, read=read, receipt_due=message.receipt_due and not read)

    def set_flag(self, id: str, flag: Flag) -> None:
        with self._world.lock:
            message = self.store.items[id]
            self.store.change(message, tags=(message.tags - {FLAGGED, COMPLETE}) | TAGS[flag])

    def set_categories(self, id: str, categories: Sequence[str]) -> None:
        with self._world.lock:
            message, own = self.store.items[id], self.store.tags
            others, by_name = message.tags - own.keys(), {name: id for id, name in own.items()}
            ids = {by_name.get(name) or self.make_tag(name) for name in categories}
            self.store.change(message, tags=others | ids)

    def make_tag(self, name: str) -> str:
        with self._world.lock:
            id = str(1000 + self._world.serial())
            self.store.tags[id] = name
            return id

    def answer(self, id: str) -> None:
        with self._world.lock:
            self.store.change(self.store.items[id], answered=True)

    def move(self, id: str, folder: str) -> str:
        with self._world.lock:
            return self.store.move(self.store.items[id], self.store.folders[folder].id).id

    def copy(self, id: str, folder: str) -> str:
        with self._world.lock:
            old = self.store.items[id]
            new = self.store.add(folder, old.mime, received=old.received, read=old.read, tags=old.tags)
            return new.id

    def purge(self, id: str) -> None:
        with self._world.lock:
            self.store.purge(self.store.items[id])

    def make_folder(self, name: str, parent: str | None = None) -> str:
        with self._world.lock:
            return self.store.make_folder(name, parent or TOP).id

    def rename_folder(self, id: str, name: str) -> None:
        with self._world.lock:
            self.store.rename_folder(self.store.folders[id], name)

    def move_folder(self, id: str, parent: str | None) -> str:
        with self._world.lock:
            return self.store.move_folder(self.store.folders[id], parent or TOP).id

    def folder_now(self, id: str) -> str:
        while id in self.store.moved_folders:
            id = self.store.moved_folders[id]
        return id

    def delete_folder(self, id: str) -> None:
        """A person empties first what can't be deleted full."""
        with self._world.lock:
            folder = self.store.folders[id]
            if self._world.switches.folder_delete != "under_trash":
                for child in self.store.children(id):
                    self.delete_folder(child.id)
                for message in [m for m in self.store.items.values() if m.folder == id]:
                    self.store.move(message, TRASH)
            self.store.delete_folder(folder)


def stored(message: Message, tags: Mapping[str, str]) -> Stored:
    parsed = message.parsed
    key = next((value for name, value in parsed.headers if name.lower() == "x-tandem-key"), "")
    return Stored(
        id=message.id,
        folder=message.folder,
        read=message.read,
        flag=flag_of(message),
        important=IMPORTANT in message.tags or parsed.priority == "PRY_HIGH",
        message_id=parsed.message_id,
        in_reply_to=parsed.in_reply_to.strip("<>"),
        subject=parsed.subject,
        sender=parsed.from_.email.lower() if parsed.from_ else "",
        to=_bare(parsed.to),
        cc=_bare(parsed.cc),
        sent_at=parsed.date,
        received_at=message.received,
        text=parsed.text,
        html=parsed.html,
        attachments=tuple(_attachment(part) for part in parsed.parts),
        tandem_key=key.strip(),
        by=message.by,
        draft=message.folder == DRAFTS,
        conversation=parsed.conversation,
        version=message.version,
        categories=tuple(sorted(tags[tag] for tag in message.tags if tag in tags)),
        answered=message.answered,
    )


def _bare(addresses: Sequence[Address]) -> tuple[str, ...]:
    return tuple(address.email.lower() for address in addresses)


def _attachment(part: Part) -> StoredAttachment:
    digest = hashlib.sha256(part.content).hexdigest()
    return StoredAttachment(part.name, part.content_type, len(part.content), digest, part.inline, part.content_id)
