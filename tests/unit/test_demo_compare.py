"""The comparison finds every defect that is put into one of two equal mailboxes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from sandbox.demo.compare import census, differences, identity, places, shown
from sandbox.demo.files import pdf
from sandbox.demo.letters import Attachment, Envelope, Letter, compose
from sandbox.microsoft import GraphMailbox, Microsoft365
from sandbox.truth import Stored

LETTER = Letter("報關資料補件", "請補件\n", attachments=[Attachment("報關單.pdf", pdf("A"))])
CHANGED = Letter("報關資料補件", "請補件\n", attachments=[Attachment("報關單.pdf", pdf("B"))])
SENDER, OWN = ("Li Na", "li.na@supplier.example"), ("Chan", "chan@office.example")


class Twins:
    """Two mailboxes of different languages, each with three messages and a clock of its own."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.4
        vendor = Microsoft365(
            clock=lambda: self.now, random=random.Random(1), tenant_id="t", client_id="c", client_secret="s"
        )
        self.one = vendor.add_mailbox("chan@office.example", language="en")
        self.two = vendor.add_mailbox("chan@factory.example", language="zh-CN")
        for box in (self.one, self.two):
            box.make_folder("項目", box.make_folder("報關"))
            for serial in (1, 2, 3):
                self.deliver(box, serial)

    def deliver(self, box: GraphMailbox, serial: int, letter: Letter = LETTER) -> str:
        return box.deliver(compose(letter, Envelope(SENDER, [OWN], [], serial, 1_790_000_000)))

    def id(self, box: GraphMailbox, serial: int) -> str:
        return next(m.id for m in box.messages() if m.message_id.startswith(f"{serial:06d}."))

    def folder(self, box: GraphMailbox, place: str) -> str:
        return next(id for id, name in places(box).items() if name == place)


@pytest.fixture
def twins() -> Twins:
    return Twins()


def test_equal_mailboxes_have_no_differences(twins: Twins) -> None:
    for box in (twins.one, twins.two):
        box.set_flag(twins.id(box, 1), "flagged")
        box.move(twins.id(box, 2), twins.folder(box, "報關/項目"))
        box.move(twins.id(box, 3), box.role("trash"))
    twins.one.deliver(compose(LETTER, Envelope(SENDER, [OWN], [], 4, 0.0)), twins.one.role("drafts"))
    assert differences(twins.one, twins.two) == []
    assert len(shown(twins.one)) == 3


def _miss(t: Twins) -> None:
    t.two.purge(t.id(t.two, 2))


def _double(t: Twins) -> None:
    t.two.copy(t.id(t.two, 2), "inbox")


def _other_file(t: Twins) -> None:
    _miss(t)
    t.deliver(t.two, 2, CHANGED)


def _minute_later(t: Twins) -> None:
    _miss(t)
    t.now += 60
    t.deliver(t.two, 2)


@pytest.mark.parametrize(
    ("defect", "what"),
    [
        (_miss, "missing"),
        (_double, "doubled"),
        (lambda t: t.two.set_flag(t.id(t.two, 2), "complete"), "flag"),
        (lambda t: t.two.set_read(t.id(t.two, 2), True), "read"),
        (lambda t: t.two.move(t.id(t.two, 2), t.folder(t.two, "報關/項目")), "place"),
        (lambda t: t.two.move(t.id(t.two, 2), t.two.role("trash")), "place"),
        (lambda t: t.two.move(t.id(t.two, 2), t.two.role("sent")), "missing"),
        (_other_file, "attachments"),
        (_minute_later, "received"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_defect_on_either_side_is_found(
    twins: Twins, defect: Callable[[Twins], None], what: str, turned: bool
) -> None:
    defect(twins)
    sides = (twins.two, twins.one) if turned else (twins.one, twins.two)
    found = differences(*sides)
    assert {difference.what for difference in found} == {what}
    assert {difference.subject for difference in found} == {LETTER.subject}


class Nameless(GraphMailbox):
    """A mailbox whose vendor leaves a message without Message-ID as it is."""

    def messages(self) -> Sequence[Stored]:
        return [replace(message, message_id="") for message in super().messages()]


def test_a_message_without_id_is_known_by_sender_date_and_subject(twins: Twins) -> None:
    one, two = Nameless(twins.one.store), Nameless(twins.two.store)
    for box in (one, two):
        twins.deliver(box, 9, replace(LETTER, subject="another"))
    assert differences(one, two) == []
    one.copy(twins.id(twins.one, 9), "inbox")
    assert [(d.what, d.subject) for d in differences(one, two)] == [("doubled", "another")]


def test_the_census_counts_what_is_lost_and_what_is_too_many(twins: Twins) -> None:
    made = Counter(message.identity for message in shown(twins.one))
    assert census(twins.two, made) == census(twins.one, made)
    _miss(twins)
    twins.two.copy(twins.id(twins.two, 1), "inbox")
    twins.two.copy(twins.id(twins.two, 3), "inbox")
    counted = census(twins.two, made)
    assert (counted.lost, counted.duplicated) == (1, 2)


def test_a_sent_copy_and_the_received_one_are_two_items(twins: Twins) -> None:
    box = twins.one
    box.move(twins.id(box, 1), box.role("sent"))
    twins.deliver(box, 1)
    place = places(box)
    names = {identity(m, place[m.folder]) for m in box.messages() if m.message_id.startswith("000001.")}
    assert {sent for _, sent in names} == {True, False}
