"""Alimail's JSON as records, by tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.dingtalk import mapping
from shared.dingtalk.folders import walk
from shared.model.mail import Address, Attachment, Folder, Item, Row

NOON = 1727784000.0  # 2024-10-01T12:00:00Z


def test_a_row_with_everything_and_a_row_with_nothing() -> None:
    full = {
        "id": "D1",
        "folderId": "104",
        "isRead": True,
        "tags": ["1"],
        "receivedDateTime": "2024-10-01T12:00:00Z",
        "internetMessageId": " <a@b> ",
        "mailId": "unknown member",
    }
    assert mapping.row(full) == Row("D1", "104", True, "flagged", NOON, "a@b")
    empty = dict.fromkeys(("folderId", "isRead", "tags", "receivedDateTime", "internetMessageId"))
    assert mapping.row({"id": "D1", **empty}) == mapping.row({"id": "D1"}) == Row("D1", "", False, "none", 0.0, "")


@pytest.mark.parametrize(
    ("tags", "flag"),
    [
        (None, "none"),
        ([], "none"),
        (["11", "104"], "none"),
        (["1"], "flagged"),
        ([1], "flagged"),
        (["2"], "complete"),
        (["1", "2"], "complete"),
    ],
)
def test_the_green_tick_wins_over_the_red_flag(tags: Any, flag: str) -> None:
    assert mapping.flag(tags) == flag


@pytest.mark.parametrize(("was", "to"), list(mapping.TAG_STEPS))
@pytest.mark.parametrize("both", [False, True])
def test_every_way_between_two_flags_ends_there_and_shows_only_them_on_the_way(was: str, to: str, both: bool) -> None:
    tags = {"none": {"11"}, "flagged": {"11", "1"}, "complete": {"11", "2"} | ({"1"} if both else set())}[was]
    for action, named in mapping.TAG_STEPS[was, to]:  # type: ignore[index]
        tags = tags | set(named) if action == "addTags" else tags - set(named)
        assert mapping.flag(sorted(tags)) in (was, to)
    assert mapping.flag(sorted(tags)) == to
    assert "11" in tags


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-10-01T12:00:00Z", NOON),
        ("2024-10-01T12:00:00", NOON),
        ("2024-10-01T12:00:00.500Z", NOON + 0.5),
        ("2024-10-01T20:00:00+08:00", NOON),
        ("", None),
        (None, None),
        ("soon", None),
    ],
)
def test_times_are_utc_whatever_their_spelling(text: Any, seconds: float | None) -> None:
    assert mapping.epoch(text) == seconds


def test_times_go_out_as_whole_utc_seconds() -> None:
    assert mapping.stamp(NOON + 0.9) == "2024-10-01T12:00:00Z"


def test_an_item_says_who_wrote_to_whom_in_bare_lower_case() -> None:
    shown = mapping.item(
        {
            "id": "D1",
            "folderId": "5",
            "receivedDateTime": "2024-10-01T12:00:00Z",
            "internetMessageId": "a@b",
            "internetMessageHeaders": {"x-tandem-KEY": " k ", "Received": ["x", "y"]},
            "subject": "报价",
            "from": {"email": "Li@Example.CN", "name": "李"},
            "toRecipients": [{"email": "A@x.cn"}, {"email": None}, None],
            "ccRecipients": [{"email": "b@X.cn"}],
            "size": "1234",
            "isReadReceiptRequested": True,
        }
    )
    expected = Item("D1", "5", False, "none", NOON, "a@b", "报价", "li@example.cn", ("a@x.cn", "b@x.cn"), 1234, "k")
    assert shown == replace(expected, draft=True, wants_receipt=True)


@pytest.mark.parametrize(("size", "number"), [(5, 5), ("5", 5), (None, None), ("", None), ("5 KB", None), (0, None)])
def test_size_comes_as_a_number_or_as_text(size: Any, number: int | None) -> None:
    assert mapping.item({"id": "D1", "size": size}).size == number


@pytest.mark.parametrize(
    ("members", "asks"),
    [
        ({}, False),
        ({"isReadReceiptRequested": True}, True),
        ({"internetMessageHeaders": {"disposition-notification-to": "a@b"}}, True),
        ({"internetMessageHeaders": {"X-Tandem-Disposition-Notification-To": "a@b"}}, False),
    ],
)
def test_a_message_asks_for_a_receipt_by_member_or_by_header(members: dict[str, Any], asks: bool) -> None:
    assert mapping.item({"id": "D1", **members}).wants_receipt is asks


@pytest.mark.parametrize(
    ("headers", "key"), [(None, None), ({}, None), ({"Subject": "s"}, ""), ({"X-TANDEM-KEY": "k"}, "k")]
)
def test_a_listing_without_headers_says_nothing_about_the_key(headers: Any, key: str | None) -> None:
    assert mapping.key({"id": "D1", "internetMessageHeaders": headers}) == key


def test_a_whole_message() -> None:
    shown = mapping.message(
        {
            "id": "D1",
            "internetMessageId": "<a@b>",
            "subject": "报价",
            "from": {"email": "Li@x.cn", "name": "李"},
            "sender": {"email": "assistant@x.cn", "name": ""},
            "toRecipients": [{"email": "w@x.cn", "name": "王"}],
            "bccRecipients": None,
            "replyTo": {"email": "r@x.cn", "name": "R"},
            "sentDateTime": "2024-10-01T11:59:00Z",
            "receivedDateTime": "2024-10-01T12:00:00Z",
            "priority": "PRY_LOW",
            "body": {"bodyText": "t", "bodyHtml": "<p>t</p>"},
            "internetMessageHeaders": {"IN-REPLY-TO": "<p@b>", "References": "<o@b> <p@b>"},
        },
        (),
    )
    assert (shown.from_, shown.sender) == (Address("李", "Li@x.cn"), Address("", "assistant@x.cn"))
    assert (shown.to, shown.cc, shown.bcc) == ((Address("王", "w@x.cn"),), (), ())
    assert shown.reply_to == (Address("R", "r@x.cn"),)
    assert (shown.sent, shown.received, shown.importance) == (NOON - 60, NOON, "low")
    assert (shown.in_reply_to, shown.references) == ("<p@b>", "<o@b> <p@b>")
    assert (shown.text, shown.html, shown.mime) == ("t", "<p>t</p>", None)


@pytest.mark.parametrize("members", [{}, {"isReplied": None}, {"isReplied": True}, {"isForwarded": True}])
def test_a_message_says_whether_it_was_answered_or_forwarded(members: dict[str, Any]) -> None:
    shown = mapping.message({"id": "D1", **members}, ())
    assert (shown.answered, shown.forwarded) == (bool(members.get("isReplied")), "isForwarded" in members)


TAGS = {"200": "海关", "201": "Urgent", "202": "Urgent"}


def test_own_tags_are_categories_and_well_known_ones_are_not() -> None:
    listed = [{"id": "1", "name": "Follow up"}, {"id": 200, "name": " 海关 "}, {"id": "203", "name": None}, {}]
    assert mapping.own_tags(listed) == {"200": "海关"}
    assert mapping.row({"id": "D1", "tags": ["1", "201", "200", "999"]}, TAGS).categories == ("Urgent", "海关")
    assert mapping.item({"id": "D1", "tags": ["200"]}, TAGS).categories == ("海关",)
    assert mapping.item({"id": "D1", "tags": ["200"]}).categories == ()


@pytest.mark.parametrize(
    ("was", "now", "steps"),
    [
        ((), (), []),
        ((), ("海关", "Urgent"), [("addTags", ("200", "201"))]),
        (("Urgent",), ("海关",), [("addTags", ("200",)), ("removeTags", ("201", "202"))]),
        (("海关",), ("海关", "no tag"), []),
    ],
)
def test_categories_are_set_by_the_tags_that_differ(was: Any, now: Any, steps: Any) -> None:
    assert mapping.tag_steps(TAGS, was, now) == steps


@pytest.mark.parametrize(
    ("members", "importance"),
    [
        ({}, "normal"),
        ({"priority": "PRY_NORMAL"}, "normal"),
        ({"priority": "PRY_HIGH"}, "high"),
        ({"priority": "PRY_LOW", "tags": ["11"]}, "high"),
    ],
)
def test_the_star_is_high_importance(members: dict[str, Any], importance: str) -> None:
    assert mapping.message({"id": "D1", **members}, ()).importance == importance


@pytest.mark.parametrize(
    ("shown", "attachment"),
    [
        (
            {
                "name": "a.png",
                "extHeaders": {"Content-Type": "IMAGE/PNG; x=y"},
                "isInline": True,
                "contentId": "<c1>",
            },
            Attachment("a.png", "image/png", b"x", True, "c1"),
        ),
        ({"name": "a.pdf", "contentType": "application/pdf"}, Attachment("a.pdf", "application/pdf", b"x")),
        ({"name": None, "extHeaders": None}, Attachment("attachment", "application/octet-stream", b"x")),
        ({"name": "meeting.ics", "contentType": "text/calendar"}, Attachment("invite.ics", "application/ics", b"x")),
    ],
)
def test_attachments_know_their_type_from_the_best_place(shown: dict[str, Any], attachment: Attachment) -> None:
    assert mapping.attachment(shown, b"x") == attachment


FOLDERS: dict[str | None, list[dict[str, Any]]] = {
    None: [
        {"id": "2", "displayName": "inbox", "childFolderCount": 1, "totalItemCount": 3, "unreadItemCount": None},
        {"id": "6", "displayName": "已删除邮件", "childFolderCount": 0},
        {"id": "100", "displayName": "Archive"},
        {"id": "101", "displayName": "归档"},
    ],
    "2": [{"id": 104, "displayName": "cafe\u0301", "childFolderCount": 1}],
    "104": [{"id": "2", "displayName": "a loop", "childFolderCount": 1}, {"id": "105", "displayName": "归档"}],
}


def test_the_tree_is_walked_level_by_level_and_only_where_there_are_children() -> None:
    asked: list[str | None] = []

    def children(parents: Any) -> list[list[dict[str, Any]]]:
        asked.extend(parents)
        return [FOLDERS[parent] for parent in parents]

    tree = {counted.folder.id: counted for counted in walk(children)}
    assert asked == [None, "2", "104"]
    assert tree["2"].folder == Folder("2", ("inbox",), "inbox")
    assert (tree["2"].total, tree["2"].unread) == (3, 0)
    assert tree["104"].folder == Folder("104", ("inbox", "café"), None, "2")
    assert tree["105"].folder == Folder("105", ("inbox", "café", "归档"), None, "104")
    assert tree["101"].folder == Folder("101", tree["101"].folder.path, None)
