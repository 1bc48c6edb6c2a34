"""Original bytes taken apart."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.dingtalk.parts import taken_apart
from tests.support.awkward import Letter, singles
from tests.support.corpus import MESSAGES, PICTURE, corpus

LETTERS = corpus("ann@factory.example", 1_790_000_000.0)
AWKWARD = singles("ann@factory.example", 1_790_000_000.0)


def test_the_text_and_the_html_are_the_bodies_and_nothing_is_attached() -> None:
    content = taken_apart(LETTERS["HTML with a text beside it"])
    assert (content.text, content.html, content.attachments) == ("您好\r\n", "<p>您好</p>", ())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("GBK", "提单号码与装箱单不符，请修改。"),
        ("Big5", "報關資料補件，請於今日回覆。"),
        ("GBK that calls itself GB 2312", "镕基堃喆"),
    ],
)
def test_chinese_is_read_whatever_it_calls_itself(name: str, text: str) -> None:
    assert taken_apart(LETTERS[name]).text == text + "\r\n"


@pytest.mark.parametrize("charset", ["us-ascii", "x-unknown", "utf-8"])
def test_a_charset_that_is_wrong_or_unknown_is_taken_for_chinese(charset: str) -> None:
    head = f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode()
    assert taken_apart(head + "提单".encode("gbk")).text == "提单"


def test_an_attached_message_is_a_file_with_its_very_bytes_named_after_its_subject() -> None:
    letter = LETTERS["an attached message"]
    (attached,) = taken_apart(letter).attachments
    assert (attached.name, attached.content_type) == ("Old.eml", "message/rfc822")
    assert attached.content in letter
    assert attached.content.startswith(b"From: <old@supplier.example>\r\n")
    assert attached.content.endswith("旧信".encode())


def test_a_bounce_keeps_its_report_and_the_headers_of_what_was_lost() -> None:
    content = taken_apart(LETTERS["a bounce"])
    assert content.text == "Your message could not be delivered.\r\n"
    assert [one.content_type for one in content.attachments] == ["message/delivery-status", "text/rfc822-headers"]
    assert b"Status: 5.1.1" in content.attachments[0].content


def test_an_invitation_is_a_file_that_asks_for_nothing() -> None:
    (invite,) = taken_apart(LETTERS["an invitation"]).attachments
    assert (invite.name, invite.content_type) == ("invite.ics", "application/ics")
    assert b"METHOD" not in invite.content
    assert b"BEGIN:VEVENT" in invite.content


def test_an_encrypted_message_is_a_file_and_no_text() -> None:
    content = taken_apart(LETTERS["an encrypted message"])
    assert (content.text, content.html) == ("", "")
    assert [(one.name, one.content_type) for one in content.attachments] == [("smime.p7m", "application/pkcs7-mime")]


def test_a_picture_in_the_text_is_inline() -> None:
    (logo,) = taken_apart(LETTERS["a picture in the text"]).attachments
    assert (logo.inline, logo.content_id, logo.content) == (True, "logo@x", PICTURE)


def test_names_are_decoded_and_files_without_one_are_given_one() -> None:
    names = [one.name for one in taken_apart(LETTERS["odd file names"]).attachments]
    assert names == ["提单 & 1.pdf", "装箱单.xlsx", "a/b:c?.pdf", "part4"]


def test_a_second_text_is_a_file() -> None:
    whole = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\none\r\n"
        b"--b\r\n\r\ntwo\r\n--b--\r\nepilogue"
    )
    content = taken_apart(whole)
    assert (content.text, [(one.name, one.content) for one in content.attachments]) == ("one", [("part1.txt", b"two")])


@pytest.mark.parametrize("letter", AWKWARD, ids=lambda letter: letter.name)
def test_the_texts_and_files_are_those_that_were_put_in(letter: Letter) -> None:
    content = taken_apart(letter.mime)
    assert content.text.rstrip().splitlines() == (letter.text or "").splitlines()
    assert content.html == letter.html
    assert not Counter(one.content for one in letter.files or ()) - Counter(one.content for one in content.attachments)
    assert {one.name for one in letter.files or () if one.name} <= {one.name for one in content.attachments}


def test_a_part_without_a_blank_line_begins_where_its_fields_end() -> None:
    whole = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n<p>hi</p>\r\n--b--\r\n"
    assert taken_apart(whole).html == "<p>hi</p>"


@given(st.sampled_from(sorted(MESSAGES)), st.integers(0, 4000), st.binary(max_size=40))
@settings(deadline=None, max_examples=200)
def test_no_bytes_make_it_fail(name: str, at: int, noise: bytes) -> None:
    letter = LETTERS[name]
    taken_apart(letter[:at] + noise + letter[at:])
    taken_apart(letter[:at] + noise)
