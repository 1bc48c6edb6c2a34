"""What an hour in which nothing happens sends to Application Insights: `python -m tests.support.quiet_volume`.

The product runs in the simulation, where an hour takes a moment, and Azure Monitor's own exporter posts to a stand-in.
Metrics are collected as often as in Azure. One process does all the work here; in Azure the timer and each queue have
processes of their own, and each of them tells what it asked of the store."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from shared.wiring.insights import INTERVAL, exporting, listening
from shared.wiring.settings import load_settings
from tests.support.ingestion import Ingestion
from tests.support.scene import Scene
from tests.unit.test_product import environment

HOUR, HOURS = 3600.0, 24
DAYS = 30


@dataclass(frozen=True, slots=True)
class Volume:
    """Of one hour. `rows` by kind; `size`: bytes of JSON as posted."""

    rows: Counter[str]
    size: int


def quiet_hour() -> Volume:
    with Ingestion() as ingestion, tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            environment(Path(folder), APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string)
        )
        telemetry = exporting(settings, interval=1e6)
        with listening(telemetry):
            scene = Scene(telemetry=telemetry)
            scene.run(HOUR)
            telemetry.flush()
            before = len(ingestion.envelopes)
            for _ in range(int(HOUR / INTERVAL)):
                scene.run(INTERVAL)
                telemetry.flush()
        quiet = ingestion.envelopes[before:]
        telemetry.close()
    kinds = Counter(envelope["data"]["baseType"] for envelope in quiet)
    return Volume(kinds, sum(len(json.dumps(envelope)) for envelope in quiet))


def day(volume: Volume) -> tuple[int, float]:
    """-> rows, MB of JSON."""
    return volume.rows.total() * HOURS, volume.size * HOURS / 1e6


if __name__ == "__main__":
    hour = quiet_hour()
    rows, size = day(hour)
    print(f"a quiet hour: {dict(hour.rows)}, {hour.size} bytes of JSON")
    print(f"a quiet day: {rows} rows, {size:.2f} MB; a month: {size * DAYS:.0f} MB")
