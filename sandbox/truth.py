"""What a mailbox of a simulated vendor really holds, and what people do to it.

Both simulators offer this face beside their network interfaces. People, the demo's comparison and the
simulation's oracle use it; the product never sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["inbox", "sent", "drafts", "junk", "trash", "archive"]
Flag = Literal["none", "flagged", "complete"]


@dataclass(frozen=True, slots=True)
class StoredFolder:
    id: str
    name: str
    parent: str | None
    role: Role | None


@dataclass(frozen=True, slots=True)
class StoredAttachment:
    name: str
    content_type: str
    size: int
    sha256: str
    inline: bool
    content_id: str


@dataclass(frozen=True, slots=True)
class Stored:
    """One message as it stands. Times are epoch seconds. `by` says who made it: a person (delivered mail and sent
    copies included) or a client of the vendor's interfaces."""

    id: str
    folder: str
    read: bool
    flag: Flag
    important: bool
    message_id: str
    in_reply_to: str
    subject: str
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    sent_at: float | None
    received_at: float
    text: str
    html: str
    attachments: tuple[StoredAttachment, ...]
    tandem_key: str
    by: Literal["person", "client"]
    draft: bool
    conversation: str
    version: int
    categories: tuple[str, ...] = ()
    answered: bool = False
    forwarded: bool = False


class Mailbox(Protocol):
    """One person's mailbox. Every act happens at the simulator's clock and is seen by the vendor's streams."""

    address: str

    def folders(self) -> Sequence[StoredFolder]: ...
    def messages(self) -> Sequence[Stored]:
        """Every message in every folder, trash included, drafts included."""
        ...

    def role(self, role: Role) -> str:
        """The id of the folder with this role."""
        ...

    def deliver(self, mime: bytes, folder: str | None = None, *, read: bool = False) -> str:
        """Mail arrives (inbox unless `folder` says otherwise); a sent copy is delivered with folder=sent, read=True.

        Returns the new id. `mime` is RFC 5322 with CRLF."""
        ...

    def set_read(self, id: str, read: bool) -> None: ...
    def set_flag(self, id: str, flag: Flag) -> None: ...
    def set_categories(self, id: str, categories: Sequence[str]) -> None:
        """By name; one that isn't there yet is made."""
        ...

    def answer(self, id: str) -> None:
        """The message is marked as answered; the answer itself is another message."""
        ...

    def move(self, id: str, folder: str) -> str:
        """Returns the id afterwards (some vendors give a new one). The trash is a folder like the others."""
        ...

    def copy(self, id: str, folder: str) -> str:
        """A person's copy: its own id, everything else alike."""
        ...

    def purge(self, id: str) -> None:
        """Removed for good, from wherever it is."""
        ...

    def make_folder(self, name: str, parent: str | None = None) -> str: ...

    def rename_folder(self, id: str, name: str) -> None: ...
    def move_folder(self, id: str, parent: str | None) -> str:
        """Returns the id afterwards (some vendors give a new one). `parent` None is the top."""
        ...

    def delete_folder(self, id: str) -> None:
        """As the vendor's own programs do it: softly, with everything in it."""
        ...

    def folder_now(self, id: str) -> str:
        """The id that this folder has by now."""
        ...
