"""IMAP, the one door through which DingTalk takes original bytes with their dates (Alimail: IMAP).

A thin layer over imapclient whose bytes go through the MailStream port. Of the vendor's commands only LOGIN, LIST,
STATUS, SELECT, APPEND, UID FETCH and UID SEARCH by date are used: COPY moves there, SEARCH by header is refused, and
EXAMINE is not documented. Names go out in modified UTF-7; raw ones make the server drop the connection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError, ProtocolError

from shared.dingtalk.imap_client import Client
from shared.dingtalk.limits import LARGEST, TIMEOUT, time_for
from shared.dingtalk.logins import Alone, Gate
from shared.dingtalk.mapping import LAST
from shared.dingtalk.names import Listed
from shared.dingtalk.refusals import greeting, no_password, refusal, said
from shared.model.errors import MailboxFull, NoRoom, OutcomeUnknown, Refused, TooLarge, Unavailable
from shared.model.shut import OFF, REFUSED
from shared.model.spooled import Content, size_of
from shared.ports.replica import Permit
from shared.ports.telemetry import SILENCE, Telemetry
from shared.ports.world import Clock, Into, MailStream, MailStreams, TransportError

T = TypeVar("T")

GARBLED = (ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError, RecursionError)
"""What imaplib and imapclient raise, beside their own errors, for lines that aren't IMAP."""
UNREADABLE = (OSError, EOFError)
"""What a message in a file raises that can't be read to its end; half of it may have left by then."""
FULL = re.compile(r"quota|\bfull\b", re.IGNORECASE)
"""What a refusal for want of room says: RFC 5530's OVERQUOTA, or words; no code of the vendor's is known."""
BIG = re.compile(r"\[(?:TOOBIG|LIMIT)\]|too (?:large|big|long)|\bsize\b", re.IGNORECASE)
"""What a refusal of a message says for its size: RFC 7889's TOOBIG, RFC 5530's LIMIT, or words."""
_APPENDLIMIT = re.compile(rb"APPENDLIMIT=(\d{1,15})", re.IGNORECASE)
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

    def among(self, rows: Mapping[int, Mapping[bytes, Any]], most: int = LARGEST) -> int | None:
        found = [uid for uid, row in rows.items() if self._may_be(row)]
        if len(found) > 1:
            found = [uid for uid in found if rows[uid].get(b"RFC822.SIZE") == self.size]
        if len(found) > 1:
            found = [uid for uid in found if self._came_then(rows[uid])]
        if len(found) != 1:
            return None
        if rows[found[0]].get(b"RFC822.SIZE", 0) > most:
            raise TooLarge(f"the original is over the {most} bytes that can be carried", code="size")
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
        self._client: Client | None = None
        self._positions: dict[str, Position] = {}

        self.beside: list[ImapDoor] = []
        """Further connections to the same mailbox, for many messages at once."""

    def widen(self, lock: AbstractContextManager[object]) -> None:
        """Allow one more connection beside this one; it is made when it is used."""
        host, port, tls = self._address
        self.beside.append(
            ImapDoor(
                self._streams,
                self._clock,
                host,
                port,
                tls,
                *self._login,
                lock,
                self._timeout,
                self._telemetry,
                self._gate,
            )
        )

    def open(self) -> None:
        """Make the connection, unless there is one."""
        self._run("login", lambda client: None)

    def mailboxes(self) -> list[Listed]:
        """LIST, as the server shows it now."""

        def listed(client: Client) -> list[Listed]:
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
        self, name: str, mime: Content, *, read: bool, received: float, permit: Permit, answered: bool = False
    ) -> None:
        """Put `mime` there with its INTERNALDATE. `permit` is called right before the command leaves. The server
        waits for the message until it has said go (no LITERAL+), so up to then a lost connection has done nothing.
        A message that isn't on its way within the time for its size stops half-way, so that none lands much later.

        Raises MailboxFull, TooLarge or Refused (nothing done), OutcomeUnknown once the message was under way."""
        flags = [flag for flag, there in (("\\Seen", read), ("\\Answered", answered)) if there]
        date = datetime.fromtimestamp(int(min(max(received, 0.0), LAST)), UTC)
        size = size_of(mime)

        def append(client: Client) -> bytes:
            if size > LARGEST:
                _check_limit(size, client)
            permit()
            client.hurry(time_for(size, self._timeout))
            return client.append(name, mime, flags, date)  # type: ignore[no-any-return]

        if match := _APPENDUID.search(self._run("append", append) or b""):
            self._positions[name] = Position(int(match[1]), int(match[2]) + 1)

    def since(self, name: str, position: Position, headers: Sequence[str]) -> list[bytes]:
        """The named header lines of every message after `position`; none when the mailbox has been made anew."""

        def fetch(client: Client) -> list[bytes]:
            if client.select_folder(name).get(b"UIDVALIDITY") != position.validity:
                return []
            asked = f"(UID BODY.PEEK[HEADER.FIELDS ({' '.join(headers)})])"
            rows = client.uid_fetch(f"{position.uid}:*", asked)
            shown = [value for uid, row in rows.items() if uid >= position.uid for value in row.values()]
            return [value for value in shown if isinstance(value, bytes)]

        return self._run("headers", fetch)

    def original(self, name: str, sought: Sought, into: Into | None = None) -> Content | None:
        """The bytes of a message, which stays unread; a large one goes into a spool. None unless exactly one message
        can be meant. TooLarge when it is over what can be carried."""
        most = into.most if into else LARGEST

        def fetch(client: Client) -> Content | None:
            client.select_folder(name)
            day = datetime.fromtimestamp(int(sought.received), UTC).date()
            uids = client.uid_search(day - timedelta(days=1), day + timedelta(days=2))
            if not uids:
                return None
            asked = "(UID INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
            rows = client.uid_fetch(",".join(map(str, uids)), asked)
            uid = sought.among(rows, most)
            if uid is None:
                return None
            size = rows[uid].get(b"RFC822.SIZE", 0)
            client.hurry(time_for(max(size, LARGEST), self._timeout))
            if into and size > LARGEST:
                return client.fetch_into(uid, into)
            value = client.uid_fetch(str(uid), "(UID BODY.PEEK[])").get(uid, {}).get(b"BODY[]")
            return value if isinstance(value, bytes) else None

        return self._run("original", fetch)

    def close(self) -> None:
        """End the connection, and those beside it; the next call makes a new one."""
        for one in self.beside:
            one.close()
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

    def _run(self, what: str, call: Callable[[Client], T]) -> T:
        with self._lock, self._telemetry.span(f"IMAP {what}", out=True, **{"peer.service": "alimail-imap"}):
            reused = self._client is not None
            try:
                return self._once(what, call)
            except Unavailable:
                if not reused:
                    raise
            return self._once(what, call)

    def _once(self, what: str, call: Callable[[Client], T]) -> T:
        client = self._client = self._client or self._connected()
        client.begin(self._timeout)
        try:
            return call(client)
        except (TransportError, IMAPClientAbortError, ProtocolError, *UNREADABLE, *GARBLED):
            underway = client.underway
            self._drop()
            raise (OutcomeUnknown if underway else Unavailable)("the IMAP connection was lost") from None
        except NoRoom:
            self._drop()  # in the middle of an answer
            raise
        except IMAPClientError as error:
            raise _refusal(what, str(error)) from None

    def _connected(self) -> Client:
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

    def _greeted(self, stream: MailStream) -> Client:
        """NoClientPassword where the server says before any login that it would take none."""
        try:
            client = Client(stream, self._clock, self._timeout)
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

    def _log_in(self, client: Client) -> None:
        client.begin(self._timeout)
        try:
            client.login(*self._login)
        except LoginError as error:
            if isinstance(error.__context__, IMAPClientAbortError):
                raise Unavailable("the IMAP connection was lost during the login") from None
            raise refusal(said(error.__context__)) from None
        except (TransportError, IMAPClientError, *GARBLED):
            raise Unavailable("the IMAP connection was lost during the login") from None


def _check_limit(size: int, client: Client) -> None:
    """The most that the server takes, where it says so (RFC 7889)."""
    for word in client.capabilities():
        if (match := _APPENDLIMIT.fullmatch(word)) and size > int(match[1]):
            raise TooLarge(f"the message has {size} bytes, DingTalk's IMAP server takes {int(match[1])}", code="limit")


def _refusal(what: str, text: str) -> Refused:
    kind = MailboxFull if FULL.search(text) else TooLarge if what == "append" and BIG.search(text) else Refused
    return kind("the IMAP server refused a command", code="imap_no")


def _text(value: bytes | str | None) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value or ""
