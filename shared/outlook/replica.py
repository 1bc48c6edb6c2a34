"""The Outlook side of mail."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from shared.model.errors import NotFound, NotPermitted, TooLarge
from shared.model.mail import Changes, Created, Found, Item, Message, Observed, Trace
from shared.model.words import OUTLOOK, Flag, Side
from shared.outlook import mapping
from shared.outlook.delta import Delta
from shared.outlook.folders import Folders
from shared.outlook.transport import Answer, Graph, Part, failure
from shared.ports.replica import Permit

LARGEST = 3_900_000
"""Bytes of a creating POST as encoded; Graph refuses a request over 4 MB."""


class OutlookMail:
    """One mailbox, with immutable ids on every call. `user` is its address or id."""

    side: Side = OUTLOOK

    def __init__(self, graph: Graph, user: str) -> None:
        self._graph, self._mailbox = graph, f"/users/{quote(user, safe='@')}"
        self._folders, self._delta = Folders(graph, self._mailbox), Delta(graph, self._mailbox)
        self._read: dict[str, Item] = {}

    # ---- reading
    def observe(
        self, ids: Sequence[str] = (), cursors: Mapping[str, str] = {}, collections: Sequence[str] | None = ()
    ) -> Observed:
        """Reads by id and the first page of each folder's delta go in one batch of up to 20."""
        tree = None
        if collections is None:
            tree = self._folders.tree()
            collections = [f.id for f in tree if f.role not in ("drafts", "system")]
        ids, folders = list(dict.fromkeys(ids)), list(dict.fromkeys(collections))
        parts = [self._item_part(id) for id in ids] + [self._delta.part(f, cursors.get(f)) for f in folders]
        answers = self._graph.batch(parts, "messages and changes") if parts else []
        items = self._items(dict(zip(ids, answers, strict=False)))
        seen = self._delta.take(cursors, dict(zip(folders, answers[len(ids) :], strict=True)))
        rows, removed = tuple(seen.rows.values()), frozenset(seen.removed)
        return Observed(items, Changes(rows, removed, frozenset(seen.complete), tree, seen.cursors))

    def _item_part(self, id: str) -> Part:
        query = f"$select={mapping.ITEM_FIELDS}&$expand={quote(mapping.EXPAND, safe='$()=,')}"
        return Part(f"{self._mailbox}/messages/{quote(id, safe='')}?{query}")

    def _items(self, answers: Mapping[str, Answer]) -> dict[str, Item | None]:
        items: dict[str, Item | None] = {}
        for id, answer in answers.items():
            if answer.status == 200:
                items[id] = mapping.item(answer.body)
            elif isinstance(error := failure("a message", answer), NotFound):
                items[id] = None
            elif isinstance(error, NotPermitted):
                raise error
        self._read = {id: item for id, item in items.items() if item is not None}
        return items

    def fetch(self, id: str) -> Message:
        item = self._read.get(id) or self.observe([id]).items.get(id)
        if item is None:
            raise NotFound("the message is not there any more", code="ErrorItemNotFound")
        mime = self._graph.get_bytes(f"{self._mailbox}/messages/{quote(id, safe='')}/$value", "a message's content")
        if len(mime) > LARGEST:
            raise TooLarge("the message is larger than what crosses in one piece", code="too_large")
        return mapping.message(mime, item.received, item.message_id)

    def mark(self, folder: str) -> str:
        return ""

    def find(self, trace: Trace) -> Found:
        """By the key property or the Message-ID, in the whole mailbox, deleted items included."""
        if trace.key:
            test = f"singleValueExtendedProperties/Any(ep: ep/id eq '{mapping.KEY}' and ep/value eq '{trace.key}')"
        elif trace.message_id:
            test = f"internetMessageId eq '<{trace.message_id}>'"
        else:
            return Found(())
        query = f"$filter={quote(test)}&$select={mapping.ITEM_FIELDS}&$expand={quote(mapping.EXPAND)}&$top=50"
        page = self._graph.get(f"{self._mailbox}/messages?{query}", "a search by key")
        return Found(tuple(mapping.item(value) for value in page["value"]))

    # ---- writing
    def create(
        self, message: Message, *, folder: str, read: bool, flag: Flag, key: str, mark: str, permit: Permit
    ) -> Created:
        """One POST that makes a message that is no draft, with everything in it."""
        body = mapping.creating(message, read, flag, key)
        if len(json.dumps(body, ensure_ascii=False).encode()) > LARGEST:
            raise TooLarge("the message is larger than what one request takes", code="too_large")
        made = self._graph.send("POST", f"{self._mailbox}/mailFolders/{folder}/messages", body, "a new message", permit)
        return Created(str(made["id"]))

    def write(self, item: Item, changes: Mapping[str, object], permit: Permit) -> str | None:
        """A PATCH with If-Match for read and flag, then a move. Ids are immutable."""
        path = f"{self._mailbox}/messages/{quote(item.id, safe='')}"
        match = {"if-match": item.version} if item.version else {}
        patch: dict[str, Any] = {}
        if "read" in changes:
            patch["isRead"] = bool(changes["read"])
        if "flag" in changes:
            patch["flag"] = {"flagStatus": mapping.TO_GRAPH[changes["flag"]]}  # type: ignore[index]
        if patch:
            self._graph.send("PATCH", path, patch, "a change of state", permit, match)
        if "folder" in changes:
            self._graph.send("POST", f"{path}/move", {"destinationId": changes["folder"]}, "a move", permit)
        return item.id
