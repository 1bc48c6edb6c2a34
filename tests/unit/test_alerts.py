"""Alerts and workbook: their queries ask for what is really sent, and every alert has a page that says what to do."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.model.metrics import METRICS
from shared.wiring.insights import exporting
from shared.wiring.settings import load_settings
from tests.support.bicep import NO_COMPILER, find_bicep
from tests.support.ingestion import Ingestion
from tests.support.insights_tables import TABLES, rows
from tests.support.kql import INFRA, PAIR, ROOT, Verdict, alerts, literals, parse, queries
from tests.support.scene import Scene
from tests.unit.test_product import environment

OPERATE = ROOT / "docs" / "operate.md"
QUERIES = queries()
CHANGES = {"customMetrics": "customMetric", "where name": "where nam", "summarize": "sumarize", "count()": "cout()"}
WRONG = {wrong: QUERIES["alert no-poll"].replace(right, wrong) for right, wrong in CHANGES.items()}
Sent = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    """What Azure Monitor's own exporter posts of a day in the life of a pair, and every metric once."""
    log = logging.getLogger("tandem.test_alerts")
    with Ingestion() as ingestion:
        state = tmp_path_factory.mktemp("state")
        settings = load_settings(environment(state, APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string))
        telemetry = exporting(settings, interval=3600)
        log.addHandler(telemetry.handler)
        tell = {"count": telemetry.count, "gauge": telemetry.gauge, "histogram": telemetry.record}
        for metric in METRICS:
            tell[metric.kind](metric, 1, **{name: name for name in metric.dimensions})  # type: ignore[operator]
        scene = Scene(telemetry=telemetry)
        scene.arrive("outlook", "a")
        scene.arrive("dingtalk", "b")
        scene.run()
        log.warning("pair %s: Unavailable", PAIR)
        try:
            raise ValueError
        except ValueError:
            log.exception("it failed")
        telemetry.close()
        log.removeHandler(telemetry.handler)
        yield {table: rows(ingestion.envelopes, table) for table in TABLES}


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    """Of our queries, and of WRONG ones."""
    found = parse({**QUERIES, **WRONG})
    if found is None:
        pytest.skip("no KQL parser: 'make setup' installs it where there is Node.js")
    return found


# ---- queries
def test_there_are_queries_and_every_table_gets_rows(sent: Sent) -> None:
    assert len(QUERIES) > 20
    assert all(sent[table] for table in TABLES)


def test_microsofts_parser_finds_nothing_wrong_and_knows_every_table_and_column(verdicts: dict[str, Verdict]) -> None:
    assert {name: verdicts[name].errors for name in QUERIES if verdicts[name].errors} == {}
    assert all(verdicts[name].tables and verdicts[name].tables <= TABLES.keys() for name in QUERIES)


def test_microsofts_parser_would_find_a_wrong_table_column_or_word(verdicts: dict[str, Verdict]) -> None:
    assert all(verdicts[name].errors for name in WRONG)


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_query_asks_for_tables_names_and_dimensions_that_are_really_sent(sent: Sent, name: str) -> None:
    query = QUERIES[name]
    tables = {table for table in TABLES if re.search(rf"\b{table}\b", query)}
    assert tables
    held = [row for table in tables for row in sent[table]]
    names = literals(query, "name")
    assert names <= {row.get("name") for row in held}
    assert literals(query, "type") <= {row.get("type") for row in held}
    asked = set(re.findall(r"customDimensions\.(\w+)", query))
    there = {key for row in held if not names or row.get("name") in names for key in row["customDimensions"]}
    assert asked <= there


def test_a_percentile_is_asked_of_single_items_alone() -> None:
    """Metrics come summed up, so a percentile of them would be one of sums."""
    assert [name for name, query in QUERIES.items() if "percentile" in query and "customMetrics" in query] == []
    assert [name for name, query in QUERIES.items() if "percentile(" in query]


def test_the_least_frequent_metric_of_each_alert_comes_more_than_once_in_its_window() -> None:
    every = {"tandem.polled": 120, "tandem.poison": 300, "tandem.brake": 900}
    every |= {"tandem.quota_left": 3600, "tandem.expires_days": 3600}
    for alert in alerts():
        for name in literals(alert["query"], "name") & every.keys():
            assert _seconds(alert["window"]) >= 2 * every[name], alert["name"]


def _seconds(duration: str) -> int:
    found = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?", duration)
    assert found is not None, duration
    return int(found[1] or 0) * 3600 + int(found[2] or 0) * 60


# ---- the page for whoever is called
def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    text = OPERATE.read_text(encoding="utf-8")
    sections = re.findall(r"^### ([a-z-]+)$", text, re.MULTILINE)
    assert sections == [alert["name"] for alert in alerts()]
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        body = part.split("\n## ")[0]
        assert all(f"**{what}.**" in body for what in ("Meaning", "First look", "Remedy")), part[:20]


def test_what_the_page_tells_to_type_and_to_set_is_there() -> None:
    text = OPERATE.read_text(encoding="utf-8")
    settings = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert {name for name in re.findall(r"`(TANDEM_\w+)`", text) if f"`{name}`" not in settings} == set()
    commands = (ROOT / "shared" / "cli").glob("*.py")
    known = "".join(path.read_text(encoding="utf-8") for path in commands)
    for command in re.findall(r"`tandem ([a-z]+(?: [a-z]+)?)", text):
        assert all(re.search(rf"\b{word}\b", known) for word in command.split()), command


# ---- infrastructure
def bicep() -> str:
    return find_bicep() or pytest.skip(NO_COMPILER)


STRICT = {"analyzers": {"core": {"rules": {"use-recent-api-versions": {"level": "warning"}}}}}


def compiled(folder: Path, module: str) -> Any:
    """The ARM template of a module; a warning is a failure."""
    for path in (INFRA / module, INFRA / "alerts.json", INFRA / "workbook.json"):
        shutil.copy(path, folder)
    (folder / "bicepconfig.json").write_text(json.dumps(STRICT))
    ran = subprocess.run(
        [bicep(), "build", str(folder / module), "--stdout"], capture_output=True, text=True, timeout=120
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return json.loads(ran.stdout)


def test_the_alerts_compile_and_tell_a_person(tmp_path: Path) -> None:
    template = compiled(tmp_path, "alerts.bicep")
    people, rules = template["resources"]
    assert template["parameters"].keys() == {"location", "tags", "insightsId", "email"}
    assert people["properties"]["emailReceivers"][0]["emailAddress"] == "[parameters('email')]"
    assert rules["copy"]["count"] == "[length(variables('alerts'))]"
    assert rules["properties"]["scopes"] == ["[parameters('insightsId')]"]
    assert "docs/operate.md" in rules["properties"]["description"]
    assert "actionGroups" in str(rules["properties"]["actions"])


def test_the_workbook_compiles_and_is_bound_to_its_component(tmp_path: Path) -> None:
    template = compiled(tmp_path, "workbook.bicep")
    (workbook,) = template["resources"]
    assert template["parameters"].keys() == {"location", "tags", "insightsId"}
    assert workbook["properties"]["sourceId"] == "[parameters('insightsId')]"
    held = json.loads(template["variables"]["$fxv#0"])
    assert held == json.loads((INFRA / "workbook.json").read_text(encoding="utf-8"))
    parameters = {one["name"] for one in held["items"][0]["content"]["parameters"]}
    used = set(re.findall(r"\{(\w+)\}", template["variables"]["$fxv#0"])) | {"TimeRange", "Page"}
    assert used == parameters
