"""How the simulated Microsoft 365 reads and writes RFC 5322, and what people see of it."""

from __future__ import annotations

import hashlib
from email import message_from_bytes
from email.policy import default

import pytest

from sandbox.microsoft.mime import compose, parse
from sandbox.truth import Stored
from tests.support.corpus import corpus
from tests.support.microsoft import ADDRESS, NOW, Tenant, mime

WHOLE = """\
From: =?gb2312?B?1cXI/Q==?= <zhang@fabrikam.example>
To: "Li, Si" <LI@contoso.example>, ann@contoso.example
Cc: =?utf-8?B?546L5LqU?= <wang@contoso.example>
Subject: =?utf-8?B?5ZCI?=
 =?utf-8?B?5ZCM?=
Message-ID: <whole@mail.example>
In-Reply-To: <root@mail.example>
References: <root@mail.example>
 <second@mail.example>
Date: Mon, 21 Sep 2026 10:00:00 +0800
X-Priority: 1 (Highest)
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="m"

--m
Content-Type: multipart/related; boundary="r"

--r
Content-Type: multipart/alternative; boundary="a"

--a
Content-Type: text/plain; charset=gbk
Content-Transfer-Encoding: base64

xOO6ww==
--a
Content-Type: text/html; charset=utf-8

<p>hi <img src="cid:logo@x"></p>
--a--
--r
Content-Type: image/png; name="logo.png"
Content-ID: <logo@x>
Content-Disposition: inline; filename="logo.png"
Content-Transfer-Encoding: base64

iVBO
--r--
--m
Content-Type: application/pdf; name="=?utf-8?B?5oql5ZGKLnBkZg==?="
Content-Disposition: attachment; filename*=utf-8''%E6%8A%A5%E5%91%8A.pdf
Content-Transfer-Encoding: base64

JVBERg==
--m
Content-Type: message/rfc822

Subject: inner

text
--m
Content-Type: application/octet-stream
Content-Transfer-Encoding: base64

AAAA
--m--
""".replace("\n", "\r\n").encode()


@pytest.fixture
def tenant() -> Tenant:
    return Tenant()


def only(tenant: Tenant) -> Stored:
    (stored,) = tenant.mailbox.messages()
    return stored


class TestReading:
    def test_a_whole_message_is_seen_whole(self, tenant: Tenant) -> None:
        tenant.mailbox.deliver(WHOLE)
        stored = only(tenant)
        assert (stored.subject, stored.sender) == ("合同", "zhang@fabrikam.example")
        assert stored.to == ("li@contoso.example", "ann@contoso.example")
        assert stored.cc == ("wang@contoso.example",)
        assert (stored.message_id, stored.in_reply_to) == ("whole@mail.example", "root@mail.example")
        assert (stored.text, stored.html.strip()) == ("你好", '<p>hi <img src="cid:logo@x"></p>')
        assert stored.sent_at == 1_789_956_000.0
        assert (stored.received_at, stored.important, stored.by) == (NOW, True, "person")
        assert [(a.name, a.inline, a.content_id) for a in stored.attachments] == [
            ("logo.png", True, "logo@x"),
            ("报告.pdf", False, ""),
            ("inner", False, ""),
            ("ATT00003", False, ""),
        ]
        assert stored.attachments[1].sha256 == hashlib.sha256(b"%PDF").hexdigest()

    def test_the_api_tells_item_attachments_from_files(self, tenant: Tenant) -> None:
        id = tenant.mailbox.deliver(WHOLE)
        kinds = [a["@odata.type"] for a in tenant.mail("GET", f"/messages/{id}/attachments").json["value"]]
        assert kinds.count("#microsoft.graph.itemAttachment") == 1
        assert tenant.mail("GET", f"/messages/{id}").json["from"]["emailAddress"]["name"] == "张三"

    @pytest.mark.parametrize("charset", ["utf-8", "gb18030"])
    def test_raw_bytes_in_headers_are_read(self, charset: str) -> None:
        raw = b"From: " + "张三".encode(charset) + b" <z@x.example>\r\nSubject: " + "合同".encode(charset) + b"\r\n\r\n"
        fields = parse(raw, NOW)
        assert (fields["subject"], fields["from_"].name) == ("合同", "张三")

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"\r\n",
            b"Subject: =?nonsense?B?5L2g?=\r\n\r\nx",
            b"From: <<>>\r\nTo: ,,;\r\nDate: never\r\nContent-Type: text/plain; charset=nonsense\r\n\r\n\xff\xfe",
            b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nno end",
            b"Content-Type: message/rfc822\r\n\r\n",
            b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!",
        ],
    )
    def test_broken_mail_still_arrives(self, tenant: Tenant, raw: bytes) -> None:
        id = tenant.mailbox.deliver(raw)
        assert tenant.mail("GET", f"/messages/{id}").status == 200
        assert tenant.mail("GET", f"/messages/{id}/$value").body == raw

    def test_an_invitation_is_a_meeting_message(self, tenant: Tenant) -> None:
        raw = b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"
        id = tenant.mailbox.deliver(raw)
        message = tenant.mail("GET", f"/messages/{id}").json
        assert message["@odata.type"] == "#microsoft.graph.eventMessageRequest"
        assert message["hasAttachments"] is False


class TestWriting:
    def test_what_was_made_by_json_comes_as_good_mime(self, tenant: Tenant) -> None:
        pdf = {
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": "很长的报告 " * 12 + ".pdf",
            "contentType": "application/pdf",
            "contentBytes": "JVBERg==",
        }
        logo = {**pdf, "name": "logo.png", "contentType": "nonsense", "contentId": "logo", "isInline": True}
        made = tenant.make(
            subject="合同 " * 40,
            body={"contentType": "html", "content": "<p>你好 <img src='cid:logo'></p>"},
            toRecipients=[{"emailAddress": {"name": "王五", "address": "wang@contoso.example"}}],
            internetMessageHeaders=[{"name": "X-Note", "value": "yes"}],
            attachments=[pdf, logo],
            importance="high",
            author={"emailAddress": {"name": "张三", "address": "zhang@fabrikam.example"}},
        )
        raw = tenant.mail("GET", f"/messages/{made['id']}/$value").body
        assert b"\n" not in raw.replace(b"\r\n", b"")
        assert raw == tenant.mail("GET", f"/messages/{made['id']}/$value").body
        mail = message_from_bytes(raw, policy=default)
        assert mail["subject"].strip() == ("合同 " * 40).strip()
        assert str(mail["from"].addresses[0]) == "张三 <zhang@fabrikam.example>"
        assert (mail["x-note"], mail["importance"], mail["message-id"]) == ("yes", "high", made["internetMessageId"])
        assert not mail.defects
        fields = parse(raw, NOW)
        assert "你好" in fields["html"]
        assert {a.name: (a.content, a.inline) for a in fields["attachments"]} == {
            pdf["name"]: (b"%PDF", False),
            "logo.png": (b"%PDF", True),
        }

    def test_a_changed_subject_shows_in_the_mime(self, tenant: Tenant) -> None:
        id = tenant.mailbox.deliver(WHOLE)
        tenant.mail("PATCH", f"/messages/{id}", {"subject": "Changed"})
        mail = message_from_bytes(tenant.mail("GET", f"/messages/{id}/$value").body, policy=default)
        assert mail["subject"] == "Changed"
        assert {p.get_filename() for p in mail.walk()} >= {"报告.pdf", "logo.png"}

    def test_an_empty_message_has_a_mime_too(self, tenant: Tenant) -> None:
        tenant.make()
        message = next(iter(tenant.mailbox.store.items.values()))
        assert b"Subject: Plan" in compose(message)


class TestPeople:
    def test_their_acts_show_at_the_api(self, tenant: Tenant) -> None:
        id = tenant.mailbox.deliver(mime(more="X-Tandem-Key: k1\n"), tenant.mailbox.role("sent"), read=True)
        tenant.mailbox.set_flag(id, "complete")
        tenant.mailbox.set_categories(id, ["Red"])
        message = tenant.mail("GET", f"/messages/{id}").json
        assert (message["isRead"], message["flag"], message["categories"]) == (
            True,
            {"flagStatus": "complete"},
            ["Red"],
        )
        copied = tenant.mailbox.copy(id, tenant.mailbox.role("archive"))
        assert copied != id
        assert {m.tandem_key for m in tenant.mailbox.messages()} == {"k1"}
        assert tenant.mailbox.move(id, tenant.mailbox.role("trash")) == id
        tenant.mailbox.purge(id)
        assert [m.id for m in tenant.mailbox.messages()] == [copied]

    def test_what_they_write_is_a_draft(self, tenant: Tenant) -> None:
        tenant.mailbox.deliver(mime(), tenant.mailbox.role("drafts"))
        assert only(tenant).draft is True

    def test_versions_grow_with_every_change(self, tenant: Tenant) -> None:
        id = tenant.mailbox.deliver(mime())
        before = only(tenant)
        tenant.mailbox.set_read(id, True)
        assert only(tenant).version == before.version + 1
        assert ADDRESS in only(tenant).to


def test_a_bounce_is_its_text_and_its_report_as_files() -> None:
    letter = corpus("ann@contoso.example", NOW)["a bounce"]
    fields = parse(letter, NOW)
    assert fields["text"] == "Your message could not be delivered.\r\n"
    report, headers = fields["attachments"]
    assert (report.content_type, report.kind, headers.content_type) == (
        "message/delivery-status",
        "file",
        "text/rfc822-headers",
    )
    assert report.content.startswith(b"Reporting-MTA: dns; mx.supplier.example\r\n\r\nFinal-Recipient:")


def test_an_attached_message_keeps_its_very_bytes() -> None:
    letter = corpus("ann@contoso.example", NOW)["an attached message"]
    (attached,) = parse(letter, NOW)["attachments"]
    assert (attached.kind, attached.name) == ("item", "Old")
    assert attached.content in letter
