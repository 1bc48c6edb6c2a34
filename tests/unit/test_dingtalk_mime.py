"""Bytes in, bytes out: what an original loses and keeps on its way into DingTalk."""

from __future__ import annotations

import email
import email.policy
import random
import re
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dingtalk.mime import RECEIPT_HEADERS, without_method
from shared.dingtalk.preparing import Prepared, prepare, prepared
from shared.model.errors import TooLarge
from shared.model.spooled import PIECE
from tests.support import awkward

KEY = "5f0c5d0e-0000-5000-8000-000000000001"
FIRST = f"X-Tandem-Key: {KEY}\r\n".encode()
INVITE = b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"


def test_an_ordinary_message_gets_the_key_as_its_first_line_and_no_other_change() -> None:
    mime = b"Received: from a\r\n by b\r\nSubject: hi\r\nMessage-ID: <a@b>\r\n\r\nbody\r\n"
    assert prepare(mime, KEY) == FIRST + mime


def test_raw_chinese_bytes_in_headers_and_body_survive() -> None:
    text = "报价单，请查收"
    mime = (
        b"Subject: "
        + text.encode("gbk")
        + b"\r\nContent-Type: text/plain; charset=gbk\r\n\r\n"
        + text.encode("big5", "ignore")
    )
    assert prepare(mime, KEY) == FIRST + mime


def test_bare_line_feeds_become_crlf_and_lone_carriage_returns_stay() -> None:
    assert prepare(b"Subject: a\n\nx\ny\r\nz\rw\n", KEY) == FIRST + b"Subject: a\r\n\r\nx\r\ny\r\nz\rw\r\n"


@pytest.mark.parametrize("name", RECEIPT_HEADERS)
@pytest.mark.parametrize("spelled", [str, str.lower, str.upper])
def test_a_header_that_asks_for_a_receipt_is_renamed_and_keeps_its_text(name: str, spelled: type[str]) -> None:
    mime = f"{spelled(name)} : <a@b>,\r\n\t<c@d>\r\nSubject: s\r\n\r\n{name}: in the body\r\n".encode()
    changed = f"X-Tandem-{name} : <a@b>,\r\n\t<c@d>\r\nSubject: s\r\n\r\n{name}: in the body\r\n".encode()
    assert prepare(mime, KEY) == FIRST + changed


def test_a_receipt_header_is_renamed_beside_broken_lines_and_at_the_very_end() -> None:
    mime = b"no header at all\r\nReturn-Receipt-To: a\rb\r\nDisposition-Notification-To: c"
    changed = b"no header at all\r\nX-Tandem-Return-Receipt-To: a\rb\r\nX-Tandem-Disposition-Notification-To: c"
    assert prepare(mime, KEY) == FIRST + changed


def test_the_key_of_an_earlier_copy_gives_way() -> None:
    parsed = email.message_from_bytes(prepare(b"x-tandem-key: old\r\nSubject: s\r\n\r\n", KEY))
    assert parsed.get_all("X-Tandem-Key") == [KEY]
    assert parsed["X-Tandem-Former-Key"] == "old"


def invitation(encoding: bytes, content: bytes) -> bytes:
    return (
        b'Subject: s\r\nContent-Type: multipart/mixed; boundary="out"\r\n\r\npreamble\r\n'
        b'--out\r\nContent-Type: multipart/alternative;\r\n boundary="in=_1"\r\n\r\n'
        b"--in=_1\r\nContent-Type: text/plain; charset=gbk\r\n\r\n\xc4\xe3\r\n"
        b'--in=_1\r\nContent-Type: text/calendar; charset="utf-8"; method=REQUEST\r\n'
        b"Content-Transfer-Encoding: " + encoding + b"\r\nContent-ID: <c>\r\n\r\n" + content + b"\r\n"
        b"--in=_1--\r\n\r\n--out\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n"
        b"--out--\r\nepilogue --out\r\n"
    )


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        (b"7bit", INVITE),
        (b"base64", b"QkVHSU46VkNBTEVOREFSDQpNRVRIT0Q6UkVRVUVTVA0KRU5EOlZDQUxFTkRBUg0K"),
        (b"quoted-printable", b"BEGIN:VCALENDAR\r\nMETHOD:REQ=\r\nUEST\r\nEND:VCALENDAR\r\n"),
    ],
)
def test_an_invitation_becomes_a_file_and_nothing_else_changes(encoding: bytes, content: bytes) -> None:
    before, after = invitation(encoding, content), prepare(invitation(encoding, content), KEY)
    start, end = before.index(b"Content-Type: text/calendar"), before.index(b"\r\n--in=_1--")
    assert after.startswith(FIRST + before[:start])
    assert after.endswith(before[end:])
    part = next(p for p in email.message_from_bytes(after).walk() if p.get_filename() == "invite.ics")
    assert (part.get_content_type(), part.get_content_disposition(), part["Content-ID"]) == (
        "application/ics",
        "attachment",
        "<c>",
    )
    calendar = part.get_payload(decode=True)
    assert isinstance(calendar, bytes)
    assert b"METHOD" not in calendar
    assert calendar.startswith(b"BEGIN:VCALENDAR\r\n")
    assert calendar.endswith(b"END:VCALENDAR\r\n")


def test_a_message_that_is_an_invitation_as_a_whole_becomes_a_file() -> None:
    mime = b"Subject: s\r\nContent-Type: text/calendar; method=REQUEST\r\nMIME-Version: 1.0\r\n\r\n" + INVITE
    parsed = email.message_from_bytes(prepare(mime, KEY))
    assert (parsed.get_content_type(), parsed.get_filename(), parsed["Subject"]) == (
        "application/ics",
        "invite.ics",
        "s",
    )
    assert parsed.get_payload(decode=True) == INVITE.replace(b"METHOD:REQUEST\r\n", b"")


def test_words_about_calendars_and_attached_messages_are_no_invitation() -> None:
    attached = b"Content-Type: message/rfc822\r\n\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\n" + INVITE
    mime = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext/calendar\r\n--b\r\n"
        + attached
        + b"\r\n--b--"
    )
    assert prepare(mime, KEY) == FIRST + mime


def test_parts_nested_without_end_do_no_harm() -> None:
    layers = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2000))
    mime = layers + b"Content-Type: text/calendar\r\n\r\n" + INVITE
    assert prepare(mime, KEY) == FIRST + mime


def test_method_goes_with_its_folded_line_and_nothing_else_that_looks_like_it() -> None:
    calendar = b"BEGIN:VCALENDAR\nmethod;X=1:REQ\n UEST\nDESCRIPTION:METHOD:x\n METHOD:y\nMETHODICAL:z\nMETHOD:PUBLISH"
    assert without_method(calendar) == b"BEGIN:VCALENDAR\nDESCRIPTION:METHOD:x\n METHOD:y\nMETHODICAL:z\n"


HEADS = [b"Content-Type: ", b"multipart/mixed", b"text/calendar", b"; boundary=", b'"', b"b", b"*0*=utf-8''%41"]
BODIES = [b"--b", b"--", b"\r\n", b"\n", b"Content-Type: text/calendar\r\n\r\n", b"METHOD:REQUEST", b"\xff", b":", b" "]


@given(st.lists(st.sampled_from(HEADS)), st.lists(st.sampled_from(BODIES)))
def test_no_bytes_make_it_fail_or_leave_a_bare_line_feed(head: list[bytes], body: list[bytes]) -> None:
    after = prepare(b"".join(head) + b"\r\n\r\n" + b"".join(body), KEY)
    assert after.startswith(FIRST)
    assert b"\n" not in after.replace(b"\r\n", b"")


def cut(mime: bytes, dice: random.Random) -> list[bytes]:
    """In pieces of random sizes."""
    most, pieces = dice.choice((2, 30, 1000)), list[bytes]()
    while mime:
        size = dice.randint(1, max(most, len(mime) // 100))
        pieces.append(mime[:size])
        mime = mime[size:]
    return pieces


LETTERS = awkward.singles("a@b.cn", 1.8e9) + awkward.mixtures("a@b.cn", 1.8e9) + awkward.library()


def test_awkward_letters_come_out_the_same_in_whatever_pieces_they_come() -> None:
    dice = random.Random(5)
    assert len(LETTERS) > 200
    for letter in LETTERS:
        for mime in (letter.mime, letter.mime.replace(b"\r\n", b"\n")):
            whole = prepare(mime, KEY)
            assert b"".join(prepared(cut(mime, dice), KEY)) == whole, letter.name
            assert not re.search(rb"(?<!\r)\n", whole), letter.name


@given(st.lists(st.sampled_from(HEADS)), st.lists(st.sampled_from(BODIES)), st.randoms(use_true_random=False))
def test_no_piece_ends_where_it_matters(head: list[bytes], body: list[bytes], dice: random.Random) -> None:
    mime = b"".join(head) + b"\r\n\r\n" + b"".join(body)
    assert b"".join(prepared(cut(mime, dice), KEY)) == prepare(mime, KEY)


class Stored:
    """A message in a file, as far as anybody can tell."""

    def __init__(self, mime: bytes) -> None:
        self.mime, self.size = mime, len(mime)

    def pieces(self, most: int = PIECE) -> Iterator[bytes]:
        return (self.mime[at : at + most] for at in range(0, len(self.mime), most))


@pytest.mark.parametrize("line", [76, 5_000_000], ids=["lines", "one line"])
def test_a_large_message_is_prepared_in_pieces_and_says_its_size_before(line: int) -> None:
    file = b"".join(b"A" * line + b"\r\n" for _ in range(25_000_000 // line))
    mime = invitation(b"7bit", INVITE).replace(b"AAAA\r\n", file)
    stored = Stored(mime)
    tracemalloc.start()
    try:
        sizes = [len(piece) for piece in Prepared.of(stored, KEY).pieces()]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    letter = Prepared.of(stored, KEY)
    assert (letter.size, set(sizes[:-1])) == (sum(sizes), {PIECE})
    assert b"".join(letter.pieces()) == prepare(mime, KEY) == b"".join(letter.pieces(1000))
    assert b"METHOD" not in prepare(mime, KEY)
    assert peak < 10 << 20 < letter.size


@pytest.mark.parametrize("head", [b"", b"Content-Type: text/calendar\r\n\r\n"], ids=["header", "invitation"])
def test_what_would_have_to_be_held_in_memory_and_is_too_large_does_not_cross(head: bytes) -> None:
    prepare(head + (b"A: " + b"b" * 95 + b"\r\n") * 40_000, KEY)
    with pytest.raises(TooLarge):
        prepare(head + (b"A: " + b"b" * 95 + b"\r\n") * 44_000, KEY)
    with pytest.raises(TooLarge):
        prepare(head + b"A: b" * 2_000_000, KEY)


def test_a_boundary_in_no_charset_and_one_of_two_lines_separate_nothing() -> None:
    for boundary in (b"boundary*=idna''b", b"boundary*=utf-8''b%0D%0Ab", b"boundary*=unicode-escape''%5Cud800"):
        mime = b"Content-Type: multipart/mixed; " + boundary + b"\r\n\r\n--b\r\nb\r\n\r\nx\r\n--b--\r\n"
        assert prepare(mime, KEY) == FIRST + mime


def test_everything_stays_parsable_by_a_strict_reader() -> None:
    parsed = email.message_from_bytes(prepare(invitation(b"7bit", INVITE), KEY), policy=email.policy.default)
    assert [part.get_content_type() for part in parsed.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "application/ics",
        "application/pdf",
    ]
    assert not any(part.defects for part in parsed.walk())
