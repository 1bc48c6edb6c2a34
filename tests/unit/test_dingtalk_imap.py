"""The IMAP door on a scripted server, and the names behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from shared.dingtalk.imap import ImapDoor, Position
from shared.dingtalk.names import Listed, mailbox_name
from shared.model.errors import (
    LeaseLost,
    MailboxFull,
    NoClientPassword,
    NotFound,
    OutcomeUnknown,
    Refused,
    TandemError,
    TooLarge,
    Unavailable,
)
from shared.model.mail import Folder
from shared.model.spooled import PIECE, Content, whole
from shared.ports.world import TransportError
from tests.support.dingtalk import ImapServer, StillClock

RECEIVED = 1727784000.0  # 2024-10-01T12:00:00Z
MIME = b"Subject: \xb1\xa8\r\n\r\nbody\r\n"


def door(server: ImapServer, password: str = "right", clock: StillClock | None = None) -> ImapDoor:
    return ImapDoor(server, clock or StillClock(), "imap.example", 993, True, "a@b.cn", password)


def append(imap: ImapDoor, mime: Content = MIME, name: str = "INBOX") -> list[str]:
    permits: list[str] = []
    imap.append(name, mime, read=True, received=RECEIVED, permit=lambda: permits.append("permit"))
    return permits


def test_an_append_carries_flags_date_name_and_exact_bytes() -> None:
    server = ImapServer()
    assert append(door(server), name="已发送") == ["permit"]
    command = f'APPEND "&XfJT0ZAB-" (\\Seen) "01-Oct-2024 12:00:00 +0000" {{{len(MIME)}}}'
    assert server.appended == [(command, MIME)]
    assert server.commands[:2] == ["CAPABILITY", 'LOGIN a@b.cn "right"']


def test_a_large_message_is_written_in_pieces_of_a_mebibyte() -> None:
    server, mime = ImapServer(), b"x: y\r\n\r\n" + b"z" * 2_500_000
    sizes: list[int] = []
    server.wrote = lambda data: sizes.append(len(data))
    append(door(server), mime)
    assert server.appended[0][1] == mime
    assert max(sizes) == 1 << 20


class Letter:
    """A large message in a file, as far as anybody can tell, and as often as asked. `breaks`: it can't be read on."""

    def __init__(self, size: int = 5_000_000, breaks: Exception | None = None) -> None:
        self.size, self._breaks = size, breaks

    def pieces(self, most: int = PIECE) -> Iterator[bytes]:
        whole = b"x: y\r\n\r\n" + b"z" * (self.size - 8)
        for at in range(0, self.size, most):
            yield whole[at : at + most]
            if self._breaks:
                raise self._breaks


def test_a_large_message_goes_from_its_file_in_pieces_and_its_answer_is_waited_for_longer() -> None:
    server, letter = ImapServer(), Letter()
    imap = door(server)
    sizes: list[int] = []
    server.wrote = lambda data: sizes.append(len(data))
    assert append(imap, letter) == ["permit"]
    append(imap)
    assert [mime for _, mime in server.appended] == [whole(letter), MIME]
    assert max(sizes) == 1 << 20
    assert (server.streams, [more for more in server.patience if more > 1]) == (1, [letter.size / 1_000_000])


def test_a_large_message_has_time_for_its_size_and_no_more() -> None:
    server, clock = ImapServer(), StillClock()
    imap = door(server, clock=clock)
    server.wrote = lambda data: clock.sleep(15 if len(data) > 1000 else 0)
    append(imap, Letter())  # five pieces in 75 of 80 seconds
    server.wrote = lambda data: clock.sleep(25 if len(data) > 1000 else 0)
    with pytest.raises(OutcomeUnknown):
        append(imap, Letter())
    assert len(server.appended) == 1


def test_a_connection_lost_in_the_middle_of_a_large_message_leaves_the_outcome_unknown() -> None:
    server, left = ImapServer(), [3]

    def wrote(data: bytes) -> None:
        left[0] -= len(data) == 1 << 20
        if not left[0]:
            raise TransportError("reset")

    server.wrote = wrote
    with pytest.raises(OutcomeUnknown):
        append(door(server), Letter())
    assert (server.appended, server.count("APPEND")) == ([], 1)


@pytest.mark.parametrize("more", [-2, -1, 1, 2_000_000])
def test_a_message_that_is_not_as_long_as_announced_is_not_stored(more: int) -> None:
    server, letter = ImapServer(), Letter()
    letter.pieces = lambda most=PIECE: Letter(letter.size + more).pieces(most)  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown):
        append(door(server), letter)
    assert server.appended == []


@pytest.mark.parametrize("breaks", [EOFError("short"), OSError("gone"), ValueError("closed")])
def test_a_file_that_can_not_be_read_on_leaves_no_message(breaks: Exception) -> None:
    server = ImapServer()
    with pytest.raises(OutcomeUnknown):
        append(door(server), Letter(breaks=breaks))
    assert server.appended == []


@pytest.mark.parametrize(
    ("die", "kind"), [("LOGIN", Unavailable), ("APPEND", Unavailable), ("literal", OutcomeUnknown)]
)
def test_a_large_message_whose_connection_is_lost_is_not_sent_again(die: str, kind: type[TandemError]) -> None:
    server = ImapServer()
    imap = door(server)
    server.die = [die]
    with pytest.raises(kind):
        append(imap, Letter())
    append(imap)
    assert (server.streams, len(server.appended)) == (2, 2 if die == "literal" else 1)


@pytest.mark.parametrize("mime", [MIME, Letter()], ids=["small", "large"])
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[TOOBIG] no", TooLarge),
        ("[LIMIT] no", TooLarge),
        ("message too large", TooLarge),
        ("Message size exceeds the limit", TooLarge),
        ("[OVERQUOTA] too large for what is left", MailboxFull),
        ("[CANNOT] no", Refused),
    ],
)
def test_a_refusal_before_the_message_leaves_says_why(text: str, kind: type[Refused], mime: Content) -> None:
    server = ImapServer()
    server.refuse = {"APPEND": text}
    written: list[int] = []
    server.wrote = lambda data: written.append(len(data))
    with pytest.raises(Refused) as caught:
        append(door(server), mime)
    assert type(caught.value) is kind
    assert max(written) < 1000


def test_another_command_that_is_refused_for_a_limit_says_nothing_of_a_message() -> None:
    server = ImapServer()
    server.refuse = {"STATUS": "[LIMIT] too many connections"}
    with pytest.raises(Refused) as caught:
        door(server).position("INBOX")
    assert type(caught.value) is Refused


def test_a_limit_that_the_server_tells_is_kept_to() -> None:
    server = ImapServer()
    server.capabilities = "IMAP4rev1 APPENDLIMIT=4999999"
    with pytest.raises(TooLarge, match="takes 4999999"):
        append(door(server), Letter())
    assert not server.count("APPEND")
    server.capabilities = "IMAP4rev1 APPENDLIMIT=5000000 APPENDLIMIT"
    append(door(server), Letter())
    assert len(server.appended) == 1


def test_a_large_message_is_not_the_second_to_try_a_refused_password() -> None:
    server = ImapServer()
    imap = door(server, "wrong")
    for mime in (Letter(), Letter(), MIME):
        with pytest.raises(NoClientPassword):
            append(imap, mime)
    assert server.count("LOGIN") == 1


def test_one_connection_and_one_login_serve_many_calls() -> None:
    server = ImapServer()
    imap = door(server)
    append(imap)
    append(imap)
    imap.mailboxes()
    assert (server.streams, server.count("LOGIN"), len(server.appended)) == (1, 1, 2)


def test_a_failed_login_is_the_last_one() -> None:
    server = ImapServer()
    imap = door(server, "wrong")
    for _ in range(3):
        with pytest.raises(NoClientPassword) as caught:
            append(imap)
        assert "wrong" not in str(caught.value)
    assert (server.streams, server.count("LOGIN")) == (1, 1)


@pytest.mark.parametrize("password", ["", "a\r\nA1 DELETE INBOX", "密码"])
def test_a_password_that_no_login_can_carry_is_never_tried(password: str) -> None:
    server = ImapServer()
    with pytest.raises(NoClientPassword):
        append(door(server, password))
    assert not server.streams


def test_a_connection_lost_at_the_login_is_no_failed_login() -> None:
    server = ImapServer()
    imap = door(server)
    server.die = ["LOGIN"]
    with pytest.raises(Unavailable):
        append(imap)
    append(imap)
    assert server.count("LOGIN") == 2


def test_a_server_that_is_not_there_or_says_nothing_is_unavailable() -> None:
    server = ImapServer()
    server.reachable = False
    with pytest.raises(Unavailable):
        append(door(server))
    server.reachable = True
    server.die = ["CAPABILITY"]
    with pytest.raises(Unavailable):
        append(door(server))
    assert not server.count("LOGIN")


def test_a_connection_that_died_while_idle_is_made_anew() -> None:
    server = ImapServer()
    imap = door(server)
    imap.mailboxes()
    server.die = ["LIST"]
    assert imap.mailboxes()
    server.die = ["APPEND"]
    assert append(imap) == ["permit", "permit"]
    assert (server.streams, len(server.appended)) == (3, 1)


def test_a_connection_lost_before_the_server_said_go_has_done_nothing() -> None:
    server = ImapServer()
    server.die = ["APPEND"]
    with pytest.raises(Unavailable):
        append(door(server))
    assert not server.appended


def test_a_connection_lost_after_the_message_left_leaves_the_outcome_unknown() -> None:
    server = ImapServer()
    imap = door(server)
    server.die = ["literal"]
    with pytest.raises(OutcomeUnknown):
        append(imap)
    server.die = ["LIST"]
    with pytest.raises(Unavailable):
        imap.mailboxes()


@pytest.mark.parametrize(
    ("slow", "error"),
    [(lambda data: b" APPEND " in data, Unavailable), (lambda data: len(data) == 1 << 20, OutcomeUnknown)],
    ids=["before the message", "half-way"],
)
def test_a_message_that_is_late_does_not_go_on(slow: Callable[[bytes], bool], error: type[TandemError]) -> None:
    server, clock = ImapServer(), StillClock()

    def wrote(data: bytes) -> None:
        clock.time += 60 * slow(data)

    server.wrote = wrote
    with pytest.raises(error):
        append(door(server, clock=clock), b"x: y\r\n\r\n" + b"z" * 2_500_000)
    assert not server.appended


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("[OVERQUOTA] no", MailboxFull),
        ("mailbox is full", MailboxFull),
        ("Quota exceeded", MailboxFull),
        ("[TRYCREATE] not fully there", Refused),
        ("no", Refused),
    ],
)
def test_a_refused_append_is_done_with(answer: str, error: type[TandemError]) -> None:
    server = ImapServer()
    imap = door(server)
    server.refuse["APPEND"] = answer
    with pytest.raises(TandemError) as caught:
        append(imap)
    assert type(caught.value) is error
    server.refuse.clear()
    append(imap)
    assert (server.streams, len(server.appended)) == (1, 1)


def test_without_permission_no_append_leaves() -> None:
    server = ImapServer()

    def refuse() -> None:
        raise LeaseLost("lost")

    with pytest.raises(LeaseLost):
        door(server).append("INBOX", MIME, read=False, received=RECEIVED, permit=refuse)
    assert not server.count("APPEND")


def test_a_position_is_asked_for_once_and_moves_with_our_own_appends() -> None:
    server = ImapServer()
    imap = door(server)
    assert str(imap.position("INBOX")) == "7:1"
    append(imap)
    assert (str(imap.position("INBOX")), server.count("STATUS")) == ("7:2", 1)
    server.uidnext = 9
    imap.close()
    imap.close()
    assert (str(imap.position("INBOX")), server.count("STATUS")) == ("7:9", 2)
    assert server.count("LOGOUT") == 1


def test_a_server_without_a_position_is_not_guessed_at() -> None:
    server = ImapServer()
    server.uidnext = None
    with pytest.raises(Unavailable):
        door(server).position("INBOX")


@pytest.mark.parametrize(("text", "position"), [("7:12", Position(7, 12)), ("", None), ("7", None), ("7:x", None)])
def test_positions_survive_as_text(text: str, position: Position | None) -> None:
    assert Position.parse(text) == position


def test_headers_since_a_position_leave_out_what_was_there_before() -> None:
    server = ImapServer()
    server.headers = {4: b"Message-ID: <old>\r\n\r\n", 5: b"X-Tandem-Key: k\r\n\r\n"}
    imap = door(server)
    assert imap.since("INBOX", Position(7, 5), ("X-Tandem-Key", "Message-ID")) == [b"X-Tandem-Key: k\r\n\r\n"]
    assert server.commands[-1] == "UID FETCH 5:* (UID BODY.PEEK[HEADER.FIELDS (X-Tandem-Key Message-ID)])"
    assert imap.since("INBOX", Position(8, 5), ("X-Tandem-Key",)) == []


def test_nothing_that_passes_is_handed_to_a_logger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    append(door(ImapServer()))
    said = caplog.text
    assert "right" not in said
    assert "body" not in said
    assert "APPEND" not in said


LISTED = [
    Listed(frozenset(), "/", "INBOX"),
    Listed(frozenset({"\\sent"}), "/", "已发送"),
    Listed(frozenset(), "/", "垃圾邮件"),
    Listed(frozenset({"\\trash"}), "/", "已删除邮件"),
    Listed(frozenset(), "/", "Sent"),
    Listed(frozenset(), "/", "客户"),
    Listed(frozenset(), "/", "客户/cafe\u0301"),
    Listed(frozenset(), "/", "INBOX/旧"),
]
TREE = [
    Folder("2", ("inbox",), "inbox"),
    Folder("1", ("Sent Messages",), "sent"),
    Folder("3", ("Spam",), "junk"),
    Folder("6", ("Trash",), "trash"),
    Folder("99", ("Sent",), None),
    Folder("100", ("客户",), None),
    Folder("101", ("客户", "café"), None),
    Folder("102", ("inbox", "旧"), None),
    Folder("103", ("未列出",), None),
    Folder("104", ("两个",), None),
    Folder("105", ("两个",), None),
    Folder("106", ("已删除邮件",), None),
]


@pytest.mark.parametrize(
    ("id", "name"),
    [
        ("2", "INBOX"),
        ("1", "已发送"),
        ("3", "垃圾邮件"),
        ("6", "已删除邮件"),
        ("99", "Sent"),
        ("100", "客户"),
        ("101", "客户/cafe\u0301"),
        ("102", "INBOX/旧"),
    ],
)
def test_a_folder_is_found_behind_the_other_door(id: str, name: str) -> None:
    assert mailbox_name(id, TREE, LISTED) == name


@pytest.mark.parametrize("id", ["103", "104", "105", "106"])
def test_a_folder_that_is_not_listed_or_not_certain_is_refused(id: str) -> None:
    with pytest.raises(Refused):
        mailbox_name(id, TREE, [*LISTED, Listed(frozenset(), "/", "两个")])


def test_an_unknown_folder_is_not_found() -> None:
    with pytest.raises(NotFound):
        mailbox_name("107", TREE, LISTED)


def test_a_usual_name_serves_where_there_are_no_marks_unless_a_person_took_it() -> None:
    listed = [Listed(frozenset(), "/", name) for name in ("已发送", "Sent")]
    assert mailbox_name("1", TREE, listed) == "已发送"
    with pytest.raises(Refused):
        mailbox_name("1", TREE[:4], listed)


def test_a_name_with_the_delimiter_in_it_is_not_taken_for_a_path() -> None:
    tree = [Folder("100", ("a",), None), Folder("101", ("a", "b"), None), Folder("102", ("a/b",), None)]
    listed = [Listed(frozenset(), "/", name) for name in ("a", "a/b")]
    for id in ("101", "102"):
        with pytest.raises(Refused):
            mailbox_name(id, tree, listed)
