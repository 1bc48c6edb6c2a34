"""Messages over REST: listings, reads, state, moves (Alimail: messages)."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.dingtalk import render
from sandbox.dingtalk.calls import Call, Route, ok
from sandbox.dingtalk.errors import invalid, not_found
from sandbox.dingtalk.records import COMPLETE, FLAGGED, IMPORTANT, TRASH, Message
from sandbox.web import Response

LARGEST_PAGE = 100


def list_messages(call: Call) -> Response:
    """Newest first unless isAscending. The cursor is opaque; it is a position, so that rows shift when mail comes."""
    folder = call.folder(call.params[0])
    query = call.query("cursor", "size", "$select", "isAscending", "orderby", "startTime", "endTime")
    rows = call.store.listed(folder)
    if query.get("startTime"):
        rows = [m for m in rows if int(m.received) >= render.epoch(query["startTime"])]
    if query.get("endTime"):
        rows = [m for m in rows if int(m.received) <= render.epoch(query["endTime"])]
    ascending = query.get("isAscending", "false") == "true" or query.get("orderby") == "ASC"
    rows.sort(key=lambda m: (m.received, m.created, m.id), reverse=not ascending)
    page, following = paged(rows, query.get("cursor", ""), query.get("size", "20"))
    shown = [show(call, m, query.get("$select"), listing=True) for m in page]
    return ok({"messages": shown, "nextCursor": following, "hasMore": bool(following)})


def paged(rows: Sequence[Message], cursor: str, size: str) -> tuple[Sequence[Message], str]:
    """-> a page and the cursor of the next one, "" at the end."""
    if not size.isdecimal() or not 1 <= int(size) <= LARGEST_PAGE:
        raise invalid(f"size must be 1 to {LARGEST_PAGE}")
    start, end = _start(cursor), _start(cursor) + int(size)
    following = base64.urlsafe_b64encode(f"at:{end}".encode()).decode() if end < len(rows) else ""
    return rows[start:end], following


def _start(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        return int(base64.urlsafe_b64decode(cursor.encode()).decode().removeprefix("at:"))
    except ValueError as exc:
        raise invalid("cursor") from exc


def show(call: Call, message: Message, select: str | None, listing: bool) -> dict[str, Any]:
    whole = render.message(message, call.world.switches, call.world.now())
    shown, unknown = render.selected(whole, select, call.world.switches, listing)
    call.world.ignored.extend(f"{call.route}: $select={name}" for name in unknown)
    return shown


def get_message(call: Call) -> Response:
    query, message = call.query("$select"), call.store.get(call.params[0])
    if message is None:
        raise not_found("message")
    return ok({"message": show(call, message, query.get("$select"), listing=False)})


def batch_update(call: Call) -> Response:
    call.query()
    body = call.body("ids", "action", "tags")
    act = ACTIONS.get(str(body.get("action")))
    if act is None:
        raise invalid("action")
    for message in call.ids(body):
        act(call, message, body)
    return ok({})


def _mark_read(call: Call, message: Message, body: Mapping[str, Any]) -> None:
    call.store.mark_read(message)


def _mark_unread(call: Call, message: Message, body: Mapping[str, Any]) -> None:
    call.store.change(message, read=False)


def _add_tags(call: Call, message: Message, body: Mapping[str, Any]) -> None:
    call.store.change(message, tags=message.tags | _known(call, _tags(body)))


def _remove_tags(call: Call, message: Message, body: Mapping[str, Any]) -> None:
    call.store.change(message, tags=message.tags - _tags(body))


def _tags(body: Mapping[str, Any]) -> frozenset[str]:
    tags = body.get("tags")
    if not isinstance(tags, list) or not tags or not all(isinstance(tag, str) for tag in tags):
        raise invalid("tags")
    return frozenset(tags)


def _known(call: Call, tags: frozenset[str]) -> frozenset[str]:
    if not tags <= call.store.tags.keys() | {FLAGGED, COMPLETE, IMPORTANT}:
        raise not_found("tag")
    return tags


def list_tags(call: Call) -> Response:
    """In the words of the vendor's own client (DWS list_tags); over REST only where the switch says so."""
    call.query()
    if not call.world.switches.tag_routes:
        raise not_found("route")
    counts = Counter(tag for message in call.store.items.values() for tag in message.tags)
    names = {FLAGGED: "Follow up", COMPLETE: "Completed", IMPORTANT: "Important", **call.store.tags}
    rows = ({"id": id, "name": name, "parentId": "0", "totalItemCount": counts[id]} for id, name in names.items())
    return ok({"tags": list(rows)})


ACTIONS = {
    "markRead": _mark_read,
    "markUnread": _mark_unread,
    "addTags": _add_tags,
    "removeTags": _remove_tags,
}


def move(call: Call) -> Response:
    call.query()
    body = call.body("ids", "destinationFolderId")
    target = call.folder(str(body.get("destinationFolderId")))
    for message in call.ids(body):
        if message.folder != target:
            call.store.relocate(message, target)
    return ok({})


def batch_delete(call: Call) -> Response:
    """Into the trash; what is in the trash already stays there, as long as the switch says so."""
    call.query()
    body = call.body("ids", "deleteType")
    if body.get("deleteType") != "USER_DELETED":
        raise invalid("deleteType")
    for message in call.ids(body):
        if message.folder != TRASH:
            call.store.relocate(message, TRASH)
        elif not call.world.switches.delete_twice_noop:
            call.store.purge(message)
    return ok({})


ROUTES = (
    Route("GET", ("mailFolders", "*", "messages"), list_messages),
    Route("GET", ("tags",), list_tags),
    Route("POST", ("messages", "batchUpdate"), batch_update),
    Route("POST", ("messages", "move"), move),
    Route("POST", ("messages", "batchDelete"), batch_delete),
    Route("GET", ("messages", "*"), get_message),
)
