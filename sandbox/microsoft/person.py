"""People at their mailbox, and what it really holds: the simulator's side door."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import cast

from sandbox.microsoft import names, properties
from sandbox.microsoft.mime import parse
from sandbox.microsoft.records import Address, Attachment, Folder, Message
from sandbox.microsoft.store import Store
from sandbox.truth import Flag, Role, Stored, StoredAttachment, StoredFolder

_FLAGS: dict[Flag, str] = {"none": "notFlagged", "flagged": "flagged", "complete": "complete"}
_WORDS: dict[str, Flag] = {"notFlagged": "none", "flagged": "flagged", "complete": "complete"}
_WELL_KNOWN = {role: name for name, role in names.ROLES.items()}


class GraphMailbox:
    """Satisfies `sandbox.truth.Mailbox`. Ids are immutable ids; acts take either form."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.address = store.address
        self._world = store.world

    def folders(self) -> Sequence[StoredFolder]:
        with self._world.lock:
            return [self._stored_folder(f) for f in self.store.folders.values() if self._visible(f)]

    def messages(self) -> Sequence[Stored]:
        """Without the recoverable items: for people these are gone."""
        with self._world.lock:
            return [
                stored(message) for message in self.store.items.values() if self.store.under(message.folder, names.ROOT)
            ]

    def role(self, role: Role) -> str:
        with self._world.lock:
            return self.store.folder(_WELL_KNOWN[role], use=True).id

    def deliver(self, mime: bytes, folder: str | None = None, *, read: bool = False) -> str:
        with self._world.lock:
            target = self.store.folder(folder or "inbox", use=True)
            fields = parse(mime, self._world.now())
            return self.store.add(
                target.id, {**fields, "read": read, "by": "person", "draft": target.well_known == "drafts"}
            ).id

    def set_read(self, id: str, read: bool) -> None:
        """A person who reads a message that asks for a receipt answers it; that is the person's own mail."""
        with self._world.lock:
            message = self.store.find(id)
            self.store.change(message, read=read, receipt_due=message.receipt_due and not read)

    def set_flag(self, id: str, flag: Flag) -> None:
        with self._world.lock:
            self.store.change(self.store.find(id), flag={"flagStatus": _FLAGS[flag]})

    def move(self, id: str, folder: str) -> str:
        with self._world.lock:
            message = self.store.find(id)
            receipts = self._world.receipts
            moved = self.store.move(message, self.store.folder(folder, use=True).id)
            self._world.receipts = receipts  # a "not read" that a person's own act sends is not counted
            return moved.id

    def copy(self, id: str, folder: str) -> str:
        with self._world.lock:
            return self.store.copy(self.store.find(id), self.store.folder(folder, use=True).id, "person").id

    def purge(self, id: str) -> None:
        with self._world.lock:
            self.store.purge(self.store.find(id))

    def make_folder(self, name: str, parent: str | None = None) -> str:
        with self._world.lock:
            return self.store.make_folder(name, self.store.folder(parent or names.ROOT)).id

    def rename_folder(self, id: str, name: str) -> None:
        with self._world.lock:
            self.store.rename_folder(self.store.folder(id), name)

    def move_folder(self, id: str, parent: str | None) -> str:
        with self._world.lock:
            return self.store.move_folder(self.store.folder(id), self.store.folder(parent or names.ROOT)).id

    def delete_folder(self, id: str) -> None:
        """As Outlook does it: the folder moves under the deleted items."""
        with self._world.lock:
            self.store.delete_folder(self.store.folder(id))

    def folder_now(self, id: str) -> str:
        return id

    def set_categories(self, id: str, categories: Sequence[str]) -> None:
        with self._world.lock:
            self.store.change(self.store.find(id), categories=tuple(categories))

    def answer(self, id: str) -> None:
        with self._world.lock:
            message = self.store.find(id)
            verb = {properties.LAST_VERB: properties.REPLIED}
            self.store.change(message, properties={**message.properties, **verb})

    def _visible(self, folder: Folder) -> bool:
        return folder.well_known != names.ROOT and self.store.under(folder.id, names.ROOT)

    def _stored_folder(self, folder: Folder) -> StoredFolder:
        parent = self.store.folders[folder.parent]
        above = None if parent.well_known == names.ROOT else parent.id
        return StoredFolder(folder.id, folder.name, above, cast("Role | None", names.ROLES.get(folder.well_known)))


def stored(message: Message) -> Stored:
    """The message in the words of `sandbox.truth`."""
    return Stored(
        id=message.id,
        folder=message.folder,
        read=message.read,
        flag=_WORDS[message.flag["flagStatus"]],
        important=message.importance == "high",
        message_id=_bare(message.message_id),
        in_reply_to=_bare(message.in_reply_to),
        subject=message.subject,
        sender=message.from_.address.lower() if message.from_ else "",
        to=_plain(message.to),
        cc=_plain(message.cc),
        sent_at=message.sent,
        received_at=message.received,
        text=message.text,
        html=message.html,
        attachments=tuple(_attachment(a) for a in message.attachments),
        tandem_key=message.key,
        by=message.by,
        draft=message.draft,
        conversation=message.conversation,
        version=message.version,
        categories=message.categories,
        answered=message.properties.get(properties.LAST_VERB) in (properties.REPLIED, properties.REPLIED_TO_ALL),
        forwarded=message.properties.get(properties.LAST_VERB) == properties.FORWARDED,
    )


def _attachment(attachment: Attachment) -> StoredAttachment:
    return StoredAttachment(
        name=attachment.name,
        content_type=attachment.content_type,
        size=len(attachment.content),
        sha256=hashlib.sha256(attachment.content).hexdigest(),
        inline=attachment.inline,
        content_id=attachment.content_id,
    )


def _plain(addresses: tuple[Address, ...]) -> tuple[str, ...]:
    return tuple(a.address.lower() for a in addresses)


def _bare(message_id: str) -> str:
    return message_id.strip().removeprefix("<").removesuffix(">")
