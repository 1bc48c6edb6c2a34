"""IMAP servers that are none, over real sockets: a clear error, soon; a message under way has an unknown outcome; the
password goes to no server that it isn't meant for, and nothing is told."""

from __future__ import annotations

import itertools
import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterable

import pytest

from shared.dingtalk.imap import ImapDoor, Position
from shared.model.errors import MailboxFull, NoClientPassword, OutcomeUnknown, Refused, TandemError, Unavailable
from shared.wiring.world import MAX_LINE, SocketMailStreams, SystemClock, hush
from tests.support.rawserver import Script, serving


@pytest.fixture(autouse=True)
def hushed() -> None:
    """As the product does when it is built."""
    hush()


PATIENCE = 0.4
USER, PASSWORD = "lam@factory.example", "Abcd1234Efgh5678"
MIME = b"Subject: secret-subject\r\n\r\nbody\r\n"
GREETING = b"* OK AliYun IMAP Server Ready\r\n"
EACH = 0.05

Reply = Callable[[bytes], Iterable[bytes]]
"""What comes for a tag, piece by piece."""


def lines(*said: bytes) -> Reply:
    """`%t` stands for the tag."""
    return lambda tag: (line.replace(b"%t", tag) + b"\r\n" for line in said)


class Server:
    """Genuine answers, but for the command `at`, which gets `reply`. `heard`: the commands without tags."""

    def __init__(self, at: str = "", reply: Reply | None = None, greeting: Iterable[bytes] = (GREETING,)) -> None:
        self._at, self._reply, self._greeting = at, reply, greeting
        self.heard: list[str] = []

    def __call__(self, wire: socket.socket) -> None:
        for piece in self._greeting:
            wire.sendall(piece)
            threading.Event().wait(EACH if len(piece) == 1 else 0)
        with wire.makefile("rb") as reader:
            while line := reader.readline():
                tag, _, command = line.rstrip(b"\r\n").partition(b" ")
                self.heard.append(command.decode("latin-1"))
                name = self.heard[-1].replace("UID ", "").split(" ")[0]
                if name == "APPEND" and self._at != "APPEND":
                    wire.sendall(b"+ go\r\n")
                    reader.read(int(command.rsplit(b"{")[-1].rstrip(b"}")) + 2)
                    name = "literal"
                self._say(wire, name, tag)

    def _say(self, wire: socket.socket, name: str, tag: bytes) -> None:
        reply = self._reply if name == self._at and self._reply else GENUINE.get(name, lines(b"%t OK done"))
        for piece in reply(tag):
            wire.sendall(piece)
            threading.Event().wait(EACH if len(piece) == 1 else 0)


GENUINE: dict[str, Reply] = {
    "CAPABILITY": lines(b"* CAPABILITY IMAP4rev1 IDLE XLIST UIDPLUS ID SASL-IR", b"%t OK done"),
    "LIST": lines(b'* LIST () "/" INBOX', b"%t OK done"),
    "STATUS": lines(b"* STATUS INBOX (UIDNEXT 9 UIDVALIDITY 2)", b"%t OK done"),
    "SELECT": lines(b"* 1 EXISTS", b"* OK [UIDVALIDITY 2] ok", b"%t OK done"),
    "FETCH": lines(b"* 1 FETCH (UID 9 BODY[HEADER.FIELDS (X)] {6}\r\nX: y\r\n)", b"%t OK done"),
    "literal": lines(b"%t OK [APPENDUID 2 9] done"),
}


def slow(text: bytes) -> Reply:
    return lambda tag: (bytes([byte]) for byte in itertools.cycle(text))


def endless(piece: bytes) -> Reply:
    return lambda tag: itertools.repeat(piece)


def hangs_up(tag: bytes) -> Iterable[bytes]:
    raise ConnectionError


def silence(tag: bytes) -> Iterable[bytes]:
    time.sleep(PATIENCE + 0.2)
    return ()


BROKEN: dict[str, Reply] = {
    "hangs up": hangs_up,
    "bye": lines(b"* BYE system shutdown"),
    "silence": silence,
    "another tag": lines(b"ZZZZ9 OK done"),
    "no tag": lines(b" OK done"),
    "an empty line": lines(b""),
    "a page": lines(b"<html>Sign in</html>"),
    "NUL": lines(b"\0\0\0\0"),
    "NUL in the tag": lines(b"%t\0 OK done"),
    "a line without an end": endless(b"x" * 65536),
    "lines without an end": endless(b"* OK still here\r\n" * 4096),
    "literals without an end": endless(b"* 1 FETCH (UID 1 X {65536}\r\n" + b"x" * 65536 + b")\r\n"),
    "a slow line": slow(b"* OK slow "),
    "slow lines": slow(b"* OK slow\r\n"),
    "a slow literal": lambda tag: itertools.chain([b"* 1 FETCH (UID 1 X {90}\r\n"], slow(b"x")(tag)),
    "a literal below zero": lines(b"* 1 FETCH (UID 1 X {-5}", b"%t OX"),
    "a huge literal": lines(b"* 1 FETCH (UID 1 X {99999999999}", b"x"),
    "a literal of a size that is none": lines(b"* 1 FETCH (UID 1 X {" + b"9" * 5000 + b"}", b"x"),
    "a literal cut short": lambda tag: [b"* 1 FETCH (UID 1 X {100}\r\n", b"xx"],
    "8 bit": lines(b"* \xff\xfe\xfd", b"\xff\xfe"),
}
AT = {
    "LIST": lambda imap: imap.mailboxes(),
    "STATUS": lambda imap: imap.position("INBOX"),
    "SELECT": lambda imap: imap.since("INBOX", Position(2, 1), ("X",)),
    "FETCH": lambda imap: imap.since("INBOX", Position(2, 1), ("X",)),
    "APPEND": lambda imap: append(imap),
    "literal": lambda imap: append(imap),
    "CAPABILITY": lambda imap: imap.mailboxes(),
    "LOGIN": lambda imap: imap.mailboxes(),
}


def append(imap: ImapDoor) -> None:
    imap.append("INBOX", MIME, read=True, received=1.0e9, permit=lambda: None)


def door(port: int, tls: bool = False, host: str = "127.0.0.1") -> ImapDoor:
    return ImapDoor(SocketMailStreams(), SystemClock(), host, port, tls, USER, PASSWORD, timeout=PATIENCE)


def failure(script: Script, act: Callable[[ImapDoor], object], tls: bool = False) -> TandemError:
    with serving(script) as port:
        imap, began = door(port, tls), time.monotonic()
        try:
            with pytest.raises(TandemError) as caught:
                act(imap)
        finally:
            imap.close()
        assert time.monotonic() - began < 12 * PATIENCE
    told = "".join(traceback.format_exception(caught.value))
    assert not any(secret in told for secret in (USER, PASSWORD, "secret-subject"))
    return caught.value


@pytest.mark.parametrize("at", AT)
@pytest.mark.parametrize("how", BROKEN)
def test_what_is_no_imap_is_an_error_soon(how: str, at: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    error = failure(Server(at, BROKEN[how]), AT[at])
    assert type(error) is (OutcomeUnknown if at == "literal" else Unavailable)
    assert not any(secret in caplog.text for secret in (USER, PASSWORD, "secret-subject", "Sign in"))


@pytest.mark.parametrize(
    "greeting",
    [
        (),
        (b"* BYE too many connections\r\n",),
        (b"* PREAUTH you are in\r\n",),
        (b"\0\r\n",),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n",),
        (b"220 smtp.example ESMTP\r\n",),
        (b"+OK POP3 ready\r\n",),
        (b"\r\n",),
        (b"x" * (MAX_LINE + 9),),
        tuple(b"x" for _ in range(40)),
    ],
)
def test_a_greeting_that_is_none_gets_no_password(greeting: tuple[bytes, ...]) -> None:
    server = Server(greeting=greeting)
    assert type(failure(server, lambda imap: imap.mailboxes())) is Unavailable
    assert not any("LOGIN" in command for command in server.heard)


def test_a_server_that_takes_no_tls_gets_no_password() -> None:
    """A greeting in the clear on the port that should speak TLS, with or without an offer of STARTTLS."""
    for greeting in (GREETING, b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"):
        server = Server(greeting=(greeting,))
        assert type(failure(server, lambda imap: imap.mailboxes(), tls=True)) is Unavailable
        assert not any("LOGIN" in command for command in server.heard)


@pytest.mark.parametrize("host", ["127.0.0.1", "tandem.invalid"])
def test_a_server_that_is_not_there_is_down(host: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable):
            door(free.getsockname()[1], host=host).mailboxes()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"%t NO [OVERQUOTA] the mailbox is full", MailboxFull),
        (b"%t NO quota exceeded", MailboxFull),
        (b"%t NO no such mailbox", Refused),
        (b"%t BAD invalid command or parameters", Refused),
    ],
)
def test_a_refused_append_has_done_nothing(said: bytes, kind: type[TandemError]) -> None:
    for at in ("APPEND", "literal"):
        assert type(failure(Server(at, lines(said)), append)) is kind


def test_a_refused_password_is_tried_once() -> None:
    server = Server("LOGIN", lines(b"%t NO LOGIN failed for lam@factory.example"))
    with serving(server) as port:
        imap = door(port)
        for _ in range(3):
            with pytest.raises(NoClientPassword) as caught:
                imap.mailboxes()
            assert USER not in "".join(traceback.format_exception(caught.value))
    assert sum("LOGIN" in command for command in server.heard) == 1


def test_after_every_trouble_a_new_connection_works() -> None:
    broken = [True]

    def sometimes(tag: bytes) -> Iterable[bytes]:
        return (BROKEN["another tag"] if broken.pop() else GENUINE["LIST"])(tag) if broken else GENUINE["LIST"](tag)

    with serving(Server("LIST", sometimes)) as port:
        imap = door(port)
        with pytest.raises(Unavailable):
            imap.mailboxes()
        assert [one.name for one in imap.mailboxes()] == ["INBOX"]
        imap.close()
