"""Graph's JSON to records and back, value by value."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from shared.model.mail import Address, Attachment, Item, Message, Row
from shared.model.words import Flag
from shared.outlook import mapping

AT = 1_790_000_000.0
TEXT = "2026-09-21T14:13:20Z"

WHOLE: dict[str, Any] = {
    "@odata.etag": 'W/"CQ1"',
    "id": "AAk=",
    "parentFolderId": "F1",
    "isRead": True,
    "flag": {"flagStatus": "flagged"},
    "receivedDateTime": TEXT,
    "internetMessageId": "<One@Mail.example>",
    "subject": "季度报告",
    "from": {"emailAddress": {"name": "王小明", "address": "Wang@Contoso.example"}},
    "toRecipients": [{"emailAddress": {"name": "Ann", "address": "Ann@Contoso.example"}}],
    "ccRecipients": [{"emailAddress": {"address": "bob@fabrikam.example"}}, {"emailAddress": {"name": "no address"}}],
    "isDraft": True,
    "isReadReceiptRequested": True,
    "changeKey": "CQ1",
    "singleValueExtendedProperties": [
        {"id": mapping.KEY.upper().replace("NAME TANDEMKEY", "Name TandemKey"), "value": "key-1"},
        {"id": "integer 0xe08", "value": "4711"},
    ],
}


def test_an_item_holds_what_a_read_shows() -> None:
    assert mapping.item(WHOLE) == Item(
        id="AAk=",
        folder="F1",
        read=True,
        flag="flagged",
        received=AT,
        message_id="One@Mail.example",
        subject="季度报告",
        sender="wang@contoso.example",
        recipients=("ann@contoso.example", "bob@fabrikam.example"),
        size=4711,
        key="key-1",
        version='W/"CQ1"',
        draft=True,
        wants_receipt=True,
    )


@pytest.mark.parametrize("value", [{"id": "A"}, dict.fromkeys(WHOLE) | {"id": "A", "@odata.etag": ""}])
def test_what_is_missing_or_null_is_empty(value: dict[str, Any]) -> None:
    assert mapping.item(value) == Item("A", "", False, "none", 0.0, "")


def test_the_original_message_id_comes_before_the_one_that_the_vendor_wrote() -> None:
    ours = [{"id": mapping.ORIGINAL_ID.lower(), "value": "original@x"}]
    assert mapping.item({**WHOLE, "singleValueExtendedProperties": ours}).message_id == "original@x"


def test_a_version_is_made_from_the_change_key_where_the_tag_is_missing() -> None:
    assert mapping.version({"changeKey": "CQ2"}) == 'W/"CQ2"'
    assert mapping.version({"@odata.etag": 'W/"CQ1"', "changeKey": "CQ2"}) == 'W/"CQ1"'
    assert mapping.version({}) == ""


@pytest.mark.parametrize(("size", "read"), [("12", 12), ("", None), ("1.5", None)])
def test_a_size_that_is_no_number_is_unknown(size: str, read: int | None) -> None:
    value = {"id": "A", "singleValueExtendedProperties": [{"id": mapping.SIZE, "value": size}]}
    assert mapping.item(value).size == read


def test_a_row_is_a_hint_from_its_folder() -> None:
    value = {"id": "A", "isRead": False, "flag": {"flagStatus": "complete"}, "receivedDateTime": TEXT}
    assert mapping.row(value, "F2") == Row("A", "F2", False, "complete", AT)
    assert mapping.row({**value, "parentFolderId": "F3"}, "F2").folder == "F3"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (TEXT, AT),
        ("2026-09-21T14:13:20.5Z", AT + 0.5),
        ("2026-09-21T14:13:20.0000000Z", AT),
        ("2026-09-21T14:13:20", AT),
        ("2026-09-21T22:13:20+08:00", AT),
        ("", 0.0),
        (None, 0.0),
    ],
)
def test_times_are_read_as_utc(text: str | None, at: float) -> None:
    assert mapping.epoch(text) == at


@pytest.mark.parametrize(
    ("at", "text"),
    [(AT, TEXT), (AT + 0.9, TEXT), (-5.0, "1970-01-01T00:00:00Z"), (1e15, "9999-12-31T23:59:59Z")],
)
def test_times_are_written_in_whole_seconds_and_within_what_a_mailbox_holds(at: float, text: str) -> None:
    assert mapping.iso(at) == text


@pytest.mark.parametrize(("flag", "text"), mapping.TO_GRAPH.items())
def test_flags_cross_both_ways(flag: Flag, text: str) -> None:
    assert mapping.flag_of({"flag": {"flagStatus": text}}) == flag
    assert mapping.creating(plain(), False, flag, "k")["flag"] == {"flagStatus": text}


@pytest.mark.parametrize("value", [{}, {"flag": None}, {"flag": {}}, {"flag": {"flagStatus": "new word"}}])
def test_an_unknown_flag_is_none(value: dict[str, Any]) -> None:
    assert mapping.flag_of(value) == "none"


# ---- from the bytes
MIME = (
    b"From: =?utf-8?b?546L77yM5bCP5piO?= <Wang@Contoso.example>\r\n"
    b"Sender: desk@contoso.example\r\n"
    b'To: "Lee, Ann" <ann@contoso.example>, bob@fabrikam.example\r\n'
    b"Cc: undisclosed-recipients:;\r\n"
    b"Bcc: eve@fabrikam.example\r\n"
    b"Reply-To: =?gb2312?B?1dc=?= <r@contoso.example>\r\n"
    b"Subject: =?utf-8?b?5a2j5bqm5oql5ZGK?=\r\n"
    b"Date: Mon, 21 Sep 2026 22:13:20 +0800\r\n"
    b"Message-ID: <in-the-bytes@x>\r\n"
    b"In-Reply-To: <root@x>\r\n"
    b"References: <root@x>\r\n <second@x>\r\n"
    b"Importance: High\r\n"
    b"\r\nBody\r\n"
)


def shown(message_id: str = "", **more: Any) -> Item:
    """What a read by id said of it."""
    return Item("AAk=", "F1", False, "none", AT, message_id, **more)


def test_a_message_on_its_way_is_its_bytes_and_what_their_header_says() -> None:
    message = mapping.message(MIME, shown("as-read@x", importance="high"))
    assert message.mime == MIME
    assert (message.message_id, message.received, message.sent) == ("as-read@x", AT, AT)
    assert message.subject == "季度报告"
    assert message.from_ == Address("王，小明", "Wang@Contoso.example")
    assert message.sender == Address("", "desk@contoso.example")
    assert message.to == (Address("Lee, Ann", "ann@contoso.example"), Address("", "bob@fabrikam.example"))
    assert (message.cc, message.bcc) == ((), (Address("", "eve@fabrikam.example"),))
    assert message.reply_to == (Address("兆", "r@contoso.example"),)
    assert (message.in_reply_to, message.references) == ("<root@x>", "<root@x> <second@x>")
    assert (message.importance, message.attachments, message.text, message.html) == ("high", (), "", "")


@pytest.mark.parametrize("mime", [b"", b"\r\n\r\nx", b"Date: never\r\nTo: \r\nFrom: <>\r\nImportance: odd\r\n\r\nx"])
def test_a_header_without_anything_in_it_gives_an_empty_message(mime: bytes) -> None:
    message = mapping.message(mime, shown())
    assert (message.from_, message.sender, message.to, message.sent) == (None, None, (), None)
    assert (message.subject, message.importance) == ("", "normal")


def test_a_date_without_a_zone_is_utc_and_the_author_is_the_sender_where_none_is_named() -> None:
    message = mapping.message(b"Date: Mon, 21 Sep 2026 14:13:20 -0000\r\nFrom: a@x.example\r\n\r\n", shown())
    assert message.sent == AT
    assert message.sender == Address("", "a@x.example")


@pytest.mark.parametrize("broken", [b"To: =?utf-8?b?\xff", b"Subject: \xff\xfe", b"To: (((", b"Date: Mon, 99 Foo"])
def test_a_broken_header_stops_nothing(broken: bytes) -> None:
    assert mapping.message(broken + b"\r\n\r\nx", shown("m@x")).message_id == "m@x"


def test_a_header_that_the_library_cannot_take_apart_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    class Head(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            raise IndexError

    assert mapping._header(Head(), "to") == ""  # type: ignore[arg-type]


# ---- to the creating POST
def plain(**changes: Any) -> Message:
    ann = Address("Ann", "ann@contoso.example")
    message = Message(
        message_id="m@x",
        subject="你好",
        sender=None,
        from_=Address("王小明", "wang@contoso.example"),
        to=(ann,),
        cc=(),
        bcc=(),
        reply_to=(),
        sent=AT - 60,
        received=AT,
        in_reply_to="",
        references="",
        text="text",
        html="",
        attachments=(),
    )
    return replace(message, **changes)


def properties(message: Message, read: bool = False, key: str = "k") -> dict[str, str]:
    made = mapping.creating(message, read, "none", key)["singleValueExtendedProperties"]
    return {one["id"]: one["value"] for one in made}


def test_the_creating_post_holds_everything_at_once() -> None:
    bob = Address("", "bob@fabrikam.example")
    message = plain(cc=(bob,), bcc=(bob,), reply_to=(bob,), html="<p>你好</p>", importance="high", sender=bob)
    bob_json = {"emailAddress": {"name": "bob@fabrikam.example", "address": "bob@fabrikam.example"}}
    made = mapping.creating(message, True, "complete", "k", ["红"])
    made.pop("singleValueExtendedProperties")
    assert made == {
        "subject": "你好",
        "body": {"contentType": "html", "content": "<p>你好</p>"},
        "from": {"emailAddress": {"name": "王小明", "address": "wang@contoso.example"}},
        "sender": bob_json,
        "toRecipients": [{"emailAddress": {"name": "Ann", "address": "ann@contoso.example"}}],
        "ccRecipients": [bob_json],
        "bccRecipients": [bob_json],
        "replyTo": [bob_json],
        "importance": "high",
        "isRead": True,
        "flag": {"flagStatus": "complete"},
        "internetMessageId": "<m@x>",
        "attachments": [],
        "categories": ["红"],
    }


def test_dates_thread_key_and_state_stand_in_properties() -> None:
    message = plain(in_reply_to="<root@x>", references="<root@x> <two@x>")
    assert properties(message, read=True) == {
        "Integer 0x0E07": "1",
        "SystemTime 0x0E06": TEXT,
        "SystemTime 0x0039": "2026-09-21T14:12:20Z",
        "String 0x1042": "<root@x>",
        "String 0x1039": "<root@x> <two@x>",
        mapping.KEY: "k",
        mapping.ORIGINAL_ID: "m@x",
    }


@pytest.mark.parametrize(
    ("marks", "verb"),
    [
        ({}, None),
        ({"answered": True}, "102"),
        ({"forwarded": True}, "104"),
        ({"answered": True, "forwarded": True}, "102"),
    ],
)
def test_a_copy_is_answered_or_forwarded_as_its_original_was(marks: dict[str, bool], verb: str | None) -> None:
    assert properties(plain(**marks)).get("Integer 0x1081") == verb


@pytest.mark.parametrize(
    ("verb", "answered", "forwarded"),
    [("102", True, False), ("103", True, False), ("104", False, True), ("101", False, False)],
)
def test_the_last_verb_says_whether_a_message_was_answered(verb: str, answered: bool, forwarded: bool) -> None:
    item = mapping.item({**WHOLE, "singleValueExtendedProperties": [{"id": "Integer 0x1081", "value": verb}]})
    assert (item.answered, item.forwarded) == (answered, forwarded)


@pytest.mark.parametrize(("read", "flags"), [(True, "1"), (False, "0")])
def test_the_message_flags_never_say_draft(read: bool, flags: str) -> None:
    assert properties(plain(), read=read)["Integer 0x0E07"] == flags


def test_a_message_without_a_date_was_sent_when_it_came() -> None:
    assert properties(plain(sent=None))["SystemTime 0x0039"] == TEXT


def test_what_a_message_does_not_have_is_left_out() -> None:
    made = mapping.creating(plain(from_=None, message_id="", text=""), False, "none", "k")
    assert not {"from", "sender", "internetMessageId"} & made.keys()
    assert made["body"] == {"contentType": "text", "content": ""}
    assert not {mapping.ORIGINAL_ID, "String 0x1042"} & properties(plain(message_id="")).keys()


def test_a_copy_never_asks_for_a_receipt_and_is_never_said_to_be_a_draft() -> None:
    made = mapping.creating(plain(), False, "none", "k")
    assert not {"isReadReceiptRequested", "isDeliveryReceiptRequested", "isDraft", "internetMessageHeaders"} & set(made)


@pytest.mark.parametrize("address", ["", "undisclosed-recipients:;", "a b@x.example", "<a@x.example>", "nobody"])
def test_a_recipient_that_is_no_address_does_not_stop_the_message(address: str) -> None:
    odd = (Address("odd", address), Address("", "ok@x.example"))
    made = mapping.creating(plain(to=odd), False, "none", "k")["toRecipients"]
    assert [one["emailAddress"]["address"] for one in made] == ["ok@x.example"]


def test_attachments_cross_byte_for_byte_with_their_place_in_the_body() -> None:
    content = bytes(range(256))
    files = (Attachment("图.png", "image/png", content, True, "img1"), Attachment("", "", b""))
    first, second = mapping.creating(plain(attachments=files), False, "none", "k")["attachments"]
    assert first == {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": "图.png",
        "contentType": "image/png",
        "contentBytes": base64.b64encode(content).decode(),
        "isInline": True,
        "contentId": "img1",
    }
    assert (second["name"], second["contentType"]) == ("attachment", "application/octet-stream")
    assert (second["contentBytes"], second["isInline"], "contentId" in second) == ("", False, False)
