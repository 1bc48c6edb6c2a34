"""Large mail crosses beside the live runs: nothing waits for it, and nothing that happens to it on its way loses or
doubles it. What is large is set to few bytes here, so that a scene is quick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from sandbox.simulation.office import Worker
from sandbox.simulation.stage import INVISIBLE
from sandbox.simulation.world import Fate, Kind, World
from sandbox.truth import Stored
from shared.model.errors import TooLarge
from shared.model.mail import Message
from shared.model.spooled import size_of
from shared.model.words import SIDES, Side, other
from shared.sync.lane import LOST
from shared.sync.rows import CARRY, FAILING, INTENT
from tests.support.door import REPLICAS
from tests.support.scene import ADDRESS, PUT_OFF, Scene

LARGE, LARGEST = 50_000, 400_000
SLOW = 100.0
"""Seconds that the request takes which carries a large message."""


class Lane(Scene):
    """Large are more than 50 kB, too large more than 400 kB; what is large takes its time. `fate` may be changed."""

    def __init__(self, **policy: Any) -> None:
        self.sent = 0
        self.policy = {"large": LARGE, "largest": LARGEST, **policy}
        self.fates: Callable[[Kind, str, Fate], Fate] = lambda kind, name, fate: fate
        super().__init__(self._smaller)

    def _smaller(self, scene: Scene) -> None:
        make = self.stage._worker

        def smaller() -> Worker:
            worker = make()
            for part in (worker.product.service, worker.product.carrier):
                part._policy = replace(part._policy, **self.policy)
            return worker

        self.stage._worker = smaller  # type: ignore[method-assign]
        self.restart_workers()

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        fate = super()._fate(world, kind, name)
        if kind == "effect" and name.rpartition(" ")[2].isdigit() and int(name.rpartition(" ")[2]) > LARGE:
            self.sent += 1
            fate = replace(fate, effect_after=SLOW - 1.0, answer_after=SLOW)
        return self.fates(kind, name, fate)

    def large(self, side: Side, id: str = "large", size: int = 100_000, **more: Any) -> str:
        return self.arrive(side, id, attachments={"plan.pdf": bytes(range(256)) * (size // 256)}, **more)

    def until(self, happened: Callable[[], object], most: float = 3000.0) -> float:
        """-> after how many seconds it had happened."""
        began = self.world.now
        while not happened():
            assert self.world.now < began + most, "it doesn't happen"
            self.run(1.0)
        return self.world.now - began

    def when(self, happened: Callable[[], object], act: Callable[[], object]) -> None:
        """Once, as soon as it has happened; also in the middle of somebody's request."""
        if happened():
            act()
        else:
            self.world.after(0.5, lambda: self.when(happened, act))

    def is_carried(self) -> bool:
        return any(row.get("until", 0.0) > self.world.now for row in self.rows(CARRY))

    def allow(self, largest: int) -> None:
        self.policy["largest"] = largest
        self.restart_workers()

    def carries(self) -> int:
        """How many requests with a large message in them have left."""
        return self.sent

    def crossed(self, side: Side, id: str = "large") -> bool:
        """Whole, once, linked, as the original stands, and with nothing left of its way."""
        copies, originals = self.all(other(side), id), self.all(side, id)
        assert len(copies) <= 1
        return (
            [self.look(other(side), copy) for copy in copies] == [self.look(side, original) for original in originals]
            and any(row["copy"] == other(side) and not row["stub"] for row in self.rows("l:"))
            and not self.rows(INTENT)
            and not self.rows(CARRY)
            and not self.waiting()
        )

    def look(self, side: Side, message: Stored) -> tuple[object, ...]:
        hashes = [one.sha256 for one in message.attachments]
        return message.subject, hashes, message.read, message.flag, self.place(side, message)


@pytest.mark.parametrize("side", SIDES)
def test_a_small_message_overtakes_a_large_one(side: Side) -> None:
    scene, there = Lane(), dict[str, float]()

    def note(id: str, sent: float) -> None:
        there[id] = scene.world.now - sent

    def send() -> None:
        sent = scene.world.now
        scene.arrive(side, "small")
        scene.arrive(other(side), "back")
        for where, id in ((other(side), "small"), (side, "back"), (other(side), "large")):
            scene.when(partial(scene.all, where, id), partial(note, id, sent))

    scene.large(side)
    scene.when(scene.is_carried, send)
    scene.until(lambda: scene.crossed(side))
    assert there["small"] < 40.0 > there["back"]
    assert there["large"] > SLOW - 10.0
    assert scene.stage.errors == []


# ---- carriers that die, or are held up
def carried_calls(side: Side) -> int:
    """How many outside calls a carrier makes."""
    scene = Dying(None)
    scene.large(side)
    scene.until(lambda: scene.crossed(side))
    return scene.made


class Dying(Lane):
    """The first carrier dies in its call of this number, which has its effect or hasn't. Its message is hidden for ten
    minutes then, as at the real queue."""

    def __init__(self, number: int | None, lands: bool = True) -> None:
        self.number, self.lands = number, lands
        self.made = self.inside = 0
        self.died = False
        self.own = Counter[Kind]()
        super().__init__()
        self.stage.restart = lambda: INVISIBLE
        for worker in self.stage.workers:
            self._watch(worker)

    def _watch(self, worker: Worker) -> None:
        work = worker.product.carrier.work

        def watched(message: Mapping[str, Any]) -> None:
            self.inside += 1
            try:
                work(message)
            finally:
                self.inside -= 1

        worker.product.carrier.work = watched  # type: ignore[method-assign]

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        fate = super()._fate(world, kind, name)
        if not self.inside or any(worker.busy for worker in self.stage.workers[1:]):
            return fate
        self.made += 1
        self.own[kind] += 1
        if self.number is not None and self.made == self.number + 1:
            self.died = True
            return replace(fate, crash=True, effect_after=fate.effect_after if self.lands else None)
        return fate


@pytest.mark.slow
@pytest.mark.parametrize("side", SIDES)
def test_wherever_a_carrier_dies_the_message_crosses_once(side: Side) -> None:
    calls = carried_calls(side)
    assert calls > 10
    for number in range(calls):
        for lands in (True, False):
            scene = Dying(number, lands)
            scene.large(side)
            scene.until(lambda: scene.crossed(side))  # noqa: B023
            scene.run(PUT_OFF)
            assert scene.crossed(side), (number, lands)
            assert scene.died
            assert scene.stage.errors == []


@pytest.mark.parametrize("side", SIDES)
def test_a_carrier_that_was_held_up_for_too_long_sends_nothing_more(side: Side) -> None:
    scene, held = Lane(), list[float]()

    def hold_up(kind: Kind, name: str, fate: Fate) -> Fate:
        if scene.is_carried() and not held and is_content(name):
            held.append(scene.world.now)
            return replace(fate, answer_after=2000.0)
        return fate

    scene.fates = hold_up
    scene.large(side)
    scene.when(lambda: scene.crossed(side), lambda: held.append(scene.world.now))
    scene.run(3000.0)
    assert scene.crossed(side)
    assert held[1] - held[0] < 1000.0, "another one carried it meanwhile"
    assert scene.carries() == 1, "the one that was held up sent nothing"
    assert scene.stage.errors == []


def is_content(name: str) -> bool:
    """Is it the call that reads what a message holds?"""
    return name.endswith("$value 0") or name.startswith("imap UID")


@pytest.mark.parametrize("side", SIDES)
def test_a_message_to_carriers_that_is_lost_or_comes_twice_changes_nothing(side: Side) -> None:
    scene = Lane()
    deliver, lost = scene.stage.deliver, list[object]()

    def unreliable(queue: str, message: Mapping[str, Any], tries: int = 0) -> None:
        if queue == "bulk" and not lost:
            lost.append(message)
            return
        for _ in range(2 if queue == "bulk" else 1):
            deliver(queue, message, tries)

    scene.office._queue._deliver = unreliable
    scene.large(side)
    assert scene.until(lambda: scene.crossed(side)) < 600.0
    assert (len(lost), scene.carries()) == (1, 1)
    scene.run()
    assert scene.crossed(side)


def test_large_messages_of_a_pair_cross_one_at_a_time_and_the_newest_first() -> None:
    scene, most, order = Lane(), list[int](), list[str]()
    ids = ("one", "two", "three", "four")

    def count() -> None:
        most.append(sum(row.get("until", 0.0) > scene.world.now for row in scene.rows(CARRY)))
        order.extend(id for id in ids if id not in order and scene.all("dingtalk", id))
        scene.world.after(1.0, count)

    def more() -> None:
        for id in ids[1:]:
            scene.large("outlook", id)
            scene.run(2.0)

    scene.large("outlook", "one")
    scene.when(scene.is_carried, more)
    count()
    scene.until(lambda: all(scene.crossed("outlook", id) for id in ids))
    assert max(most) == 1
    assert order == ["one", "four", "three", "two"]
    assert scene.carries() == 4
    assert scene.stage.errors == []


# ---- what people do meanwhile
@pytest.mark.parametrize("side", SIDES)
def test_a_pair_that_is_paused_in_the_middle_gets_its_copy_after_the_pause(side: Side) -> None:
    scene = Lane()

    def pause(kind: Kind, name: str, fate: Fate) -> Fate:
        if scene.is_carried() and is_content(name) and not scene.pair.paused:
            scene.world.after(0.01, lambda: scene.change_pair(paused=True))
            scene.fates = lambda kind, name, fate: fate
        return fate

    scene.fates = pause
    scene.large(side)
    scene.run(900.0)
    assert scene.all(other(side), "large") == []
    assert not scene.is_carried(), "nobody goes on with it"
    scene.change_pair(paused=False)
    scene.until(lambda: scene.crossed(side))


@pytest.mark.parametrize("side", SIDES)
def test_what_happens_to_the_original_in_the_middle_happens_to_its_copy(side: Side) -> None:
    acts: tuple[Callable[[Scene], object], ...] = (
        lambda scene: scene.move(side, "large", "Shipments"),
        lambda scene: scene.read(side, "large"),
        lambda scene: scene.flag(side, "large", "flagged"),
        lambda scene: scene.move(side, "large", "trash"),
    )
    for act in acts:
        scene = Lane()
        scene.large(side)
        scene.when(scene.is_carried, partial(act, scene))
        scene.run(60.0)
        scene.until(lambda: scene.crossed(side))  # noqa: B023


@pytest.mark.parametrize("side", SIDES)
def test_an_original_that_is_gone_in_the_middle_leaves_at_most_what_was_copied(side: Side) -> None:
    scene = Lane()
    scene.large(side)
    scene.when(scene.is_carried, lambda: scene.purge(side, "large"))
    scene.run(3000.0)
    assert scene.all(side, "large") == []
    assert len(scene.all(other(side), "large")) <= 1
    assert not scene.rows(INTENT)
    assert not scene.rows(CARRY)
    assert scene.stage.errors == []


# ---- what can't be carried at all
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
    refused, kind = list[int](), REPLICAS[other(side)]
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


# ---- what goes wrong again and again
def test_a_message_of_which_every_carrier_dies_is_put_aside_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Lane()
    tries = list[float]()

    def die(kind: Kind, name: str, fate: Fate) -> Fate:
        if scene.is_carried() and name.endswith("$value 0"):
            tries.append(scene.world.now)
            return replace(fate, crash=True)
        return fate

    scene.fates = die
    scene.large("outlook")
    scene.run(3 * 3600.0)
    assert scene.waiting() == [("outlook", "quarantined")]
    (case,) = scene.office.product().quarantine.cases(scene.pair)
    assert case.failing.why == LOST
    count = len(tries)
    scene.run(3600.0)
    assert len(tries) == count
    scene.linked("outlook", "small")


@pytest.mark.parametrize("side", SIDES)
def test_a_carrier_asks_the_store_a_few_times_only(side: Side, capsys: pytest.CaptureFixture[str]) -> None:
    scene = Dying(None)
    scene.large(side)
    scene.until(lambda: scene.crossed(side))
    with capsys.disabled():
        print(f"\na carrier from {side}: {dict(scene.own)}")
    assert scene.own["queue"] == 1
    assert scene.own["ledger"] <= 16
