"""The simulated DingTalk mail's REST door: state, moves, deletion, search, attachments and sending."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.alimail import ADDRESS, DRAFTS, INBOX, PDF, SENT, TRASH, Domain, mime, with_parts

ASKS = "Disposition-Notification-To: bob@office.example\n"


@pytest.fixture
def domain() -> Domain:
    return Domain()


class TestState:
    def test_read_state_and_tags_change_for_many_at_once(self, domain: Domain) -> None:
        ids = [domain.mailbox.deliver(mime()) for _ in range(3)]
        assert domain.update("markRead", *ids[:2]).json == {}
        domain.update("addTags", *ids, tags=["1", "11"])
        domain.update("removeTags", ids[0], tags=["1"])
        domain.update("markUnread", ids[1])
        assert [domain.get(id, "isRead,tags") for id in ids] == [
            {"isRead": True, "tags": ["11"]},
            {"isRead": False, "tags": ["1", "11"]},
            {"isRead": False, "tags": ["1", "11"]},
        ]
        assert [held.flag for held in domain.mailbox.messages()] == ["none", "flagged", "flagged"]
        assert all(held.important for held in domain.mailbox.messages())

    @pytest.mark.parametrize("tags", [None, [], "1", [1]])
    def test_tags_are_a_list_of_ids(self, domain: Domain, tags: Any) -> None:
        assert domain.update("addTags", domain.mailbox.deliver(mime()), tags=tags).code == "1001"

    @pytest.mark.parametrize("moves", [True, False])
    def test_whether_state_moves_the_modified_date_is_a_switch(self, moves: bool) -> None:
        domain = Domain(lastmod_on_flag=moves)
        id = domain.mailbox.deliver(mime())
        before = domain.get(id, "lastModifiedDateTime")
        domain.clock.now += 60
        domain.update("markRead", id)
        assert (domain.get(id, "lastModifiedDateTime") != before) == moves

    @pytest.mark.parametrize(("partial", "status", "read"), [("skip", 200, True), ("refuse", 404, False)])
    def test_a_batch_with_an_unknown_id_skips_it_or_is_refused_wholly(
        self, partial: str, status: int, read: bool
    ) -> None:
        domain = Domain(batch_partial=partial)
        id = domain.mailbox.deliver(mime())
        assert domain.update("markRead", "nothing", id).status == status
        assert domain.mailbox.messages()[0].read == read


class TestMoves:
    @pytest.mark.parametrize("keeps", [True, False])
    def test_whether_a_move_keeps_the_id_is_a_switch(self, keeps: bool) -> None:
        domain = Domain(move_keeps_id=keeps)
        id = domain.mailbox.deliver(mime(), read=True)
        assert domain.move(TRASH, id).status == 200
        (after,) = domain.ids(TRASH)
        assert (after == id) == keeps
        assert domain.ids() == []
        assert domain.get(after, "folderId,isRead,internetMessageId") == {
            "folderId": TRASH, "isRead": True, "internetMessageId": "<one@mail.example>"
        }  # fmt: skip

    def test_an_id_that_is_named_twice_moves_once(self) -> None:
        domain = Domain(move_keeps_id=False)
        id = domain.mailbox.deliver(mime())
        domain.move(TRASH, id, id)
        assert len(domain.mailbox.messages()) == 1

    @pytest.mark.parametrize(("noop", "left"), [(True, 1), (False, 0)])
    def test_deletion_is_a_move_into_the_trash_and_there_a_switch(self, noop: bool, left: int) -> None:
        domain = Domain(delete_twice_noop=noop)
        id = domain.mailbox.deliver(mime())
        assert domain.delete(id).status == 200
        assert domain.ids(TRASH) == [id]
        assert domain.delete(id).status == 200
        assert len(domain.ids(TRASH)) == left


class TestReceipts:
    def test_marking_read_what_asks_for_a_receipt_counts_once(self, domain: Domain) -> None:
        id = domain.mailbox.deliver(mime(more=ASKS))
        assert domain.get(id, "isReadReceiptRequested")["isReadReceiptRequested"]
        for action in ("markRead", "markUnread", "markRead"):
            domain.update(action, id)
        assert domain.vendor.receipts == 1

    def test_what_asks_for_none_and_what_was_sent_from_here_count_nothing(self, domain: Domain) -> None:
        domain.update("markRead", domain.mailbox.deliver(mime()))
        domain.update("markRead", domain.mailbox.deliver(mime(more=ASKS), SENT))
        domain.update("addTags", domain.mailbox.deliver(mime(more=ASKS)), tags=["1"])
        assert domain.vendor.receipts == 0

    def test_reading_may_send_none(self) -> None:
        domain = Domain(read_sends_receipt=False)
        domain.update("markRead", domain.mailbox.deliver(mime(more=ASKS)))
        assert domain.vendor.receipts == 0

    @pytest.mark.parametrize(("sends", "receipts"), [(False, 0), (True, 2)])
    def test_deleting_unread_may_send_one(self, sends: bool, receipts: int) -> None:
        domain = Domain(trash_sends_receipt=sends)
        unread = [domain.mailbox.deliver(mime(more=ASKS)) for _ in range(2)]
        domain.delete(unread[0])
        domain.move(TRASH, unread[1], domain.mailbox.deliver(mime(more=ASKS), read=True))
        assert domain.vendor.receipts == receipts


class TestSearch:
    def test_terms_narrow_by_folder_state_tag_and_date(self, domain: Domain) -> None:
        old = domain.mailbox.deliver(mime(), read=True)
        domain.clock.now += 60
        new = domain.mailbox.deliver(mime(), TRASH)
        domain.update("addTags", new, tags=["1"])
        at = domain.get(new, "receivedDateTime")["receivedDateTime"]
        assert domain.search("folderId:2 AND isRead:true") == [old]
        assert domain.search("isRead:false") == [new]
        assert domain.search('tag:"1"') == [new]
        assert domain.search(f"date>={at}") == [new]
        assert domain.search(f"date>{at}") == []
        assert domain.search(f"date<{at}") == [old]
        assert domain.search(f"date<={at}") == [new, old]

    @pytest.mark.parametrize("text", ["internetMessageId:x", "lastModified>2026-01-01T00:00:00Z", "date>2026", "word"])
    def test_there_is_no_key_for_message_ids_or_changes(self, domain: Domain, text: str) -> None:
        assert domain.mail("POST", "/messages/query", {"query": text, "cursor": "", "size": 10}).code == "1001"

    def test_pages_end_with_a_dollar(self, domain: Domain) -> None:
        ids = {domain.mailbox.deliver(mime()) for _ in range(3)}
        first = domain.mail("POST", "/messages/query", {"query": "isRead:false", "cursor": "", "size": 2}).json
        body = {"query": "isRead:false", "cursor": first["nextCursor"], "size": 2}
        second = domain.mail("POST", "/messages/query", body).json
        assert (first["total"], second["nextCursor"]) == (3, "$")
        assert {row["id"] for row in first["messages"] + second["messages"]} == ids

    def test_the_index_may_lag(self) -> None:
        domain = Domain(search_lag=60.0)
        ids = {domain.mailbox.deliver(mime()) for _ in range(20)}
        assert 0 < len(domain.search("isRead:false")) < 20
        assert set(domain.ids()) == ids
        domain.clock.now += 60
        assert set(domain.search("isRead:false")) == ids


class TestAttachments:
    def test_they_are_listed_with_their_types(self, domain: Domain) -> None:
        id = domain.mailbox.deliver(with_parts())
        assert domain.get(id, "hasAttachments")["hasAttachments"]
        assert domain.mail("GET", f"/messages/{id}/attachments").json == {
            "attachments": [
                {
                    "id": "A1",
                    "name": "attachment1",
                    "size": 4,
                    "isInline": True,
                    "contentId": "logo@x",
                    "extHeaders": {"Content-Type": "image/png"},
                },
                {
                    "id": "A2",
                    "name": "报关.pdf",
                    "size": len(PDF),
                    "isInline": False,
                    "contentId": "",
                    "extHeaders": {"Content-Type": "application/pdf"},
                },
            ]
        }

    @pytest.mark.parametrize(
        ("how", "status", "prefix"),
        [
            ("relative", 302, "/v2/stream/"),
            ("absolute", 302, "https://stream.example/v2/stream/"),
            ("json", 200, "/v2"),
        ],
    )
    def test_the_value_is_a_stream_that_needs_no_token(self, how: str, status: int, prefix: str) -> None:
        domain = Domain(stream=how)
        id = domain.mailbox.deliver(with_parts())
        answer = domain.mail("GET", f"/messages/{id}/attachments/A2/$value")
        assert answer.status == status
        location = answer.json["location"] if how == "json" else answer.headers["location"]
        assert location.startswith(prefix)
        path = location.removeprefix("https://stream.example")
        stream = domain.call("GET", path, authorization="")
        assert (stream.status, stream.body) == (200, PDF)
        assert domain.call("GET", path).status == 200

    def test_a_stream_may_be_good_for_one_reading(self) -> None:
        domain = Domain(stream_once=True)
        id = domain.mailbox.deliver(with_parts())
        path = domain.mail("GET", f"/messages/{id}/attachments/A2/$value").headers["location"]
        assert [domain.call("GET", path).status for _ in range(2)] == [200, 404]

    def test_what_is_not_there_is_404(self, domain: Domain) -> None:
        id = domain.mailbox.deliver(with_parts())
        assert domain.mail("GET", f"/messages/{id}/attachments/A9/$value").code == "attachment.notFound"
        assert domain.call("GET", "/v2/stream/s9").code == "stream.notFound"

    @pytest.mark.parametrize(("shown", "names"), [(False, 2), (True, 3)])
    def test_an_attached_message_counts_but_may_not_be_listed(self, shown: bool, names: int) -> None:
        domain = Domain(shows_rfc822=shown)
        id = domain.mailbox.deliver(with_parts(attached=True))
        assert domain.get(id, "hasAttachments")["hasAttachments"]
        assert len(domain.mail("GET", f"/messages/{id}/attachments").json["attachments"]) == names
        assert len(domain.mailbox.messages()[0].attachments) == 3

    def test_a_picture_in_the_text_alone_is_no_attachment(self, domain: Domain) -> None:
        whole = with_parts()
        letter = whole[: whole.index(b"--B\r\nContent-Type: application/pdf")] + b"--B--\r\n"
        assert not domain.get(domain.mailbox.deliver(letter), "hasAttachments")["hasAttachments"]


class TestSending:
    def draft(self, domain: Domain, **members: Any) -> str:
        message = {
            "internetMessageId": "<mine@x>",
            "subject": "报价",
            "priority": "PRY_HIGH",
            "toRecipients": [{"name": "陈", "email": "chen@x.example"}],
            "replyTo": [{"email": "r@x.example"}],
            "body": {"bodyText": "text", "bodyHtml": "<p>html</p>"},
            "internetMessageHeaders": {"X-Mark": "m"},
            "isReadReceiptRequested": True,
            "tags": ["1"],
            **members,
        }
        answer = domain.mail("POST", "/messages", {"message": message}, select="id,folderId")
        assert answer.json["message"]["folderId"] == DRAFTS
        return str(answer.json["message"]["id"])

    def test_a_draft_holds_what_it_was_given(self, domain: Domain) -> None:
        id = self.draft(domain)
        shown = domain.get(
            id, "subject,priority,from,toRecipients,replyTo,body,tags,isRead,isReadReceiptRequested,sendStatus"
        )
        assert shown == {
            "subject": "报价",
            "priority": "PRY_HIGH",
            "from": {"email": ADDRESS, "name": ""},
            "toRecipients": [{"name": "陈", "email": "chen@x.example"}],
            "replyTo": [{"name": "", "email": "r@x.example"}],
            "body": {"bodyText": "text\r\n", "bodyHtml": "<p>html</p>\r\n"},
            "tags": ["1"],
            "isRead": True,
            "isReadReceiptRequested": True,
            "sendStatus": "none",
        }
        assert domain.mailbox.messages()[0].draft

    def test_the_sent_copy_is_another_message_and_is_counted(self, domain: Domain) -> None:
        id = self.draft(domain)
        assert domain.mail("POST", f"/messages/{id}/send", {"saveToSentItems": True}).json == {}
        assert domain.vendor.sent_mail == 1
        assert domain.ids(DRAFTS) == []
        (sent,) = domain.ids(SENT)
        assert sent != id
        shown = domain.get(sent, "internetMessageId,internetMessageHeaders,sendStatus")
        assert shown["internetMessageId"] != "<mine@x>"
        assert shown["internetMessageHeaders"]["X-Mark"] == "m"
        assert shown["sendStatus"] == "posting"
        domain.clock.now += 5
        assert domain.get(sent, "sendStatus")["sendStatus"] == "success"

    def test_no_copy_is_kept_when_none_is_asked_for(self, domain: Domain) -> None:
        domain.mail("POST", f"/messages/{self.draft(domain)}/send", {"saveToSentItems": False})
        assert domain.vendor.sent_mail == 1
        assert domain.mailbox.messages() == []

    def test_only_a_draft_with_recipients_can_be_sent(self, domain: Domain) -> None:
        received = domain.mailbox.deliver(mime(), INBOX)
        assert domain.mail("POST", f"/messages/{received}/send", {}).code == "message.notDraft"
        alone = self.draft(domain, toRecipients=[])
        assert domain.mail("POST", f"/messages/{alone}/send", {}).code == "1001"
        assert domain.vendor.sent_mail == 0
