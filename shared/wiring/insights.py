"""Telemetry to Application Insights, where the settings name one. docs/adr/0008-the-app-sends-its-own-telemetry.md says
why the app sends it, and neither the worker nor Azure's distribution of OpenTelemetry."""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from shared.ports.telemetry import SILENCE, Telemetry
from shared.wiring.settings import Settings

if TYPE_CHECKING:
    from shared.wiring.opentelemetry import OpenTelemetry

INTERVAL = 120.0
"""Seconds between two sendings of metrics. Each costs a row for each metric and each value of its dimensions."""
OURS = ("tandem", "functions")
"""The loggers whose records are told from INFO on; others' from WARNING on."""
OURS_ALONE = (
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED",
    "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED",
)
"""Switches of the exporter by which it tells its maker nothing, asks it nothing, and adds no metrics of its own."""


def insights(settings: Settings) -> Telemetry:
    """Silence without a connection string; nothing is imported then. Otherwise metrics, spans, and the log records of
    this process go there until it ends."""
    if settings.insights is None:
        return SILENCE
    telemetry, stack = exporting(settings), ExitStack()
    stack.callback(telemetry.close)
    stack.enter_context(listening(telemetry))
    atexit.register(stack.close)
    return telemetry


@contextmanager
def listening(telemetry: OpenTelemetry) -> Iterator[None]:
    """Log records of this process go to `telemetry` meanwhile."""
    root, ours = logging.getLogger(), [logging.getLogger(name) for name in OURS]
    levels = [(logger, logger.level) for logger in ours]
    for logger in ours:
        logger.setLevel(min(logger.level or logging.INFO, logging.INFO))
    root.addHandler(telemetry.handler)
    try:
        yield
    finally:
        root.removeHandler(telemetry.handler)
        for logger, level in levels:
            logger.setLevel(level)


def exporting(settings: Settings, interval: float = INTERVAL) -> OpenTelemetry:
    """`interval`: seconds between two sendings of metrics."""
    for name in OURS_ALONE:
        os.environ.setdefault(name, "true")
    from azure.monitor.opentelemetry.exporter import (
        AzureMonitorLogExporter,
        AzureMonitorMetricExporter,
        AzureMonitorTraceExporter,
    )
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from shared.wiring.opentelemetry import OpenTelemetry

    assert settings.insights is not None
    options: dict[str, Any] = {
        "connection_string": settings.insights.get_secret_value(),
        "credential": _credential(settings),
        "disable_offline_storage": True,  # an instance's disk is gone with it
    }
    return OpenTelemetry(
        BatchSpanProcessor(AzureMonitorTraceExporter(**options)),
        PeriodicExportingMetricReader(AzureMonitorMetricExporter(**options), interval * 1000),
        BatchLogRecordProcessor(AzureMonitorLogExporter(**options)),
    )


def _credential(settings: Settings) -> Any:
    """The managed identity, None where the connection string is enough."""
    if settings.insights_identity is None:
        return None
    from azure.identity import ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=settings.insights_client_id)
