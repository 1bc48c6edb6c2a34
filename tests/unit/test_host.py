"""The local Functions host with a small app of its own, on every engine that this Python has."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.host import Host
from sandbox.host.converters import ConverterEngine
from sandbox.host.engine import has_runtime
from tests.support.memory_queue import MemoryQueue

APP = """
import json
from datetime import datetime
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
calls = []
gate = lambda message: None

@app.route("echo/{corp}/{n:int}/{rest?}", methods=["GET", "POST"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    body = {
        "method": req.method, "url": req.url, "route": dict(req.route_params), "query": dict(req.params),
        "header": req.headers.get("X-Thing"), "body": req.get_body().decode("latin-1"),
    }
    return func.HttpResponse(json.dumps(body), status_code=201, mimetype="application/json", headers={"X-Answer": "y"})

@app.route("echo/fixed/1", methods=["GET"])
def fixed(req: func.HttpRequest) -> str:
    return "fixed"

@app.route("fail")
def fail(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("as asked")

@app.queue_trigger(arg_name="message", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
def work(message: func.QueueMessage) -> None:
    gate(message)
    assert isinstance(message.insertion_time, datetime)
    calls.append((message.id, message.get_json(), message.dequeue_count))

@app.timer_trigger(arg_name="timer", schedule="%EVERY%", run_on_startup=True)
def tick(timer: func.TimerRequest) -> None:
    calls.append(("tick", timer.past_due, timer.schedule_status["Next"]))
"""
HOST = {
    "version": "2.0",
    "extensions": {
        "http": {"routePrefix": "v1/api"},
        "queues": {"batchSize": 2, "newBatchThreshold": 1, "maxDequeueCount": 3, "visibilityTimeout": "00:00:00"},
    },
}
NEVER = "0 0 0 1 1 *"
ENGINES = ["converters", *(["runtime"] if has_runtime() else [])]


class Small:
    """The small app, served, and what it was called with."""

    def __init__(self, directory: Path, engine: str, every: str = NEVER) -> None:
        (directory / "function_app.py").write_text(APP)
        (directory / "host.json").write_text(json.dumps(HOST))
        self.queue = MemoryQueue()
        chosen = ConverterEngine() if engine == "converters" else None
        self.host = Host(directory, self.queue, {"QUEUE": "jobs", "EVERY": every}, engine=chosen)
        self.host.start()
        import function_app

        self.module: Any = function_app

    @property
    def worked(self) -> list[tuple[str, Any, int]]:
        return [call for call in self.module.calls if call[0] != "tick"]

    def gate(self, action: Callable[[Any], None]) -> None:
        self.module.gate = action


@pytest.fixture(params=ENGINES)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Small]:
    small = Small(tmp_path, request.param)
    yield small
    small.host.stop()


def test_a_request_reaches_the_function_whole(small: Small) -> None:
    answer = requests.post(
        f"{small.host.url}/v1/api/echo/a%2Fb/7?signature=x%20y", data=b"\x00\xff", headers={"X-Thing": "z"}, timeout=5
    )
    assert (answer.status_code, answer.headers["X-Answer"]) == (201, "y")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {
        "method": "POST",
        "url": f"{small.host.url}/v1/api/echo/a%2Fb/7?signature=x%20y",
        "route": {"corp": "a/b", "n": "7"},
        "query": {"signature": "x y"},
        "header": "z",
        "body": "\x00\xff",
    }


def test_the_route_with_fewer_parameters_wins_and_optional_ones_may_be_left_out(small: Small) -> None:
    def get(path: str) -> str:
        return requests.get(f"{small.host.url}/v1/api/{path}", timeout=5).text

    assert get("echo/fixed/1") == "fixed"
    assert json.loads(get("Echo/corp/1/more"))["route"] == {"corp": "corp", "n": "1", "rest": "more"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/api/nothing", 404),
        ("GET", "/api/fail", 404),
        ("GET", "/v1/api/echo/corp/x", 404),
        ("DELETE", "/v1/api/echo/corp/1", 404),
        ("GET", "/v1/api/fail", 500),
    ],
)
def test_what_cannot_be_answered_has_a_status_and_no_body(small: Small, method: str, path: str, status: int) -> None:
    answer = requests.request(method, small.host.url + path, timeout=5)
    assert (answer.status_code, answer.content) == (status, b"")


def test_a_message_is_given_to_its_function_and_then_deleted(small: Small) -> None:
    small.queue.put("jobs", {"pair": "p"})
    small.host.wake()
    small.queue.wait(lambda: not small.queue.bodies("jobs"))
    assert small.worked == [("1", {"pair": "p"}, 1)]


def test_a_message_that_keeps_failing_is_tried_as_often_as_host_json_says_and_then_poisoned(small: Small) -> None:
    tries: list[int] = []

    def fail(message: Any) -> None:
        tries.append(message.dequeue_count)
        raise RuntimeError("as asked")

    small.gate(fail)
    small.queue.put("jobs", {"pair": "p"})
    small.queue.wait(lambda: bool(small.queue.bodies("jobs-poison")))
    assert tries == [1, 2, 3]
    assert small.queue.bodies("jobs-poison") == [b'{"pair": "p"}']
    assert small.queue.bodies("jobs") == []


def test_a_message_that_fails_once_is_tried_again(small: Small) -> None:
    def fail_once(message: Any) -> None:
        if message.dequeue_count == 1:
            raise RuntimeError("as asked")

    small.gate(fail_once)
    small.queue.put("jobs", 1)
    small.queue.wait(lambda: not small.queue.bodies("jobs"))
    assert small.worked == [("1", 1, 2)]


def test_messages_run_side_by_side_up_to_batch_size_and_threshold(small: Small) -> None:
    lock, running, most = threading.Lock(), 0, 0
    two_at_once = threading.Barrier(2, timeout=10)

    def count(message: Any) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        two_at_once.wait()
        with lock:
            running -= 1

    small.gate(count)
    for n in range(12):
        small.queue.put("jobs", n)
    small.queue.wait(lambda: not small.queue.bodies("jobs"))
    assert most in (2, 3)
    assert sorted(body for _, body, _ in small.worked) == list(range(12))


def test_a_queue_that_cannot_be_read_is_asked_again(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    receive, asked = small.queue.receive, threading.Event()

    def refuse(queue: str, count: int, visibility: float) -> Any:
        if not asked.is_set():
            asked.set()
            raise OSError("as asked")
        return receive(queue, count, visibility)

    monkeypatch.setattr(small.queue, "receive", refuse)
    assert asked.wait(5)
    small.queue.put("jobs", 1)
    small.host.wake()
    small.queue.wait(lambda: not small.queue.bodies("jobs"))


def test_a_message_is_picked_up_soon_without_being_told(small: Small) -> None:
    done = threading.Event()
    small.gate(lambda message: done.set())
    started = time.monotonic()
    small.queue.put("jobs", 1)
    assert done.wait(5)
    assert time.monotonic() - started < 1


def test_stopping_waits_for_what_is_running_and_leaves_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    small = Small(tmp_path, ENGINES[-1])
    entered, leave = threading.Event(), threading.Event()

    def hold(message: Any) -> None:
        entered.set()
        assert leave.wait(10)

    small.gate(hold)
    small.queue.put("jobs", 1)
    assert entered.wait(5)
    stopper = threading.Thread(target=small.host.stop)
    stopper.start()
    stopper.join(0.1)
    assert stopper.is_alive()
    leave.set()
    stopper.join(10)
    assert not stopper.is_alive()
    assert small.queue.bodies("jobs") == []
    assert set(threading.enumerate()) <= before
    with pytest.raises(requests.ConnectionError):
        requests.get(small.host.url, timeout=5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_timer_fires_at_the_start_when_asked_and_then_on_its_schedule(tmp_path: Path, engine: str) -> None:
    small = Small(tmp_path, engine, every="* * * * * *")
    try:
        deadline = time.monotonic() + 10
        while len(small.module.calls) < 3 and time.monotonic() < deadline:
            threading.Event().wait(0.05)
    finally:
        small.host.stop()
    kinds, late, following = zip(*small.module.calls, strict=True)
    assert set(kinds) == {"tick"}
    assert set(late) == {False}
    assert len(set(following)) >= 2
    assert list(following) == sorted(following)
