"""The awkward messages of the corpus, delivered on one side and compared with their copies on the other."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from shared.model.words import DINGTALK, SIDES, Side
from tests.support.copies import DOCUMENT, Copy, copies, document, findings
from tests.support.corpus import MESSAGES

Made = Mapping[Side, Mapping[str, Copy]]


@pytest.fixture(scope="module")
def made() -> Made:
    return copies()


def test_the_page_for_people_says_what_becomes_of_every_message(made: Made) -> None:
    assert DOCUMENT.read_text("utf8") == document(made), "run: python -m tests.support.copies"


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("side", SIDES)
def test_no_copy_lacks_an_attachment_or_says_something_else(made: Made, side: Side, name: str) -> None:
    found = findings(made[side][name])
    harmless = ("trace headers lost", "text beside the HTML lost")
    assert [what for what in found if what.endswith((" lost", " changed")) and what not in harmless] == []


@pytest.mark.parametrize("name", sorted(MESSAGES.keys() - {"an invitation", "a request for a receipt"}))
def test_a_copy_in_dingtalk_is_the_original_byte_by_byte_after_our_key(made: Made, name: str) -> None:
    assert findings(made["outlook"][name]) == ["every byte"]


def test_a_signed_message_from_outlook_keeps_its_signature_valid(made: Made) -> None:
    copy = made["outlook"]["a signed message"]
    signed = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nSigned words.\r\n--"
    assert copy.mime is not None
    assert signed in copy.mime


@pytest.mark.parametrize("side", SIDES)
def test_no_copy_of_an_invitation_asks_for_an_answer(made: Made, side: Side) -> None:
    copy = made[side]["an invitation"]
    (invite,) = copy.shown.attachments
    assert (invite.name, invite.content_type) == ("invite.ics", "application/ics")
    assert b"text/calendar" not in (copy.mime or b"")


@pytest.mark.parametrize("name", ["odd file names", "ten attachments"])
def test_file_names_survive_the_way_to_outlook(made: Made, name: str) -> None:
    copy = made[DINGTALK][name]
    there = [one.name for one in copy.shown.attachments]
    assert (
        there[:3]
        == {
            "odd file names": ["提单 & 1.pdf", "装箱单.xlsx", "a/b:c?.pdf"],
            "ten attachments": ["0.pdf", "1.pdf", "2.pdf"],
        }[name]
    )


def test_a_picture_stays_in_the_text_that_shows_it(made: Made) -> None:
    (logo,) = made[DINGTALK]["a picture in the text"].shown.attachments
    assert (logo.inline, logo.content_id) == (True, "logo@x")
