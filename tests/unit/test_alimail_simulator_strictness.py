"""What a careless or broken client sends to the simulated Alimail: refused in the vendor's words, never an accident."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.dingtalk import ImapSession
from tests.support.alimail import ADDRESS, DRAFTS, INBOX, PASSWORD, TRASH, Domain, mime

BOUNCE = (
    mime(more='MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary="B"\n', body="")
    + b"--B\r\nContent-Type: text/plain\r\n\r\nIt did not arrive.\r\n"
    + b"--B\r\nContent-Type: message/delivery-status\r\n\r\n"
    + b"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; eve@x.example\r\nAction: failed\r\n\r\n--B--\r\n"
)


@pytest.fixture
def domain() -> Domain:
    return Domain()


@pytest.fixture
def session(domain: Domain) -> ImapSession:
    session = domain.vendor.imap()
    assert session.feed(f"a LOGIN {ADDRESS} {PASSWORD}\r\n".encode()).startswith(b"a OK")
    return session


class TestIgnored:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("GET", "/mailFolders", None),
            ("POST", "/mailFolders", {"displayName": "New"}),
            ("PATCH", "/mailFolders/{folder}", {"displayName": "Other"}),
            ("DELETE", "/mailFolders/{folder}", None),
            ("POST", "/mailFolders/{folder}/move", {"destinationFolderId": INBOX}),
            ("GET", "/mailFolders/2/messages", None),
            ("GET", "/messages/{id}", None),
            ("POST", "/messages", {"message": {"subject": "Hello"}}),
            ("POST", "/messages/{draft}/send", {}),
            ("POST", "/messages/query", {"query": "folderId:2"}),
            ("POST", "/messages/batchUpdate", {"ids": ["{id}"], "action": "markRead"}),
            ("POST", "/messages/move", {"ids": ["{id}"], "destinationFolderId": TRASH}),
            ("POST", "/messages/batchDelete", {"ids": ["{id}"], "deleteType": "USER_DELETED"}),
            ("GET", "/messages/{id}/attachments", None),
        ],
    )
    def test_no_route_overlooks_an_unknown_parameter(self, domain: Domain, method: str, path: str, body: Any) -> None:
        names = {"id": domain.mailbox.deliver(mime()), "folder": domain.mailbox.make_folder("Work")}
        names["draft"] = domain.mailbox.deliver(mime(), DRAFTS)
        if body is not None and "ids" in body:
            body = {**body, "ids": [names["id"]]}
        answer = domain.mail(method, path.format(**names), body, colour="red")
        assert answer.status == 200, answer.body
        [ignored] = domain.vendor.ignored
        assert ignored.startswith(f"{method} /v2/users/{{u}}/")
        assert ignored.endswith(": colour")


class TestDrafts:
    @pytest.mark.parametrize(
        "message",
        [
            {"subject": 1},
            {"subject": "two\r\nlines"},
            {"from": "min@factory.example"},
            {"toRecipients": 1},
            {"toRecipients": [{"email": "a\n@b"}]},
            {"toRecipients": [{"name": "nobody"}]},
            {"body": "text"},
            {"body": {"bodyText": "\ud800"}},
            {"priority": []},
            {"priority": "urgent"},
            {"tags": 1},
            {"internetMessageHeaders": []},
            {"internetMessageHeaders": {"subject": "once more"}},
        ],
    )
    def test_what_is_no_draft_is_an_invalid_parameter(self, domain: Domain, message: Any) -> None:
        answer = domain.mail("POST", "/messages", {"message": message})
        assert (answer.status, answer.code) == (400, "1001")
        assert domain.ids(DRAFTS) == []

    def test_null_stands_for_a_member_that_is_not_there(self, domain: Domain) -> None:
        assert domain.mail("POST", "/messages", {"message": {"subject": None, "tags": None}}).status == 200


class TestSearch:
    @pytest.mark.parametrize(
        "text",
        ["AND folderId:2", "folderId:2 AND", "folderId:2 AND AND isRead:true", "folderId:2 isRead:true", 'tag:1"'],
    )
    def test_terms_are_joined_by_one_and(self, domain: Domain, text: str) -> None:
        answer = domain.mail("POST", "/messages/query", {"query": text})
        assert (answer.status, answer.code) == (400, "1001")

    def test_a_quoted_value_is_read_without_its_quotes(self, domain: Domain) -> None:
        id = domain.mailbox.deliver(mime())
        assert domain.search('folderId:"2" AND isRead:false') == [id]


class TestLetters:
    def test_a_thread_has_one_conversation(self, domain: Domain) -> None:
        first = domain.mailbox.deliver(mime())
        answer = domain.mailbox.deliver(mime(message_id="<two@x>", more="References: <one@mail.example>\n"))
        assert domain.get(first, "conversationId") == domain.get(answer, "conversationId")

    def test_the_report_of_a_bounce_is_one_attachment(self, domain: Domain) -> None:
        id = domain.mailbox.deliver(BOUNCE)
        assert domain.get(id, "body")["body"]["bodyText"].strip() == "It did not arrive."
        [report] = domain.mail("GET", f"/messages/{id}/attachments").json["attachments"]
        assert report["extHeaders"] == {"Content-Type": "message/delivery-status"}
        location = domain.mail("GET", f"/messages/{id}/attachments/{report['id']}/$value").headers["location"]
        content = domain.call("GET", location).body
        assert content.startswith(b"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient:")
        assert b"\n" not in content.replace(b"\r\n", b"")

    def test_a_charset_that_is_none_is_guessed(self, domain: Domain) -> None:
        id = domain.mailbox.deliver(mime(more='Content-Type: text/plain; charset="a\x00b"\n'))
        assert domain.get(id, "body")["body"]["bodyText"] == "Good day\r\n"


class TestImap:
    def test_names_are_quoted(self, domain: Domain, session: ImapSession) -> None:
        domain.mailbox.make_folder('5" \\ pipes')
        assert b'"/" "5\\" \\\\ pipes"\r\n' in session.feed(b'b LIST "" *\r\n')
        status = session.feed(b'c STATUS "5\\" \\\\ pipes" (MESSAGES)\r\n')
        assert status.startswith(b'* STATUS "5\\" \\\\ pipes" (')
        assert b"c OK" in status

    @pytest.mark.parametrize("line", [b'b NOOP "\x000"', b'b STATUS "\x00 x" (MESSAGES)', b"b NO\x00OP"])
    def test_a_zero_byte_in_a_line_is_bad_and_the_connection_goes_on(self, session: ImapSession, line: bytes) -> None:
        assert session.feed(line + b"\r\n") == b"b BAD invalid command or parameters\r\n"
        assert session.feed(b"c NOOP\r\n") == b"c OK NOOP completed\r\n"

    def test_a_connection_logs_in_once(self, session: ImapSession) -> None:
        assert session.feed(f"b LOGIN {ADDRESS} {PASSWORD}\r\n".encode()).startswith(b"b BAD")
