"""The deployment template, through the compiler that deploys it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.host.config import load
from sandbox.host.cron import Cron
from shared.wiring.settings import HOST, NAMES
from tests.support.bicep import INFRA, NO_COMPILER, ROOT, Bicep, Compiled, Deployment, find_bicep
from tests.support.deploy_page import PAGE, parameters_table
from tests.support.template_faults import FAULTS, Fault, found
from tests.support.template_rules import FEWEST, MOST, complaints, known, settings_of

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_bicep() is None, reason=NO_COMPILER)]


@pytest.fixture(scope="module")
def bicep() -> Iterator[Bicep]:
    with Bicep(str(find_bicep())) as running:
        yield running


@pytest.fixture(scope="module")
def compiled(bicep: Bicep) -> Compiled:
    return bicep.compile()


def test_it_compiles_without_a_warning(compiled: Compiled) -> None:
    assert compiled.complaints == ()


@pytest.mark.parametrize("values", [FEWEST, MOST], ids=["every switch off", "every switch on"])
def test_what_is_deployed_breaks_no_rule(bicep: Bicep, tmp_path: Path, values: Mapping[str, Any]) -> None:
    assert complaints(bicep.deployment(values, tmp_path), values) == []


@pytest.mark.parametrize("switch", ["principalId", "fixedAddress", "monthlyBudget", "alwaysReadyHttp", "recoverVault"])
def test_each_switch_works_alone(bicep: Bicep, tmp_path: Path, switch: str) -> None:
    values = {**FEWEST, switch: MOST[switch], "alertEmail": MOST["alertEmail"]}
    assert complaints(bicep.deployment(values, tmp_path), values) == []


def test_both_lists_of_parameters_know_every_one(compiled: Compiled) -> None:
    parameters = compiled.template["parameters"]
    assert set(MOST) == set(parameters) - {"budgetStart"}
    needed = {name for name, spec in parameters.items() if "defaultValue" not in spec}
    assert set(FEWEST) == needed


def test_an_app_with_one_mailbox_of_each_runs_on_the_defaults(bicep: Bicep, tmp_path: Path) -> None:
    """What is fixed by the template fits what host.json and the code ask for."""
    deployment = bicep.deployment(FEWEST, tmp_path)
    settings = known(settings_of(deployment))
    queues = load(ROOT).extensions.queues
    assert int(settings["PYTHON_THREADPOOL_THREAD_COUNT"]) >= queues.batchSize + queues.newBatchThreshold
    Cron.parse(settings["TANDEM_TICK_SCHEDULE"])
    assert settings["TANDEM_PUBLIC_URL"] == "https://func-x.azurewebsites.net"
    assert settings["TANDEM_VAULT_URL"].endswith(".vault.azure.net")


@pytest.mark.parametrize(("given", "count"), [(0, []), (3, [{"name": "http", "instanceCount": 3}])])
def test_instances_are_kept_ready_only_when_asked_for(
    bicep: Bicep, tmp_path: Path, given: int, count: list[dict[str, Any]]
) -> None:
    deployment = bicep.deployment({**FEWEST, "alwaysReadyHttp": given}, tmp_path)
    (site,) = deployment.of_type("Microsoft.Web/sites")
    assert site["properties"]["functionAppConfig"]["scaleAndConcurrency"]["alwaysReady"] == count


def test_a_budget_without_anybody_to_tell_is_none(bicep: Bicep, tmp_path: Path) -> None:
    deployment = bicep.deployment({**FEWEST, "monthlyBudget": 50}, tmp_path)
    assert deployment.of_type("Microsoft.Consumption/budgets") == []


def test_more_settings_are_added_and_never_replace_ours(bicep: Bicep, tmp_path: Path) -> None:
    more = {"TANDEM_RECEIPTS": "on_read", "TANDEM_TICK_SCHEDULE": "x", "PYTHON_THREADPOOL_THREAD_COUNT": "1"}
    settings = settings_of(bicep.deployment({**FEWEST, "moreSettings": more}, tmp_path))
    assert settings["TANDEM_RECEIPTS"] == "on_read"
    assert settings["TANDEM_TICK_SCHEDULE"] == "*/30 * * * * *"
    assert settings["PYTHON_THREADPOOL_THREAD_COUNT"] == "32"


@pytest.mark.parametrize(
    "type", ["Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults", "Microsoft.Web/sites"]
)
def test_environments_that_differ_at_their_ends_have_names_of_their_own(
    bicep: Bicep, tmp_path: Path, type: str
) -> None:
    def name(environment: str) -> str:
        deployment: Deployment = bicep.deployment({**FEWEST, "environmentName": environment}, tmp_path)
        return str(deployment.of_type(type)[0]["name"])

    assert name("e" * 63 + "1") != name("e" * 63 + "2")


def test_every_parameter_says_what_it_is_its_default_and_what_it_costs(compiled: Compiled) -> None:
    for name, spec in compiled.template["parameters"].items():
        text = spec["metadata"]["description"]
        assert re.search(r"cost|price|billed", text, re.IGNORECASE), f"{name} doesn't say what it costs"
        default = spec.get("defaultValue")
        assert ("Needed." if default is None else "Default: ") in text, name
        if default not in (None, "", {}) and not str(default).startswith(("[", "*")):
            assert f"default: {default}".lower() in text.lower(), name


def test_azd_gives_every_parameter_that_the_template_has(compiled: Compiled) -> None:
    given = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))["parameters"]
    parameters = compiled.template["parameters"]
    assert set(given) == set(parameters) - {"budgetStart"}
    for name, entry in given.items():
        default = parameters[name].get("defaultValue")
        text = str(entry["value"])
        if placeholder := re.fullmatch(r"\$\{\w+=(.*)\}", text):
            assert placeholder[1] == (str(default).lower() if isinstance(default, bool) else str(default)), name
        elif not text.startswith("${"):
            assert entry["value"] == default, name


def test_what_azd_keeps_as_a_setting_is_one(compiled: Compiled) -> None:
    """An administrator's `tandem` is run in azd's environment, and refuses settings that it doesn't know."""
    ours = {name for name in compiled.template["outputs"] if name.startswith("TANDEM_")}
    text = (INFRA / "main.parameters.json").read_text("utf-8")
    assert (ours | set(re.findall(r"\$\{(TANDEM_\w+)", text))) <= {*NAMES, *HOST}
    assert {"TANDEM_TABLE_URL", "TANDEM_QUEUE_URL", "TANDEM_BLOB_URL", "TANDEM_VAULT_URL"} <= ours


def test_the_page_shows_the_parameters_as_they_are(compiled: Compiled) -> None:
    assert parameters_table(compiled.template) in PAGE.read_text("utf-8"), "run `python -m tests.support.deploy_page`"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found(bicep: Bicep, tmp_path: Path, fault: Fault) -> None:
    _, lines = found(fault, bicep, tmp_path)
    assert any(fault.said in line for line in lines), lines
