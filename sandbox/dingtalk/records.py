"""Folders and messages as the store holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sandbox.truth import Role

SENT, INBOX, JUNK, DRAFTS, TRASH = "1", "2", "3", "5", "6"
ROLES: dict[str, Role] = {SENT: "sent", INBOX: "inbox", JUNK: "junk", DRAFTS: "drafts", TRASH: "trash"}
TOP = "0"
FLAGGED, COMPLETE, IMPORTANT = "1", "2", "11"


@dataclass(frozen=True, slots=True)
class Folder:
    id: str
    name: str
    parent: str = TOP
    uidvalidity: int = 1


@dataclass(frozen=True, slots=True)
class Address:
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment. `whole`: the REST door can show it (attached messages it can't)."""

    id: str
    name: str
    content_type: str
    content: bytes
    inline: bool
    content_id: str
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Parsed:
    """What the MIME says. `headers` keep their order; a name may come twice."""

    subject: str
    from_: Address | None
    sender: Address | None
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    date: float | None
    message_id: str
    in_reply_to: str
    references: str
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    parts: tuple[Part, ...]
    wants_receipt: bool
    priority: Literal["PRY_LOW", "PRY_NORMAL", "PRY_HIGH"]

    @property
    def conversation(self) -> str:
        """The Message-ID that the thread began with, as far as References tell."""
        return (self.references.split() or [self.message_id])[0].strip("<>")


@dataclass(frozen=True, slots=True)
class Message:
    """`uid` is the IMAP UID in its folder; `marks`: IMAP flags that REST doesn't know, in lower case; `receipt_due`:
    reading it may still send a receipt; `posted`: sent from a draft, through the REST door."""

    id: str
    folder: str
    mime: bytes
    parsed: Parsed
    received: float
    created: float
    modified: float
    uid: int
    read: bool = False
    tags: frozenset[str] = field(default_factory=frozenset)
    answered: bool = False
    marks: frozenset[str] = field(default_factory=frozenset)
    by: Literal["person", "client"] = "person"
    receipt_due: bool = False
    posted: bool = False
    version: int = 1
