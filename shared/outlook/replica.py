"""The Outlook side of mail."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, cast
from urllib.parse import quote

from shared.model.answers import fits
from shared.model.errors import NotFound, NotPermitted, TandemError, TooLarge, Unavailable
from shared.model.mail import Created, Folder, Found, Item, Message, Observed, Row, Trace
from shared.model.spooled import LARGEST_ENCODED, Content, pieces_of
from shared.model.words import OUTLOOK, Flag, Side
from shared.outlook import mapping
from shared.outlook.building import Builder, is_large
from shared.outlook.creating import NEW, create_many, messages_of
from shared.outlook.delta import Delta
from shared.outlook.errors import FOLDER_GONE, GONE, code_of
from shared.outlook.folders import PURGED, Folders
from shared.outlook.head import head
from shared.outlook.shapes import ITEM
from shared.outlook.staging import Staging
from shared.outlook.transport import LARGEST, Answer, Graph, Part, failure, listed, member
from shared.ports.replica import Copy, Permit
from shared.ports.world import Into, Spool

HEADER = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_-]*:")
"""How the original bytes of a message begin, and no page of a proxy."""
ENCODED = 1.4
"""What base64 and its line ends make of one byte, with something to spare for the texts."""
HISTORY = 100
"""Messages of a page of old ones."""
KEPT = 1000
"""How many messages are kept from reads, for when they are fetched."""
QUERY = f"$select={mapping.ITEM_FIELDS}&$expand={quote(mapping.EXPAND, safe='$()=,')}"


class OutlookMail:
    """One mailbox, with immutable ids on every call. `user` is its address or id. `largest`: bytes, as encoded, of a
    message that may be fetched into a spool."""

    side: Side = OUTLOOK

    def __init__(self, graph: Graph, user: str, largest: int = LARGEST_ENCODED) -> None:
        self._largest = largest
        self._graph, self._mailbox = graph, f"/users/{quote(user, safe='@')}"
        self._folders, self._delta = Folders(graph, self._mailbox), Delta(graph, self._mailbox)
        self._staging = Staging(graph, self._mailbox)
        self._builder = Builder(graph, self._mailbox, self._staging)
        self._purged: str | None = None
        self._read: dict[str, Item] = {}

    # ---- reading
    def observe(
        self, ids: Sequence[str] = (), cursors: Mapping[str, str] = {}, collections: Sequence[str] | None = ()
    ) -> Observed:
        """Reads by id and the first page of each folder's delta go in one batch of up to 20."""
        tree = None
        if collections is None:
            tree = self.tree()
            collections = [f.id for f in tree if f.role not in ("drafts", "system")]
        ids, folders = list(dict.fromkeys(ids)), list(dict.fromkeys(collections))
        parts = [Part(f"{self._message(id)}?{QUERY}") for id in ids]
        parts += [self._delta.part(folder, cursors.get(folder) or None) for folder in folders]
        if ids and self._purged is None:
            parts.append(self._folders.part(PURGED))
        answers = self._graph.batch(parts, "messages and changes")
        reads, streams, rest = answers[: len(ids)], answers[len(ids) :][: len(folders)], answers[len(ids + folders) :]
        self._learn_purged(rest)
        items = self._items(dict(zip(ids, reads, strict=True)))
        return Observed(items, self._delta.changes(cursors, dict(zip(folders, streams, strict=True)), tree))

    def history(self, folder: str, since: float, until: float) -> Iterator[tuple[Row, ...]]:
        """A filtered and ordered listing, 100 to a page (Graph: list messages)."""
        test = f"receivedDateTime ge {mapping.iso(since)} and receivedDateTime le {mapping.iso(until)}"
        url = (
            f"{self._mailbox}/mailFolders/{quote(folder, safe='')}/messages?$select={mapping.ROW_FIELDS}"
            f"&$filter={quote(test, safe='')}&$orderby={quote('receivedDateTime desc')}&$top={HISTORY}"
        )
        while url:
            try:
                page = self._graph.get(url, "old messages of a folder")
            except NotFound:
                return
            yield tuple(mapping.row(value, folder) for value in listed(page, "old messages of a folder"))
            url = self._graph.relative(page["@odata.nextLink"]) if page.get("@odata.nextLink") else ""

    def tree(self) -> tuple[Folder, ...]:
        self._staging.saw(tree := self._folders.tree())
        return tree

    def is_empty(self, folder: str) -> bool:
        return self._folders.is_empty(folder)

    def create_folder(self, name: str, parent: str, permit: Permit) -> str:
        return self._folders.create(name, parent, permit)

    def rename_folder(self, folder: str, name: str, permit: Permit) -> None:
        self._folders.rename(folder, name, permit)

    def move_folder(self, folder: str, parent: str, permit: Permit) -> None:
        self._folders.move(folder, parent, permit)

    def delete_folder(self, folder: str, permit: Permit) -> None:
        self._folders.delete(folder, permit)

    def _message(self, id: str) -> str:
        return f"{self._mailbox}/messages/{quote(id, safe='')}"

    def _learn_purged(self, answers: Sequence[Answer]) -> None:
        """Asked beside the first reads: only if these fill whole batches does it cost a request of its own."""
        for answer in answers:
            if answer.status == 200:
                self._purged = member(answer.body, "id", "a folder", Unavailable)
            elif code_of(answer.body).lower() in FOLDER_GONE:
                self._purged = ""

    def _items(self, answers: Mapping[str, Answer]) -> dict[str, Item | None]:
        """Only a code that says so means "not found"; other refusals, and an answer that leaves out what was asked for
        or can't be read, leave the id unknown."""
        items: dict[str, Item | None] = {}
        for id, answer in answers.items():
            if answer.status == 200:
                if (item := _item(answer.body)) is not None:
                    items[id] = None if item.folder == self._purged else item
            elif code_of(answer.body).lower() in GONE:
                items[id] = None
            elif isinstance(error := failure("a message", answer), NotPermitted):
                raise error
        items = self._apart(items)
        if len(self._read) > KEPT:
            self._read.clear()
        self._read |= {id: item for id, item in items.items() if item is not None}
        return items

    def _apart(self, items: Mapping[str, Item | None]) -> dict[str, Item | None]:
        """What is still being put together is no message: it isn't there. Where nobody can tell, it is unknown."""
        self._staging.learn(item for item in items.values() if item is not None)
        held = {id: item is not None and self._staging.holds(item) for id, item in items.items()}
        return {id: None if held[id] else item for id, item in items.items() if held[id] is not None}

    def read_whole(self, ids: Sequence[str]) -> Mapping[str, Item | None]:
        """Original bytes are only to be had one by one."""
        return self.observe(ids).items

    def labels(self) -> None:
        """Outlook takes any name."""

    def fetch(self, id: str, spool: Spool | None = None) -> Message:
        """The original bytes, with what the last read by id showed."""
        item = self._read.get(id) or self._one(id)
        mime = self._content(id, item.size or 0, spool)
        if not HEADER.match(next(pieces_of(mime), b"")):
            raise Unavailable("Graph answered with something else than a message's content", code="no_mime")
        return mapping.message(mime, item)

    def _content(self, id: str, size: int, spool: Spool | None) -> Content:
        """`size` is Graph's, before encoding, and 0 when it says none. In memory unless it may be too large for it."""
        url, what, most = f"{self._message(id)}/$value", "a message's content", self._largest if spool else LARGEST
        if size > most:
            raise TooLarge(f"the message has {size} bytes, {most} can cross", code="too_large")
        if spool and not 0 < size * ENCODED <= LARGEST:
            encoded = min(round(size * ENCODED), most) or most
            return self._graph.get_spooled(url, what, Into(spool, most), encoded)
        mime = self._graph.get_bytes(url, what)
        if len(mime) > most:
            raise TooLarge(f"the message has {len(mime)} bytes as encoded, {most} can cross", code="too_large")
        return mime

    def head(self, id: str) -> Message:
        return head(self._graph, self._message(id), self._read.get(id) or self._one(id))

    def fetch_many(self, ids: Sequence[str]) -> list[Message | TandemError]:
        return self._graph.two_at_a_time([partial(self.fetch, id) for id in ids])

    def _one(self, id: str) -> Item:
        items = self.observe([id]).items
        if id not in items:
            raise Unavailable("the message could not be read; it is tried again later", code="unread")
        if (item := items[id]) is None:
            raise NotFound("the message is not there any more", code="ErrorItemNotFound")
        return item

    def mark(self, folder: str) -> str:
        """Not needed: the key is found by a filter."""
        return ""

    def find(self, trace: Trace) -> Found:
        """By the key property or the Message-ID, in the whole mailbox, deleted items included, but for what is still
        being put together."""
        if trace.key:
            test = f"singleValueExtendedProperties/Any(ep: ep/id eq '{mapping.KEY}' and ep/value eq {_text(trace.key)})"
        elif trace.message_id:
            test = f"internetMessageId eq {_text(f'<{trace.message_id}>')}"
        else:
            return Found(())
        url = f"{self._mailbox}/messages?$filter={quote(test, safe='')}&{QUERY}&$top=50"
        what = "a search for a message"
        items = [_item(value) for value in self._graph.pages(self._graph.get(url, what), what)]
        if None in items:
            raise Unavailable(f"{what}: Graph's answer shows a message that can't be read", code="no_item")
        found = {item.id: item for item in items if item is not None}
        if (apart := self._apart(found)).keys() != found.keys():
            raise Unavailable(f"{what}: the folder of what was found is unknown", code="no_folder")
        return Found(tuple(item for item in apart.values() if item is not None))

    # ---- writing
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
        """One POST that makes a message that is no draft, with everything in it; one that is too large for that is put
        together out of sight (see building.py)."""
        self._staging.is_not(folder)
        if not is_large(message):
            with suppress(TooLarge):
                body, url = mapping.creating(message, read, flag, key, categories), messages_of(self._mailbox, folder)
                return Created(member(self._graph.send("POST", url, body, NEW, permit), "id", NEW))
        bare = mapping.creating(replace(message, attachments=()), read, flag, key, categories)
        return Created(self._builder.build(message, bare, folder, key, permit))

    def create_many(self, copies: Sequence[Copy]) -> list[Created | TandemError]:
        """In batches, as far as they are small."""
        return create_many(self._graph, self._mailbox, copies, self.create)

    def tidy(self, permit: Permit) -> None:
        self._staging.tidy(permit)

    def write(self, item: Item, changes: Mapping[str, object], permit: Permit) -> str | None:
        """A PATCH for read, flag and categories, then a move, each with If-Match (not heeded for moves, perhaps)."""
        id, version = item.id, item.version
        patch: dict[str, Any] = {}
        if "read" in changes:
            patch["isRead"] = bool(changes["read"])
        if "flag" in changes:
            patch["flag"] = {"flagStatus": mapping.TO_GRAPH[cast(Flag, changes["flag"])]}
        if "categories" in changes:
            patch["categories"] = list(cast(Sequence[str], changes["categories"]))
        if patch:
            what = "a change of state"
            made = self._graph.send("PATCH", self._message(id), patch, what, permit, _if_match(version))
            version = mapping.version(made) if fits(made, {"@odata.etag": str, "changeKey": str}) else ""
        if "folder" in changes:
            body, what = {"destinationId": changes["folder"]}, "a move"
            made = self._graph.send("POST", f"{self._message(id)}/move", body, what, permit, _if_match(version))
            id = member(made, "id", what)
        return id


def _item(value: Mapping[str, Any]) -> Item | None:
    """None when it isn't as Graph documents it."""
    try:
        return mapping.item(value) if fits(value, ITEM) else None
    except (Unavailable, ValueError):  # a time, or a number that is none
        return None


def _if_match(version: str) -> dict[str, str]:
    return {"if-match": version} if version else {}


def _text(value: str) -> str:
    """A string of a filter (OData: quotes are doubled)."""
    return "'" + value.replace("'", "''") + "'"
