"""`tandem setup` against both simulated vendors, a vault, and stand-ins of az, azd and PowerShell."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.serving import serving
from tests.support.azure_services import AzureServices, azure_services
from tests.support.azurite import MISSING, is_installed
from tests.support.setup_company import (
    ALIMAIL,
    APP_KEY,
    CLIENT,
    CORP,
    GROUP,
    INSIDE,
    OUTSIDE,
    PRINCIPAL,
    SECRETS,
    TENANT,
    Company,
    company,
)

RIGHTS = ("scoped", GROUP, INSIDE, OUTSIDE, "y", "y", "y")
DRAWN = ("dingtalk-token", "dingtalk-aes-key")
KEPT = ("alimail-client-secret", "dingtalk-app-secret", *DRAWN, "graph-client-secret")


@pytest.fixture(scope="module")
def azure() -> Iterator[AzureServices]:
    if not is_installed():
        pytest.skip(MISSING)
    with azure_services() as services:
        yield services


@pytest.fixture
def office(azure: AzureServices, tmp_path: Path) -> Iterator[Company]:
    with company(azure, tmp_path, "az", "azd", "pwsh") as made:
        yield made


@pytest.fixture
def bare_office(azure: AzureServices, tmp_path: Path) -> Iterator[Company]:
    """Nothing but az to sign in with."""
    with company(azure, tmp_path, "az") as made:
        yield made


def typed(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# ---- all of it
@pytest.mark.slow
def test_an_administrator_is_walked_through_everything_and_may_stop_in_between(office: Company, tmp_path: Path) -> None:
    port = free_port()
    office.change(azd={**office.state()["azd"], "TANDEM_PUBLIC_URL": f"http://127.0.0.1:{port}"})
    first = office.run(
        typed=typed("y", "y", "managed-identity", "y", "y", *RIGHTS)
        + typed("", "", ALIMAIL, SECRETS["alimail"], "yes", "", "", CORP, APP_KEY, SECRETS["dingtalk"], "y", "y", "n"),
        status=1,
    )
    assert "waiting: given just now: look again in 30 minutes" in first.output
    assert "the app gave no answer" in first.output
    told = office.states(status=1)
    assert told == dict.fromkeys(told, "done") | {"rights": "waiting", "deploy": "missing", "callback": "unseen"}

    office.later()
    vault = {name: office.secret(name) for name in KEPT}
    settings = {name: text for name, text in office.env.items() if name.startswith("TANDEM_")} | {
        "TANDEM_STATE": str(tmp_path / "state"),
        "TANDEM_GRAPH_TENANT_ID": TENANT,
        "TANDEM_GRAPH_CLIENT_ID": CLIENT,
        "TANDEM_GRAPH_CLIENT_SECRET": vault["graph-client-secret"],
        "TANDEM_ALIMAIL_CLIENT_ID": ALIMAIL,
        "TANDEM_ALIMAIL_CLIENT_SECRET": vault["alimail-client-secret"],
        "TANDEM_DINGTALK_CORP_ID": CORP,
        "TANDEM_DINGTALK_APP_KEY": APP_KEY,
        "TANDEM_DINGTALK_APP_SECRET": vault["dingtalk-app-secret"],
        "TANDEM_DINGTALK_TOKEN": vault["dingtalk-token"],
        "TANDEM_DINGTALK_AES_KEY": vault["dingtalk-aes-key"],
    }
    before = {tool: office.changes(tool) for tool in ("az", "azd", "pwsh")}
    with serving(settings, port):
        second = office.run(typed=typed("", "y"))
        shown = dict(re.findall(r"^(address|token|aes_key)\s+(\S+)$", second.output, re.M))
        office.open_server.configure(shown["address"], shown["token"], shown["aes_key"])  # the console's own handshake
        assert set(office.states(status=0).values()) == {"done", "told"}
        third = office.run()
    assert "tandem pair add" in second.output
    assert {tool: office.changes(tool) for tool in before} == before, "what was done isn't done again"
    assert "aes_key" not in third.output
    outside_of_vault = (first.output, third.output, office.progress.read_text(), str(office.state()["calls"]))
    for name, secret in vault.items():
        assert not any(secret in text for text in outside_of_vault), f"{name} was shown"
    assert SECRETS["dingtalk"] not in second.output


def test_what_is_run_is_exactly_what_is_printed(office: Company) -> None:
    office.run("vault")
    office.run("registration", typed=typed("y", "y"))
    office.run("rights", typed=typed(*RIGHTS, "y"))
    told = office.run("rights", "--print").output
    for tool, *words in office.state()["calls"]:
        if tool == "pwsh" and "Connect-Exchange" in words[-1]:
            assert all(line in told for line in words[-1].splitlines())
        elif words[:3] == ["ad", "app", "permission"]:
            assert " ".join([tool, *words]) in told
    assert len([call for call in office.state()["calls"] if call[1:4] == ["ad", "app", "permission"]]) == 2


# ---- yes and no
def test_nothing_is_run_without_a_yes(office: Company) -> None:
    office.run("registration", typed=typed("n", CLIENT, "n", PRINCIPAL, "n"), status=1)
    assert office.changes("az") == []


def test_az_that_fails_half_way_is_gone_on_with(office: Company) -> None:
    office.change(fail=["az ad sp create"])
    stopped = office.run("registration", typed=typed("y", "y"), status=1)
    assert "az ended with status 1: ERROR: az can't do that now. Mend that and run" in stopped.output
    office.change(fail=[])
    office.progress.unlink()  # even what was noted is lost
    office.run("registration", typed=typed("y"))
    created = [change for change in office.changes("az") if change.startswith("ad app create")]
    assert len(created) == 1
    assert list(office.state()["apps"]) == [CLIENT]


def test_without_az_and_azd_each_command_is_run_by_hand(bare_office: Company, tmp_path: Path) -> None:
    settings = tmp_path / "settings.env"
    settings.write_text("\n".join(f'{name}="{text}"' for name, text in bare_office.state()["azd"].items()))
    (bare_office.tools / "az").unlink()
    said = bare_office.run(
        "registration",
        "--env-file",
        str(settings),
        typed=typed("", "no ID", CLIENT, "11111111-2222-3333-4444-555555555555", "y"),
    ).output
    assert "az ad app create" in said
    assert "Run this now?" not in said
    assert "told: its ID is known; az isn't here to look whether it is there; you said that it is done." in said
    assert "you said that it is done" in bare_office.run("registration", "--check", "--env-file", str(settings)).output
    (bare_office.tools / "az").touch()


# ---- signing in
def test_the_registration_trusts_the_identity_and_no_secret_is_made(office: Company) -> None:
    office.run("registration", typed=typed("y", "y"))
    said = office.run("sign-in", typed=typed("managed-identity", "y"))
    assert "only the app can sign in with it" in said.output
    [held] = office.state()["apps"][CLIENT]["federated"]
    assert held == {
        "name": "tandem",
        "issuer": f"https://login.microsoftonline.com/{TENANT}/v2.0",
        "subject": PRINCIPAL,
        "audiences": ["api://AzureADTokenExchange"],
    }
    apps = office.state()["apps"]
    apps[CLIENT]["federated"][0]["subject"] = CLIENT
    office.change(apps=apps)
    told = office.run("sign-in", "--check", status=1).output
    assert "has another subject: delete it (az ad app federated-credential delete" in told


def test_az_signed_in_to_another_tenant_is_noticed(office: Company) -> None:
    office.run("registration", typed=typed("y", "y"))
    office.change(tenant="99999999-0f5e-4f0e-9a53-0d6a5d1c2b3e")
    assert "another tenant" in office.run("registration", "--check", status=1).output


def test_nothing_is_changed_in_a_tenant_that_is_not_meant(office: Company) -> None:
    office.change(tenant="99999999-0f5e-4f0e-9a53-0d6a5d1c2b3e")
    told = office.run("registration", typed=typed("n", "", "y"), status=1).output
    assert f"az isn't signed in to the tenant that is meant: run `az login --tenant {TENANT}`" in told
    assert office.changes("az") == []
    office.run("registration", typed=typed("y", "y", "y"))
    assert [change.split(" --")[0] for change in office.changes("az")] == ["login", "ad app create", "ad sp create"]


# ---- settings
def test_settings_that_are_not_secret_go_to_azd_after_one_yes(office: Company) -> None:
    office.run("registration", typed=typed("y", "y"))
    office.run("vault")
    refused = office.run("alimail", typed=typed("", "", ALIMAIL, "another", "n"), status=1).output
    assert "check the Alimail app's id, secret and permissions. Nothing was changed." in refused
    assert "another" not in refused
    office.run("alimail", typed=typed("", "", SECRETS["alimail"]))
    office.run("dingtalk", typed=typed("no"))
    office.run("settings", typed=typed("y"))
    held = office.state()["azd"]
    assert {name: held[name] for name in ("TANDEM_GRAPH_CLIENT_ID", "GRAPH_SIGN_IN", "TANDEM_ALIMAIL_CLIENT_ID")} == {
        "TANDEM_GRAPH_CLIENT_ID": CLIENT,
        "GRAPH_SIGN_IN": "managed-identity",
        "TANDEM_ALIMAIL_CLIENT_ID": ALIMAIL,
    }
    assert not any("DINGTALK" in name for name in held)
    assert "settings were changed since `azd up` was last run" in office.run("deploy", "--check", status=1).output


def test_what_was_named_wrongly_is_asked_for_again(office: Company) -> None:
    office.run("registration", typed=typed("y", "y"))
    office.run("sign-in", typed=typed("client-secret", "y"))
    nobody = "nobody@office.example"
    office.run("rights", typed=typed("scoped", GROUP, nobody, OUTSIDE, "y", "y", "y"), status=1)
    office.later()
    assert "name another" in office.run("rights", "--check", status=1).output
    done = office.run("rights", typed=typed(INSIDE, "", "n", "", "n", "", "n", "skip"))
    assert "done: a mailbox opens, and one outside does not" in done.output


# ---- replacing
def test_secrets_are_replaced_by_doing_their_step_again(office: Company) -> None:
    office.run("vault", typed=typed("y"))
    office.run("dingtalk", typed=typed("yes", "", "", CORP, APP_KEY, SECRETS["dingtalk"]))
    office.run("callback", typed=typed("", "y"))
    before = {name: office.secret(name) for name in (*DRAWN, "deployment-key")}
    assert office.run("dingtalk").output.strip().endswith("the keys are drawn."), "done is done"
    office.run("dingtalk", "--again", typed=typed("", "", SECRETS["dingtalk"]))
    office.run("vault", "--again")
    assert all(office.secret(name) != before[name] for name in DRAWN)
    assert office.secret("deployment-key") == before["deployment-key"], "the state couldn't be read with another"
    assert office.states(status=1)["callback"] == "unseen", "the console has to be told the new ones"
    assert office.secret("dingtalk-token") in office.run("--show", "callback").output


# ---- the vault
def test_a_vault_that_lets_nobody_in_says_which_role_is_missing(office: Company) -> None:
    office.azure.vault.may.clear()
    told = office.run("vault", "--check", status=1).output
    assert "Key Vault Secrets Officer" in told
    assert "az role assignment create" in told
    office.run("--secret", "alimail-client-secret", "--stdin", typed=typed("x"), status=1)


def test_without_a_vault_it_says_what_to_run_first(bare_office: Company) -> None:
    assert "run `azd provision`" in bare_office.run("vault", "--check", status=1).output
