"""The product's IMAP layer as a client of a server that others wrote: Debian's Dovecot, over a real socket."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from imapclient import IMAPClient

from sandbox.dingtalk import ImapServer
from shared.dingtalk.imap import ImapDoor, Position, Sought
from shared.dingtalk.mime import KEY_HEADER, prepare
from shared.model.errors import MailboxFull, NoClientPassword, OutcomeUnknown, Refused
from shared.wiring.world import SocketMailStreams, SystemClock
from tests.support import alimail
from tests.support.awkward import mixtures
from tests.support.dovecot import ADDRESS, MISSING, PASSWORD, PROGRAM, Dovecot, dovecot

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=MISSING)

RECEIVED = 1_700_000_123.0
CHINESE = "报关/2024 提单"
ROOM = 40_000


def permit() -> None:
    """Nothing stands in the way."""


def letter(number: int, *, size: int = 0) -> bytes:
    body = "您好\r\n".encode() + b"x" * 70 + b"\r\n" + b"y" * size + b"\r\n"
    head = f"From: li.na@supplier.example\r\nSubject: {number}\r\nMessage-ID: <{number}@mail.example>\r\n"
    return head.encode() + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + body


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with tempfile.TemporaryDirectory() as name:  # not pytest's own, which nobody else may enter
        Path(name).chmod(0o755)
        with dovecot(Path(name), ROOM) as server:
            yield server


def door_to(server: Dovecot | ImapServer, password: str = PASSWORD, user: str = ADDRESS) -> ImapDoor:
    streams, clock = SocketMailStreams(), SystemClock()
    return ImapDoor(streams, clock, server.host, server.port, False, user, password, threading.RLock(), 20.0)


@pytest.fixture
def door(server: Dovecot) -> Iterator[ImapDoor]:
    with closing(door_to(server)) as door:
        yield door


@pytest.fixture
def other(server: Dovecot) -> Iterator[IMAPClient]:
    """Another client of the same mailbox, which is empty when the test begins."""
    client = IMAPClient(server.host, port=server.port, ssl=False, timeout=20)
    client.login(ADDRESS, PASSWORD)
    for marks, _, name in client.list_folders():
        if name in ("INBOX", "Sent"):
            client.select_folder(name)
            client.delete_messages(client.search())
            client.expunge()
        elif b"\\Noselect" not in marks and b"\\NonExistent" not in marks:
            client.delete_folder(name)
    client.select_folder("INBOX")
    yield client
    client.logout()


def test_what_is_put_there_has_its_very_bytes_its_date_and_its_flags(door: ImapDoor, other: IMAPClient) -> None:
    door.append("INBOX", letter(1), read=True, received=RECEIVED, permit=permit, answered=True)
    door.append("INBOX", letter(2), read=False, received=RECEIVED, permit=permit)
    other.noop()
    asked = ("BODY.PEEK[]", "FLAGS", "INTERNALDATE")
    first, second = (other.fetch(uid, asked)[uid] for uid in sorted(other.search()))
    assert (first[b"BODY[]"], second[b"BODY[]"]) == (letter(1), letter(2))
    assert {b"\\Seen", b"\\Answered"} <= set(first[b"FLAGS"])
    assert not {b"\\Seen", b"\\Answered"} & set(second[b"FLAGS"])
    assert int(first[b"INTERNALDATE"].timestamp()) == int(RECEIVED)


def test_a_copy_is_found_by_its_key_behind_the_position_taken_before(
    server: Dovecot, door: ImapDoor, other: IMAPClient
) -> None:
    door.append("INBOX", prepare(letter(1), "0" * 32), read=False, received=RECEIVED, permit=permit)
    before = door.position("INBOX")
    with closing(door_to(server)) as again:
        assert again.position("INBOX") == before, "as the server's APPENDUID said"
    door.append("INBOX", prepare(letter(2), "a" * 32), read=False, received=RECEIVED, permit=permit)
    (shown,) = door.since("INBOX", before, [KEY_HEADER, "Message-ID"])
    assert b"a" * 32 in shown
    assert b"<2@mail.example>" in shown
    assert door.since("INBOX", Position(before.validity + 1, before.uid), [KEY_HEADER]) == []


def test_an_original_is_found_by_its_message_id_and_stays_unread(door: ImapDoor, other: IMAPClient) -> None:
    for number in (1, 2, 3):
        door.append("INBOX", letter(number), read=False, received=RECEIVED + number, permit=permit)
    assert door.original("INBOX", Sought("2@mail.example", RECEIVED + 2, None)) == letter(2)
    assert door.original("INBOX", Sought("9@mail.example", RECEIVED + 2, None)) is None
    other.noop()
    assert all(
        not row[b"FLAGS"] or row[b"FLAGS"] == (b"\\Recent",) for row in other.fetch(other.search(), "FLAGS").values()
    )


def test_folders_with_chinese_names_are_listed_and_written_to(door: ImapDoor, other: IMAPClient) -> None:
    other.create_folder(CHINESE)
    assert CHINESE in {listed.name for listed in door.mailboxes()}
    assert {listed.delimiter for listed in door.mailboxes()} == {"/"}
    assert [one.name for one in door.mailboxes() if "\\sent" in one.marks] == ["Sent"]
    door.append(CHINESE, letter(1), read=False, received=RECEIVED, permit=permit)
    other.select_folder(CHINESE)
    assert len(other.search()) == 1


@pytest.mark.parametrize("name", ["Nowhere", "没有", 'a "quoted" \\ name'])
def test_a_folder_that_is_not_there_refuses_and_nothing_is_kept(door: ImapDoor, other: IMAPClient, name: str) -> None:
    with pytest.raises(Refused):
        door.append(name, letter(1), read=False, received=RECEIVED, permit=permit)
    assert {listed.name for listed in door.mailboxes()} == {"INBOX", "Sent"}


def test_a_full_mailbox_says_so_and_takes_nothing(door: ImapDoor, other: IMAPClient) -> None:
    def fill() -> None:
        for number in range(20):
            door.append("Sent", letter(number, size=3_500_000), read=True, received=RECEIVED, permit=permit)

    with pytest.raises(MailboxFull):
        fill()
    other.select_folder("Sent")
    assert 1 < len(other.search()) < 20


def test_a_refused_password_is_tried_once(server: Dovecot) -> None:
    tried = server.log().count("auth failed")
    with closing(door_to(server, "wrong")) as door:
        for _ in range(3):
            with pytest.raises(NoClientPassword):
                door.mailboxes()
    time.sleep(0.3)
    assert server.log().count("auth failed") == tried + 1


def test_a_connection_that_the_server_ended_is_made_anew(server: Dovecot, door: ImapDoor, other: IMAPClient) -> None:
    others = server.sessions()
    door.mailboxes()
    for pid in set(server.sessions()) - set(others):
        os.kill(pid, signal.SIGKILL)
    assert {listed.name for listed in door.mailboxes()} == {"INBOX", "Sent"}


def test_a_session_that_dies_under_a_message_leaves_its_outcome_open(server: Dovecot, door: ImapDoor) -> None:
    door.mailboxes()

    def die() -> None:
        for pid in server.sessions():
            os.kill(pid, signal.SIGKILL)

    wire = door._client._imap  # type: ignore[union-attr]
    write = wire._stream.write

    def written(data: bytes) -> None:
        write(data)
        if len(data) == 1 << 20:
            die()

    wire._stream.write = written
    with pytest.raises(OutcomeUnknown):
        door.append("INBOX", letter(1, size=4 << 20), read=False, received=RECEIVED, permit=permit)


def test_every_awkward_message_is_kept_to_the_byte(door: ImapDoor, other: IMAPClient) -> None:
    sent = [prepare(one.mime, f"{number:032x}") for number, one in enumerate(mixtures(ADDRESS, RECEIVED, 7, 60))]
    for mime in sent:
        door.append("INBOX", mime, read=False, received=RECEIVED, permit=permit)
    other.select_folder("INBOX")
    kept = [other.fetch(uid, "BODY.PEEK[]")[uid][b"BODY[]"] for uid in sorted(other.search())]
    assert kept == [mime.replace(b"\0", b"\x80") for mime in sent], "a NUL can't stand in a literal (RFC 3501)"


def test_the_simulated_server_tells_the_same_as_this_one(door: ImapDoor, other: IMAPClient) -> None:
    domain = alimail.Domain()
    with (
        closing(ImapServer(domain.vendor)) as simulated,
        closing(door_to(simulated, alimail.PASSWORD, alimail.ADDRESS)) as its,
    ):
        assert told_by(its) == told_by(door)


def told_by(door: ImapDoor) -> list[object]:
    """What a session says, but for numbers that are the server's own."""
    told: list[object] = []
    start = door.position("INBOX")
    for number in (1, 2):
        mime = prepare(letter(number), f"{number:032x}")
        door.append("INBOX", mime, read=number == 1, received=RECEIVED + number, permit=permit)
        told.append(door.original("INBOX", Sought(f"{number}@mail.example", RECEIVED + number, None)))
    told.append([b"<2@mail.example>" in shown for shown in door.since("INBOX", start, [KEY_HEADER, "Message-ID"])])
    told.append(door.position("INBOX").uid - start.uid)
    try:
        door.append("Nowhere", letter(3), read=False, received=RECEIVED, permit=permit)
    except Refused as error:
        told.append(type(error))
    return told
