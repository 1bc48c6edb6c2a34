"""What every adapter of the WorkQueue port does, with the side that receives."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.model.errors import Conflict
from shared.ports.state import Received, ReceivingQueue
from shared.state.queue import SqliteQueue
from tests.contract.test_state_table import race


class QueueContract:
    """`another` opens the same queues once more, as another process would. Time is turned by `pass_time`; `hold` is
    for how long messages are taken or put off, `soon` a part of it, and `later` the rest with some to spare."""

    hold, soon, later = 60.0, 59.0, 2.0

    @pytest.fixture
    def another(self, tmp_path: Path) -> Callable[[], ReceivingQueue]:
        raise NotImplementedError

    @pytest.fixture
    def pass_time(self) -> Callable[[float], None]:
        raise NotImplementedError

    @pytest.fixture
    def queue(self, another: Callable[[], ReceivingQueue]) -> ReceivingQueue:
        return another()

    def one(self, queue: ReceivingQueue, name: str = "work", among: int = 1) -> Received:
        received = queue.receive(name, 16, self.hold)
        assert len(received) == among
        return received[0]

    def test_a_message_arrives_as_json(self, queue: ReceivingQueue) -> None:
        message: dict[str, Any] = {"pair": "p", "cursors": {"报关": "é\n"}, "n": [1.5, None]}
        queue.send("work", message)
        received = self.one(queue)
        assert json.loads(received.body.decode()) == message
        assert received.dequeue_count == 1
        assert 0 <= time.time() - received.inserted < 60

    def test_queues_do_not_mix(self, queue: ReceivingQueue) -> None:
        queue.send("work", {})
        assert queue.receive("poll", 16, self.hold) == []
        assert (queue.depth("work"), queue.depth("poll")) == (1, 0)

    def test_no_more_are_handed_out_than_were_asked_for(self, queue: ReceivingQueue) -> None:
        for number in range(5):
            queue.send("work", {"n": number})
        batches = [queue.receive("work", 2, self.hold) for _ in range(4)]
        assert [len(batch) for batch in batches] == [2, 2, 1, 0]
        assert sorted(json.loads(one.body)["n"] for batch in batches for one in batch) == [0, 1, 2, 3, 4]

    def test_a_message_that_was_deleted_is_gone(
        self, queue: ReceivingQueue, pass_time: Callable[[float], None]
    ) -> None:
        queue.send("work", {})
        queue.delete("work", self.one(queue))
        pass_time(self.soon + self.later)
        assert queue.receive("work", 16, self.hold) == []
        assert queue.depth("work") == 0

    def test_a_message_that_nobody_settled_comes_again(
        self, queue: ReceivingQueue, pass_time: Callable[[float], None]
    ) -> None:
        queue.send("work", {})
        first = self.one(queue)
        pass_time(self.soon)
        assert queue.receive("work", 16, self.hold) == []
        assert queue.depth("work") == 1
        pass_time(self.later)
        second = self.one(queue)
        assert (second.id, second.body, second.inserted) == (first.id, first.body, first.inserted)
        assert (first.dequeue_count, second.dequeue_count) == (1, 2)

    def test_a_delayed_message_waits(self, queue: ReceivingQueue, pass_time: Callable[[float], None]) -> None:
        queue.send("work", {"n": 1}, delay=self.hold)
        queue.send("work", {"n": 2}, delay=-5)
        received = self.one(queue)
        assert json.loads(received.body) == {"n": 2}
        queue.delete("work", received)
        pass_time(self.soon)
        assert queue.receive("work", 16, self.hold) == []
        pass_time(self.later)
        assert json.loads(self.one(queue).body) == {"n": 1}

    def test_a_message_that_was_given_back_waits_for_its_delay(
        self, queue: ReceivingQueue, pass_time: Callable[[float], None]
    ) -> None:
        queue.send("work", {})
        queue.release("work", self.one(queue), self.hold)
        pass_time(self.soon)
        assert queue.receive("work", 16, self.hold) == []
        pass_time(self.later)
        assert self.one(queue).dequeue_count == 2

    def test_a_receipt_is_good_until_somebody_else_has_the_message(
        self, queue: ReceivingQueue, pass_time: Callable[[float], None]
    ) -> None:
        queue.send("work", {})
        late = self.one(queue)
        pass_time(self.soon + self.later)
        queue.delete("work", late)
        assert queue.depth("work") == 0

    @pytest.mark.parametrize("settle", ["delete", "release", "poison"])
    @pytest.mark.parametrize("meanwhile", ["taken", "given back", "deleted", "poisoned"])
    def test_a_stale_receipt_is_refused(
        self, queue: ReceivingQueue, pass_time: Callable[[float], None], settle: str, meanwhile: str
    ) -> None:
        queue.send("work", {})
        stale = self.one(queue)
        if meanwhile == "taken":
            pass_time(self.soon + self.later)
            self.one(queue)
        elif meanwhile == "given back":
            queue.release("work", stale, 0)
        elif meanwhile == "deleted":
            queue.delete("work", stale)
        else:
            queue.poison("work", stale)
        depths = (queue.depth("work"), queue.depth("work-poison"))
        arguments = (0.0,) if settle == "release" else ()
        with pytest.raises(Conflict, match="held by somebody else, or is gone"):
            getattr(queue, settle)("work", stale, *arguments)
        assert (queue.depth("work"), queue.depth("work-poison")) == depths

    def test_a_poisoned_message_can_be_taken_from_the_poison_queue(self, queue: ReceivingQueue) -> None:
        queue.send("work", {"n": 1})
        queue.poison("work", self.one(queue))
        assert queue.receive("work", 16, self.hold) == []
        poisoned = self.one(queue, "work-poison")
        assert (json.loads(poisoned.body), poisoned.dequeue_count) == ({"n": 1}, 1)
        queue.delete("work-poison", poisoned)
        assert queue.depth("work-poison") == 0

    def test_poisoned_messages_are_listed_and_not_touched(self, queue: ReceivingQueue) -> None:
        assert queue.poisoned("work") == []
        for number in range(3):
            queue.send("work", {"n": number})
        for received in queue.receive("work", 2, self.hold):
            queue.poison("work", received)
        for _ in range(2):
            shown = queue.poisoned("work")
            assert len({one.id for one in shown}) == len(shown) == 2
            assert {json.loads(one.body)["n"] for one in shown} < {0, 1, 2}
            assert all(0 <= time.time() - one.inserted < 60 for one in shown)
        assert self.one(queue, "work-poison", 2).dequeue_count == 1

    def test_at_most_32_poisoned_messages_are_listed_and_the_next_show_when_one_is_gone(
        self, queue: ReceivingQueue
    ) -> None:
        for number in range(34):
            queue.send("work-poison", {"n": number})
        shown = {one.id for one in queue.poisoned("work")}
        assert len(shown) == 32
        queue.replay("work", min(shown))
        assert queue.depth("work-poison") == 33
        after = {one.id for one in queue.poisoned("work")}
        assert len(after) == 32
        assert after - shown

    def test_a_message_is_replayed_once_and_the_others_stay(self, queue: ReceivingQueue) -> None:
        for number in range(3):
            queue.send("work", {"n": number})
        for received in queue.receive("work", 3, self.hold):
            queue.poison("work", received)
        chosen = queue.poisoned("work")[1]
        queue.replay("work", chosen.id)
        for _ in range(2):
            with pytest.raises(Conflict, match="held by somebody else, or is gone"):
                queue.replay("work", chosen.id)
        assert len(queue.poisoned("work")) == 2
        again = self.one(queue)
        assert (again.body, again.dequeue_count) == (chosen.body, 1)

    def test_what_somebody_holds_is_neither_listed_nor_replayed(self, queue: ReceivingQueue) -> None:
        queue.send("work-poison", {})
        (held,) = queue.poisoned("work")
        self.one(queue, "work-poison")
        assert queue.poisoned("work") == []
        with pytest.raises(Conflict, match="held by somebody else, or is gone"):
            queue.replay("work", held.id)

    def test_a_long_delay_is_no_error(self, queue: ReceivingQueue) -> None:
        queue.send("work", {}, delay=30 * 86_400)
        assert queue.receive("work", 1, self.hold) == []
        assert queue.depth("work") == 1

    def test_what_one_sent_another_receives(self, another: Callable[[], ReceivingQueue]) -> None:
        another().send("work", {"n": 1})
        assert json.loads(self.one(another()).body) == {"n": 1}

    def test_eight_who_receive_at_once_get_each_message_once(self, another: Callable[[], ReceivingQueue]) -> None:
        queues, got = [another() for _ in range(8)], list[int]()
        for number in range(60):
            queues[0].send("work", {"n": number})

        def receive(queue: ReceivingQueue) -> None:
            while batch := queue.receive("work", 3, self.hold):
                for received in batch:
                    got.append(json.loads(received.body)["n"])
                    queue.delete("work", received)

        race(*(lambda queue=queue: receive(queue) for queue in queues))
        assert sorted(got) == list(range(60))
        assert queues[0].depth("work") == 0

    def test_a_message_is_48_kibibytes_at_most(self, queue: ReceivingQueue) -> None:
        room = 48 * 1024 - len('{"a":""}')
        queue.send("work", {"a": "x" * room})
        with pytest.raises(ValueError, match="49152"):
            queue.send("work", {"a": "x" * (room + 1)})
        assert queue.depth("work") == 1


class TestSqliteQueue(QueueContract):
    @pytest.fixture
    def another(self, tmp_path: Path) -> Callable[[], ReceivingQueue]:
        return lambda: SqliteQueue(tmp_path / "state" / "queue.db")

    @pytest.fixture
    def pass_time(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
        real, passed = time.time, [0.0]
        monkeypatch.setattr("shared.state.queue.time.time", lambda: real() + passed[0])

        def turn(seconds: float) -> None:
            passed[0] += seconds

        return turn
