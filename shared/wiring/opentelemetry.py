"""Telemetry on OpenTelemetry's SDK, with providers of its own.

The global providers stay the empty ones they are, so that libraries which look for them (Azure's, above all) record
nothing: their spans would hold URLs, and so addresses. Slow to import, and imported only where telemetry is wanted."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.model.errors import TandemError
from shared.model.metrics import METRICS, Metric
from shared.ports.telemetry import Span, Value
from shared.wiring.insights import OURS

NAME = "tandem"
BUCKETS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Seconds, for backends that keep buckets. Azure Monitor keeps count, sum, least and most."""
LARGE = 512
"""Spans of one piece of work from which on it is worth looking at."""


class OpenTelemetry:
    """`spans`: where what is kept goes; `reader`: who collects metrics, and when; `logs`: where log records go."""

    def __init__(self, spans: SpanProcessor, reader: MetricReader, logs: LogRecordProcessor) -> None:
        resource = Resource({"service.name": NAME})
        self._keeper = Keeper(spans)
        self._traces = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
        self._traces.add_span_processor(self._keeper)
        self._tracer = self._traces.get_tracer(NAME)
        self._meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._tell = {metric.name: self._instrument(metric) for metric in METRICS}
        self._logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self._logs.add_log_record_processor(logs)
        self.handler = LogHandler(self._logs)

    def _instrument(self, metric: Metric) -> Callable[[float, dict[str, str]], None]:
        meter, about = self._meters.get_meter(NAME), (metric.name, metric.unit, metric.about)
        if metric.kind == "count":
            return meter.create_counter(*about).add
        if metric.kind == "gauge":
            gauge = Gauge()
            meter.create_observable_gauge(metric.name, [gauge.observed], metric.unit, metric.about)
            return gauge.set
        return meter.create_histogram(*about, explicit_bucket_boundaries_advisory=BUCKETS).record

    @contextmanager
    def span(
        self, name: str, *, parent: str = "", linked: str = "", out: bool = False, **about: Value
    ) -> Iterator[Span]:
        before = _elsewhere(parent) if parent else None
        host = trace.get_current_span(_elsewhere(linked)).get_span_context()
        links = [Link(host)] if host.is_valid else []
        with self._tracer.start_as_current_span(
            name,
            before,
            SpanKind.CLIENT if out else SpanKind.INTERNAL,
            dict(about),
            links,
            record_exception=False,  # its text is nobody's business
            set_status_on_exception=False,
        ) as span:
            open_span = _OpenSpan(span, self._keeper)
            try:
                yield open_span
            except BaseException as exc:
                code = exc.code if isinstance(exc, TandemError) else ""
                open_span.fail(f"{type(exc).__name__} {code}".rstrip())
                raise

    def keep(self) -> None:
        self._keeper.keep(trace.get_current_span().get_span_context().span_id)

    def count(self, metric: Metric, amount: int = 1, **dimensions: str) -> None:
        self._tell[metric.name](amount, dimensions)

    def gauge(self, metric: Metric, value: float, **dimensions: str) -> None:
        self._tell[metric.name](value, dimensions)

    def record(self, metric: Metric, value: float, **dimensions: str) -> None:
        self._tell[metric.name](value, dimensions)

    def carrier(self) -> str:
        carried: dict[str, str] = {}
        PROPAGATOR.inject(carried)
        return carried.get("traceparent", "")

    def flush(self) -> None:
        """Send what there is."""
        self._traces.force_flush()
        self._meters.force_flush()
        self._logs.force_flush()

    def close(self) -> None:
        """Send what there is, and end."""
        self._traces.shutdown()
        self._meters.shutdown()
        self._logs.shutdown()


class Gauge:
    """Each value is told once. OpenTelemetry's own goes on telling the last one until the process ends, so that a brake
    that was on would be on for ever."""

    def __init__(self) -> None:
        self._values: dict[tuple[tuple[str, str], ...], float] = {}
        self._lock = threading.Lock()

    def set(self, value: float, dimensions: dict[str, str]) -> None:
        with self._lock:
            self._values[tuple(sorted(dimensions.items()))] = value

    def observed(self, _: CallbackOptions) -> list[Observation]:
        with self._lock:
            values, self._values = self._values, {}
        return [Observation(value, dict(dimensions)) for dimensions, value in values.items()]


PROPAGATOR = TraceContextTextMapPropagator()


def _elsewhere(carrier: str) -> Context:
    """Inside the span that it names, or inside none when it can't be read."""
    return PROPAGATOR.extract({"traceparent": carrier}, Context())


class _OpenSpan:
    def __init__(self, span: trace.Span, keeper: Keeper) -> None:
        self._span, self._keeper = span, keeper

    def set(self, name: str, value: Value) -> None:
        self._span.set_attribute(name, value)

    def fail(self, why: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR, why))
        self._keeper.keep(self._span.get_span_context().span_id)


class Keeper(SpanProcessor):
    """Holds the spans of each piece of work (a trigger's call, with all in it) until it ends, and passes on those of a
    piece that was kept. Safe among threads."""

    def __init__(self, following: SpanProcessor) -> None:
        self._following = following
        self._roots: dict[int, int] = {}
        self._held: dict[int, list[ReadableSpan] | None] = {}  # by root; None: it is kept, and passed on at once
        self._lock = threading.Lock()

    def keep(self, span_id: int) -> None:
        with self._lock:
            root = self._roots.get(span_id)
            held = self._held.get(root) if root is not None else None
            if root is not None:
                self._held[root] = None
        self._pass_on(held or ())

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        own, parent = _id(span), span.parent
        with self._lock:
            root = self._roots.get(parent.span_id) if parent is not None and not parent.is_remote else None
            self._roots[own] = own if root is None else root
            if root is None:
                self._held[own] = []

    def on_end(self, span: ReadableSpan) -> None:
        own = _id(span)
        with self._lock:
            root = self._roots.pop(own, own)
            held = self._held.get(root)
            if held is not None:
                held.append(span)
            if held is not None and len(held) >= LARGE:
                self._held[root] = None
            passed = [span] if held is None else held if len(held) >= LARGE else []
            if root == own:
                self._held.pop(root, None)
        self._pass_on(passed)

    def _pass_on(self, spans: Sequence[ReadableSpan]) -> None:
        for span in spans:
            self._following.on_end(span)

    def shutdown(self) -> None:
        self._following.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._following.force_flush(timeout_millis)


def _id(span: ReadableSpan) -> int:
    return span.context.span_id if span.context else 0


SEVERITIES = {
    logging.DEBUG: SeverityNumber.DEBUG,
    logging.INFO: SeverityNumber.INFO,
    logging.WARNING: SeverityNumber.WARN,
    logging.ERROR: SeverityNumber.ERROR,
    logging.CRITICAL: SeverityNumber.FATAL,
}
OWN = ("opentelemetry", "azure.monitor")
"""What sends the records: what it says of its own troubles would be sent by it again."""


class LogHandler(logging.Handler):
    """Gives log records to OpenTelemetry, with the trace that they belong to: ours from INFO on, those of libraries
    from WARNING on. Of an exception the type and the places go along, not the text."""

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__(logging.INFO)
        self._provider = provider

    def emit(self, record: logging.LogRecord) -> None:
        ours = record.name.partition(".")[0] in OURS
        if (record.levelno < logging.WARNING and not ours) or record.name.startswith(OWN):
            return
        level = max((known for known in SEVERITIES if known <= record.levelno), default=logging.DEBUG)
        self._provider.get_logger(record.name).emit(
            LogRecord(
                timestamp=int(record.created * 1e9),
                severity_number=SEVERITIES[level],
                severity_text=record.levelname,
                body=record.getMessage(),
                attributes=_exception(record),
            )
        )


def _exception(record: logging.LogRecord) -> dict[str, Any]:
    if not record.exc_info or record.exc_info[0] is None:
        return {}
    places = "".join(traceback.format_tb(record.exc_info[2]))
    return {"exception.type": record.exc_info[0].__name__, "exception.stacktrace": places}
