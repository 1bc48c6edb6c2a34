"""Messages: what a stream hints at, what a read shows, and what crosses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.model.spooled import Content
from shared.model.words import Flag, Importance, Role


@dataclass(frozen=True, slots=True)
class Folder:
    """`path` holds the display names from the top, without the mailbox's root; `parent` is the vendor's id, "" at the
    top. Role folders' names never matter: they are localised."""

    id: str
    path: tuple[str, ...]
    role: Role | None
    parent: str = ""

    @property
    def name(self) -> str:
        return self.path[-1]


@dataclass(frozen=True, slots=True)
class Row:
    """What a stream or listing shows of a message: a hint at which id to look at, never the truth about it.

    `folder` is the vendor's id, `received` epoch seconds, `message_id` without angle brackets ("" if unknown),
    `categories` by name. With the folder "" and received at infinity, nothing but the id is known."""

    id: str
    folder: str
    read: bool
    flag: Flag
    received: float
    message_id: str = ""
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """What a read by id shows. `key` is our own mark ("" if it has none), `version` the vendor's ("" where there is
    none). Addresses are bare and lower case; `recipients` are To and Cc. `wants_receipt`: the message itself asks its
    reader's program for a receipt, so that marking it read could send mail. `answered` and `forwarded`: its owner did
    so."""

    id: str
    folder: str
    read: bool
    flag: Flag
    received: float
    message_id: str
    subject: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    size: int | None = None
    key: str = ""
    version: str = ""
    draft: bool = False
    wants_receipt: bool = False
    categories: tuple[str, ...] = ()
    importance: Importance = "normal"
    answered: bool = False
    forwarded: bool = False


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A folder's counters moved and its first page is as it was: so many messages at least were changed or came in
    below it. `counters`: all and unread now. `came`: some came in, or are about to show on the first page. `place`: the
    page after the first."""

    folder: str
    messages: int
    counters: tuple[int, int]
    came: bool
    place: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What a replica reports since its cursors.

    `removed`: ids that a folder's stream says left that folder. `complete`: folders that were listed wholly, so that an
    item not among the rows isn't there. `folders`: the whole tree, or None when it was not looked at. `cursors`: the
    new position of each collection; committed only after everything seen here is done or written down as due.
    `unexplained`: what became of folders since the last look that what was read of them doesn't show."""

    rows: tuple[Row, ...] = ()
    removed: frozenset[tuple[str, str]] = frozenset()
    complete: frozenset[str] = frozenset()
    folders: tuple[Folder, ...] | None = None
    cursors: Mapping[str, str] | None = None
    unexplained: tuple[Unexplained, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """`items` holds an id that was read: the item, or None for "not found". An id that couldn't be read is left out."""

    items: Mapping[str, Item | None]
    changes: Changes


@dataclass(frozen=True, slots=True)
class Address:
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """`content_id` without angle brackets; `inline` when the body shows it in place."""

    name: str
    content_type: str
    content: Content
    inline: bool = False
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message in canonical form, as it crosses. Times are epoch seconds, headers' texts decoded.

    `mime` holds the original bytes (RFC 5322) where the source's interface gives them; the other fields are always
    filled from what the source shows. `answered` and `forwarded` cross with the copy and never again."""

    message_id: str
    subject: str
    sender: Address | None
    from_: Address | None
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    sent: float | None
    received: float
    in_reply_to: str
    references: str
    text: str
    html: str
    attachments: tuple[Attachment, ...]
    importance: Importance = "normal"
    mime: Content | None = None
    answered: bool = False
    forwarded: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """What a message can be found by after a create or a move whose new id is unknown. `key` "" looks for the
    Message-ID alone; `mark` is what `Replica.mark` said before the create; `folder` is where it should be."""

    key: str
    message_id: str
    received: float
    folder: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """`pending`: one entrance of the vendor already shows the message, the one that gives ids doesn't yet."""

    items: tuple[Item, ...]
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Created:
    """`id` is None when the vendor took the message and its id isn't known yet. `listed`: a listing made after the
    create already shows it with the state it was made with."""

    id: str | None
    listed: bool = False
