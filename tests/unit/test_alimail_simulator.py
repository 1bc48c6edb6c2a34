"""The simulated DingTalk mail's REST door: login, folders, listings, reads, errors and limits."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sandbox.truth import Mailbox
from tests.support.alimail import ADDRESS, DRAFTS, INBOX, NOW, SENT, TRASH, Domain, mime, with_parts


@pytest.fixture
def domain() -> Domain:
    return Domain()


class TestLogin:
    def test_a_token_says_how_long_it_lives(self) -> None:
        answer = Domain(token_life=172799).login()
        assert (answer.status, answer.json["token_type"], answer.json["expires_in"]) == (200, "bearer", 172799)

    def test_a_token_ends_with_its_time(self, domain: Domain) -> None:
        domain.clock.now += 3599
        assert domain.mail("GET", "/mailFolders").status == 200
        domain.clock.now += 1
        answer = domain.mail("GET", "/mailFolders")
        assert (answer.status, answer.code) == (401, "token.invalid")

    @pytest.mark.parametrize("header", ["", "bearer", "bearer other", "basic {token}"])
    def test_only_a_token_of_its_own_opens_the_door(self, domain: Domain, header: str) -> None:
        answer = domain.call("GET", f"/v2/users/{ADDRESS}/mailFolders", authorization=header.format(token=domain.token))
        assert answer.status == 401

    def test_either_case_of_bearer_will_do_and_revoked_tokens_will_not(self, domain: Domain) -> None:
        path = f"/v2/users/{ADDRESS}/mailFolders"
        assert domain.call("GET", path, authorization=f"Bearer {domain.token}").status == 200
        domain.vendor.revoke_tokens()
        assert domain.call("GET", path).status == 401

    @pytest.mark.parametrize(
        ("form", "status", "error"),
        [
            ({"client_secret": "wrong"}, 401, "invalid_client"),
            ({"client_id": "other"}, 401, "invalid_client"),
            ({"grant_type": "password"}, 400, "unsupported_grant_type"),
            ({"grant_type": ""}, 400, "1003"),
            ({"kind": "application/json"}, 400, "1003"),
        ],
    )
    def test_a_wrong_login_is_refused_in_the_words_of_oauth(
        self, domain: Domain, form: dict[str, str], status: int, error: str
    ) -> None:
        answer = domain.login(**form)
        assert (answer.status, answer.json["error"]) == (status, error)
        assert answer.json["error_description"]
        assert domain.vendor.counts["token"] == 2


class TestErrors:
    @pytest.mark.parametrize(
        ("method", "path", "body", "status", "code"),
        [
            ("GET", "/messages/nothing", None, 404, "message.notFound"),
            ("GET", "/messages/nothing/attachments", None, 404, "message.notFound"),
            ("POST", "/messages/nothing/send", {"saveToSentItems": True}, 404, "message.notFound"),
            ("GET", "/mailFolders/99/messages", None, 404, "folder.notFound"),
            ("POST", "/mailFolders", {"displayName": "x", "folderId": "99"}, 404, "folder.notFound"),
            ("POST", "/messages/move", {"ids": ["x"], "destinationFolderId": "99"}, 404, "folder.notFound"),
            ("POST", "/messages/batchUpdate", {"ids": [], "action": "markRead"}, 400, "1001"),
            ("POST", "/messages/batchUpdate", {"ids": ["x"] * 101, "action": "markRead"}, 400, "1001"),
            ("POST", "/messages/batchUpdate", {"ids": ["x"], "action": "flag"}, 400, "1001"),
            ("POST", "/messages/batchDelete", {"ids": ["x"], "deleteType": "HARD"}, 400, "1001"),
            ("POST", "/messages/batchUpdate", ["ids"], 400, "1001"),
            ("POST", "/messages/query", {"query": ""}, 400, "1001"),
            ("POST", "/messages", {"subject": "no message around it"}, 400, "1001"),
            ("POST", "/messages", {"message": {"toRecipients": [{"name": "no address"}]}}, 400, "1001"),
            ("GET", "/messages/delta", None, 404, "message.notFound"),
            ("PUT", "/messages/x", {}, 404, "api.notFound"),
            ("GET", "/messages/x/$value", None, 404, "api.notFound"),
            ("POST", "/mailFolders/2/messages", {}, 404, "api.notFound"),
        ],
    )
    def test_refusals_have_the_vendors_shape(
        self, domain: Domain, method: str, path: str, body: Any, status: int, code: str
    ) -> None:
        answer = domain.mail(method, path, body)
        assert (answer.status, answer.code) == (status, code)

    def test_a_body_that_is_no_json_is_an_invalid_parameter(self, domain: Domain) -> None:
        answer = domain.call("POST", f"/v2/users/{ADDRESS}/messages/move", raw=b"{")
        assert (answer.status, answer.code) == (400, "1001")

    def test_an_unknown_mailbox_is_told_from_an_unknown_message(self, domain: Domain) -> None:
        answer = domain.call("GET", "/v2/users/nobody@factory.example/mailFolders")
        assert (answer.status, answer.code) == (404, "user.notFound")
        assert domain.call("GET", "/v2/nothing").code == "api.notFound"

    def test_errors_may_come_with_status_200_but_not_for_the_token(self) -> None:
        domain = Domain(error_on_200=True)
        answer = domain.mail("GET", "/messages/nothing")
        assert (answer.status, answer.code) == (200, "message.notFound")
        domain.vendor.revoke_tokens()
        assert domain.mail("GET", "/messages/nothing").status == 401

    def test_what_the_vendor_ignores_is_written_down(self, domain: Domain) -> None:
        id = domain.mailbox.deliver(mime())
        domain.rows(filter="isRead eq false", nextCursor="x", select="id,flag")
        domain.mail("POST", "/messages/move", {"ids": [id], "destinationFolderId": TRASH, "parentFolder": "1"})
        domain.mail("POST", "/messages", {"message": {"receivedDateTime": "2024-01-01T00:00:00Z"}})
        route = "GET /v2/users/{u}/mailFolders/{id}/messages"
        assert domain.vendor.ignored == [
            f"{route}: filter",
            f"{route}: nextCursor",
            f"{route}: $select=flag",
            "POST /v2/users/{u}/messages/move: parentFolder",
            "POST /v2/users/{u}/messages: message.receivedDateTime",
        ]

    def test_requests_are_counted_by_route_whatever_was_answered(self, domain: Domain) -> None:
        domain.mail("GET", "/messages/a")
        domain.mail("GET", "/messages/b")
        domain.mail("GET", "/mailFolders")
        assert domain.vendor.counts == {
            "token": 1, "GET /v2/users/{u}/messages/{id}": 2, "GET /v2/users/{u}/mailFolders": 1
        }  # fmt: skip


class TestRate:
    def test_forty_requests_a_second_are_the_whole_domains(self, domain: Domain) -> None:
        domain.vendor.add_mailbox("other@factory.example", client_password=None)
        for _ in range(20):
            assert domain.mail("GET", "/mailFolders").status == 200
            assert domain.call("GET", "/v2/users/other@factory.example/mailFolders").status == 200
        answer = domain.mail("GET", "/mailFolders")
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (429, "system.busy", "1")
        domain.clock.now += 1
        assert domain.mail("GET", "/mailFolders").status == 200

    def test_retry_after_may_be_missing_and_the_limit_lifted(self) -> None:
        domain = Domain(retry_after=False, rate=1)
        domain.mail("GET", "/mailFolders")
        answer = domain.mail("GET", "/mailFolders")
        assert answer.status == 429
        assert "retry-after" not in answer.headers
        domain.switch(rate=None)
        assert {domain.mail("GET", "/mailFolders").status for _ in range(99)} == {200}

    def test_the_next_requests_can_be_refused_and_then_do_nothing(self, domain: Domain) -> None:
        id = domain.mailbox.deliver(mime())
        domain.vendor.throttle_next(2)
        assert [domain.update("markRead", id).status for _ in range(2)] == [429, 429]
        assert not domain.mailbox.messages()[0].read
        assert domain.update("markRead", id).status == 200

    def test_threads_share_one_store(self) -> None:
        domain = Domain(rate=None)
        id = domain.mailbox.deliver(mime())
        made = [domain.mailbox.make_tag(f"tag {number}") for number in range(80)]

        def tag(number: int) -> None:
            for turn in range(20):
                domain.update("addTags", id, tags=[made[20 * number + turn]])

        threads = [threading.Thread(target=tag, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(domain.get(id, "tags")["tags"]) == 80


class TestFolders:
    def test_system_folders_have_fixed_ids_and_localised_names(self, domain: Domain) -> None:
        assert {name: one["id"] for name, one in domain.folders().items()} == {
            "已发送": "1", "收件箱": "2", "垃圾邮件": "3", "草稿": "5", "已删除邮件": "6"
        }  # fmt: skip
        english = domain.vendor.add_mailbox("en@factory.example", client_password=None, language="en")
        assert {folder.name for folder in english.folders()} == {"Sent", "Inbox", "Spam", "Drafts", "Trash"}

    def test_one_call_shows_one_level_with_its_counters(self, domain: Domain) -> None:
        top = domain.mailbox.make_folder("Shipments")
        below = domain.mailbox.make_folder("2026", top)
        domain.mailbox.deliver(mime(), below)
        domain.mailbox.deliver(mime(), below, read=True)
        shown = domain.folders()["Shipments"]
        assert int(shown["id"]) >= 100
        assert (shown["parentFolderId"], shown["childFolderCount"], shown["totalItemCount"]) == ("0", 1, 0)
        (inner,) = domain.folders(top).values()
        assert (inner["id"], inner["parentFolderId"]) == (below, top)
        assert (inner["childFolderCount"], inner["totalItemCount"], inner["unreadItemCount"]) == (0, 2, 1)
        assert domain.mail("GET", "/mailFolders", folderId="99").code == "folder.notFound"

    @pytest.mark.parametrize("key", ["folderId", "folerId", "folder"])
    def test_the_member_that_names_the_parent_is_not_known_for_certain(self, key: str) -> None:
        domain = Domain(folder_parent_key=key)
        top = domain.mail("POST", "/mailFolders", {"displayName": "Shipments"}).json["folder"]["id"]
        made = domain.mail("POST", "/mailFolders", {"displayName": "2026", key: top}).json["folder"]
        assert made["parentFolderId"] == top
        assert domain.vendor.ignored == []
        stray = domain.mail("POST", "/mailFolders", {"displayName": "2027", "parent": top}).json["folder"]
        assert stray["parentFolderId"] == "0"
        assert domain.vendor.ignored == ["POST /v2/users/{u}/mailFolders: parent"]

    def test_folders_are_renamed_moved_and_deleted_with_their_mail_in_the_trash(self, domain: Domain) -> None:
        one, two = domain.mailbox.make_folder("One"), domain.mailbox.make_folder("Two")
        domain.mailbox.deliver(mime(), two)
        assert domain.mail("PATCH", f"/mailFolders/{two}", {"displayName": "Zwei"}).status == 200
        assert domain.mail("POST", f"/mailFolders/{two}/move", {"destinationFolderId": one}).status == 200
        assert list(domain.folders(one)) == ["Zwei"]
        assert domain.mail("DELETE", f"/mailFolders/{one}").code == "folder.notEmpty"
        assert domain.mail("DELETE", f"/mailFolders/{two}").status == 200
        assert [message.folder for message in domain.mailbox.messages()] == [TRASH]
        assert domain.folders(one) == {}

    def test_a_folder_is_never_put_into_itself(self, domain: Domain) -> None:
        one = domain.mailbox.make_folder("One")
        two = domain.mailbox.make_folder("Two", one)
        for target in (one, two):
            assert domain.mail("POST", f"/mailFolders/{one}/move", {"destinationFolderId": target}).code == "1001"

    @pytest.mark.parametrize("name", ["", "  ", "a/b", None, 7])
    def test_a_name_must_be_one(self, domain: Domain, name: Any) -> None:
        assert domain.mail("POST", "/mailFolders", {"displayName": name}).code == "1001"

    def test_a_name_stands_once_in_a_level_and_system_folders_stay(self, domain: Domain) -> None:
        domain.mailbox.make_folder("One")
        assert domain.mail("POST", "/mailFolders", {"displayName": "One"}).code == "folder.exists"
        assert domain.mail("DELETE", "/mailFolders/6").status == 403
        assert domain.mail("PATCH", "/mailFolders/2", {"displayName": "x"}).status == 403


class TestListings:
    def test_the_newest_comes_first_unless_asked_otherwise(self, domain: Domain) -> None:
        ids = _three(domain)
        assert domain.ids() == ids[::-1]
        assert domain.ids(isAscending="true") == ids
        assert domain.ids(orderby="DES") == ids[::-1]

    def test_received_dates_bound_a_listing_on_both_sides(self, domain: Domain) -> None:
        ids = _three(domain)
        stamps = [row["receivedDateTime"] for row in domain.rows(isAscending="true", select="receivedDateTime")]
        assert stamps[1] == "2026-09-21T14:14:20Z"
        assert domain.ids(startTime=stamps[1], isAscending="true") == ids[1:]
        assert domain.ids(endTime=stamps[1], isAscending="true") == ids[:2]
        assert domain.mail("GET", "/mailFolders/2/messages", startTime="2026-09-21T14:14:20").code == "1001"
        assert domain.mail("GET", "/mailFolders/2/messages", endTime="yesterday").code == "1001"

    def test_a_page_has_at_most_a_hundred_rows(self, domain: Domain) -> None:
        for size in ("0", "101", "-1", "x", ""):
            assert domain.mail("GET", "/mailFolders/2/messages", size=size).code == "1001"
        assert domain.mail("GET", "/mailFolders/2/messages", cursor="%%%", size="1").code == "1001"

    def test_cursors_lead_to_the_end_and_shift_when_mail_comes(self, domain: Domain) -> None:
        ids = _three(domain)
        first = domain.mail("GET", "/mailFolders/2/messages", cursor="", size="2").json
        assert first["hasMore"]
        domain.clock.now += 10
        domain.mailbox.deliver(mime())
        second = domain.mail("GET", "/mailFolders/2/messages", cursor=first["nextCursor"], size="2").json
        assert [row["id"] for row in second["messages"]] == [ids[1], ids[0]]  # ids[1] once more
        assert (second["hasMore"], second["nextCursor"]) == (False, "")

    def test_without_select_a_small_default_set_comes(self, domain: Domain) -> None:
        id = domain.mailbox.deliver(mime())
        small = {"id", "mailId", "subject", "summary", "folderId", "isRead", "hasAttachments"}
        assert set(domain.rows()[0]) == small
        assert set(domain.mail("GET", f"/messages/{id}").json["message"]) == small

    @pytest.mark.parametrize("shown", [True, False])
    def test_listings_may_leave_out_headers_and_bodies_silently(self, shown: bool) -> None:
        domain = Domain(headers_in_list=shown, body_in_list=shown)
        id = domain.mailbox.deliver(mime())
        asked = "id,internetMessageHeaders,body"
        (row,) = domain.rows(select=asked)
        assert set(row) == ({"id", "internetMessageHeaders", "body"} if shown else {"id"})
        assert set(domain.get(id, asked)) == {"id", "internetMessageHeaders", "body"}
        assert domain.vendor.ignored == []

    def test_listings_and_counters_follow_after_a_lag_and_reads_at_once(self) -> None:
        domain = Domain(list_lag=30.0)
        ids = [domain.mailbox.deliver(mime()) for _ in range(20)]
        listed = domain.ids(size="100")
        assert 0 < len(listed) < 20
        assert domain.folders()["收件箱"]["totalItemCount"] == len(listed)
        assert all(domain.get(id, "id") for id in ids)
        domain.clock.now += 30
        assert set(domain.ids(size="100")) == set(ids)
        domain.update("markRead", *ids)
        assert 0 < domain.folders()["收件箱"]["unreadItemCount"] < 20


class TestReads:
    def test_every_member_can_be_asked_for(self, domain: Domain) -> None:
        more = "Cc: =?utf-8?b?6ZmI?= <Chen@x.example>\nReply-To: r@x.example\nX-Priority: 1\nX-Mark: 标\n"
        id = domain.mailbox.deliver(mime("报关", more=more))
        names = (
            "id,conversationId,folderId,internetMessageId,subject,priority,from,sender,toRecipients,ccRecipients,"
            "bccRecipients,replyTo,isRead,isReplied,isForwarded,isReadReceiptRequested,hasAttachments,tags,"
            "sentDateTime,receivedDateTime,lastModifiedDateTime,size,sendStatus,body"
        )
        bob = {"email": "Bob@office.example", "name": "Bob"}
        assert domain.get(id, names) == {
            "id": id,
            "conversationId": "one@mail.example",
            "folderId": INBOX,
            "internetMessageId": "<one@mail.example>",
            "subject": "报关",
            "priority": "PRY_HIGH",
            "from": bob,
            "sender": bob,
            "toRecipients": [{"email": ADDRESS, "name": ""}],
            "ccRecipients": [{"email": "Chen@x.example", "name": "陈"}],
            "bccRecipients": [],
            "replyTo": [{"email": "r@x.example", "name": ""}],
            "isRead": False,
            "isReplied": False,
            "isForwarded": False,
            "isReadReceiptRequested": False,
            "hasAttachments": False,
            "tags": [],
            "sentDateTime": "2026-09-21T02:00:00Z",
            "receivedDateTime": "2026-09-21T14:13:20Z",
            "lastModifiedDateTime": "2026-09-21T14:13:20Z",
            "size": len(mime("报关", more=more)),
            "sendStatus": "none",
            "body": {"bodyText": "Good day\r\n", "bodyHtml": ""},
        }
        headers = domain.get(id, "internetMessageHeaders")["internetMessageHeaders"]
        assert headers["Message-ID"] == "<one@mail.example>"
        assert headers["X-Priority"] == "1"

    def test_the_first_of_a_repeated_header_is_shown(self, domain: Domain) -> None:
        id = domain.mailbox.deliver(mime(more="X-Mark: first\nX-Mark: second\n"))
        assert domain.get(id, "internetMessageHeaders")["internetMessageHeaders"]["X-Mark"] == "first"

    @pytest.mark.parametrize(
        ("more", "priority"),
        [("", "PRY_NORMAL"), ("Importance: high\n", "PRY_HIGH"), ("X-Priority: 5 (Lowest)\n", "PRY_LOW")],
    )
    def test_priority_comes_from_the_headers(self, domain: Domain, more: str, priority: str) -> None:
        assert domain.get(domain.mailbox.deliver(mime(more=more)), "priority")["priority"] == priority

    def test_brackets_and_the_form_of_sizes_are_the_tenants_affair(self) -> None:
        domain = Domain(brackets_on_message_id=False, size_as_string=True)
        id = domain.mailbox.deliver(mime())
        assert domain.get(id, "internetMessageId,size") == {
            "internetMessageId": "one@mail.example", "size": str(len(mime()))
        }  # fmt: skip

    @pytest.mark.parametrize("charset", ["gbk", "gb2312", "big5", "utf-8"])
    def test_bodies_in_the_charsets_of_the_trade_are_read(self, domain: Domain, charset: str) -> None:
        text = "提單" if charset == "big5" else "提单"
        letter = mime(more=f"Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: 8bit\n", body="")
        id = domain.mailbox.deliver(letter + text.encode(charset))
        assert text in domain.get(id, "body")["body"]["bodyText"]

    def test_a_mislabelled_chinese_body_is_read_all_the_same(self, domain: Domain) -> None:
        letter = mime(more="Content-Type: text/plain; charset=us-ascii\n", body="")
        id = domain.mailbox.deliver(letter + "報關".encode("gb18030"))
        assert "報關" in domain.get(id, "body")["body"]["bodyText"]

    @pytest.mark.parametrize(
        ("date", "shown"),
        [("21 Sep 2026 10:00:00 -0000", "2026-09-21T10:00:00Z"), ("yesterday", None)],
    )
    def test_a_date_without_a_zone_is_utc_and_a_broken_one_is_none(
        self, domain: Domain, date: str, shown: str | None
    ) -> None:
        letter = mime().replace(b"Mon, 21 Sep 2026 10:00:00 +0800", date.encode())
        assert domain.get(domain.mailbox.deliver(letter), "sentDateTime")["sentDateTime"] == shown

    def test_a_read_may_say_404_for_a_while_although_the_message_is_there(self) -> None:
        domain = Domain(glitch_404=1.0, glitch_seconds=45.0)
        id = domain.mailbox.deliver(mime())
        assert domain.mail("GET", f"/messages/{id}").status == 404
        assert domain.ids() == [id]
        domain.clock.now += 46
        assert domain.mail("GET", f"/messages/{id}").status == 200

    def test_a_read_may_show_the_state_before_the_last_change(self) -> None:
        domain = Domain(get_stale=20.0)
        id = domain.mailbox.deliver(mime())
        domain.update("markRead", id)
        assert {domain.get(id, "isRead")["isRead"] for _ in range(20)} == {True, False}
        domain.clock.now += 20
        assert {domain.get(id, "isRead")["isRead"] for _ in range(19)} == {True}


class TestTruth:
    def test_the_mailbox_is_what_people_see(self, domain: Domain) -> None:
        mailbox: Mailbox = domain.mailbox
        raw = mime(more="In-Reply-To: <zero@x>\nReferences: <root@x> <zero@x>\nX-Tandem-Key: k-1\n")
        mailbox.deliver(raw)
        (held,) = mailbox.messages()
        assert (held.message_id, held.in_reply_to, held.conversation) == ("one@mail.example", "zero@x", "root@x")
        assert (held.sender, held.to, held.cc) == ("bob@office.example", (ADDRESS,), ())
        assert (held.tandem_key, held.by, held.draft, held.received_at) == ("k-1", "person", False, NOW)
        assert (held.subject, held.read, held.flag, held.important) == ("Hello", False, "none", False)

    def test_what_people_do_shows_over_rest(self, domain: Domain) -> None:
        box = domain.mailbox
        id = box.deliver(mime(), box.role("sent"), read=True)
        box.set_read(id, False)
        box.set_flag(id, "complete")
        assert domain.get(id, "isRead,tags") == {"isRead": False, "tags": ["2"]}
        box.set_flag(id, "flagged")
        assert domain.get(id, "tags")["tags"] == ["1"]
        box.set_flag(id, "none")
        copy = box.copy(id, TRASH)
        moved = box.move(id, DRAFTS)
        assert (domain.ids(SENT), domain.ids(TRASH), domain.ids(DRAFTS)) == ([], [copy], [moved])
        box.purge(copy)
        assert domain.mail("GET", f"/messages/{copy}").status == 404

    def test_inline_parts_are_told_from_attachments(self, domain: Domain) -> None:
        domain.mailbox.deliver(with_parts())
        logo, pdf = domain.mailbox.messages()[0].attachments
        assert (logo.inline, logo.content_id, logo.content_type) == (True, "logo@x", "image/png")
        assert (pdf.inline, pdf.name, pdf.size) == (False, "报关.pdf", 11)

    def test_a_persons_reading_sends_no_receipt_of_ours(self, domain: Domain) -> None:
        id = domain.mailbox.deliver(mime(more="Disposition-Notification-To: bob@office.example\n"))
        domain.mailbox.set_read(id, True)
        domain.mailbox.set_read(id, False)
        domain.update("markRead", id)
        assert domain.vendor.receipts == 0

    def test_a_mailbox_stands_once(self, domain: Domain) -> None:
        with pytest.raises(ValueError, match="exists"):
            domain.vendor.add_mailbox(ADDRESS.upper(), client_password=None)


def _three(domain: Domain) -> list[str]:
    """Three messages, a minute apart."""
    ids = []
    for _ in range(3):
        ids.append(domain.mailbox.deliver(mime()))
        domain.clock.now += 60
    return ids
