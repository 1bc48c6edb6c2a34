"""docs/telemetry.md tells of every metric, and is fresh."""

from __future__ import annotations

from shared.model.metrics import METRICS
from tests.support.telemetry_page import PAGE, page


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python -m tests.support.telemetry_page`"


def test_no_two_metrics_share_a_name_and_a_pair_is_the_most_that_one_is_split_by() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert all(metric.name.startswith("tandem.") and metric.about and metric.unit for metric in METRICS)
    assert {name for metric in METRICS for name in metric.dimensions} <= {"pair", "kind", "side", "queue"}
