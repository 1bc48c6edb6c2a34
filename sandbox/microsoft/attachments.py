"""Routes of attachments, upload sessions included."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sandbox.microsoft.bodies import SMALL_ATTACHMENT, attachment_of, new_attachment
from sandbox.microsoft.calls import ADVANCED, WRITE, Call, Route
from sandbox.microsoft.errors import GraphError, denied, not_found, too_large
from sandbox.microsoft.messages import target
from sandbox.microsoft.query import check_options, page, parse_select
from sandbox.microsoft.records import Attachment, Message
from sandbox.microsoft.render import ATTACHMENT_NAMES, attachment_json
from sandbox.microsoft.store import Store
from sandbox.microsoft.times import iso
from sandbox.microsoft.world import World
from sandbox.web import Request, Response

LARGE_ATTACHMENT = 150 * 1024 * 1024
PIECE = 4 * 1024 * 1024
SESSION_LIFE = 3600.0
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def _context(call: Call, tail: str = "") -> dict[str, Any]:
    return {"@odata.context": f"{call.world.base_url}/$metadata#users('{call.args['u']}')/messages/attachments{tail}"}


def _one(call: Call) -> Attachment:
    found = [a for a in target(call, reading=True).attachments if a.id == call.args["a"]]
    if not found:
        raise not_found()
    return found[0]


def list_attachments(call: Call) -> Response:
    check_options(call, frozenset({"$select", "$top", "$skip", "$count"}))
    select = parse_select(call.query.get("$select"), ATTACHMENT_NAMES, "attachment")
    found, overhead = target(call, reading=True).attachments, call.world.switches.attachment_overhead
    return Response.of_json(200, page(call, found, lambda a: attachment_json(a, select, overhead), _context(call)))


def get_attachment(call: Call) -> Response:
    check_options(call, frozenset({"$select"}))
    select = parse_select(call.query.get("$select"), ATTACHMENT_NAMES, "attachment")
    overhead = call.world.switches.attachment_overhead
    return Response.of_json(200, _context(call, "/$entity") | attachment_json(_one(call), select, overhead))


def get_content(call: Call) -> Response:
    attachment = _one(call)
    return Response(200, {"content-type": attachment.content_type}, attachment.content)


def _check_change(call: Call, message: Message) -> None:
    if not message.draft and call.world.switches.advanced_covers_attachments and ADVANCED not in call.roles:
        raise denied()


def _attach(store: Store, message: Message, attachment: Attachment) -> None:
    if message.size + len(attachment.content) > store.world.switches.largest_message:
        raise GraphError(400, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")
    store.check_room(len(attachment.content))
    store.change(message, attachments=(*message.attachments, attachment), mime=None)


def add_attachment(call: Call) -> Response:
    message = target(call)
    _check_change(call, message)
    attachment = attachment_of(call.mailbox, call.object())
    if len(attachment.content) >= SMALL_ATTACHMENT:
        raise too_large()
    _attach(call.mailbox, message, attachment)
    return Response.of_json(201, _context(call, "/$entity") | attachment_json(attachment))


def remove_attachment(call: Call) -> Response:
    message, attachment = target(call), _one(call)
    _check_change(call, message)
    rest = tuple(a for a in message.attachments if a.id != attachment.id)
    call.mailbox.change(message, attachments=rest, mime=None)
    return Response(204)


# ------------------------------------------------------------------------------------------------------------ uploads
@dataclass(slots=True)
class _Session:
    store: Store
    message: str
    item: dict[str, Any]
    expires: float
    content: bytearray = field(default_factory=bytearray)


class Uploads:
    """Upload sessions and their URLs, which carry their own right and are outside the versioned API."""

    PREFIX = ("api", "gv1.0")

    def __init__(self, world: World) -> None:
        self._world = world
        self._sessions: dict[str, _Session] = {}

    def open(self, call: Call) -> Response:
        message = target(call)
        _check_change(call, message)
        item = {k.lower(): v for k, v in call.object().items()}.get("attachmentitem")
        if not isinstance(item, dict) or not isinstance(item.get("name"), str) or item.get("attachmentType") != "file":
            raise GraphError(400, "ErrorInvalidRequest", "AttachmentItem needs attachmentType file, a name and a size.")
        size = item.get("size")
        if not isinstance(size, int) or not 0 < size <= LARGE_ATTACHMENT:
            raise GraphError(400, "ErrorAttachmentSizeLimitExceeded", "The attachment must have 1 byte to 150 MB.")
        if size < SMALL_ATTACHMENT:
            raise GraphError(
                400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize", "Attachments under 3 MB are posted directly."
            )
        id = self._world.guid()
        session = _Session(call.mailbox, message.id, item, self._world.now() + SESSION_LIFE)
        self._sessions[id] = session
        return Response.of_json(
            201,
            _context(call, "/createUploadSession")
            | {"uploadUrl": self._url(session, id), **self._state(session), "nextExpectedRanges": ["0-"]},
        )

    def _url(self, session: _Session, id: str) -> str:
        base = urlsplit(self._world.base_url)
        user, message = session.store.guid, session.message
        path = f"/{'/'.join(self.PREFIX)}/Users('{user}')/Messages('{message}')/AttachmentSessions('{id}')"
        return f"{base.scheme}://{base.netloc}{path}?authtoken={id}"

    def _state(self, session: _Session) -> dict[str, Any]:
        return {"expirationDateTime": iso(session.expires), "nextExpectedRanges": [f"{len(session.content)}-"]}

    def mailbox_of(self, request: Request) -> str:
        """The mailbox whose limits a request counts against; "" when it is about none."""
        session = self._sessions.get(request.query.get("authtoken", ""))
        return session.store.guid if session else ""

    def handle(self, request: Request) -> Response:
        """PUT a piece, GET the state, DELETE the session. The caller holds the lock."""
        if request.headers.get("authorization"):
            raise GraphError(401, "InvalidAuthenticationToken", "The URL carries its own right; this token has none.")
        id = request.query.get("authtoken", "")
        session = self._sessions.get(id)
        if session is None or session.expires <= self._world.now():
            raise GraphError(404, "ErrorItemNotFound", "The upload session was not found.")
        if request.method == "DELETE":
            del self._sessions[id]
            return Response(204)
        if request.method == "GET" and self._world.switches.upload_state_readable:
            return Response.of_json(200, self._state(session))
        if request.method != "PUT":
            raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
        self._take(session, request)
        session.expires = self._world.now() + SESSION_LIFE
        if len(session.content) < session.item["size"]:
            state = self._state(session)
            return Response.of_json(
                200,
                {"ExpirationDateTime": state["expirationDateTime"], "nextExpectedRanges": [str(len(session.content))]},
            )
        return self._finish(id)

    def _take(self, session: _Session, request: Request) -> None:
        if request.headers.get("content-type", "").lower() != "application/octet-stream":
            raise GraphError(400, "ErrorInvalidRequest", "A piece is application/octet-stream.")
        match = _RANGE.fullmatch(request.headers.get("content-range", "").strip())
        if match is None:
            raise GraphError(400, "ErrorInvalidRequest", "Content-Range must be bytes first-last/total.")
        first, last, total = map(int, match.groups())
        if len(request.body) >= PIECE:
            raise too_large()
        if total != session.item["size"] or last - first + 1 != len(request.body) or not request.body:
            raise GraphError(400, "ErrorInvalidRequest", "Content-Range does not fit the body or the session.")
        if last >= total:
            raise GraphError(400, "ErrorInvalidRequest", "Content-Range reaches over the end.")
        if first != len(session.content):
            raise GraphError(416, "ErrorInvalidRange", "The range is not the one expected next.")
        session.content += request.body

    def _finish(self, id: str) -> Response:
        session = self._sessions.pop(id)
        store, item = session.store, session.item
        attachment = new_attachment(
            store,
            name=item["name"],
            content=bytes(session.content),
            content_type=item.get("contentType") or "application/octet-stream",
            inline=item.get("isInline") is True,
            content_id=item.get("contentId") or "",
        )
        _attach(store, store.find(session.message), attachment)
        base = self._url(session, id).partition("/AttachmentSessions(")[0]
        return Response(201, {"Location": f"{base}/Attachments('{attachment.id}')"})

    def routes(self) -> tuple[Route, ...]:
        tail = "messages/{m}/attachments/createUploadSession"
        return tuple(
            Route("POST", f"users/{{u}}/{place}{tail}", self.open, WRITE) for place in ("", "mailFolders/{f}/")
        )


ROUTES = tuple(
    Route(method, f"users/{{u}}/{place}messages/{{m}}/attachments{tail}", handler, *roles)
    for place in ("", "mailFolders/{f}/")
    for method, tail, handler, roles in (
        ("GET", "", list_attachments, ()),
        ("POST", "", add_attachment, (WRITE,)),
        ("GET", "/{a}", get_attachment, ()),
        ("DELETE", "/{a}", remove_attachment, (WRITE,)),
        ("GET", "/{a}/$value", get_content, ()),
    )
)
