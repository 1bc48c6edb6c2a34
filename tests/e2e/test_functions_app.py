"""Our own Functions app, indexed and called by the worker library that Azure runs, with a service that only listens."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests
from azure.functions.meta import Datum

import shared.wiring.product as wiring
from functions.graph import MAX_BODY
from sandbox.host import Function, Host
from sandbox.host.app import problems
from sandbox.host.config import load
from sandbox.host.converters import ConverterEngine
from sandbox.host.engine import Engine, has_runtime, importing
from shared.ports.telemetry import SILENCE
from tests.support.memory_queue import MemoryQueue
from tests.support.watching import Watching

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {"TANDEM_TICK_SCHEDULE": "*/10 * * * * *"}
NEVER = {"TANDEM_TICK_SCHEDULE": "0 0 0 1 1 *"}
ENGINES = ["converters", *(["runtime"] if has_runtime() else [])]


class Listening:
    """A service that notes its calls. `then` may be set to fail."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.then: Callable[[], None] = lambda: None
        self.called = threading.Event()

    def notified(self, body: bytes) -> None:
        self._note("notified", body)

    def tick(self, here: bool = False) -> None:
        self._note("tick", {"here": here})

    def poll(self, message: Mapping[str, Any]) -> None:
        self._note("poll", message)

    def work(self, message: Mapping[str, Any]) -> None:
        self._note("work", message)

    def _note(self, name: str, value: Any) -> None:
        self.calls.append((name, value))
        self.called.set()
        self.then()


@pytest.fixture
def service() -> Iterator[Listening]:
    listening = Listening()
    wiring.use(cast(Any, SimpleNamespace(service=listening, telemetry=SILENCE)))
    yield listening
    wiring.use(None)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "converters":
        return ConverterEngine()
    from sandbox.host.runtime import RuntimeEngine

    return RuntimeEngine()


@pytest.fixture
def indexed(engine: Engine) -> Iterator[dict[str, Function]]:
    yield {function.name: function for function in engine.index(ROOT)}
    engine.close()


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue()


@pytest.fixture
def host(engine: Engine, queue: MemoryQueue, service: Listening) -> Iterator[Host]:
    host = Host(ROOT, queue, NEVER, engine=engine)
    host.start()
    yield host
    host.stop()


def test_the_app_has_these_triggers_and_no_other(indexed: dict[str, Function]) -> None:
    def shown(function: Function) -> tuple[Any, ...]:
        trigger = function.trigger
        keys = {
            "httpTrigger": ("route", "methods", "authLevel"),
            "timerTrigger": ("schedule", "useMonitor"),
            "queueTrigger": ("queueName", "connection"),
        }[trigger["type"]]
        return (trigger["type"], *(str(trigger.get(key)) for key in keys))

    assert {name: shown(function) for name, function in indexed.items()} == {
        "graph_notifications": ("httpTrigger", "graph/notifications", "['POST']", "ANONYMOUS"),
        "dingtalk_callback": ("httpTrigger", "dingtalk/callback", "['POST']", "ANONYMOUS"),
        "health": ("httpTrigger", "health", "['GET']", "ANONYMOUS"),
        "tick": ("timerTrigger", "%TANDEM_TICK_SCHEDULE%", "False"),
        "poll": ("queueTrigger", "poll", "AzureWebJobsStorage"),
        "work": ("queueTrigger", "work", "AzureWebJobsStorage"),
        "bulk": ("queueTrigger", "bulk", "AzureWebJobsStorage"),
    }


def test_the_app_has_none_of_the_mistakes_that_only_azure_would_find(indexed: dict[str, Function]) -> None:
    assert problems(indexed.values(), SETTINGS, "api") == []
    assert "TANDEM_TICK_SCHEDULE" in "".join(problems(indexed.values(), {}, "api"))


def test_host_json_says_how_queues_are_worked() -> None:
    host = load(ROOT)
    queues = host.extensions.queues
    assert host.extensions.http.routePrefix == "api"
    assert host.extensionBundle is not None
    assert (queues.batchSize, queues.newBatchThreshold, queues.maxDequeueCount) == (16, 8, 5)
    assert (queues.visibilityTimeout.total_seconds(), queues.maxPollingInterval.total_seconds()) == (30, 2)
    assert queues.messageEncoding == "base64"


def test_a_tick_reaches_the_service(engine: Engine, indexed: dict[str, Function], service: Listening) -> None:
    info = {"IsPastDue": True, "ScheduleStatus": {"Last": "2026-11-24T03:00:00+00:00"}, "Schedule": {}}
    assert engine.invoke(indexed["tick"], Datum(json.dumps(info), "json"), {}).ok
    assert service.calls == [("tick", {"here": True})]


@pytest.mark.parametrize("name", ["poll", "work"])
def test_a_message_reaches_the_service_as_an_object(
    name: str, engine: Engine, indexed: dict[str, Function], service: Listening
) -> None:
    metadata = {"Id": Datum("m1", "string"), "DequeueCount": Datum("2", "json"), "PopReceipt": Datum("r", "string")}
    assert engine.invoke(indexed[name], Datum('{"pair": "p", "kind": "mail"}', "string"), metadata).ok
    assert service.calls == [(name, {"pair": "p", "kind": "mail"})]


@pytest.mark.parametrize("name", ["poll", "work"])
@pytest.mark.parametrize("body", ["", "not json, but secret", '["secret"]', "null"])
def test_a_message_that_is_no_object_fails_without_showing_its_text(
    name: str, body: str, engine: Engine, indexed: dict[str, Function], service: Listening
) -> None:
    outcome = engine.invoke(indexed[name], Datum(body, "string"), {"Id": Datum("m1", "string")})
    assert not outcome.ok
    assert "m1 is not a JSON object" in outcome.error
    assert "secret" not in outcome.error
    assert service.calls == []


def test_a_new_subscription_is_confirmed_with_its_decoded_token(host: Host, service: Listening) -> None:
    answer = requests.post(f"{host.url}/api/graph/notifications?validationToken=a%20token%3A%20%3Cb%3E", timeout=5)
    assert (answer.status_code, answer.text) == (200, "a token: <b>")
    assert answer.headers["Content-Type"].partition(";")[0] == "text/plain"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert service.calls == []


@pytest.mark.parametrize("body", [b'{"value": []}', b"", b"\xff not json", b"x" * MAX_BODY])
def test_a_notification_goes_to_the_service_as_it_came_and_is_answered_202(
    body: bytes, host: Host, service: Listening
) -> None:
    answer = requests.post(f"{host.url}/api/graph/notifications", data=body, timeout=5)
    assert (answer.status_code, answer.content) == (202, b"")
    assert service.calls == [("notified", body)]


def test_an_oversized_notification_is_answered_202_and_dropped(host: Host, service: Listening) -> None:
    answer = requests.post(f"{host.url}/api/graph/notifications", data=b"x" * (MAX_BODY + 1), timeout=5)
    assert (answer.status_code, service.calls) == (202, [])


def test_a_notification_that_could_not_be_noted_is_asked_for_again(host: Host, service: Listening) -> None:
    def fail() -> None:
        raise RuntimeError("the store is away")

    service.then = fail
    assert requests.post(f"{host.url}/api/graph/notifications", data=b"{}", timeout=5).status_code == 500


def test_a_notification_can_lead_to_work_through_the_queue(host: Host, queue: MemoryQueue, service: Listening) -> None:
    def enqueue() -> None:
        if len(service.calls) == 1:
            queue.put("work", {"pair": "p", "kind": "mail"})
            host.wake()

    service.then = enqueue
    requests.post(f"{host.url}/api/graph/notifications", data=b"{}", timeout=5)
    queue.wait(lambda: not queue.bodies("work"))
    assert service.calls == [("notified", b"{}"), ("work", {"pair": "p", "kind": "mail"})]


def test_the_timer_drives_the_service(engine: Engine, queue: MemoryQueue, service: Listening) -> None:
    host = Host(ROOT, queue, {"TANDEM_TICK_SCHEDULE": "* * * * * *"}, engine=engine)
    host.start()
    try:
        assert service.called.wait(5)
    finally:
        host.stop()
    assert {name for name, _ in service.calls} == {"tick"}


@pytest.mark.skipif(not has_runtime(), reason="no worker library: Azure's worker is offered from Python 3.13 on")
def test_with_its_setting_the_worker_hands_on_the_hosts_trace_and_leaves_the_rest_to_the_app(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import azure_functions_runtime as worker
    from azure_functions_runtime import native_invocation
    from azure_functions_runtime.otel import otel_manager

    from sandbox.host.runtime import PROTOS, RuntimeEngine

    monkeypatch.setenv("PYTHON_ENABLE_OPENTELEMETRY", "true")
    watching, engine, listening = Watching(), RuntimeEngine(), Listening()
    listening.then = watching.telemetry.keep
    wiring.use(cast(Any, SimpleNamespace(service=listening, telemetry=watching.telemetry)))
    start = SimpleNamespace(worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=str(ROOT)))
    try:
        with importing(ROOT):
            request = SimpleNamespace(request=start, properties={"host": "127.0.0.1", "protos": PROTOS})
            reply = asyncio.run(worker.worker_init_request(request))
        tick = next(function for function in engine.index(ROOT) if function.name == "tick")
        value = Datum(json.dumps({"Schedule": {}, "IsPastDue": False}), "json")
        native_invocation.run_invocation_sync("i", tick.id, [("timer", value)], {}, f"00-{'a' * 32}-{'b' * 16}-00")
    finally:
        otel_manager.set_otel_libs_available(False)
        engine.close()
        wiring.use(None)
    assert reply.capabilities["WorkerOpenTelemetryEnabled"]
    assert not otel_manager.get_azure_monitor_available()
    (span,) = watching.spans()
    assert span.parent is not None
    assert (f"{span.parent.trace_id:x}", f"{span.parent.span_id:x}") == ("a" * 32, "b" * 16)
