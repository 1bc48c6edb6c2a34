"""What every adapter of the WorkQueue port does, with the side that receives."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.model.errors import Conflict
from shared.state.queue import Received, SqliteQueue
from tests.contract.test_state_table import race

HOLD = 60.0


class QueueContract:
    """`another` opens the same queues once more, as another process would. Time is turned by `pass_time`."""

    @pytest.fixture
    def another(self, tmp_path: Path) -> Callable[[], SqliteQueue]:
        raise NotImplementedError

    @pytest.fixture
    def pass_time(self) -> Callable[[float], None]:
        raise NotImplementedError

    @pytest.fixture
    def queue(self, another: Callable[[], SqliteQueue]) -> SqliteQueue:
        return another()

    def one(self, queue: SqliteQueue, name: str = "work") -> Received:
        (received,) = queue.receive(name, 16, HOLD)
        return received

    def test_a_message_arrives_as_json(self, queue: SqliteQueue) -> None:
        message: dict[str, Any] = {"pair": "p", "cursors": {"报关": "é\n"}, "n": [1.5, None]}
        queue.send("work", message)
        received = self.one(queue)
        assert json.loads(received.body.decode()) == message
        assert received.dequeue_count == 1
        assert 0 <= time.time() - received.inserted < 60

    def test_queues_do_not_mix(self, queue: SqliteQueue) -> None:
        queue.send("work", {})
        assert queue.receive("poll", 16, HOLD) == []
        assert (queue.depth("work"), queue.depth("poll")) == (1, 0)

    def test_no_more_are_handed_out_than_were_asked_for(self, queue: SqliteQueue) -> None:
        for number in range(5):
            queue.send("work", {"n": number})
        batches = [queue.receive("work", 2, HOLD) for _ in range(4)]
        assert [len(batch) for batch in batches] == [2, 2, 1, 0]
        assert sorted(json.loads(one.body)["n"] for batch in batches for one in batch) == [0, 1, 2, 3, 4]

    def test_a_message_that_was_deleted_is_gone(self, queue: SqliteQueue, pass_time: Callable[[float], None]) -> None:
        queue.send("work", {})
        queue.delete("work", self.one(queue))
        pass_time(HOLD + 1)
        assert queue.receive("work", 16, HOLD) == []
        assert queue.depth("work") == 0

    def test_a_message_that_nobody_settled_comes_again(
        self, queue: SqliteQueue, pass_time: Callable[[float], None]
    ) -> None:
        queue.send("work", {})
        first = self.one(queue)
        pass_time(HOLD - 1)
        assert queue.receive("work", 16, HOLD) == []
        assert queue.depth("work") == 1
        pass_time(2)
        second = self.one(queue)
        assert (second.id, second.body, second.inserted) == (first.id, first.body, first.inserted)
        assert (first.dequeue_count, second.dequeue_count) == (1, 2)

    def test_a_delayed_message_waits(self, queue: SqliteQueue, pass_time: Callable[[float], None]) -> None:
        queue.send("work", {"n": 1}, delay=30)
        queue.send("work", {"n": 2}, delay=-5)
        assert json.loads(self.one(queue).body) == {"n": 2}
        pass_time(29)
        assert queue.receive("work", 16, HOLD) == []
        pass_time(2)
        assert json.loads(self.one(queue).body) == {"n": 1}

    def test_a_message_that_was_given_back_waits_for_its_delay(
        self, queue: SqliteQueue, pass_time: Callable[[float], None]
    ) -> None:
        queue.send("work", {})
        queue.release("work", self.one(queue), 30)
        pass_time(29)
        assert queue.receive("work", 16, HOLD) == []
        pass_time(2)
        assert self.one(queue).dequeue_count == 2

    def test_a_receipt_is_good_until_somebody_else_has_the_message(
        self, queue: SqliteQueue, pass_time: Callable[[float], None]
    ) -> None:
        queue.send("work", {})
        late = self.one(queue)
        pass_time(HOLD + 1)
        queue.delete("work", late)
        assert queue.depth("work") == 0

    @pytest.mark.parametrize("settle", ["delete", "release", "poison"])
    @pytest.mark.parametrize("meanwhile", ["taken", "given back", "deleted", "poisoned"])
    def test_a_stale_receipt_is_refused(
        self, queue: SqliteQueue, pass_time: Callable[[float], None], settle: str, meanwhile: str
    ) -> None:
        queue.send("work", {})
        stale = self.one(queue)
        if meanwhile == "taken":
            pass_time(HOLD + 1)
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

    def test_a_poisoned_message_can_be_taken_from_the_poison_queue(self, queue: SqliteQueue) -> None:
        queue.send("work", {"n": 1})
        queue.poison("work", self.one(queue))
        assert queue.receive("work", 16, HOLD) == []
        poisoned = self.one(queue, "work-poison")
        assert (json.loads(poisoned.body), poisoned.dequeue_count) == ({"n": 1}, 1)
        queue.delete("work-poison", poisoned)
        assert queue.depth("work-poison") == 0

    def test_what_one_sent_another_receives(self, another: Callable[[], SqliteQueue]) -> None:
        another().send("work", {"n": 1})
        assert json.loads(self.one(another()).body) == {"n": 1}

    def test_eight_who_receive_at_once_get_each_message_once(self, another: Callable[[], SqliteQueue]) -> None:
        queues, got = [another() for _ in range(8)], list[int]()
        for number in range(60):
            queues[0].send("work", {"n": number})

        def receive(queue: SqliteQueue) -> None:
            while batch := queue.receive("work", 3, HOLD):
                for received in batch:
                    got.append(json.loads(received.body)["n"])
                    queue.delete("work", received)

        race(*(lambda queue=queue: receive(queue) for queue in queues))
        assert sorted(got) == list(range(60))
        assert queues[0].depth("work") == 0

    def test_a_message_is_48_kibibytes_at_most(self, queue: SqliteQueue) -> None:
        room = 48 * 1024 - len('{"a":""}')
        queue.send("work", {"a": "x" * room})
        with pytest.raises(ValueError, match="49152"):
            queue.send("work", {"a": "x" * (room + 1)})
        assert queue.depth("work") == 1


class TestSqliteQueue(QueueContract):
    @pytest.fixture
    def another(self, tmp_path: Path) -> Callable[[], SqliteQueue]:
        return lambda: SqliteQueue(tmp_path / "state" / "queue.db")

    @pytest.fixture
    def pass_time(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
        real, passed = time.time, [0.0]
        monkeypatch.setattr("shared.state.queue.time.time", lambda: real() + passed[0])

        def turn(seconds: float) -> None:
            passed[0] += seconds

        return turn
