"""The whole product over real sockets, watched by Azure Monitor's own exporter, which posts to a stand-in."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from sandbox.demo.office import Person
from sandbox.running import Sandbox
from shared.wiring.insights import exporting, listening
from shared.wiring.settings import load_settings
from tests.support.ingestion import Ingestion
from tests.support.insights_tables import rows
from tests.unit.test_product import environment

QUIET = 3.0
Rows = list[dict[str, Any]]


@dataclass
class Story:
    """What was sent while nothing happened, and in all; `size`: bytes of the former."""

    quiet: Rows
    dependencies: Rows
    metrics: Rows
    traces: Rows

    def trace(self, trigger: str) -> Rows:
        """The one trace that this trigger began and that carried an item across."""
        across = {row["operation_Id"] for row in self.dependencies if row["name"] == "mirrored"}
        begun = {row["operation_Id"] for row in self.dependencies if row["name"] == trigger} & across
        (id,) = begun
        return [row for row in self.dependencies if row["operation_Id"] == id]

    def metric(self, name: str) -> dict[tuple[str, ...], float]:
        """Its sum by the values of its dimensions."""
        found: dict[tuple[str, ...], float] = {}
        for row in self.metrics:
            if row["name"] == name:
                key = tuple(row["customDimensions"].values())
                found[key] = found.get(key, 0.0) + row["valueSum"]
        return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Nothing happens; then one mail comes to each side, and is carried to the other."""
    with Ingestion() as ingestion:
        telemetry = exporting(_settings(ingestion, tmp_path_factory.mktemp("state")), interval=3600)
        with listening(telemetry), Sandbox(pairs=1, poll=0.5, telemetry=telemetry) as sandbox:
            time.sleep(1)
            telemetry.flush()
            before = len(ingestion.envelopes)
            time.sleep(QUIET)
            telemetry.flush()
            quiet = rows(ingestion.envelopes[before:], "dependencies")
            _both_ways(sandbox.people[0])
            logging.getLogger("tandem.sync").warning("pair %s: said at the end", "pair-1")
        telemetry.close()
        yield Story(quiet, *(rows(ingestion.envelopes, table) for table in ("dependencies", "customMetrics", "traces")))


def _settings(ingestion: Ingestion, folder: Path) -> Any:
    return load_settings(environment(folder, APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string))


def _both_ways(person: Person) -> None:
    before = {side: len(box.messages()) for side, box in person.boxes.items()}
    for side, box in person.boxes.items():
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Subject"] = "li.na@supplier.example", box.address, "Booking"
        letter["Message-ID"] = f"<{side}@supplier.example>"
        letter.set_content("Hello\n")
        box.deliver(letter.as_bytes().replace(b"\n", b"\r\n"))
    _wait(lambda: all(len(box.messages()) == before[side] + 2 for side, box in person.boxes.items()))
    time.sleep(0.5)  # until the runs have ended


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not until():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("trigger", "steps", "requests"),
    [
        (
            "graph_notifications",
            {"graph_notifications", "work", "run", "mirrored"},
            {("graph", "GET /users/*/messages/*/$value", "200"), ("alimail-imap", "IMAP append", "0")},
        ),
        (
            "poll",
            {"poll", "work", "run", "mirrored"},
            {("graph", "POST /users/*/mailFolders/*/messages", "201")},
        ),
    ],
)
def test_a_mail_is_one_trace_from_the_trigger_to_the_vendors(
    story: Story, trigger: str, steps: set[str], requests: set[tuple[str, str, str]]
) -> None:
    trace = story.trace(trigger)
    ids = {row["id"] for row in trace}
    roots = [row["name"] for row in trace if row["operation_ParentId"] not in ids]
    assert len(roots) == 1, roots
    assert steps == {row["name"] for row in trace if row["type"] == "InProc"} - {"tick"}
    assert requests <= {(row["target"], row["name"], row["resultCode"]) for row in trace}
    assert all(row["success"] == "True" for row in trace)
    (run,) = [row for row in trace if row["name"] == "run"]
    longest = max(row["duration"] for row in trace if row["operation_ParentId"] == run["id"])
    assert 0 < longest <= run["duration"]


def test_a_quiet_pair_leaves_no_spans(story: Story) -> None:
    assert story.quiet == []


def test_what_was_carried_across_is_counted_and_timed_item_by_item(story: Story) -> None:
    ways = {("pair-1", "mail", "outlook"): 1, ("pair-1", "mail", "dingtalk"): 1}
    assert story.metric("tandem.mirrored") == ways
    each = {
        tuple(row["customDimensions"][name] for name in ("pair", "kind", "side")): float(row["customDimensions"]["lag"])
        for row in story.dependencies
        if row["name"] == "mirrored"
    }
    assert each.keys() == ways.keys()
    assert all(0 < lag < 30 for lag in each.values())
    summed = story.metric("tandem.lag")
    assert {way: round(lag, 3) for way, lag in summed.items()} == {way: round(lag, 3) for way, lag in each.items()}


def test_looks_storage_and_quota_are_told(story: Story) -> None:
    assert story.metric("tandem.polled")[()] >= 5
    kinds = story.metric("tandem.storage_operations")
    assert {("table read",), ("table write",), ("queue",)} <= kinds.keys()
    assert story.metric("tandem.quota_left") == {(): 5000}


def test_log_records_are_sent_once(story: Story) -> None:
    said = [row["message"] for row in story.traces]
    assert said.count("pair pair-1: said at the end") == 1
    assert len(said) == len(set(said)) <= 10, said


def test_no_address_is_in_any_url_name_or_value(story: Story) -> None:
    text = str([story.dependencies, story.metrics, story.traces])
    assert "office.example" not in text
    assert "@" not in text
    assert all(row["data"].startswith(f"{row['target']}:/") for row in story.dependencies if row["type"] == "HTTP")
