"""What is too large to be carried has a stub in its place: people know where the original is, and can act on it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from shared.model.errors import TooLarge
from shared.model.mail import Message
from shared.model.spooled import size_of
from shared.model.words import SIDES, Side, other
from shared.sync.rows import CARRY, FAILING, INTENT
from tests.support.door import REPLICAS
from tests.support.lane import LARGE, SLOW, Lane
from tests.support.scene import ADDRESS, PUT_OFF


def stubbed(side: Side, **more: Any) -> Lane:
    """A message of half a megabyte has its stub on the other side."""
    scene = Lane()
    scene.large(side, size=500_000, **more)
    scene.run()
    return scene


@pytest.mark.parametrize("side", SIDES)
def test_a_stub_stands_in_the_place_of_what_is_too_large(side: Side) -> None:
    thread = {"In-Reply-To": "<before@mail.example>", "References": "<first@mail.example> <before@mail.example>"}
    scene = stubbed(side, subject="图纸", sender="李娜 <li.na@supplier.example>", headers=thread)
    stub, original = scene.one(other(side), "large"), scene.one(side, "large")
    assert stub.attachments == ()
    assert (stub.subject, stub.sender, stub.to) == (original.subject, original.sender, original.to)
    assert (stub.sent_at, stub.received_at) == (original.sent_at, original.received_at)
    assert stub.in_reply_to == original.in_reply_to == "before@mail.example"
    assert (stub.read, scene.place(other(side), stub)) == (False, "inbox")
    assert "邮件太大" in stub.text
    assert ADDRESS[side] in stub.text
    assert scene.waiting() == []
    assert scene.carries() == 0
    (case,) = scene.office.product().quarantine.cases(scene.pair)
    assert (case.side, case.failing.why) == (side, "too large")


@pytest.mark.parametrize(
    ("language", "word"), [("zh-CN", "请在那里阅读"), ("zh-TW", "請在那裡閱讀"), ("xx", "read it there")]
)
def test_a_stub_speaks_the_language_of_the_pair(language: str, word: str) -> None:
    scene = Lane()
    scene.change_pair(language=language)
    scene.large("outlook", size=500_000)
    scene.run()
    assert word in scene.one("dingtalk", "large").text


@pytest.mark.parametrize("side", SIDES)
def test_what_is_done_to_a_stub_is_done_to_its_original_and_back(side: Side) -> None:
    scene = stubbed(side)
    scene.read(other(side), "large")
    scene.flag(side, "large", "flagged")
    scene.run()
    assert scene.state(side, "large") == scene.state(other(side), "large") == ("inbox", True, "flagged")
    scene.move(other(side), "large", "trash")
    scene.run()
    assert scene.places("large") == {s: ["trash"] for s in SIDES}


@pytest.mark.parametrize("side", SIDES)
def test_what_a_side_calls_too_large_gets_a_stub_too(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Lane()
    refused, kind = list[int](), cast(Any, REPLICAS[other(side)])
    create: Any = kind.create

    def creating(replica: Any, message: Message, **more: Any) -> Any:
        if message.attachments or size_of(message.mime) > LARGE:
            refused.append(size_of(message.mime))
            raise TooLarge("no more than that", code="size")
        return create(replica, message, **more)

    monkeypatch.setattr(kind, "create", creating)
    scene.large(side)
    scene.run()
    assert scene.one(other(side), "large").attachments == ()
    assert len(refused) == 1
    assert len(scene.office.product().quarantine.cases(scene.pair)) == 1


@pytest.mark.parametrize("side", SIDES)
def test_once_it_may_cross_and_somebody_asks_the_copy_takes_the_place_of_its_stub(side: Side) -> None:
    scene = stubbed(side)
    scene.read(side, "large")
    scene.run()
    quarantine = scene.office.product().quarantine
    assert quarantine.retry(scene.pair, None) == 1
    scene.run()
    (case,) = quarantine.cases(scene.pair)
    assert scene.one(other(side), "large").attachments == (), "it is too large still, and its one stub stays"
    scene.allow(1_000_000)
    quarantine.retry(scene.pair, case.id)
    scene.run(SLOW + PUT_OFF)
    stub, copy = sorted(scene.all(other(side), "large"), key=lambda message: len(message.attachments))
    assert scene.place(other(side), stub) == "trash"
    assert scene.look(other(side), copy) == scene.look(side, scene.one(side, "large"))
    assert quarantine.cases(scene.pair) == ()
    assert not [key for key in scene.office.rows() if key.startswith((FAILING, INTENT, CARRY, "asked:"))]
    with scene.no_writes():
        scene.run()
    scene.flag(side, "large", "flagged")
    scene.run()
    assert [m.flag for m in scene.all(other(side), "large") if m.attachments] == ["flagged"]


def test_a_stub_that_is_left_alone_is_left_alone() -> None:
    scene = stubbed("outlook")
    quarantine = scene.office.product().quarantine
    (case,) = quarantine.cases(scene.pair)
    quarantine.drop(scene.pair, case.id)
    scene.run()
    (case,) = quarantine.cases(scene.pair)
    assert case.failing.left
    assert len(scene.all("dingtalk", "large")) == 1


@pytest.mark.parametrize("side", SIDES)
def test_a_stub_that_nobody_needs_any_more_is_forgotten(side: Side) -> None:
    scene = stubbed(side)
    scene.move(side, "large", "trash")
    scene.run()
    scene.purge("outlook", "large")
    scene.run(PUT_OFF)
    assert not scene.rows("l:")
    assert not scene.rows(FAILING)
