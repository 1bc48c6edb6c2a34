"""What is told to whoever watches, through OpenTelemetry's own SDK."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from shared.model.errors import Unavailable
from shared.model.metrics import BRAKE, EXPIRES, METRICS, QUOTA_LEFT
from shared.ops.gauges import Gauges
from shared.ports.telemetry import SILENCE
from shared.ports.world import HttpRequest, HttpResponse
from shared.state.queue import SqliteQueue
from shared.wiring.opentelemetry import LARGE
from shared.wiring.watched import WatchedQueue, WatchedTransport, route
from shared.wiring.world import ThreadExecutor
from tests.support.watching import Watching

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def watching() -> Watching:
    return Watching()


@pytest.fixture
def log(watching: Watching) -> Iterator[logging.Logger]:
    logger = logging.getLogger("tandem.test_telemetry")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(watching.telemetry.handler)
    yield logger
    logger.removeHandler(watching.telemetry.handler)


# ---- spans
def test_what_found_nothing_is_dropped_and_what_was_kept_comes_whole(watching: Watching) -> None:
    telemetry = watching.telemetry
    with telemetry.span("tick"), telemetry.span("look"):
        pass
    assert watching.spans() == ()
    with telemetry.span("poll"):
        with telemetry.span("before"):
            pass
        with telemetry.span("found"):
            telemetry.keep()
        with telemetry.span("after"):
            pass
    assert [span.name for span in watching.spans()] == ["before", "found", "after", "poll"]
    assert not telemetry._keeper._held
    assert not telemetry._keeper._roots


def test_an_error_keeps_its_trace_and_tells_its_type_and_code_alone(watching: Watching) -> None:
    with pytest.raises(Unavailable), watching.telemetry.span("run"), watching.telemetry.span("GET /users/*"):
        raise Unavailable("zqxplanted", code="503")
    inner, outer = watching.spans()
    assert (inner.status.status_code, inner.status.description) == (StatusCode.ERROR, "Unavailable 503")
    assert outer.status.description == "Unavailable 503"
    assert not any("zqxplanted" in text for text in watching.texts())


def test_very_much_work_is_kept_without_being_held_until_its_end(watching: Watching) -> None:
    with watching.telemetry.span("bulk"):
        for _ in range(LARGE):
            with watching.telemetry.span("request"):
                pass
        assert len(watching.spans()) == LARGE
    assert len(watching.spans()) == LARGE + 1


def test_a_queue_message_carries_the_trace_on_and_the_hosts_own_trace_is_linked(
    watching: Watching, tmp_path: Path
) -> None:
    telemetry, inner = watching.telemetry, SqliteQueue(tmp_path / "queue.db")
    queue = WatchedQueue(inner, telemetry)
    with telemetry.span("graph_notifications"):
        telemetry.keep()
        queue.send("work", {"pair": "p"})
    message = json.loads(inner.receive("work", 1, 60)[0].body)
    with telemetry.span("host"):
        host = telemetry.carrier()
    with telemetry.span("work", parent=message["trace"], linked=host):
        telemetry.keep()
    first, work = watching.spans()
    assert work.context is not None
    assert first.context is not None
    assert work.context.trace_id == first.context.trace_id
    assert work.parent is not None
    assert work.parent.span_id == first.context.span_id
    assert [f"{link.context.trace_id:032x}" for link in work.links] == [host.split("-")[1]]


@pytest.mark.parametrize("parent", ["", "zqx", "00-0-0-00"])
def test_a_message_with_a_broken_trace_begins_a_new_one(watching: Watching, parent: str) -> None:
    with watching.telemetry.span("work", parent=parent):
        watching.telemetry.keep()
    (span,) = watching.spans()
    assert span.parent is None


def test_requests_in_other_threads_are_part_of_the_run_that_asked_for_them(watching: Watching) -> None:
    telemetry = watching.telemetry

    def request() -> None:
        with telemetry.span("request"):
            pass

    with telemetry.span("run"):
        telemetry.keep()
        ThreadExecutor(4).map([request] * 4)
    run = watching.spans()[-1]
    assert {span.parent.span_id for span in watching.spans()[:-1] if span.parent} == {run.context.span_id}


def test_nothing_is_left_where_libraries_look_for_somebody_who_watches(watching: Watching) -> None:
    assert not trace.get_tracer_provider().get_tracer("azure").start_span("GET").is_recording()


# ---- requests
class Vendor:
    def __init__(self, status: int) -> None:
        self._status = status

    def send(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(self._status, {}, b"")


VENDORS = {"https://graph.test/v1.0": "graph", "http://127.0.0.1:80": "alimail"}


@pytest.mark.parametrize(
    ("url", "name", "target"),
    [
        (
            "https://graph.test/v1.0/users/chan%40office.example/messages/AAMk=?$search=zqx",
            "GET /users/*/messages/*",
            "graph",
        ),
        ("https://graph.test/v1.0/$batch", "GET /$batch", "graph"),
        ("https://graph.test/v1.0zqx/users", "GET /*/users", "other"),
        ("http://127.0.0.1:80/v2/users/a@b.example/mailFolders/2?x=zqx", "GET /v2/users/*/mailFolders/*", "alimail"),
        ("http://127.0.0.1:8080/zqx/报关?token=zqx#zqx", "GET /*/*", "other"),
    ],
)
def test_a_request_is_told_by_its_route_and_by_whom_it_went_to(
    watching: Watching, url: str, name: str, target: str
) -> None:
    WatchedTransport(Vendor(404), watching.telemetry, VENDORS).send(HttpRequest("GET", url))
    (span,) = watching.spans()
    assert span.name == name
    assert span.attributes == {
        "peer.service": target,
        "http.request.method": "GET",
        "url.full": f"{target}:{name.removeprefix('GET ')}",
        "http.response.status_code": 404,
    }


def test_a_request_with_an_effect_is_worth_a_trace_and_a_read_that_went_well_is_not(watching: Watching) -> None:
    transport = WatchedTransport(Vendor(200), watching.telemetry, VENDORS)
    transport.send(HttpRequest("GET", "https://graph.test/v1.0/users"))
    assert watching.spans() == ()
    transport.send(HttpRequest("POST", "https://graph.test/v1.0/users", effect=True))
    assert len(watching.spans()) == 1


@pytest.mark.parametrize("path", ["/users/users@x.example", "/a/%2e%2e/users", "//users/", "", "/USERS/Delta"])
def test_a_route_holds_nothing_but_words_of_the_vendor(path: str) -> None:
    assert re.fullmatch(r"(/(\*|users)?)*", route(path))


# ---- logs
def test_a_log_record_belongs_to_the_trace_in_which_it_was_made(watching: Watching, log: logging.Logger) -> None:
    with watching.telemetry.span("run"):
        watching.telemetry.keep()
        log.warning("pair %s: %s", "p", "Unavailable")
        log.debug("not told")
    (record,), (span,) = watching.logs(), watching.spans()
    assert record.body == "pair p: Unavailable"
    assert record.severity_text == "WARNING"
    assert span.context is not None
    assert (record.trace_id, record.span_id) == (span.context.trace_id, span.context.span_id)


def test_of_an_exception_the_type_and_the_places_are_told_and_not_its_text(
    watching: Watching, log: logging.Logger
) -> None:
    try:
        raise ValueError("zqxplanted")
    except ValueError:
        log.exception("it failed")
    (record,) = watching.logs()
    assert record.attributes is not None
    assert record.attributes["exception.type"] == "ValueError"
    assert "test_telemetry.py" in str(record.attributes["exception.stacktrace"])
    assert "exception.message" not in record.attributes


def test_what_libraries_say_in_passing_is_not_told(watching: Watching) -> None:
    for name, level in (("azure.identity", logging.INFO), ("azure.monitor.x", logging.ERROR), ("azure", logging.ERROR)):
        watching.telemetry.handler.handle(logging.LogRecord(name, level, "", 1, "said", None, None))
    assert len(watching.logs()) == 1


# ---- gauges
def test_what_ends_is_told_in_days_and_the_first_of_the_other_secrets_alone(watching: Watching) -> None:
    now, day = 1_000_000.0, 86400.0
    ends = {"imap-pair-1": now + 3 * day, "imap-pair-2": now - day, "a": now + 50 * day, "b": now + 40 * day}

    def pair_of(name: str) -> str | None:
        return name.removeprefix("imap-") if name.startswith("imap-") else None

    Gauges(watching.telemetry, lambda: now, lambda: 4200, now + 20 * day, lambda: ends, pair_of).tell()
    points = watching.points()
    assert {tuple(p.dimensions.values()): p.value for p in points if p.name == EXPIRES.name} == {
        ("certificate",): 20.0,
        ("client password", "pair-1"): 3.0,
        ("client password", "pair-2"): -1.0,
        ("secret",): 40.0,
    }
    (left,) = [p for p in points if p.name == QUOTA_LEFT.name]
    assert (left.value, left.unit, left.dimensions) == (4200, "{call}", {})


def test_a_store_that_shows_no_list_of_its_secrets_stops_nothing(watching: Watching) -> None:
    def refused() -> dict[str, float]:
        raise Unavailable("no role to list")

    Gauges(watching.telemetry, lambda: 0.0, None, 86400.0, refused, lambda name: None).tell()
    assert [p.value for p in watching.points()] == [1.0]


def test_a_gauge_is_told_once_and_not_for_ever(watching: Watching) -> None:
    watching.telemetry.gauge(BRAKE, 1, pair="pair-1")
    watching.telemetry.gauge(BRAKE, 1, pair="pair-2")
    watching.telemetry.gauge(BRAKE, 1, pair="pair-2")
    assert [p.dimensions for p in watching.points()] == [{"pair": "pair-1"}, {"pair": "pair-2"}]
    assert watching.points() == []


# ---- metrics
def test_every_metric_is_used_by_the_product() -> None:
    sources = [p for p in (ROOT / "shared").rglob("*.py") if p.name != "metrics.py"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    own = (ROOT / "shared/model/metrics.py").read_text(encoding="utf-8")
    names = re.findall(r"^([A-Z_]+) = Metric\(", own, re.MULTILINE)
    assert len(names) == len(METRICS)
    assert [name for name in names if not re.search(rf"\b(count|gauge|record)\(\s*{name}\b", text)] == []


def test_silence_takes_everything_and_gives_no_trace() -> None:
    with SILENCE.span("run", out=True, pair="p") as span:
        span.set("a", 1)
        span.fail("b")
        SILENCE.keep()
        assert SILENCE.carrier() == ""
