"""Awkward messages, delivered on one side and compared with their copies on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from sandbox.simulation.world import EPOCH
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side, other
from tests.support.awkward import library, mixtures, singles
from tests.support.copies import Copy, copies, findings
from tests.support.corpus import MESSAGES
from tests.support.fidelity import WORDS, Carried, carried, each_feature, losses
from tests.support.fidelity_page import DOCUMENT, document
from tests.support.scene import ADDRESS, Scene

Made = Mapping[Side, Mapping[str, Copy]]
Features = Mapping[Side, Sequence[Carried]]
BEYOND = {
    "msg_38": "parts that hold the boundaries of the parts around them, which no two programs read alike",
    "msg_42": "an attached message whose own parts are broken, which the simulated vendor writes anew to show it",
}
"""Of Python's test messages: what can't be compared, and why."""
ODD_FOLDERS = ("2024/报关 ", "a & b", "船荷証券", "📦 ready", 'quo"te\\s', "报关~/-+,&-", "x" * 80)


@pytest.fixture(scope="module")
def made() -> Made:
    return copies()


@pytest.fixture(scope="module")
def features() -> Features:
    return {side: each_feature(side) for side in SIDES}


@pytest.mark.slow
def test_the_page_for_people_says_what_becomes_of_every_message(made: Made, features: Features) -> None:
    assert DOCUMENT.read_text("utf8") == document(made, features), "run: python -m tests.support.fidelity_page"


@pytest.mark.slow
@pytest.mark.parametrize("side", SIDES)
def test_an_awkward_message_loses_nothing_but_what_is_named(features: Features, side: Side) -> None:
    found = {one.letter.name: losses(one) for one in features[side]}
    assert {name: some for name, some in found.items() if not WORDS.keys() >= set(some)} == {}


@pytest.mark.slow
@pytest.mark.parametrize("side", SIDES)
def test_a_mixture_loses_nothing_but_what_its_features_lose_alone(features: Features, side: Side) -> None:
    alone = {one.letter.name: losses(one) for one in features[side]}
    mixed = carried(side, mixtures(ADDRESS[side], EPOCH))
    known = {one.letter: {what for name in one.letter.features for what in alone[name]} for one in mixed}
    more = {one.letter: set(losses(one)) - known[one.letter] for one in mixed}
    assert {letter.features: found for letter, found in more.items() if found} == {}


@pytest.mark.parametrize("side", SIDES)
def test_a_message_of_the_standard_library_loses_nothing_but_what_is_named(side: Side) -> None:
    letters = [letter for letter in library() if letter.name not in BEYOND]
    found = {one.letter.name: losses(one) for one in carried(side, letters)}
    assert {name: some for name, some in found.items() if not WORDS.keys() >= set(some)} == {}


def test_a_message_that_came_twice_keeps_what_only_its_bytes_show() -> None:
    scene = Scene()
    twice = next(one for one in singles(ADDRESS[DINGTALK], EPOCH) if one.name == "an attached message")
    for _ in range(2):
        scene.box(DINGTALK).deliver(twice.mime)
        scene.run(7)
    scene.run(1500)
    there = scene.box(OUTLOOK).messages()
    assert [[file.name for file in one.attachments] for one in there] == [["旧信.eml"], ["旧信.eml"]]


@pytest.mark.parametrize("side", SIDES)
def test_a_message_in_a_folder_with_an_odd_name_finds_its_folder_on_the_other_side(side: Side) -> None:
    scene = Scene()
    names = [name if side == OUTLOOK else name.replace("/", "／") for name in ODD_FOLDERS]
    for number, name in enumerate(names):
        scene.box(side).make_folder(name)
        scene.arrive(side, f"odd{number}", folder=name)
    scene.run(1500)
    there = [scene.places(f"odd{number}")[other(side)] for number in range(len(ODD_FOLDERS))]
    assert [len(places) for places in there] == [1] * len(ODD_FOLDERS)
    assert [place for (place,) in there] == [name.replace("/", "／").strip() for name in names]


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
