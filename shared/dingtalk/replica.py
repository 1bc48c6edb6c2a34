"""The DingTalk side of mail: Alimail for reading and state, IMAP for putting messages there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast

from shared.dingtalk import mapping, poll
from shared.dingtalk.alimail import Alimail
from shared.dingtalk.appending import Append, append_all
from shared.dingtalk.content import Contents
from shared.dingtalk.imap import ImapDoor, Position, Sought
from shared.dingtalk.limits import LARGEST
from shared.dingtalk.mailbox import Mailbox, Window, known
from shared.dingtalk.mime import KEY_HEADER, prepare
from shared.dingtalk.names import Listed, mailbox_name
from shared.dingtalk.poll import EVERYTHING, Counters, Cursor
from shared.dingtalk.search import Search, Wanted
from shared.model.errors import (
    NoClientPassword,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    TandemError,
    Throttled,
    TooLarge,
    Unavailable,
)
from shared.model.mail import Changes, Created, Folder, Found, Item, Message, Observed, Row, Trace
from shared.model.words import DINGTALK, Flag, Side
from shared.ports.replica import Copy, Permit
from shared.ports.world import Executor

Json = Any


class DingTalkMail:
    """One mailbox. `imap` is None without a client password: then nothing can be created here, all else goes on.
    `turn` is the number of the present poll; it decides which quiet folders are looked at."""

    side: Side = DINGTALK

    def __init__(
        self, alimail: Alimail, imap: ImapDoor | None, user: str, executor: Executor, turn: Callable[[], int]
    ) -> None:
        self._mailbox = Mailbox(alimail, user, executor)
        self._search, self._contents = Search(self._mailbox, executor), Contents(self._mailbox, executor)
        self._imap, self._user = imap, user
        self._executor = executor
        self._turn = turn
        self._tree: tuple[Folder, ...] = ()
        self._listed: tuple[tuple[Folder, ...], list[Listed]] | None = None

    def by_way_of(self, alimail: Alimail) -> DingTalkMail:
        """The same mailbox with the same IMAP connections, and another client of the REST door."""
        return DingTalkMail(alimail, self._imap, self._user, self._executor, self._turn)

    # ------------------------------------------------------------------------------------------------------- reading

    def observe(
        self, ids: Sequence[str] = (), cursors: Mapping[str, str] = {}, collections: Sequence[str] | None = ()
    ) -> Observed:
        """One request per id. `collections` None is a poll (see poll.py), else the first page of each folder named.

        Pages prove nothing about what they don't show, so `complete` and `removed` are always empty."""
        items = self._items(ids)
        if collections is None:
            counted = self._mailbox.tree()
            self._tree = tuple(one.folder for one in counted)
            counters = {one.folder.id: (one.total, one.unread) for one in counted}
            kept = {id: text for id, text in cursors.items() if id in counters}
            rows, moved = self._look(poll.due(counted, kept, self._turn()), kept, counters)
            return Observed(items, Changes(rows, folders=self._tree, cursors=moved))
        rows, moved = self._look(list(dict.fromkeys(collections)), cursors, {})
        return Observed(items, Changes(rows, cursors=moved))

    def _items(self, ids: Sequence[str], select: str = mapping.ITEM) -> dict[str, Item | None]:
        wanted = list(dict.fromkeys(ids))
        answers = self._executor.map([partial(self._mailbox.message, id, select) for id in wanted])
        items: dict[str, Item | None] = {}
        for id, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, NotFound):
                items[id] = None
            elif isinstance(answer, NotPermitted) or not isinstance(answer, TandemError):
                items[id] = mapping.item(known(answer), self._mailbox.tags)
                self._contents.keep(id, answer if select == mapping.WHOLE else None)
        return items

    def _look(
        self, folders: Sequence[str], cursors: Mapping[str, str], counters: Mapping[str, Counters]
    ) -> tuple[tuple[Row, ...], dict[str, str]]:
        """Rows that are news, and all cursors. A folder that can't be read now keeps its cursor, so that the next poll
        sees the same difference; one that isn't there loses it."""
        moved, news = dict(cursors), dict[str, Row]()
        last = {id: EVERYTHING if cursors.get(id) == "" else Cursor.load(cursors.get(id)) for id in folders}
        answers = self._executor.map([partial(self._pages, id, last[id]) for id in folders])
        for id, answer in zip(folders, answers, strict=True):
            if isinstance(answer, NotFound):
                moved.pop(id, None)
            elif not isinstance(answer, Unavailable | Throttled):
                rows, cursor = poll.looked(known(answer), last[id], counters.get(id))
                moved[id] = cursor.dump()
                news |= {row.id: row for row in rows}
        return tuple(news.values()), moved

    def _pages(self, folder: str, cursor: Cursor | None) -> list[list[Row]]:
        pages: list[list[Row]] = []
        for page in self._mailbox.pages(folder, mapping.ROW):
            pages.append([mapping.row(row, self._mailbox.tags) for row in page])
            if len(pages) == poll.DEEPEST or not poll.goes_on(pages[-1], cursor):
                break
        return pages

    def history(self, folder: str, since: float, until: float) -> Iterator[tuple[Row, ...]]:
        with suppress(NotFound):
            for page in self._mailbox.pages(folder, mapping.ROW, Window(since, until)):
                yield tuple(mapping.row(row, self._mailbox.tags) for row in page)

    def labels(self) -> frozenset[str]:
        """The names of the mailbox's own tags, from now on shown as categories: a person makes them in DingTalk."""
        return frozenset(self._mailbox.learn_tags().values())

    def read_whole(self, ids: Sequence[str]) -> Mapping[str, Item | None]:
        """One request per id, which shows the texts too: they are kept until they are fetched."""
        self._contents.forget()
        return self._items(ids, mapping.WHOLE)

    def fetch_many(self, ids: Sequence[str]) -> list[Message | TandemError]:
        found = self._executor.map([partial(self.fetch, id) for id in ids])
        return [one if isinstance(one, TandemError) else known(one) for one in found]

    def fetch(self, id: str) -> Message:
        """The message without its original bytes. What the REST door doesn't give whole is read by IMAP, as long as
        there is a client password (see content.py)."""
        return self._contents.whole(id, self._original)

    def _original(self, shown: Json) -> bytes | None:
        item = mapping.item(shown)
        if self._imap is None:
            return None
        try:
            return self._imap.original(
                self._name(self._imap, item.folder), Sought(item.message_id, item.received, item.size)
            )
        except NoClientPassword:
            return None
        except TooLarge:
            raise
        except Refused as error:
            self._listed = None  # the mailbox may have been renamed
            raise Unavailable(f"message {item.id} could not be read by IMAP", code=error.code) from error

    def find(self, trace: Trace) -> Found:
        """In `trace.folder`, and in all others but the drafts unless the key was found there; a Message-ID may stand
        in several folders. After a create the newest pages count too, since the server may not have kept the date. A
        copy that IMAP shows and the REST door doesn't yet is `pending`."""
        wanted = Wanted(trace.key, trace.message_id, trace.received, ours=bool(trace.mark))
        items = self._search.inside([trace.folder], wanted)
        if not (items and trace.key):
            items += self._search.inside(self._others(trace.folder), wanted)
        return Found(items, pending=not items and self._is_pending(trace))

    def _others(self, folder: str) -> list[str]:
        self._walk()
        return [one.id for one in self._tree if one.role != "drafts" and one.id != folder]

    def _is_pending(self, trace: Trace) -> bool:
        position = Position.parse(trace.mark)
        if self._imap is None or position is None:
            return False
        try:
            headers = self._imap.since(self._name(self._imap, trace.folder), position, (KEY_HEADER, "Message-ID"))
        except (NoClientPassword, Refused):
            return False
        sought = (trace.key or trace.message_id).encode()
        return bool(sought) and any(sought in lines for lines in headers)

    # ------------------------------------------------------------------------------------------------------- writing

    def mark(self, folder: str) -> str:
        """`UIDVALIDITY:UIDNEXT` of the folder."""
        door = self._door()
        return str(door.position(self._name(door, folder)))

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
        """APPEND the original bytes (ValueError without them), find the id by the key in a listing, then set the tags.
        What goes wrong after the APPEND is no error, for the copy is there: without an id it is found by `find`, and
        unless `listed` only a read tells whether it shows the flag."""
        door, copy = self._door(), Copy(message, folder, read, flag, categories, key, mark, permit)
        try:
            self._append(door, copy).by(door)
        except Refused:
            self._listed = None  # the mailbox may have been renamed
            raise
        wanted = Wanted(key, message.message_id, message.received, ours=True)
        row = None
        with suppress(TandemError):
            row = self._search.created(folder, wanted)
        return self._finished(copy, row)

    def create_many(self, copies: Sequence[Copy]) -> list[Created | TandemError]:
        """The APPENDs by several connections, and one listing for each folder that shows what they made."""
        outcomes: dict[int, Created | TandemError] = {}
        appends: dict[int, Append] = {}
        for number, copy in enumerate(copies):
            try:
                appends[number] = self._append(self._door(), copy)
            except TandemError as error:
                outcomes[number] = error
        if appends:
            errors = append_all(self._door(), self._executor, list(appends.values()))
            outcomes |= {number: e for number, e in zip(appends, errors, strict=True) if e is not None}
        if any(isinstance(outcome, Refused) for outcome in outcomes.values()):
            self._listed = None  # a mailbox may have been renamed
        made = {number: copy for number, copy in enumerate(copies) if number not in outcomes}
        rows = self._rows_of(made.values())
        outcomes |= {number: self._finished(copy, rows.get(copy.key)) for number, copy in made.items()}
        return [outcomes[number] for number in range(len(copies))]

    def _append(self, door: ImapDoor, copy: Copy) -> Append:
        message = copy.message
        if message.mime is None:
            raise ValueError("a copy in DingTalk is made from the original bytes, and this message has none")
        if len(message.mime) > LARGEST:
            raise TooLarge(f"the message has {len(message.mime)} bytes, {LARGEST} can be carried", code="size")
        mime, name = prepare(message.mime, copy.key), self._name(door, copy.folder)
        return Append(name, mime, copy.read, message.received, copy.permit, message.answered)

    def _rows_of(self, copies: Iterable[Copy]) -> dict[str, Row]:
        """The rows that show these copies, by key."""
        folders: dict[str, list[Wanted]] = {}
        for copy in copies:
            message = copy.message
            wanted = Wanted(copy.key, message.message_id, message.received, ours=True)
            folders.setdefault(copy.folder, []).append(wanted)
        rows: dict[str, Row] = {}
        for folder, some in folders.items():
            with suppress(TandemError):
                rows |= self._search.created_all(folder, some)
        return rows

    def _finished(self, copy: Copy, row: Row | None) -> Created:
        """Set the tags of a copy that a listing shows."""
        if row is None:
            return Created(None)
        steps = self._tag_steps(row.id, row, copy.flag, copy.categories, copy.permit)
        if copy.message.importance == "high":
            star = (mapping.IMPORTANT_TAG,)
            steps.append(partial(self._mailbox.update, row.id, "addTags", star, copy.permit))
        with suppress(TandemError):
            _in_turn(steps)
        as_made = row.flag == copy.flag and set(row.categories) == set(copy.categories)
        return Created(row.id, listed=as_made and row.read == copy.read)

    def write(self, item: Item, changes: Mapping[str, object], permit: Permit) -> str | None:
        """One request for `read`, one or two each for `flag` and `categories`, one for `folder`. Whether a moved
        message keeps the id that is returned is the tenant's affair, and a read by it tells. Once a first request is
        done, a later one that is refused, or for which the lease is lost, leaves the outcome of the whole unknown."""
        steps: list[Callable[[], None]] = []
        if "read" in changes:
            action = "markRead" if changes["read"] else "markUnread"
            steps.append(partial(self._mailbox.update, item.id, action, (), permit))
        flag = cast(Flag, changes.get("flag", item.flag))
        categories = cast(Sequence[str], changes.get("categories", item.categories))
        steps += self._tag_steps(item.id, item, flag, categories, permit)
        if "folder" in changes:
            steps.append(partial(self._mailbox.move, item.id, str(changes["folder"]), permit))
        _in_turn(steps)
        return item.id

    def _tag_steps(
        self, id: str, was: Item | Row, flag: Flag, categories: Sequence[str], permit: Permit
    ) -> list[Callable[[], None]]:
        steps = list(mapping.TAG_STEPS.get((was.flag, flag), ()))
        steps += mapping.tag_steps(self._mailbox.tags, was.categories, categories)
        return [partial(self._mailbox.update, id, action, tags, permit) for action, tags in steps]

    # ------------------------------------------------------------------------------------------------------- folders

    def tree(self) -> tuple[Folder, ...]:
        self._walk()
        return self._tree

    def is_empty(self, folder: str) -> bool:
        return self._mailbox.is_empty(folder)

    def create_folder(self, name: str, parent: str, permit: Permit) -> str:
        return self._mailbox.create_folder(name, parent, permit)

    def rename_folder(self, folder: str, name: str, permit: Permit) -> None:
        self._mailbox.rename_folder(folder, name, permit)

    def move_folder(self, folder: str, parent: str, permit: Permit) -> None:
        self._mailbox.move_folder(folder, parent, permit)

    def delete_folder(self, folder: str, permit: Permit) -> None:
        self._mailbox.delete_folder(folder, permit)

    def _walk(self) -> None:
        self._tree = tuple(one.folder for one in self._mailbox.tree())

    def _door(self) -> ImapDoor:
        if self._imap is None:
            raise NoClientPassword("without a client password nothing can be put into DingTalk", code="login")
        return self._imap

    def _name(self, door: ImapDoor, folder: str) -> str:
        """The folder's IMAP name. LIST is asked again only when the tree has changed since."""
        if all(one.id != folder for one in self._tree):
            self._walk()
        if self._listed is None or self._listed[0] != self._tree:
            self._listed = (self._tree, door.mailboxes())
        return mailbox_name(folder, *self._listed)


def _in_turn(steps: Sequence[Callable[[], None]]) -> None:
    for done, step in enumerate(steps):
        try:
            step()
        except TandemError as error:
            if not done:
                raise
            raise OutcomeUnknown(f"a write stopped after {done} of its requests", code=error.code) from error
