"""Attachments too large for one request, in pieces (Graph: attach large files to Outlook messages)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.model.answers import Must, fits, parsed
from shared.model.errors import NotFound, OutcomeUnknown, Refused, Stale, Unavailable
from shared.model.mail import Attachment
from shared.model.spooled import Content, pieces_of, size_of
from shared.outlook.errors import error
from shared.outlook.patience import TRIES, Patience
from shared.outlook.transport import Graph, member
from shared.ports.replica import Permit
from shared.ports.world import HttpResponse

PIECE = 12 * 320 * 1024
"""Bytes of a piece: a multiple of 320 KiB under 4 MB."""
SESSIONS = 3
"""How many are begun for one attachment."""
AGAIN = frozenset({408, 500, 502, 503, 504})
"""Statuses that say neither yes nor no."""
WHAT = "an upload of an attachment"

STATE = {"nextExpectedRanges": Must([str])}


class _Ended(Exception):
    """The session isn't there (`gone`), or doesn't take what it was asked."""

    def __init__(self, code: str, gone: bool = False) -> None:
        super().__init__(code)
        self.code, self.gone = code, gone


class Uploads:
    def __init__(self, graph: Graph, patience: Patience) -> None:
        self._graph, self._patience = graph, patience

    def send(self, url: str, attachment: Attachment, permit: Permit, is_there: Callable[[], bool]) -> None:
        """Add an attachment to the message whose attachments are at `url`. A session that ends before its time is
        begun anew, unless the answer to its last piece was the one that got lost: `is_there` tells. Refused when no
        session takes it; Unavailable when Outlook doesn't answer; Throttled when the wait would be long."""
        code = ""
        for _ in range(SESSIONS):
            try:
                return self._fill(self._open(url, attachment, permit), attachment.content, permit)
            except _Ended as ended:
                if is_there():
                    return None
                code = ended.code
        raise Refused("Outlook ended each session for an attachment before its time", code=code)

    def _open(self, url: str, attachment: Attachment, permit: Permit) -> str:
        """-> the session's URL. A lost answer leaves a session behind that nobody uses: it expires."""
        item: dict[str, Any] = {
            "attachmentType": "file",
            "name": attachment.name or "attachment",
            "size": size_of(attachment.content),
            "contentType": attachment.content_type or "application/octet-stream",
            "isInline": attachment.inline,
        }
        if attachment.content_id:
            item["contentId"] = attachment.content_id
        session = {"AttachmentItem": item}
        for turn in range(TRIES):
            try:
                made = self._patience.with_throttling(
                    lambda: self._graph.send("POST", f"{url}/createUploadSession", session, WHAT, permit), permit
                )
                return member(made, "uploadUrl", WHAT)
            except OutcomeUnknown as exc:
                lost = exc
                self._patience.pause(2.0**turn, permit)
        raise Unavailable(f"{WHAT}: Graph gives no session", code=lost.code)

    def _fill(self, session: str, content: Content, permit: Permit) -> None:
        begins, total = 0, size_of(content)
        for piece in pieces_of(content, PIECE):
            at, ends, tries = begins, begins + len(piece), 0
            while at < ends:
                next = self._put(session, piece[at - begins :], at, total, permit)
                tries = tries + 1 if next <= at else 0
                if next < begins or tries == TRIES:
                    raise _Ended("ErrorInvalidRange")
                if tries:
                    self._patience.pause(2.0**tries, permit)
                at = next
            begins = ends

    def _put(self, session: str, piece: bytes, first: int, total: int, permit: Permit) -> int:
        """Send one piece -> where the next one begins, by the vendor's own word."""
        headers = {
            "content-type": "application/octet-stream",
            "content-range": f"bytes {first}-{first + len(piece) - 1}/{total}",
        }
        try:
            answer = self._asked("PUT", session, permit, piece, headers)
        except OutcomeUnknown:
            return self._expected(session, first, permit)
        return total if answer.status == 201 else _next(answer, first + len(piece))

    def _expected(self, session: str, first: int, permit: Permit) -> int:
        """What a session says of itself after an answer was lost. One that says nothing is sent the piece again: where
        it was taken already, that ends the session."""
        for turn in range(TRIES):
            self._patience.pause(2.0**turn, permit)
            try:
                return _next(self._asked("GET", session, permit), first)
            except _Ended as ended:
                if ended.gone:
                    raise
                return first
            except OutcomeUnknown as exc:
                lost = exc
        raise Unavailable(f"{WHAT}: Outlook doesn't say how far it came", code=lost.code)

    def _asked(
        self, method: str, session: str, permit: Permit, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> HttpResponse:
        """The answer to a request that was taken."""
        return self._patience.with_throttling(
            lambda: _taken(self._graph.upload(method, session, WHAT, permit, body, headers)), permit
        )


def _taken(answer: HttpResponse) -> HttpResponse:
    if answer.status in AGAIN:
        raise OutcomeUnknown(f"{WHAT}: Outlook answered {answer.status}", code=str(answer.status))
    if not 200 <= answer.status < 300:
        refused = error(WHAT, answer.status, answer.headers, answer.body, effect=True)
        if answer.status == 401 or type(refused) in (Refused, NotFound, Stale):
            raise _Ended(refused.code, gone=answer.status in (404, 410))
        raise refused
    return answer


def _next(answer: HttpResponse, otherwise: int) -> int:
    """`nextExpectedRanges` of an answer: one number, perhaps with what follows it. Without one, `otherwise`."""
    try:
        state = parsed(answer.body)
    except ValueError:
        return otherwise
    start = (
        state["nextExpectedRanges"][0].partition("-")[0] if fits(state, STATE) and state["nextExpectedRanges"] else ""
    )
    return int(start) if start.isascii() and start.isdigit() and len(start) <= 12 else otherwise
