"""The simulated DingTalk mail's IMAP door as ordinary clients see it, over a real socket."""

from __future__ import annotations

import imaplib
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from sandbox.dingtalk import ImapServer
from tests.support.alimail import ADDRESS, INBOX, NOW, PASSWORD, SENT, TRASH, Domain, mime, with_parts

DATE = datetime(2024, 3, 5, 6, 7, 8, tzinfo=UTC)


@pytest.fixture
def domain() -> Domain:
    return Domain()


@pytest.fixture
def server(domain: Domain) -> Iterator[ImapServer]:
    with closing(ImapServer(domain.vendor)) as server:
        yield server


@pytest.fixture
def plain(server: ImapServer) -> Iterator[imaplib.IMAP4]:
    """imaplib, before the login."""
    client = imaplib.IMAP4(server.host, server.port, timeout=5)
    yield client
    with suppress(imaplib.IMAP4.error, OSError):
        client.logout()


@pytest.fixture
def lib(plain: imaplib.IMAP4) -> imaplib.IMAP4:
    plain.login(ADDRESS, PASSWORD)
    return plain


@pytest.fixture
def client(server: ImapServer) -> Iterator[Any]:
    """imapclient, logged in."""
    client = IMAPClient(server.host, port=server.port, ssl=False, timeout=5)
    client.login(ADDRESS, PASSWORD)
    yield client
    with suppress(IMAPClientError, OSError):
        client.logout()


class Raw:
    """A client that says what it likes."""

    def __init__(self, server: ImapServer, *, login: bool = True) -> None:
        self._socket = socket.create_connection((server.host, server.port), timeout=5)
        self._file = self._socket.makefile("rb")
        self.greeting = self._file.readline()
        if login:
            self.say(b'l LOGIN "%s" "%s"' % (ADDRESS.encode(), PASSWORD.encode()))

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def line(self) -> bytes:
        return self._file.readline()

    def say(self, command: bytes) -> list[bytes]:
        """-> the lines of the answer, the tagged one last; none when the server hangs up."""
        self.send(command + b"\r\n")
        tag, lines = command.split(b" ", 1)[0] + b" ", []
        while line := self.line():
            lines.append(line.rstrip(b"\r\n"))
            if line.startswith((tag, b"+ ")):
                return lines
        return []

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture
def raw(server: ImapServer) -> Iterator[Raw]:
    with closing(Raw(server)) as raw:
        yield raw


class TestGreeting:
    def test_greeting_and_capabilities_are_the_vendors_to_the_letter(self, server: ImapServer) -> None:
        with closing(Raw(server, login=False)) as raw:
            assert raw.greeting == b"* OK AliYun IMAP Server Ready\r\n"
            assert raw.say(b"a CAPABILITY") == [
                b"* CAPABILITY IMAP4rev1 IDLE XLIST UIDPLUS ID SASL-IR AUTH=XOAUTH AUTH=XOAUTH2 AUTH=EXTERNAL",
                b"a OK CAPABILITY completed",
            ]
            assert raw.say(b'b ID ("name" "x")')[-1].startswith(b"b OK")
            assert raw.say(b"c LOGOUT") == [b"* BYE AliYun IMAP Server signing off", b"c OK LOGOUT completed"]
            assert raw.line() == b""

    def test_the_greeting_may_name_a_host(self, domain: Domain, server: ImapServer) -> None:
        domain.switch(greeting_address="(10.1.2.3)")
        with closing(Raw(server, login=False)) as raw:
            assert raw.greeting == b"* OK AliYun IMAP Server Ready(10.1.2.3)\r\n"

    def test_a_closed_server_ends_its_connections(self, domain: Domain) -> None:
        server = ImapServer(domain.vendor)
        with closing(Raw(server)) as raw:
            server.close()
            assert raw.line() == b""


class TestLogin:
    def test_the_client_password_opens_the_mailbox(self, domain: Domain, plain: imaplib.IMAP4) -> None:
        assert plain.login(ADDRESS.upper(), PASSWORD)[0] == "OK"
        assert (domain.vendor.counts["IMAP LOGIN"], domain.vendor.failed_logins) == (1, {})

    def test_another_password_is_refused_and_counted(self, domain: Domain, server: ImapServer) -> None:
        client = IMAPClient(server.host, port=server.port, ssl=False, timeout=5)
        for user in (ADDRESS, "nobody@factory.example"):
            with pytest.raises(LoginError, match="LOGIN failed"):
                client.login(user, "wrong")
        client.logout()
        assert domain.vendor.failed_logins == {ADDRESS: 1, "nobody@factory.example": 1}

    def test_without_a_client_password_there_is_no_login(self, domain: Domain, plain: imaplib.IMAP4) -> None:
        domain.vendor.add_mailbox("none@factory.example", client_password=None)
        with pytest.raises(imaplib.IMAP4.error):
            plain.login("none@factory.example", "")

    def test_after_too_many_refusals_the_account_is_locked(self, domain: Domain, plain: imaplib.IMAP4) -> None:
        domain.switch(lockout_after=2)
        for password in ("wrong", "wrong", PASSWORD):
            with pytest.raises(imaplib.IMAP4.error):
                plain.login(ADDRESS, password)
        assert domain.vendor.failed_logins[ADDRESS] == 3

    def test_every_login_that_was_tried_is_kept(self, domain: Domain, plain: imaplib.IMAP4) -> None:
        with pytest.raises(imaplib.IMAP4.error):
            plain.login(ADDRESS, "wrong")
        plain.login(ADDRESS, PASSWORD)
        assert domain.vendor.logins == [(ADDRESS, "wrong"), (ADDRESS, PASSWORD)]

    @pytest.mark.parametrize(
        ("tells", "expired", "off"), [(True, "EXPIRED", "IMAP service is disabled"), (False, "failed", "failed")]
    )
    def test_an_expired_password_and_imap_that_is_off_are_refused(
        self, domain: Domain, plain: imaplib.IMAP4, tells: bool, expired: str, off: str
    ) -> None:
        domain.switch(tells_why=tells)
        store = domain.vendor.mailboxes[ADDRESS].store
        store.password_expired = True
        with pytest.raises(imaplib.IMAP4.error, match=expired):
            plain.login(ADDRESS, PASSWORD)
        store.imap_off = True
        with pytest.raises(imaplib.IMAP4.error, match=off):
            plain.login(ADDRESS, PASSWORD)

    def test_imap_that_is_off_for_all_is_said_in_one_of_three_places(self, domain: Domain, server: ImapServer) -> None:
        domain.switch(imap_off="greeting")
        with closing(Raw(server, login=False)) as raw:
            assert raw.greeting == b"* BYE IMAP service is disabled for this organization\r\n"
            assert raw.say(b"a NOOP") == []
        domain.switch(imap_off="disabled")
        with closing(Raw(server, login=False)) as raw:
            assert b"LOGINDISABLED" in raw.say(b"a CAPABILITY")[0]
        domain.switch(imap_off="login")
        with closing(Raw(server, login=False)) as raw:
            assert b"NO" in raw.say(f"a LOGIN {ADDRESS} {PASSWORD}".encode())[0]

    def test_a_session_whose_password_is_taken_no_more_may_be_ended(self, domain: Domain, server: ImapServer) -> None:
        with closing(Raw(server)) as raw:
            domain.vendor.mailboxes[ADDRESS].store.password_expired = True
            assert b"OK" in raw.say(b"a SELECT INBOX")[-1]
            domain.switch(ends_sessions=True)
            assert raw.say(b"b SELECT INBOX") == []

    @pytest.mark.parametrize(("command", "answer"), [(b'LIST "" "*"', b"NO"), (b"SELECT INBOX", b"NO")])
    def test_nothing_is_shown_before_the_login(self, server: ImapServer, command: bytes, answer: bytes) -> None:
        with closing(Raw(server, login=False)) as raw:
            assert raw.say(b"a " + command) == [b"a " + answer + b" not logged in"]

    @pytest.mark.parametrize(
        "command",
        [
            b"LOGIN x",
            b'LIST "*"',
            b"SELECT",
            b"STATUS INBOX",
            b"CREATE",
            b"RENAME x",
            b"APPEND",
            b"COPY 1",
            b"STORE 1 x y",
        ],
    )
    def test_a_command_without_its_parameters_is_bad(self, raw: Raw, command: bytes) -> None:
        raw.say(b"a SELECT INBOX")
        assert raw.say(b"b " + command) == [b"b BAD invalid command or parameters"]

    @pytest.mark.parametrize(
        "command",
        [b"MOVE 1 INBOX", b"UID MOVE 1 INBOX", b"ENABLE CONDSTORE", b"NAMESPACE", b"UNSELECT", b"XYZZY", b"IDLE"],
    )
    def test_what_the_server_does_not_know_is_bad(self, raw: Raw, command: bytes) -> None:
        assert raw.say(b"a " + command) == [b"a BAD invalid command or parameters"]

    @pytest.mark.parametrize(
        "command",
        [
            b'SELECT "INBOX',
            b'SELECT "\x000"',
            b"SELECT INBOX INBOX",
            b'LIST "" "*',
            b"NOOP (",
            b"DELETE a b",
            b"EXPUNGE x",
        ],
    )
    def test_a_line_that_is_no_command_is_bad(self, raw: Raw, command: bytes) -> None:
        assert raw.say(b"a " + command) == [b"a BAD invalid command or parameters"]
        assert raw.say(b"b NOOP") == [b"b OK NOOP completed"]


class TestMailboxes:
    def test_names_are_modified_utf7_with_marks(self, raw: Raw) -> None:
        assert raw.say(b'a LIST "" "*"') == [
            b'* LIST (\\Sent) "/" "&XfJT0ZAB-"',
            b'* LIST () "/" "INBOX"',
            b'* LIST (\\Junk) "/" "&V4NXPpCuTvY-"',
            b'* LIST (\\Drafts) "/" "&g0l6Pw-"',
            b'* LIST (\\Trash) "/" "&XfJSIJZkkK5O9g-"',
            b"a OK LIST completed",
        ]

    def test_imapclient_reads_the_chinese_names(self, domain: Domain, client: Any) -> None:
        top = domain.mailbox.make_folder("报关 & 提单")
        domain.mailbox.make_folder("2026", top)
        domain.mailbox.make_folder("below", INBOX)
        rows = client.list_folders()
        assert {name for _, _, name in rows} == {
            "已发送", "INBOX", "垃圾邮件", "草稿", "已删除邮件", "报关 & 提单", "报关 & 提单/2026", "INBOX/below"
        }  # fmt: skip
        assert {delimiter for _, delimiter, _ in rows} == {b"/"}
        assert [name for _, _, name in client.list_folders("", "%/below")] == ["INBOX/below"]
        assert len(client.xlist_folders()) == len(client.list_sub_folders()) == 8

    def test_an_empty_pattern_asks_for_the_delimiter(self, raw: Raw) -> None:
        assert raw.say(b'a LIST "" ""')[0] == b'* LIST (\\Noselect) "/" ""'
        assert raw.say(b'a LIST "" inbox')[0] == b'* LIST () "/" "INBOX"'

    def test_select_tells_flags_counts_and_uids(self, domain: Domain, raw: Raw) -> None:
        domain.mailbox.deliver(mime())
        assert raw.say(b"a SELECT INBOX") == [
            rb"* FLAGS (\Answered \Seen \Deleted \Draft \Flagged)",
            b"* 1 EXISTS",
            b"* 0 RECENT",
            rb"* OK [PERMANENTFLAGS (\Answered \Seen \Deleted \Draft \Flagged)]",
            b"* OK [UIDVALIDITY 2]",
            b"* OK [UIDNEXT 2]",
            b"a OK [READ-WRITE] SELECT completed",
        ]
        assert raw.say(b"b SELECT nowhere") == [b"b NO [NONEXISTENT] no such mailbox"]
        assert raw.say(b"c FETCH 1 FLAGS") == [b"c NO no mailbox selected"]

    def test_status_tells_uidvalidity_unasked(self, domain: Domain, client: Any) -> None:
        domain.mailbox.deliver(mime())
        domain.mailbox.deliver(mime(), read=True)
        assert client.folder_status("INBOX", ["UNSEEN"]) == {
            b"UIDNEXT": 3, b"UIDVALIDITY": 2, b"MESSAGES": 2, b"UNSEEN": 1
        }  # fmt: skip
        assert client.folder_status("已删除邮件")[b"UIDVALIDITY"] == 6

    def test_a_raw_8bit_name_makes_the_server_hang_up(self, server: ImapServer) -> None:
        name = "已发送".encode()
        for command in (b'a SELECT "%s"', b'a LIST "" "%s"', b'a CREATE "%s"', b'a STATUS "%s" (UIDNEXT)'):
            with closing(Raw(server)) as raw:
                assert raw.say(command % name) == []
        with closing(Raw(server)) as raw:
            raw.say(b"a SELECT {%d}" % len(name))
            raw.send(name + b"\r\n")
            assert raw.line() == b""

    def test_a_name_that_is_no_utf7_is_refused(self, raw: Raw) -> None:
        assert raw.say(b'a SELECT "&XfJ-"')[0].startswith(b"a NO")

    def test_mailboxes_are_made_renamed_and_removed(self, domain: Domain, client: Any) -> None:
        client.create_folder("报关")
        client.create_folder("报关/2026")
        client.subscribe_folder("报关")
        assert set(domain.folders(domain.folders()["报关"]["id"])) == {"2026"}
        client.rename_folder("报关/2026", "提单")
        client.append("提单", mime())
        client.delete_folder("提单")
        assert [message.folder for message in domain.mailbox.messages()] == [TRASH]
        assert {"报关", "提单"} & set(domain.folders()) == {"报关"}

    @pytest.mark.parametrize(
        "command", [b"CREATE INBOX", b"CREATE a/b", b"DELETE INBOX", b"DELETE x", b"RENAME inbox x", b"SUBSCRIBE x"]
    )
    def test_what_cannot_be_made_or_removed_is_refused(self, raw: Raw, command: bytes) -> None:
        assert raw.say(b"a " + command)[0].startswith(b"a NO")


class TestAppend:
    def test_bytes_flags_and_date_are_kept(self, domain: Domain, client: Any) -> None:
        content = with_parts()
        answer = client.append("已发送", content, ["\\Seen", "\\Answered"], DATE)
        assert answer.startswith(b"[APPENDUID 1 1]")
        (id,) = domain.ids(SENT)
        assert domain.get(id, "isRead,isReplied,receivedDateTime,sentDateTime,hasAttachments") == {
            "isRead": True,
            "isReplied": True,
            "receivedDateTime": "2024-03-05T06:07:08Z",
            "sentDateTime": "2026-09-21T02:00:00Z",
            "hasAttachments": True,
        }
        client.select_folder("已发送")
        row = client.fetch([1], ["BODY.PEEK[]", "FLAGS", "INTERNALDATE", "RFC822.SIZE"])[1]
        assert row[b"BODY[]"] == content
        assert set(row[b"FLAGS"]) == {b"\\Seen", b"\\Answered"}
        assert row[b"RFC822.SIZE"] == len(content)
        assert row[b"INTERNALDATE"].timestamp() == DATE.timestamp()

    def test_without_flags_and_date_it_is_new_and_now(self, domain: Domain, lib: imaplib.IMAP4) -> None:
        lib.append("INBOX", "", "", mime())
        (held,) = domain.mailbox.messages()
        assert (held.read, held.received_at, held.by) == (False, NOW, "client")

    def test_the_uid_may_be_kept_to_itself(self, domain: Domain, client: Any) -> None:
        domain.switch(appenduid=False)
        assert client.append("INBOX", mime(), (), DATE) == b"APPEND completed"

    def test_the_date_may_be_ignored(self, domain: Domain, client: Any) -> None:
        domain.switch(honours_internaldate=False)
        client.append("INBOX", mime(), (), DATE)
        assert domain.mailbox.messages()[0].received_at == NOW

    def test_bare_line_feeds_are_a_switch(self, domain: Domain, raw: Raw, client: Any) -> None:
        bare = mime().replace(b"\r\n", b"\n")
        command = b"APPEND INBOX {%d}\r\n%s" % (len(bare), bare)
        assert raw.say(b"a " + command)[0].startswith(b"+ ")
        assert raw.line() == b"a NO bare LF in message\r\n"
        domain.switch(refuses_bare_lf=False)
        raw.say(b"b " + command)
        assert raw.line().startswith(b"b OK")
        client.select_folder("INBOX")
        assert client.fetch([1], ["BODY.PEEK[]"])[1][b"BODY[]"] == bare

    def test_too_much_is_refused(self, domain: Domain, client: Any) -> None:
        domain.switch(max_append=100)
        with pytest.raises(IMAPClientError, match="too large"):
            client.append("INBOX", mime())
        domain.switch(max_append=10_000)
        domain.mailbox.store.quota = 100
        with pytest.raises(IMAPClientError, match="OVERQUOTA"):
            client.append("INBOX", mime())
        assert domain.mailbox.messages() == []

    @pytest.mark.parametrize(("rules", "sent"), [(False, 0), (True, 1)])
    def test_rules_may_run_on_it_and_send_mail(self, domain: Domain, client: Any, rules: bool, sent: int) -> None:
        domain.switch(append_rules=rules)
        client.append("INBOX", mime())
        assert domain.vendor.sent_mail == sent

    def test_the_server_asks_for_the_literal_and_takes_it_in_pieces(self, domain: Domain, raw: Raw) -> None:
        content = mime()
        assert raw.say(b'a APPEND "INBOX" (\\Seen) {%d}' % len(content))[0].startswith(b"+ ")
        raw.send(content[:7])
        raw.send(content[7:] + b"\r")
        raw.send(b"\nb NOOP\r\n")
        assert raw.line().startswith(b"a OK [APPENDUID 2 1]")
        assert raw.line().startswith(b"b OK")
        assert domain.mailbox.messages()[0].read

    @pytest.mark.parametrize("content", [b"", b" (\\Seen)", b' "a letter"'])
    def test_a_message_comes_as_a_literal_only(self, domain: Domain, raw: Raw, content: bytes) -> None:
        assert raw.say(b"a APPEND INBOX" + content) == [b"a BAD invalid command or parameters"]
        assert domain.mailbox.messages() == []

    def test_literals_that_do_not_wait_are_bad(self, domain: Domain, raw: Raw) -> None:
        assert raw.say(b"a APPEND INBOX {5+}") == [b"a BAD invalid command or parameters"]
        assert domain.mailbox.messages() == []

    @pytest.mark.parametrize(
        ("rest", "answer"), [(b"nowhere", b"NO"), (b'INBOX "yesterday"', b"BAD"), (b"INBOX () x y", b"BAD")]
    )
    def test_what_it_cannot_take_is_refused(self, raw: Raw, rest: bytes, answer: bytes) -> None:
        raw.say(b"a APPEND " + rest + b" {5}")
        raw.send(b"12345\r\n")
        assert raw.line().startswith(b"a " + answer)


class TestReading:
    def test_named_headers_come_as_they_stand(self, domain: Domain, client: Any) -> None:
        domain.mailbox.deliver(mime(more="X-Tandem-Key:k-1\nX-Long: one\n two\n"))
        client.select_folder("INBOX")
        asked = "BODY.PEEK[HEADER.FIELDS (X-TANDEM-KEY x-long MESSAGE-ID)]"
        row = client.fetch([1], [asked])[1]
        (shown,) = (value for name, value in row.items() if name.startswith(b"BODY["))
        assert shown == b"Message-ID: <one@mail.example>\r\nX-Tandem-Key:k-1\r\nX-Long: one\r\n two\r\n\r\n"
        assert not domain.mailbox.messages()[0].read

    def test_a_whole_body_marks_as_read_unless_peeked_or_read_only(self, domain: Domain, lib: imaplib.IMAP4) -> None:
        domain.mailbox.deliver(mime(more="Disposition-Notification-To: bob@office.example\n"))
        lib.select("INBOX", readonly=True)
        lib.fetch("1", "(BODY[])")
        lib.select("INBOX")
        lib.fetch("1", "(BODY.PEEK[] BODY.PEEK[HEADER])")
        assert not domain.mailbox.messages()[0].read
        assert b"FLAGS (\\Seen)" in b"".join(
            part for part in lib.fetch("1", "(RFC822 FLAGS)")[1] if isinstance(part, bytes)
        )
        assert (domain.mailbox.messages()[0].read, domain.vendor.receipts) == (True, 1)

    def test_ranges_name_numbers_or_uids_and_end_with_the_last(self, domain: Domain, raw: Raw) -> None:
        for _ in range(3):
            domain.mailbox.deliver(mime())
        domain.mailbox.purge(domain.mailbox.messages()[0].id)
        raw.say(b"a SELECT INBOX")
        assert raw.say(b"b FETCH 1:* FLAGS")[:-1] == [b"* 1 FETCH (FLAGS ())", b"* 2 FETCH (FLAGS ())"]
        assert raw.say(b"c UID FETCH 2,9 (FLAGS)")[:-1] == [b"* 1 FETCH (UID 2 FLAGS ())"]
        assert raw.say(b"d UID FETCH 9:* UID")[:-1] == [b"* 2 FETCH (UID 3)"]
        assert raw.say(b"e UID FETCH 7:8 UID")[:-1] == []

    @pytest.mark.parametrize(
        "command",
        [
            b"FETCH 1 BODYSTRUCTURE",
            b"FETCH x FLAGS",
            b"FETCH 0 FLAGS",
            b"FETCH 1",
            b"FETCH 1 (X-GM-MSGID)",
            b"FETCH 1 ()",
            b"FETCH 1 (FLAGS;)",
        ],
    )
    def test_other_items_are_bad(self, domain: Domain, raw: Raw, command: bytes) -> None:
        domain.mailbox.deliver(mime())
        raw.say(b"a SELECT INBOX")
        assert raw.say(b"b " + command)[-1].startswith(b"b BAD")

    def test_new_mail_is_told_at_noop_and_at_the_end_of_idle(self, domain: Domain, raw: Raw) -> None:
        raw.say(b"a SELECT INBOX")
        domain.mailbox.deliver(mime())
        assert raw.say(b"b NOOP") == [b"* 1 EXISTS", b"b OK NOOP completed"]
        assert raw.say(b"c NOOP") == [b"c OK NOOP completed"]
        assert raw.say(b"d IDLE") == [b"+ idling"]
        domain.mailbox.deliver(mime())
        raw.send(b"DONE\r\n")
        assert [raw.line(), raw.line()] == [b"* 2 EXISTS\r\n", b"d OK IDLE terminated\r\n"]


class TestSearch:
    def test_unseen_and_dates_are_answered(self, domain: Domain, client: Any) -> None:
        client.append("INBOX", mime(), ["\\Seen"], DATE)
        client.append("INBOX", mime(), (), datetime(2024, 3, 6, tzinfo=UTC))
        client.select_folder("INBOX")
        assert client.search() == [1, 2]
        assert client.search("UNSEEN") == [2]
        assert client.search(["SINCE", DATE.date()]) == [1, 2]
        assert client.search(["BEFORE", datetime(2024, 3, 6).date()]) == [1]
        assert client.search(["ON", DATE.date(), "UNSEEN"]) == []
        assert client.search(["SENTSINCE", datetime(2026, 9, 22).date()]) == []

    @pytest.mark.parametrize(
        "keys",
        [
            b'SUBJECT "x"',
            b'FROM "x"',
            b"OR UNSEEN ALL",
            b'HEADER Message-ID "<one@mail.example>"',
            b"CHARSET UTF-8 UNSEEN",
            b"KEYWORD x",
            b"SINCE yesterday",
            b"",
        ],
    )
    def test_everything_else_is_bad(self, raw: Raw, keys: bytes) -> None:
        raw.say(b"a SELECT INBOX")
        assert raw.say(b"b SEARCH " + keys) == [b"b BAD invalid command or parameters"]
        assert raw.say(b"c UID SEARCH " + keys) == [b"c BAD invalid command or parameters"]

    def test_imapclient_is_told_so(self, client: Any) -> None:
        client.select_folder("INBOX")
        with pytest.raises(IMAPClientError, match="invalid command or parameters"):
            client.search(["HEADER", "Message-ID", "<one@mail.example>"])


class TestChanges:
    def test_flags_are_added_removed_and_replaced(self, domain: Domain, client: Any) -> None:
        domain.mailbox.deliver(mime())
        client.select_folder("INBOX")
        assert set(client.add_flags([1], ["\\Seen", "\\Answered"])[1]) == {b"\\Seen", b"\\Answered"}
        assert domain.rows(select="isRead,isReplied") == [{"isRead": True, "isReplied": True}]
        assert client.remove_flags([1], ["\\Answered"])[1] == (b"\\Seen",)
        assert set(client.set_flags([1], ["\\Flagged", "\\Draft"])[1]) == {b"\\Flagged", b"\\Draft"}
        assert domain.rows(select="isRead,tags") == [{"isRead": False, "tags": []}]
        assert client.add_flags([1], ["\\Seen"], silent=True) is None
        assert domain.mailbox.messages()[0].read

    @pytest.mark.parametrize(("tag", "tags"), [("none", []), ("1", ["1"]), ("11", ["11"])])
    def test_the_flag_may_be_a_tag(self, domain: Domain, client: Any, tag: str, tags: list[str]) -> None:
        domain.switch(flagged_maps_to=tag)
        client.append("INBOX", mime(), ["\\Flagged"])
        assert domain.rows(select="tags") == [{"tags": tags}]
        client.select_folder("INBOX")
        assert client.get_flags([1])[1] == (b"\\Flagged",)
        client.remove_flags([1], ["\\Flagged"])
        assert (domain.rows(select="tags"), client.get_flags([1])[1]) == ([{"tags": []}], ())

    def test_marking_read_what_asks_for_a_receipt_counts(self, domain: Domain, client: Any) -> None:
        domain.mailbox.deliver(mime(more="Disposition-Notification-To: bob@office.example\n"))
        client.select_folder("INBOX")
        client.add_flags([1], ["\\Seen"])
        assert domain.vendor.receipts == 1

    def test_there_are_no_keywords_and_no_writing_when_examined(self, domain: Domain, client: Any) -> None:
        domain.mailbox.deliver(mime())
        client.select_folder("INBOX")
        with pytest.raises(IMAPClientError, match="not permitted"):
            client.add_flags([1], ["$Done"])
        client.select_folder("INBOX", readonly=True)
        with pytest.raises(IMAPClientError, match="read-only"):
            client.add_flags([1], ["\\Seen"])
        with pytest.raises(IMAPClientError, match="read-only"):
            client.expunge()

    def test_copy_takes_the_source_away(self, domain: Domain, client: Any) -> None:
        id = domain.mailbox.deliver(mime())
        client.select_folder("INBOX")
        client.copy([1], "已删除邮件")
        assert (domain.ids(INBOX), domain.ids(TRASH)) == ([], [id])
        assert client.folder_status("已删除邮件", ["UIDNEXT"])[b"UIDNEXT"] == 2

    def test_expunge_removes_what_is_marked_for_good(self, domain: Domain, client: Any) -> None:
        kept = [domain.mailbox.deliver(mime()) for _ in range(3)][1]
        client.select_folder("INBOX")
        client.delete_messages([1, 3])
        _text, gone = client.expunge()
        assert gone == [(3, b"EXPUNGE"), (1, b"EXPUNGE")]
        assert domain.ids() == [kept]

    def test_uid_expunge_removes_only_the_named_of_what_is_marked(self, domain: Domain, client: Any) -> None:
        ids = [domain.mailbox.deliver(mime()) for _ in range(3)]
        client.select_folder("INBOX")
        client.delete_messages([1, 3])
        client.uid_expunge([2, 3])
        assert set(domain.ids()) == set(ids[:2])

    def test_what_others_remove_is_told_at_the_next_noop(self, domain: Domain, raw: Raw) -> None:
        ids = [domain.mailbox.deliver(mime()) for _ in range(3)]
        raw.say(b"a SELECT INBOX")
        domain.mailbox.purge(ids[0])
        domain.move(TRASH, ids[2])
        domain.mailbox.deliver(mime())
        assert raw.say(b"b NOOP") == [b"* 3 EXPUNGE", b"* 1 EXPUNGE", b"* 2 EXISTS", b"b OK NOOP completed"]

    def test_close_removes_silently_and_leaves_the_mailbox(self, domain: Domain, client: Any) -> None:
        domain.mailbox.deliver(mime())
        client.select_folder("INBOX")
        client.delete_messages([1])
        assert client.close_folder() == b"CLOSE completed"
        assert domain.mailbox.messages() == []

    def test_uids_grow_and_are_never_used_again(self, domain: Domain, client: Any) -> None:
        domain.mailbox.purge(domain.mailbox.deliver(mime()))
        assert client.append("INBOX", mime()).startswith(b"[APPENDUID 2 2]")

    def test_commands_are_counted_by_name(self, domain: Domain, client: Any) -> None:
        client.append("INBOX", mime())
        client.select_folder("INBOX")
        client.fetch([1], ["FLAGS"])
        counts = domain.vendor.counts
        assert (counts["IMAP APPEND"], counts["IMAP SELECT"], counts["IMAP UID FETCH"]) == (1, 1, 1)
