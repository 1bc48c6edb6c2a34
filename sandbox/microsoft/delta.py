"""Delta: what a folder's messages, or the tree of folders, are and how they change, page by page.

A token says all about the round it belongs to, so nothing is kept between requests. A first round lists what is there
in a fixed order and then reads the log from where it stood when the round began; later rounds read the log on.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from sandbox.microsoft import names
from sandbox.microsoft.calls import Call, Route
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.index import Entry
from sandbox.microsoft.query import (
    Expand,
    Predicate,
    check_options,
    number,
    parse_expand,
    parse_filter,
    parse_order,
    parse_select,
)
from sandbox.microsoft.records import Folder, Message
from sandbox.microsoft.render import FOLDER_NAMES, MESSAGE_NAMES, View, folder_json, message_json
from sandbox.microsoft.world import World
from sandbox.web import Response

Row = dict[str, Any]
Key = tuple[float, int]

DEFAULT_PAGE, MAX_PAGE = 10, 1000
_OPTIONS = frozenset({"$select", "$top", "$expand", "$filter", "$orderby", "$deltatoken", "$skiptoken", "changeType"})


_ALWAYS = frozenset({"id", "@odata.type", "@odata.etag", "@removed"})


@dataclass(frozen=True, slots=True)
class Round:
    """`after`: sort key of the last item listed, None once the listing is over. `log`: next line of the log.
    `left`: how many items the listing may still show."""

    subject: str
    epoch: int
    issued: float
    log: int
    after: Key | None
    left: int | None
    select: str
    expand: str
    filter: str
    order: str
    change: str

    def token(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode().rstrip("=")

    @classmethod
    def of_token(cls, token: str) -> Round:
        try:
            known = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            after = known.pop("after")
            return cls(after=None if after is None else (after[0], after[1]), **known)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise GraphError(400, "SyncStateInvalid", "The sync state is not valid.") from error


class Stream(Protocol):
    """What a delta runs over."""

    def listing(self) -> Sequence[tuple[Key, str]]:
        """What is there now as (sort key, id), in order of the keys."""
        ...

    def row(self, id: str) -> Row: ...

    def length(self) -> int: ...

    def changes(self, start: int, end: int) -> list[Row]:
        """Lines of the log as rows; an id once, as it stands now."""
        ...

    def present(self) -> Sequence[str]:
        """Ids that a false tombstone may name."""
        ...

    def tombstone(self, id: str) -> Row: ...


@dataclass(frozen=True, slots=True)
class MessageStream:
    call: Call
    folder: Folder
    round: Round
    view: View
    test: Predicate

    @classmethod
    def of(cls, call: Call, folder: Folder, round: Round) -> MessageStream:
        select = parse_select(round.select or None, MESSAGE_NAMES, "message")
        expand: Expand = parse_expand(round.expand)
        test, fields = parse_filter(round.filter) if round.filter else ((lambda message: True), ())
        if set(fields) - {"receiveddatetime"}:
            raise GraphError(400, "ErrorInvalidUrlQueryFilter", "Delta filters by receivedDateTime only.")
        if round.order and parse_order(round.order, fields):
            raise GraphError(400, "ErrorInvalidUrlQuery", "Delta orders by receivedDateTime desc only.")
        return cls(call, folder, round, View(call.immutable, call.text_bodies, select, expand), test)

    @property
    def _messages(self) -> Mapping[str, Message]:
        return self.call.mailbox.index.folder(self.folder.id)

    def listing(self) -> Sequence[tuple[Key, str]]:
        if self.round.change not in ("", "created"):
            return []
        ordered = bool(self.round.order)
        found = sorted(
            ((-m.received if ordered else 0.0, m.serial), m.id) for m in self._messages.values() if self.test(m)
        )
        return found[: self.call.world.switches.delta_filter_cap] if self.round.filter else found

    def row(self, id: str) -> Row:
        return self._row(self._messages[id])

    def _row(self, message: Message) -> Row:
        return {"@odata.type": "#microsoft.graph.message"} | message_json(message, self.view)

    def length(self) -> int:
        return len(self.call.mailbox.index.log(self.folder.id))

    def changes(self, start: int, end: int) -> list[Row]:
        entries = self.call.mailbox.index.log(self.folder.id)[start:end]
        last = {entry.id if self.view.immutable else entry.default_id: entry for entry in entries}
        sparse = self._sparse(entries)
        rows = [self._change(entry) for entry in last.values() if self.round.change in ("", entry.change)]
        return [
            {name: value for name, value in row.items() if name in sparse.get(row["id"], row)}
            for row in rows
            if row is not None
        ]

    def _sparse(self, entries: Sequence[Entry]) -> dict[str, set[str]]:
        """Ids of messages that were only updated, and of which only what changed is to be shown."""
        world, changed = self.call.world, dict[str, set[str]]()
        for entry in entries if world.switches.delta_sparse else ():
            members = changed.setdefault(entry.id if self.view.immutable else entry.default_id, set(_ALWAYS))
            members.update(entry.members if entry.change == "updated" else MESSAGE_NAMES.values())
        return {id: members for id, members in changed.items() if world.happens(world.switches.delta_sparse)}

    def _change(self, entry: Entry) -> Row | None:
        message = self._messages.get(entry.id)
        same = message is not None and (self.view.immutable or message.default_id == entry.default_id)
        if message is None or not same:
            return self.tombstone(entry.id if self.view.immutable else entry.default_id)
        return self._row(message) if self.test(message) else None

    def present(self) -> Sequence[str]:
        return [m.id if self.view.immutable else m.default_id for m in self._messages.values()]

    def tombstone(self, id: str) -> Row:
        return _tombstone(self.call.world, "message", id)


@dataclass(frozen=True, slots=True)
class FolderStream:
    """Folders under the root; hidden ones by a switch."""

    call: Call
    select: frozenset[str] | None

    def _shown(self, folder: Folder) -> bool:
        hidden = folder.hidden and not self.call.world.switches.folder_delta_hidden
        below = folder.well_known != names.ROOT and self.call.mailbox.under(folder.id, names.ROOT)
        return below and not hidden

    def _row(self, folder: Folder) -> Row:
        return {"@odata.type": "#microsoft.graph.mailFolder"} | folder_json(self.call.mailbox, folder, self.select)

    def listing(self) -> Sequence[tuple[Key, str]]:
        found = sorted(self.call.mailbox.folders.values(), key=lambda f: f.serial)
        return [((0.0, f.serial), f.id) for f in found if self._shown(f)]

    def row(self, id: str) -> Row:
        return self._row(self.call.mailbox.folders[id])

    def length(self) -> int:
        return len(self.call.mailbox.folder_log)

    def changes(self, start: int, end: int) -> list[Row]:
        folders = self.call.mailbox.folders
        touched = dict.fromkeys(self.call.mailbox.folder_log[start:end])
        return [
            self._row(folders[id]) if id in folders else self.tombstone(id)
            for id in touched
            if id not in folders or self._shown(folders[id])
        ]

    def present(self) -> Sequence[str]:
        """Nothing: false tombstones are known of messages only."""
        return ()

    def tombstone(self, id: str) -> Row:
        return _tombstone(self.call.world, "mailFolder", id)


def _tombstone(world: World, kind: str, id: str) -> Row:
    reason = "changed" if world.happens(world.switches.delta_reason_changed) else "deleted"
    return {"@odata.type": f"#microsoft.graph.{kind}", "id": id, "@removed": {"reason": reason}}


# -------------------------------------------------------------------------------------------------------------- round
def _start(call: Call, subject: str, length: int) -> Round:
    query = call.query
    text = query.get("$top")
    change = query.get("changeType", "").lower()
    if change not in ("", "created", "updated", "deleted"):
        raise GraphError(400, "ErrorInvalidUrlQuery", "changeType is created, updated or deleted.")
    return Round(
        subject=subject,
        epoch=call.mailbox.delta_epoch,
        issued=0.0,
        log=length,
        after=(float("-inf"), 0),
        left=None if text is None else number(query, "$top", 0, 1, 10**9),
        select=query.get("$select", ""),
        expand=query.get("$expand", ""),
        filter=query.get("$filter", ""),
        order=query.get("$orderby", ""),
        change=change,
    )


def _resume(call: Call, token: str, subject: str) -> Round:
    """The round of a token, refused once it has expired."""
    round, switches = Round.of_token(token), call.world.switches
    if round.subject != subject:
        raise GraphError(400, "SyncStateInvalid", "The sync state belongs to another collection.")
    age = call.world.now() - round.issued
    old = switches.delta_token_life is not None and age > switches.delta_token_life
    if round.epoch != call.mailbox.delta_epoch or old:
        headers = {"Location": f"{call.url}?$deltatoken="} if switches.delta_expiry_location else {}
        raise GraphError(
            switches.delta_expiry_status,
            switches.delta_expiry,
            "The sync state generation is not found; the collection must be synchronised anew.",
            headers,
        )
    return round


def _page(world: World, stream: Stream, round: Round, size: int) -> tuple[list[Row], Round, bool]:
    """-> rows, the round from here on, whether it is over."""
    if world.happens(world.switches.delta_empty_page):
        return [], round, False
    rows: list[Row] = []
    if round.after is not None:
        rest = [(key, id) for key, id in stream.listing() if key > round.after]
        take = min(size, len(rest) if round.left is None else round.left)
        rows = [stream.row(id) for _, id in rest[:take]]
        left = None if round.left is None else round.left - take
        over = take >= len(rest) or left == 0
        after = None if over else rest[take - 1][0]
        round = replace(round, after=after, left=left)
        if not over:
            return rows, round, False
    end = min(stream.length(), round.log + size - len(rows))
    rows += stream.changes(round.log, end)
    round = replace(round, log=end)
    over = end == stream.length()
    return rows, round, over


def _disturbed(world: World, stream: Stream, rows: list[Row], tombstones: bool) -> list[Row]:
    """A row twice, or, in later rounds, a removal that never was, as the switches have it."""
    if rows and world.happens(world.switches.delta_duplicate):
        rows = [*rows, world.random.choice(rows)]
    ids = stream.present() if tombstones and world.switches.delta_false_tombstone else ()
    if ids and world.happens(world.switches.delta_false_tombstone):
        rows = [*rows, stream.tombstone(world.random.choice(ids))]
    return rows


def _answer(call: Call, stream: Stream, round: Round) -> Response:
    text = call.preferences.get("odata.maxpagesize", "")
    size = min(max(int(text), 1), MAX_PAGE) if text.isdecimal() else DEFAULT_PAGE
    first = round.after is not None
    rows, after, over = _page(call.world, stream, round, size)
    rows = _disturbed(call.world, stream, rows, tombstones=over and not first)
    name, option = ("@odata.deltaLink", "$deltatoken") if over else ("@odata.nextLink", "$skiptoken")
    if call.world.switches.delta_token_life is not None:  # else equal states give equal links
        after = replace(after, issued=call.world.now())
    link = f"{call.url}?{option}={after.token()}"
    headers = {"Preference-Applied": f"odata.maxpagesize={size}"} if text else {}
    context = f"{call.world.base_url}/$metadata#Collection({round.subject.partition(':')[0]})"
    return Response.of_json(200, {"@odata.context": context, name: link, "value": rows}, headers)


def _round(call: Call, subject: str, length: int) -> Round:
    query, world = call.query, call.world
    if token := query.get("$skiptoken"):
        return _resume(call, token, subject)
    if token := query.get("$deltatoken"):
        round = _resume(call, token, subject)
        if world.happens(world.switches.delta_replay):
            round = replace(round, log=max(0, round.log - world.random.randint(1, 3)))
        return round
    return _start(call, subject, length)


def message_delta(call: Call) -> Response:
    check_options(call, _OPTIONS)
    store = call.mailbox
    try:
        folder = store.folder(call.args["f"])
    except GraphError as error:
        if error.status != 404:
            raise
        raise GraphError(404, call.world.switches.delta_deleted_folder, error.message) from error
    round = _round(call, f"message:{store.guid}:{folder.id}", len(store.index.log(folder.id)))
    return _answer(call, MessageStream.of(call, folder, round), round)


def folder_delta(call: Call) -> Response:
    check_options(call, frozenset({"$select", "$deltatoken", "$skiptoken"}))
    store = call.mailbox
    round = _round(call, f"mailFolder:{store.guid}", len(store.folder_log))
    select = parse_select(round.select or None, FOLDER_NAMES, "mailFolder")
    return _answer(call, FolderStream(call, select), round)


ROUTES = (
    Route("GET", "users/{u}/mailFolders/delta", folder_delta),
    Route("GET", "users/{u}/mailFolders/{f}/messages/delta", message_delta),
)
