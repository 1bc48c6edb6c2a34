"""Attachments and read receipts of the simulated Microsoft 365."""

from __future__ import annotations

import base64
import hashlib
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from sandbox.microsoft import Switches
from tests.support.microsoft import ADDRESS, BOB, PDF, Tenant, mime

RECEIPT = f"Disposition-Notification-To: {ADDRESS}\n"


@pytest.fixture
def tenant() -> Tenant:
    return Tenant()


class TestReceipts:
    def test_reading_a_message_that_asks_for_a_receipt_sends_it_once(self, tenant: Tenant) -> None:
        id = tenant.mailbox.deliver(mime(more=RECEIPT))
        assert tenant.mail("GET", f"/messages/{id}").json["isReadReceiptRequested"] is True
        for read in (True, False, True):
            tenant.mail("PATCH", f"/messages/{id}", {"isRead": read})
        assert tenant.vendor.receipts == 1

    def test_none_is_sent_by_people_flags_moves_or_where_the_mailbox_never_sends(self, tenant: Tenant) -> None:
        ids = [tenant.mailbox.deliver(mime(more=RECEIPT)) for _ in range(3)]
        tenant.mailbox.set_read(ids[0], True)
        tenant.mail("PATCH", f"/messages/{ids[0]}", {"isRead": True})
        tenant.mail("PATCH", f"/messages/{ids[1]}", {"flag": {"flagStatus": "flagged"}})
        tenant.mail("POST", f"/messages/{ids[1]}/move", {"destinationId": "deleteditems"})
        tenant.mailbox.store.sends_receipts = False
        tenant.mail("PATCH", f"/messages/{ids[2]}", {"isRead": True})
        assert tenant.vendor.receipts == 0

    def test_trashing_an_unread_one_may_send_not_read(self) -> None:
        tenant = Tenant(Switches(trash_sends_receipt=True))
        ids = [tenant.mailbox.deliver(mime(more=RECEIPT)) for _ in range(2)]
        tenant.mail("POST", f"/messages/{ids[0]}/move", {"destinationId": "deleteditems"})
        tenant.mailbox.move(ids[1], tenant.mailbox.role("trash"))
        assert tenant.vendor.receipts == 1


class TestAttachments:
    def test_small_ones_are_posted_read_and_removed(self, tenant: Tenant) -> None:
        id = tenant.make(flags=None)["id"]
        made = tenant.mail("POST", f"/messages/{id}/attachments", PDF)
        assert made.status == 201
        assert made.json["contentBytes"] == PDF["contentBytes"]
        listed = tenant.mail("GET", f"/messages/{id}/attachments?$select=name,size").json["value"]
        assert [(a["name"], a["size"], "contentBytes" in a) for a in listed] == [("报告.pdf", 4, False)]
        path = f"/messages/{id}/attachments/{listed[0]['id']}"
        assert tenant.mail("GET", path).json["contentType"] == "application/pdf"
        assert tenant.mail("GET", f"{path}/$value").body == b"%PDF"
        expanded = tenant.mail("GET", f"/messages/{id}?$expand=attachments").json["attachments"]
        assert expanded[0]["@odata.type"] == "#microsoft.graph.fileAttachment"
        assert tenant.mail("DELETE", path).status == 204
        assert tenant.mail("GET", path).code == "ErrorItemNotFound"

    def test_three_megabytes_are_too_much_for_a_post(self, tenant: Tenant) -> None:
        id = tenant.make(flags=None)["id"]
        large = {**PDF, "contentBytes": base64.b64encode(bytes(3 * 1024 * 1024)).decode()}
        assert tenant.mail("POST", f"/messages/{id}/attachments", large).status == 413

    def test_inline_ones_do_not_count_as_attachments(self, tenant: Tenant) -> None:
        inline = {**PDF, "isInline": True, "contentId": "logo"}
        message = tenant.make(attachments=[inline], body={"contentType": "html", "content": "<img src='cid:logo'>"})
        assert message["hasAttachments"] is False
        parsed = message_from_bytes(tenant.mail("GET", f"/messages/{message['id']}/$value").body, policy=default)
        part = next(p for p in parsed.walk() if p["content-id"] == "<logo>")
        assert (part.get_content_disposition(), part.get_filename()) == ("inline", "报告.pdf")

    def test_a_large_one_goes_up_in_pieces_in_order(self, tenant: Tenant) -> None:
        id = tenant.make(flags=None)["id"]
        content = bytes(range(256)) * 4 * 4096
        size, piece = len(content), 2 * 1024 * 1024
        item = {"AttachmentItem": {"attachmentType": "file", "name": "big.bin", "size": size}}
        session = tenant.mail("POST", f"/messages/{id}/attachments/createUploadSession", item)
        assert (session.status, session.json["nextExpectedRanges"]) == (201, ["0-"])
        url = session.json["uploadUrl"].removeprefix("https://graph.microsoft.com")

        def put(start: int, end: int) -> Any:
            header = f"bytes {start}-{end - 1}/{size}"
            type = "application/octet-stream"
            return tenant.call(
                "PUT", url, raw=content[start:end], content_range=header, content_type=type, authorization=""
            )

        assert put(piece, size).status == 416
        assert put(0, piece).json["nextExpectedRanges"] == [str(piece)]
        assert tenant.call("GET", url, authorization="").json["nextExpectedRanges"] == [f"{piece}-"]
        done = put(piece, size)
        assert done.status == 201
        assert "/Attachments('" in done.headers["location"]
        assert put(0, piece).status == 404
        attachment = tenant.mailbox.messages()[0].attachments[0]
        assert attachment.sha256 == hashlib.sha256(content).hexdigest()

    @pytest.mark.parametrize(
        ("changed", "status"),
        [
            ({}, 200),
            ({"authorization": "Bearer token"}, 401),
            ({"content_type": "application/json"}, 400),
            ({"content_range": "bytes 0-99/4194305"}, 400),
            ({"content_range": "bytes 0-98/4194304"}, 400),
            ({"content_range": "bytes 4194300-4194399/4194304"}, 400),
            ({"content_range": "0-99"}, 400),
            ({"content_range": "bytes 100-199/4194304"}, 416),
            ({"raw": bytes(4 * 1024 * 1024), "content_range": "bytes 0-4194303/4194304"}, 413),
        ],
    )
    def test_a_piece_has_to_be_as_announced(self, tenant: Tenant, changed: dict[str, Any], status: int) -> None:
        sent = {
            "raw": bytes(100),
            "content_range": "bytes 0-99/4194304",
            "content_type": "application/octet-stream",
            "authorization": "",
        }
        url = _session(tenant)
        assert tenant.call("PUT", url, **{**sent, **changed}).status == status

    def test_a_session_ends_an_hour_after_its_last_piece_and_can_be_ended_before(self, tenant: Tenant) -> None:
        url, other, type = _session(tenant), _session(tenant), "application/octet-stream"
        assert tenant.call("DELETE", other, authorization="").status == 204
        assert tenant.call("GET", other, authorization="").status == 404
        for first in (0, 100):
            tenant.clock.now += 3000
            span = f"bytes {first}-{first + 99}/4194304"
            answer = tenant.call("PUT", url, raw=bytes(100), content_range=span, content_type=type, authorization="")
            assert answer.status == 200
        tenant.clock.now += 3600
        assert tenant.call("GET", url, authorization="").status == 404

    def test_pieces_count_against_what_a_mailbox_takes_in_five_minutes(self) -> None:
        tenant = Tenant(Switches(upload_per_5_minutes=1000))
        url, type = _session(tenant), "application/octet-stream"
        for first, status in ((0, 200), (600, 429)):
            span = f"bytes {first}-{first + 599}/4194304"
            answer = tenant.call("PUT", url, raw=bytes(600), content_range=span, content_type=type, authorization="")
            assert answer.status == status
        assert answer.headers["retry-after"] == "300"

    def test_what_a_mailbox_takes_in_one_message_is_a_switch(self) -> None:
        tenant = Tenant(Switches(largest_message=100))
        id = tenant.make(flags=None)["id"]
        assert tenant.mail("POST", f"/messages/{id}/attachments", PDF).code == "ErrorMessageSizeExceeded"

    @pytest.mark.parametrize(
        ("item", "code"),
        [
            ({"attachmentType": "file", "name": "x", "size": 100}, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"),
            ({"attachmentType": "file", "name": "x", "size": 2**28}, "ErrorAttachmentSizeLimitExceeded"),
            ({"attachmentType": "item", "name": "x", "size": 2**23}, "ErrorInvalidRequest"),
        ],
    )
    def test_sessions_have_their_limits(self, tenant: Tenant, item: Any, code: str) -> None:
        id = tenant.make(flags=None)["id"]
        path = f"/messages/{id}/attachments/createUploadSession"
        assert tenant.mail("POST", path, {"AttachmentItem": item}).code == code

    def test_late_ones_on_received_messages_are_a_switch(self) -> None:
        tenant = Tenant(Switches(advanced_covers_attachments=True))
        assert tenant.mail("POST", f"/messages/{tenant.make()['id']}/attachments", PDF).code == "ErrorAccessDenied"
        assert tenant.mail("POST", f"/messages/{tenant.make(flags=None)['id']}/attachments", PDF).status == 201

    def test_a_message_can_be_attached(self, tenant: Tenant) -> None:
        item = {
            "@odata.type": "#microsoft.graph.itemAttachment",
            "name": "Forwarded",
            "item": {"@odata.type": "#microsoft.graph.message", "subject": "Inside", "from": BOB},
        }
        id = tenant.make(attachments=[item])["id"]
        parsed = message_from_bytes(tenant.mail("GET", f"/messages/{id}/$value").body, policy=default)
        assert "Inside" in {part["subject"] for part in parsed.walk()}


def _session(tenant: Tenant) -> str:
    """-> the URL of a session for 4 MiB."""
    id = tenant.make(flags=None)["id"]
    item = {"AttachmentItem": {"attachmentType": "file", "name": "big.bin", "size": 4194304}}
    url: str = tenant.mail("POST", f"/messages/{id}/attachments/createUploadSession", item).json["uploadUrl"]
    return url.removeprefix("https://graph.microsoft.com")
