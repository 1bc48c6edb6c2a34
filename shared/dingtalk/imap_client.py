"""imapclient, and imaplib below it, over the MailStream port."""

from __future__ import annotations

import imaplib
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from imapclient import IMAPClient
from imapclient.datetime_util import format_criteria_date
from imapclient.response_parser import parse_fetch_response

from shared.dingtalk.limits import LARGEST
from shared.model.spooled import PIECE, Content, Spooled, pieces_of, size_of
from shared.ports.world import Clock, Into, MailStream, TransportError

MOST = 64 << 20
"""Bytes that the answer to one command may have."""
FAST = 1_000_000
"""Bytes a second that a server has time for to put away a message which has reached it."""


class Wire(imaplib.IMAP4):
    """imaplib's protocol over a MailStream. `underway`: bytes of a message have left. `deadline`: nothing leaves after
    it (on the clock's monotonic time), and the rest of an answer has `timeout` seconds more."""

    def __init__(self, stream: MailStream, clock: Clock, timeout: float) -> None:
        self._stream = stream
        self._clock = clock
        self._message: _Literal | None = None
        self.underway = False
        self.into: Into | None = None
        self.kept: Spooled | None = None
        self._timeout = timeout
        self._room, self._more = MOST, 0.0
        self.deadline = clock.monotonic() + timeout
        super().__init__()

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        """The stream is connected already."""

    def read(self, size: int) -> bytes:
        """A literal; a large one goes into the spool, if one is open for it, and shows as empty."""
        if self.into is None or size <= LARGEST:
            self._expect(size)
            return self._stream.read(size)
        if size > self.into.most or self.kept is not None:
            raise TransportError("an IMAP literal that wasn't expected")
        self.kept = self.into.spool.keep(self._pieces(size))
        return b""

    def _pieces(self, size: int) -> Iterator[bytes]:
        while size:
            self._expect(0)
            piece = self._stream.read(min(PIECE, size))
            if not piece:
                raise TransportError("an IMAP literal that was cut short")
            size -= len(piece)
            yield piece

    def readline(self) -> bytes:
        self._expect(0)
        line = self._stream.readline(self._more)
        self._room -= len(line)
        return line

    def _expect(self, size: int) -> None:
        self._room -= size
        if self._room < 0 or self._clock.monotonic() > self.deadline + self._timeout + self._more:
            raise TransportError("the answer to an IMAP command has no end")

    def send(self, data: Any) -> None:
        is_message, left = data is self._message, len(data)
        for piece in pieces_of(data.content if is_message else data):
            left -= len(piece)
            if left < 0 or self._clock.monotonic() > self.deadline:
                raise TransportError("no time is left for the rest of a message, or it is longer than announced")
            self.underway = self.underway or is_message
            self._stream.write(piece)
        if left:  # what is said next would be taken for the end of it
            raise TransportError("a message is shorter than announced")
        if is_message:
            self._more = len(data) / FAST

    def shutdown(self) -> None:
        self._stream.close()

    def append(self, mailbox: str | None, flags: str | None, date_time: Any, message: Any) -> tuple[str, list[Any]]:
        """As imaplib's, without its rewriting of line ends."""
        self.literal = self._message = _Literal(message)  # type: ignore[assignment]
        status, data = self._simple_command("APPEND", mailbox, flags, date_time)
        return status, data

    def begin(self, timeout: float) -> None:
        """A new command: nothing of it has left."""
        self._message, self.underway, self.into, self.kept = None, False, None, None
        self._timeout, self._room, self._more = timeout, MOST, 0.0
        self.deadline = self._clock.monotonic() + timeout


class _Literal:
    """A message as imaplib wants one: with a length. `send` knows how to take it."""

    def __init__(self, content: Content) -> None:
        self.content = content

    def __len__(self) -> int:
        return size_of(self.content)


class Client(IMAPClient):  # type: ignore[misc]
    def __init__(self, stream: MailStream, clock: Clock, timeout: float) -> None:
        self._stream = stream
        self._clock = clock
        self._patience = timeout
        super().__init__("", port=0, ssl=False)
        self._imap.debug = 0  # imapclient would hand every line, subjects included, to a logger

    def _create_IMAP4(self) -> Wire:
        return Wire(self._stream, self._clock, self._patience)

    def _set_read_timeout(self) -> None:
        """The stream has its own."""

    @property
    def asks_for_login(self) -> bool:
        return bool(self._imap.state == "NONAUTH")

    def begin(self, timeout: float) -> None:
        self._imap.begin(timeout)

    def hurry(self, seconds: float) -> None:
        """Nothing more leaves after so many seconds, until the next command."""
        self._imap.deadline = self._clock.monotonic() + seconds

    @property
    def underway(self) -> bool:
        return bool(self._imap.underway)

    def uid_search(self, since: date, before: date) -> list[int]:
        """UIDs of what came from `since` until the day before `before`, in the server's zone."""
        asked = [b"SINCE", format_criteria_date(since), b"BEFORE", format_criteria_date(before)]
        status, data = self._imap.uid("SEARCH", *(word.decode() for word in asked))
        self._checkok("search", status, data)
        return [int(uid) for part in data if part for uid in part.split()]

    def uid_fetch(self, uids: str, asked: str) -> dict[int, dict[bytes, Any]]:
        """As `fetch`, for a range without an end, which imapclient's own doesn't take."""
        status, data = self._imap.uid("FETCH", uids, asked)
        self._checkok("fetch", status, data)
        return dict(parse_fetch_response([part for part in data if part], False, True))

    def fetch_into(self, uid: int, into: Into) -> Spooled | None:
        """The bytes of a large message. None when the answer shows no such message."""
        self._imap.into, self._imap.kept = into, None
        status, data = self._imap.uid("FETCH", str(uid), "(UID BODY.PEEK[])")
        self._checkok("fetch", status, data)
        said = b" ".join(line for part in data if part for line in (part if isinstance(part, tuple) else (part,)))
        return self._imap.kept if re.search(rb"\bUID %d\b" % uid, said, re.IGNORECASE) else None
