"""How Application Insights lays out what Azure Monitor's exporter posts, as far as our queries use it.

The columns are those of `customMetrics`, `dependencies`, `traces` and `exceptions` (Azure Monitor: data model of
Application Insights; Log Analytics calls them AppMetrics, AppDependencies, AppTraces and AppExceptions). A metric that
was summed up before it was sent is one row for each interval and set of dimensions: `value` and `valueSum` are its sum,
`valueCount` how many it sums up, `valueMin` and `valueMax` the least and most. No percentile can be had from that, so
lags are also told as spans, one for each item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Envelope = Mapping[str, Any]
Column = tuple[str, Callable[[Envelope], Any]]
"""Its type in KQL, and where the envelope holds it."""


def _base(envelope: Envelope) -> Any:
    return envelope["data"]["baseData"]


def _metric(envelope: Envelope) -> Any:
    return _base(envelope)["metrics"][0]


def _milliseconds(span: str) -> float:
    """Of a duration `d.hh:mm:ss.mmm`."""
    days, _, rest = span.partition(".")
    hours, minutes, seconds = rest.split(":")
    return 1000 * (float(seconds) + 60 * (int(minutes) + 60 * (int(hours) + 24 * int(days))))


EVERY: dict[str, Column] = {
    "timestamp": ("datetime", lambda e: e["time"]),
    "operation_Id": ("string", lambda e: e["tags"].get("ai.operation.id", "")),
    "operation_ParentId": ("string", lambda e: e["tags"].get("ai.operation.parentId", "")),
    "cloud_RoleName": ("string", lambda e: e["tags"]["ai.cloud.role"]),
    "customDimensions": ("dynamic", lambda e: _base(e)["properties"]),
}
TABLES: dict[str, tuple[str, dict[str, Column]]] = {
    "customMetrics": (
        "MetricData",
        {
            **EVERY,
            "name": ("string", lambda e: _metric(e)["name"]),
            "value": ("real", lambda e: _metric(e)["value"]),
            "valueSum": ("real", lambda e: _metric(e)["value"]),
            "valueCount": ("int", lambda e: _metric(e)["count"]),
            "valueMin": ("real", lambda e: _metric(e).get("min", _metric(e)["value"])),
            "valueMax": ("real", lambda e: _metric(e).get("max", _metric(e)["value"])),
        },
    ),
    "dependencies": (
        "RemoteDependencyData",
        {
            **EVERY,
            "id": ("string", lambda e: _base(e)["id"]),
            "name": ("string", lambda e: _base(e)["name"]),
            "type": ("string", lambda e: _base(e)["type"]),
            "target": ("string", lambda e: _base(e).get("target", "")),
            "data": ("string", lambda e: _base(e).get("data", "")),
            "resultCode": ("string", lambda e: _base(e)["resultCode"]),
            "success": ("string", lambda e: str(_base(e)["success"])),
            "duration": ("real", lambda e: _milliseconds(_base(e)["duration"])),
        },
    ),
    "traces": (
        "MessageData",
        {
            **EVERY,
            "message": ("string", lambda e: _base(e)["message"]),
            "severityLevel": ("int", lambda e: _base(e)["severityLevel"]),
        },
    ),
    "exceptions": (
        "ExceptionData",
        {
            **EVERY,
            "type": ("string", lambda e: _base(e)["exceptions"][0]["typeName"]),
            "outerMessage": ("string", lambda e: _base(e)["exceptions"][0]["message"]),
            "severityLevel": ("int", lambda e: _base(e)["severityLevel"]),
        },
    ),
}


def rows(envelopes: list[dict[str, Any]], table: str) -> list[dict[str, Any]]:
    """What of these the table would hold."""
    kind, columns = TABLES[table]
    return [
        {name: read(envelope) for name, (_, read) in columns.items()}
        for envelope in envelopes
        if envelope["data"]["baseType"] == kind
    ]


def schemas() -> dict[str, str]:
    """Of all tables, as KQL writes them."""
    return {
        table: "(" + ", ".join(f"{name}: {kind}" for name, (kind, _) in columns.items()) + ")"
        for table, (_, columns) in TABLES.items()
    }
