"""One side of one kind of one pair: where records are read and written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.model.errors import TandemError
from shared.model.mail import Changes, Created, Folder, Found, Item, Message, Observed, Row, Trace
from shared.model.words import Flag, Side
from shared.ports.world import Spool

Permit = Callable[[], None]
"""Called as the last thing before each request that has an effect leaves; raises LeaseLost to stop it."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A create, as `Replica.create` takes it."""

    message: Message
    folder: str
    read: bool
    flag: Flag
    categories: Sequence[str]
    key: str
    mark: str
    permit: Permit

    def made_by(self, create: Callable[..., Created]) -> Created:
        """`create`: that of a Replica."""
        return create(
            self.message,
            folder=self.folder,
            read=self.read,
            flag=self.flag,
            categories=self.categories,
            key=self.key,
            mark=self.mark,
            permit=self.permit,
        )


ALL: None = None
"""All collections, where `observe` takes a list of them."""


class Replica(Protocol):
    """A mailbox as the engine sees it.

    Every method may raise Unavailable, Throttled or NotPermitted; those with an effect also OutcomeUnknown, Refused
    and whatever `permit` raises. Ids and folder ids are the vendor's and are opaque."""

    side: Side

    def observe(
        self, ids: Sequence[str] = (), cursors: Mapping[str, str] = {}, collections: Sequence[str] | None = ()
    ) -> Observed:
        """Read messages by id, and what changed in `collections` (folder ids; None = all of them and the folder tree)
        since `cursors`, in as few requests as the vendor allows. A collection without a cursor, or whose cursor has
        expired, is listed wholly and named in `complete`; with the cursor "" it is listed as deep as a look ever goes.
        An id that is not found maps to None."""
        ...

    def history(self, folder: str, since: float, until: float) -> Iterator[tuple[Row, ...]]:
        """Pages of what was received from `since` to `until` (whole seconds, both included), newest first, each read
        when it is asked for. None when there is no such folder."""
        ...

    def tree(self) -> tuple[Folder, ...]:
        """Every folder, parents first, by a complete walk. Unavailable when it is not whole."""
        ...

    def is_empty(self, folder: str) -> bool:
        """Does a listing show neither a message nor a folder in it? NotFound when there is no such folder."""
        ...

    def create_folder(self, name: str, parent: str, permit: Permit) -> str:
        """-> the new folder's id. `parent` "" is the top. Refused when the name is taken there or can't be."""
        ...

    def rename_folder(self, folder: str, name: str, permit: Permit) -> None: ...

    def move_folder(self, folder: str, parent: str, permit: Permit) -> None:
        """With everything in it. Its id may be another one afterwards: only a walk tells."""
        ...

    def delete_folder(self, folder: str, permit: Permit) -> None:
        """As the vendor does it: softly, or refused while something is in it."""
        ...

    def labels(self) -> frozenset[str] | None:
        """The names of categories that this side can hold, None when it takes any."""
        ...

    def fetch(self, id: str, spool: Spool | None = None) -> Message:
        """The whole message. NotFound; TooLarge when it is over what crosses in one piece and there is no `spool`, or
        over what crosses at all. With a spool its bytes and those of its attachments may stand there."""
        ...

    def head(self, id: str) -> Message:
        """The message without texts, attachments and original bytes, however large it is. NotFound."""
        ...

    def read_whole(self, ids: Sequence[str]) -> Mapping[str, Item | None]:
        """As `observe` by id, for messages that are likely to be fetched next: what is read of them for that already is
        not read again."""
        ...

    def fetch_many(self, ids: Sequence[str]) -> list[Message | TandemError]:
        """As `fetch`, in the order given; what `fetch` would raise stands in its place."""
        ...

    def mark(self, folder: str) -> str:
        """A position in `folder` taken before a create, by which `find` sees what came after it ("" if not needed)."""
        ...

    def create(
        self,
        message: Message,
        *,
        folder: str,
        read: bool,
        flag: Flag,
        categories: Sequence[str] = (),
        key: str,
        mark: str,
        permit: Permit,
    ) -> Created:
        """Put a copy of `message` there, with its dates, state and our key; nothing is sent to anyone."""
        ...

    def create_many(self, copies: Sequence[Copy]) -> list[Created | TandemError]:
        """As `create` for each of these small copies, with as few requests as the vendor allows and in any order; what
        `create` would raise stands in its place."""
        ...

    def tidy(self, permit: Permit) -> None:
        """Throw away what crashes have left of messages that `create` was putting together out of sight, once nobody
        can be at work on it any more. To be called at every catch-up; it looks now and then."""
        ...

    def find(self, trace: Trace) -> Found:
        """Look everywhere, trash included, for messages that carry the key, or, without one, the Message-ID."""
        ...

    def write(self, item: Item, changes: Mapping[str, object], permit: Permit) -> str | None:
        """Set `read` (bool), `flag` and `categories` (all names that the item has then), then move to `folder` (the
        vendor's id), as far as named in `changes`, planned on `item` as read. Returns the id to read it back by, None
        when there is none. Where a vendor gives a moved message another id, nothing is found by it."""
        ...


class Looker(Replica, Protocol):
    """The side that neither pushes nor streams, as looks at it see it."""

    def page(self, folder: str, place: str, *, spare: bool = False) -> tuple[tuple[Row, ...], str | None]:
        """The rows of one page of a folder, newest first, from a place that the page before gave ("" is the newest),
        and the place after them, None at the end. A place may be as old as it likes: what leaves the folder or comes
        into it meanwhile lets nothing else slip by. `spare`: it is beyond the one page that each look may read;
        Throttled when there is no room for it. NotFound when there is no such folder."""
        ...


class Subscriptions(Protocol):
    """Push from a vendor that has it."""

    def create(self, url: str, client_state: str) -> tuple[str, float]:
        """-> subscription id, expiry (epoch seconds)."""
        ...

    def renew(self, subscription: str) -> float:
        """-> the new expiry. NotFound when the vendor no longer knows it."""
        ...

    def delete(self, subscription: str) -> None: ...


__all__ = ["ALL", "Changes", "Looker", "Permit", "Replica", "Row", "Subscriptions"]
