"""Which settings make the app tell Application Insights, and what it then loads, signs in as and sends."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.model.errors import WrongSettings
from shared.ports.telemetry import SILENCE
from shared.wiring import insights as wiring
from shared.wiring.insights import OURS_ALONE, exporting, insights, listening
from shared.wiring.settings import load_settings
from tests.support.ingestion import KEY, Ingestion
from tests.unit.test_product import environment

ROOT = Path(__file__).resolve().parents[2]
CLIENT = "00000000-0000-0000-0000-0000000000bb"


def test_without_a_connection_string_nobody_is_told(tmp_path: Path) -> None:
    assert insights(load_settings(environment(tmp_path))) is SILENCE


CALL = """
import sys
from functions.queues import poll
from shared.wiring.product import get_product
product = get_product()
product.service.tick()
loaded = [name for name in sys.modules if name.startswith(("opentelemetry", "azure.monitor"))]
print(type(product.telemetry).__name__, loaded)
"""


def test_an_app_without_telemetry_loads_nothing_of_it(tmp_path: Path) -> None:
    env = {**os.environ, **environment(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", CALL], cwd=ROOT, env=env, capture_output=True, text=True)
    assert ran.stdout.strip() == "Silence []", ran.stderr


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("APPLICATIONINSIGHTS_CONNECTION_STRING", "zqx", "is no connection string; set it to"),
        ("APPLICATIONINSIGHTS_CONNECTION_STRING", f"InstrumentationKey={KEY}", "names no IngestionEndpoint"),
        (
            "APPLICATIONINSIGHTS_CONNECTION_STRING",
            f"InstrumentationKey={KEY};IngestionEndpoint=http://zqx.example/",
            "names no IngestionEndpoint that starts with https://",
        ),
        ("APPLICATIONINSIGHTS_AUTHENTICATION_STRING", "ClientId=zqx;Authorization=AAD", "is not what it should be"),
        ("PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY", "true", "is on; leave it out: with it the worker sends"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(tmp_path: Path, name: str, value: str, complaint: str) -> None:
    with pytest.raises(WrongSettings) as caught:
        load_settings(environment(tmp_path, **{name: value}))
    assert f"{name}: {complaint}" in str(caught.value)
    assert "zqx" not in str(caught.value)


def test_the_worker_may_be_told_in_words_not_to_send(tmp_path: Path) -> None:
    load_settings(environment(tmp_path, PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY="false"))


@pytest.mark.parametrize(
    ("identity", "client"),
    [("Authorization=AAD", None), (f"ClientId={CLIENT};Authorization=AAD", CLIENT)],
)
def test_it_signs_in_as_the_managed_identity_that_the_setting_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identity: str, client: str | None
) -> None:
    made = list[str | None]()

    class Identity:
        def __init__(self, *, client_id: str | None) -> None:
            made.append(client_id)

    monkeypatch.setattr("azure.identity.ManagedIdentityCredential", Identity)
    settings = load_settings(environment(tmp_path, APPLICATIONINSIGHTS_AUTHENTICATION_STRING=identity))
    assert isinstance(wiring._credential(settings), Identity)
    assert made == [client]


def test_without_an_identity_the_connection_string_is_enough(tmp_path: Path) -> None:
    assert wiring._credential(load_settings(environment(tmp_path))) is None


def test_everything_is_sent_to_the_endpoint_of_the_connection_string_and_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in OURS_ALONE:
        monkeypatch.delenv(name, raising=False)
    with Ingestion() as ingestion:
        settings = load_settings(
            environment(tmp_path, APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string)
        )
        telemetry = exporting(settings, interval=3600)
        with listening(telemetry), telemetry.span("run"):
            telemetry.keep()
            logging.getLogger("tandem.sync").info("said")
            logging.getLogger("functions.graph").info("said too")
            logging.getLogger("azure.functions").info("the worker's own line for each call")
        logging.getLogger("tandem.sync").error("after it")
        telemetry.close()
        assert [os.environ[name] for name in OURS_ALONE] == ["true"] * len(OURS_ALONE)
        kinds = sorted(envelope["data"]["baseType"] for envelope in ingestion.envelopes)
        said = [row["message"] for row in ingestion.rows("MessageData")]
    assert kinds == ["MessageData", "MessageData", "RemoteDependencyData"]
    assert said == ["said", "said too"]
    assert {envelope["iKey"] for envelope in ingestion.envelopes} == {KEY}


def test_no_library_that_watches_other_libraries_is_installed_with_the_app() -> None:
    """They record whole URLs, and ours hold addresses."""
    locked = (ROOT / "requirements.txt").read_text(encoding="utf-8").lower()
    assert "opentelemetry-instrumentation" not in locked
    assert "azure-core-tracing" not in locked


def test_the_host_writes_of_its_calls_those_that_failed() -> None:
    levels = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["logging"]["logLevel"]
    assert levels == {"default": "Warning", "Host.Results": "Error", "Host.Aggregator": "None"}
