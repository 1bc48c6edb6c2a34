"""IMAP, the one door through which DingTalk takes original bytes with their dates (Alimail: IMAP).

A thin layer over imapclient whose bytes go through the MailStream port. Of the vendor's commands only LOGIN, LIST,
STATUS, SELECT, APPEND, UID FETCH and UID SEARCH by date are used: COPY moves there, SEARCH by header is refused, and
EXAMINE is not documented. Names go out in modified UTF-7; raw ones make the server drop the connection.
"""

from __future__ import annotations

import imaplib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from imapclient import IMAPClient
from imapclient.datetime_util import format_criteria_date
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError, ProtocolError
from imapclient.response_parser import parse_fetch_response

from shared.dingtalk.limits import LARGEST, TIMEOUT, time_for
from shared.dingtalk.logins import Alone, Gate
from shared.dingtalk.mapping import LAST
from shared.dingtalk.names import Listed
from shared.dingtalk.refusals import greeting, no_password, refusal, said
from shared.model.errors import MailboxFull, OutcomeUnknown, Refused, TooLarge, Unavailable
from shared.model.shut import OFF, REFUSED
from shared.ports.replica import Permit
from shared.ports.telemetry import SILENCE, Telemetry
from shared.ports.world import Clock, MailStream, MailStreams, TransportError

T = TypeVar("T")

PIECE = 1 << 20
MOST = 64 << 20
"""Bytes that the answer to one command may have."""
GARBLED = (ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError, RecursionError)
"""What imaplib and imapclient raise, beside their own errors, for lines that aren't IMAP."""
FULL = re.compile(r"quota|\bfull\b", re.IGNORECASE)
"""What a refusal for want of room says: RFC 5530's OVERQUOTA, or words; no code of the vendor's is known."""


_APPENDUID = re.compile(rb"\[APPENDUID (\d{1,10}) (\d{1,10})\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a mailbox: what comes after it has `uid` or a higher one, while `validity` stays the same."""

    validity: int
    uid: int

    def __str__(self) -> str:
        return f"{self.validity}:{self.uid}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        validity, _, uid = text.partition(":")
        return cls(int(validity), int(uid)) if validity.isdecimal() and uid.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Sought:
    """A message as the REST door shows it. Its UID is known to nobody: it is told by its Message-ID, or, without one,
    by its date; where several could be meant by its size, and then by its date."""

    message_id: str
    received: float
    size: int | None

    def among(self, rows: Mapping[int, Mapping[bytes, Any]]) -> int | None:
        found = [uid for uid, row in rows.items() if self._may_be(row)]
        if len(found) > 1:
            found = [uid for uid in found if rows[uid].get(b"RFC822.SIZE") == self.size]
        if len(found) > 1:
            found = [uid for uid in found if self._came_then(rows[uid])]
        if len(found) != 1:
            return None
        if rows[found[0]].get(b"RFC822.SIZE", 0) > LARGEST:
            raise TooLarge(f"the original is over the {LARGEST} bytes that can be carried", code="size")
        return found[0]

    def _may_be(self, row: Mapping[bytes, Any]) -> bool:
        lines = next((value for value in row.values() if isinstance(value, bytes)), b"")
        message_id = lines.partition(b":")[2].strip().strip(b"<>").decode("utf-8", "replace")
        if message_id or self.message_id:
            return message_id == self.message_id
        return self._came_then(row)

    def _came_then(self, row: Mapping[bytes, Any]) -> bool:
        at = row.get(b"INTERNALDATE")
        return isinstance(at, datetime) and int(at.timestamp()) == int(self.received)


class ImapDoor:
    """One mailbox; one connection, kept and used again, made anew when it has died. `lock` guards it among threads.

    Every method raises Unavailable, or NoClientPassword (its `code` says why). No connection is made, and no login
    tried, but through `gate`: accounts lock."""

    def __init__(
        self,
        streams: MailStreams,
        clock: Clock,
        host: str,
        port: int,
        tls: bool,
        user: str,
        password: str,
        lock: AbstractContextManager[object] | None = None,
        timeout: float = TIMEOUT,
        telemetry: Telemetry = SILENCE,
        gate: Gate | None = None,
    ) -> None:
        self._telemetry = telemetry
        self._gate = gate or Alone()
        self._streams = streams
        self._clock = clock
        self._timeout = timeout
        self._address = (host, port, tls)
        self._login = (user, password)
        self._lock = lock or nullcontext()
        self._sendable = bool(password) and password.isascii() and password.isprintable()
        self._client: _Client | None = None
        self._positions: dict[str, Position] = {}

    def mailboxes(self) -> list[Listed]:
        """LIST, as the server shows it now."""

        def listed(client: _Client) -> list[Listed]:
            return [
                Listed(frozenset(_text(mark).lower() for mark in marks), _text(delimiter), str(name))
                for marks, delimiter, name in client.list_folders()
            ]

        return self._run("list", listed)

    def position(self, name: str) -> Position:
        """A position that everything appended from now on comes after. Asked for once per connection and mailbox: an
        older one only shows more."""
        if name not in self._positions or self._client is None:
            status = self._run("status", lambda client: client.folder_status(name, ("UIDNEXT", "UIDVALIDITY")))
            if not all(isinstance(status.get(name), int) for name in (b"UIDNEXT", b"UIDVALIDITY")):
                raise Unavailable("the IMAP server gave no UIDNEXT or UIDVALIDITY", code="imap_status")
            self._positions[name] = Position(status[b"UIDVALIDITY"], status[b"UIDNEXT"])
        return self._positions[name]

    def append(
        self, name: str, mime: bytes, *, read: bool, received: float, permit: Permit, answered: bool = False
    ) -> None:
        """Put `mime` there with its INTERNALDATE. `permit` is called right before the command leaves. The server
        waits for the message until it has said go (no LITERAL+), so up to then a lost connection has done nothing.
        A message that isn't on its way within the time for its size stops half-way, so that none lands much later.

        Raises MailboxFull or Refused (nothing done), OutcomeUnknown once the message was under way."""
        flags = [flag for flag, there in (("\\Seen", read), ("\\Answered", answered)) if there]
        date = datetime.fromtimestamp(int(min(max(received, 0.0), LAST)), UTC)

        def append(client: _Client) -> bytes:
            permit()
            client.hurry(time_for(len(mime), self._timeout))
            return client.append(name, mime, flags, date)  # type: ignore[no-any-return]

        if match := _APPENDUID.search(self._run("append", append) or b""):
            self._positions[name] = Position(int(match[1]), int(match[2]) + 1)

    def since(self, name: str, position: Position, headers: Sequence[str]) -> list[bytes]:
        """The named header lines of every message after `position`; none when the mailbox has been made anew."""

        def fetch(client: _Client) -> list[bytes]:
            if client.select_folder(name).get(b"UIDVALIDITY") != position.validity:
                return []
            asked = f"(UID BODY.PEEK[HEADER.FIELDS ({' '.join(headers)})])"
            rows = client.uid_fetch(f"{position.uid}:*", asked)
            shown = [value for uid, row in rows.items() if uid >= position.uid for value in row.values()]
            return [value for value in shown if isinstance(value, bytes)]

        return self._run("headers", fetch)

    def original(self, name: str, sought: Sought) -> bytes | None:
        """The bytes of a message, which stays unread. None unless exactly one message can be meant. TooLarge when it is
        over what can be carried."""

        def fetch(client: _Client) -> bytes | None:
            client.select_folder(name)
            day = datetime.fromtimestamp(int(sought.received), UTC).date()
            uids = client.uid_search(day - timedelta(days=1), day + timedelta(days=2))
            if not uids:
                return None
            asked = "(UID INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
            uid = sought.among(client.uid_fetch(",".join(map(str, uids)), asked))
            if uid is None:
                return None
            client.hurry(time_for(LARGEST, self._timeout))
            value = client.uid_fetch(str(uid), "(UID BODY.PEEK[])").get(uid, {}).get(b"BODY[]")
            return value if isinstance(value, bytes) else None

        return self._run("original", fetch)

    def close(self) -> None:
        """End the connection; the next call makes a new one."""
        with self._lock:
            if self._client is not None:
                with suppress(TransportError, IMAPClientError):
                    self._client.logout()
                self._drop()

    def _drop(self) -> None:
        client, self._client = self._client, None
        self._positions.clear()
        if client is not None:
            with suppress(TransportError):
                client.shutdown()

    def _run(self, what: str, call: Callable[[_Client], T]) -> T:
        with self._lock, self._telemetry.span(f"IMAP {what}", out=True, **{"peer.service": "alimail-imap"}):
            reused = self._client is not None
            try:
                return self._once(call)
            except Unavailable:
                if not reused:
                    raise
            return self._once(call)

    def _once(self, call: Callable[[_Client], T]) -> T:
        client = self._client = self._client or self._connected()
        client.begin(self._timeout)
        try:
            return call(client)
        except (TransportError, IMAPClientAbortError, ProtocolError, *GARBLED):
            underway = client.underway
            self._drop()
            raise (OutcomeUnknown if underway else Unavailable)("the IMAP connection was lost") from None
        except IMAPClientError as error:
            refusal = MailboxFull if FULL.search(str(error)) else Refused
            raise refusal("the IMAP server refused a command", code="imap_no") from None

    def _connected(self) -> _Client:
        if not self._sendable:
            raise no_password(REFUSED)
        self._gate.look()
        host, port, tls = self._address
        try:
            stream = self._streams.connect(host, port, tls=tls, timeout=self._timeout)
        except TransportError as error:
            raise Unavailable("no IMAP connection could be made") from error
        self._positions.clear()
        try:
            client = self._greeted(stream)
            self._gate.enter(lambda: self._log_in(client))
        except BaseException:
            stream.close()
            raise
        return client

    def _greeted(self, stream: MailStream) -> _Client:
        """NoClientPassword where the server says before any login that it would take none."""
        try:
            client = _Client(stream, self._clock, self._timeout)
        except IMAPClientAbortError:
            raise Unavailable("the IMAP connection was lost before the login") from None
        except IMAPClientError as error:
            raise self._gate.closed(greeting(said(error))) from None
        except (TransportError, *GARBLED):
            raise Unavailable("the IMAP connection was lost before the login") from None
        if client.takes_no_login:
            raise self._gate.closed(no_password(OFF))
        if not client.asks_for_login:
            raise greeting("")
        return client

    def _log_in(self, client: _Client) -> None:
        client.begin(self._timeout)
        try:
            client.login(*self._login)
        except LoginError as error:
            if isinstance(error.__context__, IMAPClientAbortError):
                raise Unavailable("the IMAP connection was lost during the login") from None
            raise refusal(said(error.__context__)) from None
        except (TransportError, IMAPClientError, *GARBLED):
            raise Unavailable("the IMAP connection was lost during the login") from None


def _text(value: bytes | str | None) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value or ""


class _Wire(imaplib.IMAP4):
    """imaplib's protocol over a MailStream. `underway`: bytes of a message have left. `deadline`: nothing leaves after
    it (on the clock's monotonic time), and the rest of an answer has `timeout` seconds more."""

    def __init__(self, stream: MailStream, clock: Clock, timeout: float) -> None:
        self._stream = stream
        self._clock = clock
        self._message: bytes | None = None
        self.underway = False
        self._timeout = timeout
        self._room = MOST
        self.deadline = clock.monotonic() + timeout
        super().__init__()

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        """The stream is connected already."""

    def read(self, size: int) -> bytes:
        self._expect(size)
        return self._stream.read(size)

    def readline(self) -> bytes:
        self._expect(0)
        line = self._stream.readline()
        self._room -= len(line)
        return line

    def _expect(self, size: int) -> None:
        self._room -= size
        if self._room < 0 or self._clock.monotonic() > self.deadline + self._timeout:
            raise TransportError("the answer to an IMAP command has no end")

    def send(self, data: Any) -> None:
        for start in range(0, len(data), PIECE):
            if self._clock.monotonic() > self.deadline:
                raise TransportError("no time is left for the rest of a message")
            self.underway = self.underway or data is self._message
            self._stream.write(data[start : start + PIECE])

    def shutdown(self) -> None:
        self._stream.close()

    def append(self, mailbox: str | None, flags: str | None, date_time: Any, message: Any) -> tuple[str, list[Any]]:
        """As imaplib's, without its rewriting of line ends."""
        self.literal = self._message = message
        status, data = self._simple_command("APPEND", mailbox, flags, date_time)
        return status, data

    def begin(self, timeout: float) -> None:
        """A new command: nothing of it has left."""
        self._message, self.underway = None, False
        self._timeout, self._room = timeout, MOST
        self.deadline = self._clock.monotonic() + timeout


class _Client(IMAPClient):  # type: ignore[misc]
    def __init__(self, stream: MailStream, clock: Clock, timeout: float) -> None:
        self._stream = stream
        self._clock = clock
        self._patience = timeout
        super().__init__("", port=0, ssl=False)
        self._imap.debug = 0  # imapclient would hand every line, subjects included, to a logger

    def _create_IMAP4(self) -> _Wire:
        return _Wire(self._stream, self._clock, self._patience)

    def _set_read_timeout(self) -> None:
        """The stream has its own."""

    @property
    def asks_for_login(self) -> bool:
        return bool(self._imap.state == "NONAUTH")

    @property
    def takes_no_login(self) -> bool:
        return "LOGINDISABLED" in self._imap.capabilities

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
