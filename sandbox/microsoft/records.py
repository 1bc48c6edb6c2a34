"""What a mailbox holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Change = Literal["created", "updated", "deleted"]


@dataclass(frozen=True, slots=True)
class Address:
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """`content` of a `file` is the file, of an `item` the MIME of the message in it."""

    id: str
    name: str
    content_type: str
    content: bytes
    inline: bool
    content_id: str
    kind: Literal["file", "item"]
    modified: float


@dataclass(frozen=True, slots=True)
class Folder:
    """`well_known` is the name by which the folder can be addressed, "" for a person's own."""

    id: str
    serial: int
    name: str
    parent: str
    well_known: str
    hidden: bool
    version: int = 1


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it stands. `id` is the immutable id, `default_id` the one that changes on a move.

    Times are epoch seconds. `properties` maps canonical ids of extended properties to their text. `mime` is the
    message as it arrived, None when it was made or changed by JSON. `receipt_due`: reading it would send a receipt.
    """

    id: str
    default_id: str
    serial: int
    folder: str
    received: float
    created: float
    modified: float
    by: Literal["person", "client"]
    draft: bool = False
    version: int = 0
    subject: str = ""
    text: str = ""
    html: str = ""
    sender: Address | None = None
    from_: Address | None = None
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    read: bool = False
    flag: Mapping[str, Any] = field(default_factory=lambda: {"flagStatus": "notFlagged"})
    importance: str = "normal"
    categories: tuple[str, ...] = ()
    inference: str = "focused"
    sent: float | None = None
    message_id: str = ""
    in_reply_to: str = ""
    references: str = ""
    conversation: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    receipt: bool = False
    receipt_due: bool = False
    delivery_receipt: bool = False
    meeting: bool = False
    mime: bytes | None = None

    @property
    def key(self) -> str:
        """The value of a property named TandemKey, or of the header X-Tandem-Key; "" without."""
        for name, value in self.properties.items():
            if name.lower().startswith("string ") and name.lower().endswith(" name tandemkey"):
                return value
        return next((value for name, value in self.headers if name.lower() == "x-tandem-key"), "")

    @property
    def size(self) -> int:
        if self.mime is not None:
            return len(self.mime)
        return len(self.text) + len(self.html) + sum(len(a.content) for a in self.attachments) + 1024
