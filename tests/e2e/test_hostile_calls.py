"""Calls that nobody should make, in thousands, through the real app: they change nothing and learn nothing."""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import socket
import sqlite3
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.dingtalk.callbacks_crypto import Sealer
from sandbox.host import Host
from sandbox.host.converters import ConverterEngine
from sandbox.host.engine import best_engine, has_runtime
from sandbox.host.http import Routes
from sandbox.host.invoker import Invoker
from sandbox.web import Request, Response
from shared.model.pairs import Pair
from shared.ports.state import Op
from shared.sync.identity import Identity
from shared.sync.pushes import SUBSCRIPTIONS
from shared.wiring.key import deployment_key
from shared.wiring.parts import Parts
from shared.wiring.product import Product, build, use
from shared.wiring.settings import load_settings
from tests.support.hostile import CALLBACK, GRAPH, HEALTH, Caller
from tests.support.memory_queue import MemoryQueue
from tests.unit.test_product import Nowhere, environment

ROOT = Path(__file__).resolve().parents[2]
NEVER = {"TANDEM_TICK_SCHEDULE": "0 0 0 1 1 *"}
PAIR = Pair("pair-1", "Chan", "chan@office.example", "chan@factory.example", 0, "union-1", user_id="user-1")
APP = {
    "TANDEM_DINGTALK_CORP_ID": "dingcorp",
    "TANDEM_DINGTALK_APP_KEY": "dingapp",
    "TANDEM_DINGTALK_APP_SECRET": "marker-app-secret",
    "TANDEM_DINGTALK_TOKEN": "markertoken",
    "TANDEM_DINGTALK_AES_KEY": "marker" + "7" * 37,
}
SUBSCRIPTION = "7c0a9c52-1111-4222-8333-94a1b2c3d4e5"


class App:
    """The real app on an embedded state of its own; a vendor that is called is a failure."""

    def __init__(self, state: Path, **settings: str) -> None:
        self.state = state
        loaded = load_settings(environment(state, **settings))
        parts = replace(Parts.embedded(loaded), transport=Nowhere(), streams=Nowhere())
        self.product: Product = build(loaded, parts)
        self.product.pairs.add(PAIR)
        rows = [
            Op("put", "pair:pair-1", {"id": SUBSCRIPTION, "expires": time.time() + 600_000}),
            Op("put", f"id:{SUBSCRIPTION}", {"pair": "pair-1"}),
        ]
        self.product.table.transact(SUBSCRIPTIONS, rows)
        key = deployment_key(parts.secrets, parts.random)
        self.caller = Caller(
            self.product.table.now,
            APP["TANDEM_DINGTALK_TOKEN"],
            APP["TANDEM_DINGTALK_AES_KEY"],
            APP["TANDEM_DINGTALK_APP_KEY"],
            APP["TANDEM_DINGTALK_CORP_ID"],
            SUBSCRIPTION,
            Identity(key, PAIR).client_state(),
        )
        use(self.product)

    def everything(self) -> dict[str, Any]:
        """Every row of every table, the counter of writes among them, every message, every other file."""
        found: dict[str, Any] = {}
        for name, tables in (("table.db", ("rows", "versions")), ("queue.db", ("messages", "sqlite_sequence"))):
            with closing(sqlite3.connect(self.state / name)) as connection:
                for table in tables:
                    found[table] = sorted(connection.execute(f"SELECT * FROM {table}"))
        for path in self.state.rglob("*"):
            if path.is_file() and ".db" not in path.name:
                found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def genuine(self, id: str = "") -> Request:
        query, body = self.caller.callback(self.caller.event(id))
        return self.caller._call("", query, body, set()).request

    def notification(self) -> Request:
        return self.caller._items("", self.caller.notification()).request


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    yield App(tmp_path / "state", **APP)
    use(None)


@pytest.fixture(params=["converters", *(["runtime"] if has_runtime() else [])])
def routes(request: pytest.FixtureRequest) -> Iterator[Routes]:
    """The triggers, called by each worker library without a socket."""
    engine = ConverterEngine() if request.param == "converters" else best_engine()
    functions = [f for f in engine.index(ROOT) if f.trigger["type"] == "httpTrigger"]
    invoker = Invoker(engine)
    yield Routes(functions, "api", invoker)
    invoker.close()


@pytest.fixture
def host(app: App) -> Iterator[Host]:
    """The app behind a port; its queue is worked by nobody."""
    host = Host(ROOT, MemoryQueue(), NEVER)
    host.start()
    yield host
    host.stop()


def opened(app: App, answer: Response) -> tuple[str, str]:
    """(text, owner) of a sealed answer."""
    value = json.loads(answer.body)
    sealer = Sealer(app.caller.token, app.caller.aes_key, app.caller.chance)
    assert value["msg_signature"] == sealer.signature(value["timeStamp"], value["nonce"], value["encrypt"])
    return sealer.open(value["encrypt"])


def send(port: int, request: Request) -> Response:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(request.method, request.target, request.body or None, dict(request.headers))
        answer = connection.getresponse()
        return Response(answer.status, {}, answer.read())


def port_of(host: Host) -> int:
    return int(host.url.rpartition(":")[2])


# ---- thousands
def test_thousands_of_bad_calls_change_nothing_and_are_answered_as_they_deserve(
    app: App, routes: Routes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert routes.handle(app.genuine("first")).status == 200
    assert routes.handle(app.notification()).status == 202
    before, told, slowest = app.everything(), Counter[tuple[str, int]](), 0.0
    for bad in app.caller.calls(220):
        started = time.perf_counter()
        answer = routes.handle(bad.request)
        slowest = max(slowest, time.perf_counter() - started)
        assert answer.status in bad.statuses, f"{bad.what}: {answer.status}"
        assert len(answer.body) < 100
        told[bad.what, answer.status] += 1
    assert app.everything() == before
    print(f"{told.total()} bad calls, the slowest {slowest * 1000:.0f} ms")
    for (what, status), count in sorted(told.items()):
        print(f"  {count:5} {status} {what}")
    assert told.total() >= 2000
    assert slowest < 1.5
    assert not any(secret in caplog.text for secret in (*APP.values(), app.caller.client_state, SUBSCRIPTION))
    assert "Traceback" not in caplog.text


def test_bad_calls_over_the_wire_are_answered_the_same(app: App, host: Host) -> None:
    assert send(port_of(host), app.genuine("first")).status == 200
    before = app.everything()
    calls = 0
    for bad in app.caller.calls(25):
        answer = send(port_of(host), bad.request)
        assert answer.status in bad.statuses, f"{bad.what}: {answer.status}"
        calls += 1
    assert app.everything() == before
    print(f"{calls} bad calls over the wire")


def test_a_genuine_callback_that_is_sent_again_is_answered_and_changes_nothing(app: App, routes: Routes) -> None:
    request = app.genuine("once")
    assert opened(app, routes.handle(request)) == ("success", app.caller.app_key)
    before = app.everything()
    for _ in range(100):
        assert opened(app, routes.handle(request)) == ("success", app.caller.app_key)
    assert app.everything() == before


def test_a_callback_sent_again_much_later_is_refused_and_says_nothing_about_clocks(app: App, routes: Routes) -> None:
    assert routes.handle(app.genuine("once")).status == 200
    before = app.everything()
    for later in (-301.0, -3600.0, -80_000.0, 600.0):
        query, body = app.caller.callback(app.caller.event("once"), later=later)
        assert routes.handle(app.caller._call("", query, body, set()).request).status == 403
    assert app.everything() == before
    status = app.product.service.app_status().callbacks
    assert status is not None
    assert status.clock_off is None


def test_with_the_clock_off_by_ten_minutes_log_and_status_say_so(
    app: App, routes: Routes, caplog: pytest.LogCaptureFixture
) -> None:
    query, body = app.caller.callback({"EventType": "check_url"}, later=-600.0)
    assert routes.handle(app.caller._call("", query, body, set()).request).status == 403
    assert "our time is 600 s ahead of its stamp" in caplog.text
    assert "a clock is wrong" in caplog.text
    status = app.product.service.app_status().callbacks
    assert status is not None
    assert status.clock_off == pytest.approx(600, abs=2)


def test_the_handshake_is_answered_with_success_in_time(app: App, host: Host) -> None:
    query, body = app.caller.callback({"EventType": "check_url"})
    started = time.perf_counter()
    answer = send(port_of(host), app.caller._call("", query, body, set()).request)
    assert time.perf_counter() - started < 1.5
    assert opened(app, answer) == ("success", app.caller.app_key)
    assert app.everything()["messages"] == []


def test_a_genuine_callback_is_answered_within_a_tenth_of_a_second(app: App, host: Host) -> None:
    """The best of three rounds: the machine may have other work to do."""
    p95s: list[float] = []
    while len(p95s) < 3 and not any(p95 < 0.1 for p95 in p95s):
        times = [_timed(app, host) for _ in range(200)]
        p95s.append(statistics.quantiles(times, n=20)[-1])
        p50, longest = statistics.median(times), max(times)
        print(f"genuine callbacks: p50 {p50 * 1e3:.1f} ms, p95 {p95s[-1] * 1e3:.1f} ms, longest {longest * 1e3:.1f} ms")
    assert min(p95s) < 0.1
    assert len(app.everything()["messages"]) == 200 * len(p95s)


def _timed(app: App, host: Host) -> float:
    request = app.genuine()
    started = time.perf_counter()
    answer = send(port_of(host), request)
    took = time.perf_counter() - started
    assert answer.status == 200
    return took


def test_without_a_dingtalk_app_there_is_no_callback(tmp_path: Path, routes: Routes) -> None:
    app = App(tmp_path / "state")
    try:
        answer = routes.handle(app.genuine())
    finally:
        use(None)
    assert (answer.status, answer.body) == (404, b"no DingTalk app is set up here")


# ---- health
def test_health_tells_a_prober_one_word(app: App, routes: Routes, caplog: pytest.LogCaptureFixture) -> None:
    answer = routes.handle(Request("GET", HEALTH))
    assert (answer.status, json.loads(answer.body)) == (200, {"ok": True})
    with closing(sqlite3.connect(app.state / "table.db")) as connection:
        connection.execute("DROP TABLE rows")
    answer = routes.handle(Request("GET", HEALTH))
    assert (answer.status, json.loads(answer.body)) == (503, {"ok": False})
    assert "StoreUnavailable" in caplog.text
    assert str(app.state) not in caplog.text


def test_health_names_wrong_settings_and_no_value(
    routes: Routes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    use(None)
    monkeypatch.setenv("TANDEM_POLL_SECONDS", "nonsense")
    answer = routes.handle(Request("GET", HEALTH))
    assert answer.status == 503
    assert "TANDEM_POLL_SECONDS" in json.loads(answer.body)["settings"]
    assert "nonsense" not in answer.body.decode() + caplog.text


# ---- on the wire: the local host's own manners
RAW: dict[str, tuple[bytes, set[bytes]]] = {
    "a length that is no number": (b"POST %s HTTP/1.1\r\ncontent-length: abc\r\n\r\n", {b"400"}),
    "a negative length": (b"POST %s HTTP/1.1\r\ncontent-length: -1\r\n\r\n", {b"400"}),
    "a length of other digits": ("POST %s HTTP/1.1\r\ncontent-length: ١٢\r\n\r\n".encode(), {b"400"}),
    "an enormous length": (b"POST %s HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", {b"413"}),
    "a length without end": (b"POST %s HTTP/1.1\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n", {b"400"}),
    "chunks": (b"POST %s HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", {b"411"}),
    "chunks and a length": (
        b"POST %s HTTP/1.1\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /api/health HTTP/1.1"
        b"\r\n\r\n",
        {b"411"},
    ),
    "a line without end": (b"POST %s?" + b"a" * 70_000, {b"414"}),
    "a header without end": (b"POST %s HTTP/1.1\r\nx: " + b"a" * 70_000 + b"\r\n\r\n", {b"431"}),
    "headers without end": (b"POST %s HTTP/1.1\r\n" + b"x: a\r\n" * 200 + b"\r\n", {b"431"}),
    "a target that is no address": (b"POST http://[oops%s HTTP/1.1\r\n\r\n", {b"400"}),
    "another protocol": (b"SSH-2.0-OpenSSH_9.7 %s\r\n\r\n", {b""}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01%s\r\n", {b"400", b""}),
    "an unknown method": (b"BREW %s HTTP/1.1\r\n\r\n", {b"501"}),
    "TRACE": (b"TRACE %s HTTP/1.1\r\n\r\n", {b"501"}),
    "a body cut short": (b"POST %s HTTP/1.1\r\ncontent-length: 100\r\n\r\n{", {b""}),
    "nothing": (b"", {b""}),
}


@pytest.mark.parametrize("what", RAW)
@pytest.mark.parametrize("path", [GRAPH, CALLBACK])
def test_what_is_hardly_http_is_refused_and_the_host_lives_on(
    what: str, path: str, app: App, host: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    raw, statuses = RAW[what]
    before = app.everything()
    with socket.create_connection(("127.0.0.1", port_of(host)), 10) as connection:
        connection.sendall(raw.replace(b"%s", path.encode()))
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while piece := connection.recv(4096):
                answer += piece
        except ConnectionResetError:
            pass
    status = answer.split(b" ")[1] if answer.startswith(b"HTTP/") else answer[:0]
    assert status in statuses, answer[:200]
    assert app.everything() == before
    assert "Traceback" not in capfd.readouterr().err
    assert send(port_of(host), app.genuine()).status == 200


def test_callers_who_never_finish_keep_nobody_else_waiting(app: App, host: Host) -> None:
    before = app.everything()
    with ExitStack() as stack:
        for number in range(100):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port_of(host)), 10))
            path = (GRAPH, CALLBACK, HEALTH)[number % 3].encode()
            slow.sendall(
                (b"POST ", b"POST %s HTTP/1.1\r\nx: ", b"POST %s HTTP/1.1\r\ncontent-length: 900\r\n\r\n{")[
                    number % 3
                ].replace(b"%s", path)
            )
        assert app.everything() == before
        started = time.perf_counter()
        assert send(port_of(host), app.genuine()).status == 200
        took = time.perf_counter() - started
    print(f"beside 100 callers who never finish: {took * 1000:.0f} ms")
    assert took < 1.5


def test_a_caller_who_falls_silent_is_hung_up_on(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    handler: Any = host._server._httpd.RequestHandlerClass
    monkeypatch.setattr(handler, "timeout", 0.3)
    with socket.create_connection(("127.0.0.1", port_of(host)), 10) as connection:
        connection.sendall(b"POST /api/dingtalk/callback HTTP/1.1\r\ncontent-length: 900\r\n\r\n{")
        assert connection.recv(100) == b""
