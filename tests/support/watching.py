"""Somebody who watches: OpenTelemetry's own SDK, with what it would export kept in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.model.metrics import METRICS
from shared.wiring.opentelemetry import OpenTelemetry

DIMENSIONS = {metric.name: metric.dimensions for metric in METRICS}


@dataclass(frozen=True, slots=True)
class Point:
    """`value`: of a histogram its sum."""

    name: str
    unit: str
    dimensions: Mapping[str, Any]
    value: float


class Watching:
    def __init__(self) -> None:
        self._spans, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self._logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        self.telemetry = OpenTelemetry(
            SimpleSpanProcessor(self._spans), self._reader, SimpleLogRecordProcessor(self._logs)
        )

    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._spans.get_finished_spans()

    def logs(self) -> list[LogRecord]:
        return [log.log_record for log in self._logs.get_finished_logs()]

    def points(self, name: str | None = None) -> list[Point]:
        """Of all metrics, or of one; collected anew."""
        return [point for point in self._points() if name in (None, point.name)]

    def _points(self) -> Iterator[Point]:
        data = self._reader.get_metrics_data()
        for metric in (m for r in (data.resource_metrics if data else ()) for s in r.scope_metrics for m in s.metrics):
            for point in metric.data.data_points:
                value = getattr(point, "value", None)
                total = point.sum if value is None else value  # type: ignore[union-attr]
                assert set(point.attributes or {}) <= set(DIMENSIONS[metric.name])
                yield Point(metric.name, metric.unit or "", dict(point.attributes or {}), float(total))

    def texts(self) -> list[str]:
        """All that is exported, as text."""
        spans = [span.to_json() for span in self._spans.get_finished_spans()]
        logs = [f"{record.body!r} {record.attributes}" for record in self.logs()]
        return [*spans, *map(str, self.points()), *logs]
