"""docs/telemetry.md, made from the metrics themselves: `python -m tests.support.telemetry_page` writes it."""

from __future__ import annotations

from pathlib import Path

from shared.model.metrics import METRICS, Metric

PAGE = Path(__file__).resolve().parents[2] / "docs" / "telemetry.md"
HEAD = """\
# What is told

With `APPLICATIONINSIGHTS_CONNECTION_STRING` the app sends metrics, traces and its log to Application Insights. Nothing
in them is content: no subject, body, name, mail address, token, or ID of a message. Pairs are told by their ID. Without
that setting nothing is sent.

This page is made from the code: `python -m tests.support.telemetry_page`.

## Metrics

A count is added up over two minutes, a gauge is a value at one moment, a histogram keeps count, sum, least and most.
They are rows of `customMetrics`; read a count as `sum(valueSum)`, a gauge as `value`.

| Metric | Kind | Unit | Dimensions | What it is |
|---|---|---|---|---|
"""
SPANS = {
    "`graph_notifications`, `dingtalk_callback`, `tick`, `poll`, `work`, `bulk`, `health`": (
        "a call of the function with that name",
        "",
    ),
    "`poll`, `subscribe` inside `poll`": (
        "a look at one pair's DingTalk side, the making of its subscription",
        "`pair`",
    ),
    "`run`": ("one worker at one pair", "`pair`, `kind`, `cause`, `bulk`"),
    "`mirrored`": ("an item is across", "`pair`, `kind`, `side`, `effect`, `lag` in seconds"),
    "`GET /users/*/messages/*` and the like": (
        "a request to a vendor: its route, with `*` for whatever isn't the vendor's own word",
        "`target` is the vendor, `resultCode` its answer",
    ),
    "`IMAP append` and the like": ("a step over IMAP", "`target`"),
}
TRACES = """
## Traces

Spans are rows of `dependencies`; all that belong together have the same `operation_Id`.

| Span | What it is | Carries |
|---|---|---|
"""
TAIL = """
What is sent: everything that belongs to a push, to something a person asked for, to a change, or to an error. What a
look finds unchanged leaves no span. For percentiles of the lag use the spans `mirrored`: metrics come summed up, so
they have none.

## Log

Rows of `traces`, those with an exception of `exceptions`, with the `operation_Id` of what they belong to. An exception
is told by its type and the places in the code, without its text.
"""


def page() -> str:
    spans = (f"| {name} | {what} | {carries} |\n" for name, (what, carries) in SPANS.items())
    return HEAD + "".join(map(_row, METRICS)) + TRACES + "".join(spans) + TAIL


def _row(metric: Metric) -> str:
    dimensions = ", ".join(f"`{name}`" for name in metric.dimensions)
    return f"| `{metric.name}` | {metric.kind} | `{metric.unit}` | {dimensions} | {metric.about} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
