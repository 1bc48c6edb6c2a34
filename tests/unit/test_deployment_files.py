"""What azd reads, and what of the deployment needs no compiler to be looked at."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import function_app
from sandbox.host import AppError
from sandbox.host.config import load
from shared.sync.service import QUEUES
from shared.wiring.settings import IN_VAULT, NAMES
from tests.support.bicep import INFRA, ROOT
from tests.support.deploy_page import PAGE, roles_table
from tests.support.template_roles import ADMINISTRATOR, APP, ROLES, VAULT
from tests.support.template_rules import LEFT_TO_DEFAULT

SHELLS = {"posix": "sh", "windows": "pwsh"}
HOST_JSON_FAULTS = (
    ('"version": "2.0"', '"version": "3.0"'),
    ("newBatchThreshold", "newBatchSize"),
    ('"batchSize": 16', '"batchSize": 33'),
    ('"functionTimeout": "01:00:00"', '"functionTimeout": "ten minutes"'),
    ('"messageEncoding": "base64"', '"messageEncoding": "utf8"'),
    ('"maxDequeueCount": 5', '"maxDequeueCount": 0'),
    ("samplingSettings", "sampling"),
    ('"isEnabled": true', '"isEnabled": "sometimes"'),
    ('"Request;Exception"', '"Request,Exception"'),
    ("routePrefix", "prefix"),
)
HOOKS = {"preprovision", "postprovision", "predeploy", "postdeploy", "preup", "postup", "predown", "postdown"}


@pytest.fixture(scope="module")
def azd() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text("utf-8"))
    return loaded


def test_azd_finds_one_service_that_is_our_function_app(azd: dict[str, Any]) -> None:
    assert set(azd) == {"name", "services", "hooks"}
    assert re.fullmatch(r"[a-z0-9-]{2,64}", azd["name"])
    assert azd["services"] == {"app": {"project": ".", "language": "python", "host": "function"}}
    project = ROOT / azd["services"]["app"]["project"]
    assert all((project / name).is_file() for name in ("function_app.py", "host.json", "requirements.txt"))


def test_azd_finds_the_template_where_it_looks_by_default() -> None:
    assert (INFRA / "main.bicep").is_file()
    assert (INFRA / "main.parameters.json").is_file()
    assert "'azd-service-name': 'app'" in (INFRA / "app.bicep").read_text("utf-8")


def hooks(azd: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(name, system, hook) for name, systems in azd["hooks"].items() for system, hook in systems.items()]


def test_hooks_are_one_line_for_each_shell_and_stop_nothing(azd: dict[str, Any]) -> None:
    assert set(azd["hooks"]) <= HOOKS
    assert {system for _, system, _ in hooks(azd)} == set(SHELLS)
    for name, system, hook in hooks(azd):
        assert set(hook) == {"shell", "run", "continueOnError", "interactive"}, name
        assert hook["shell"] == SHELLS[system]
        assert "\n" not in hook["run"].strip()
        assert "tandem " in hook["run"]
        assert hook["continueOnError"] is True


def test_hooks_for_sh_are_what_shellcheck_takes(azd: dict[str, Any], tmp_path: Path) -> None:
    shellcheck = shutil.which("shellcheck", path=str(Path(sys.executable).parent)) or "shellcheck"
    for name, system, hook in hooks(azd):
        if SHELLS[system] == "sh":
            script = tmp_path / f"{name}.sh"
            script.write_text(f"#!/bin/sh\n{hook['run']}\n", "utf-8")
            told = subprocess.run([shellcheck, "--shell=sh", str(script)], capture_output=True, text=True, timeout=60)
            assert told.returncode == 0, told.stdout


def test_both_shells_say_the_same(azd: dict[str, Any]) -> None:
    for systems in azd["hooks"].values():
        posix, windows = systems["posix"]["run"], systems["windows"]["run"]
        assert posix.replace("echo ", "Write-Output ", 1) == windows


def test_every_queue_that_triggers_a_function_is_one_that_the_app_sends_to() -> None:
    found = [function.get_trigger() for function in function_app.app.get_functions()]
    triggers = [trigger.get_dict_repr() for trigger in found if trigger is not None]
    assert {trigger["queueName"] for trigger in triggers if trigger["type"] == "queueTrigger"} == set(QUEUES)


def test_host_json_holds_nothing_that_azure_would_pass_over(tmp_path: Path) -> None:
    assert load(ROOT).logging.applicationInsights.samplingSettings.excludedTypes == "Request;Exception"
    text = (ROOT / "host.json").read_text("utf-8")
    for right, wrong in HOST_JSON_FAULTS:
        assert text.count(right) == 1, right
        (tmp_path / "host.json").write_text(text.replace(right, wrong), "utf-8")
        with pytest.raises(AppError):
            load(tmp_path)


def test_what_is_left_to_its_default_is_a_setting_and_no_secret() -> None:
    assert set(NAMES) >= LEFT_TO_DEFAULT
    assert not LEFT_TO_DEFAULT & set(IN_VAULT)


def test_the_app_may_only_read_the_vault_and_no_role_is_given_twice() -> None:
    assert [role.name for role in ROLES if role.to == APP and role.on == VAULT] == ["Key Vault Secrets User"]
    assert len({(role.to, role.id, role.on) for role in ROLES}) == len(ROLES)
    assert {role.to for role in ROLES} == {APP, ADMINISTRATOR}


def test_the_page_shows_the_roles_as_they_are() -> None:
    assert roles_table() in PAGE.read_text("utf-8"), "run `python -m tests.support.deploy_page`"


def test_the_page_tells_of_every_file_of_the_template() -> None:
    page = PAGE.read_text("utf-8")
    files = {path.name for path in INFRA.glob("*.bicep")} - {"main.bicep"}
    assert {name for name in files if f"`{name}`" not in page} == set()
