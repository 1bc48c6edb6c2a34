"""Which secrets are read from the vault, and when."""

from __future__ import annotations

import pytest

from shared.wiring.settings import NAMES, Settings
from shared.wiring.vault import IN_VAULT, app_on_azure, with_secrets

ADDRESSES = {f"TANDEM_{name}_URL": "https://x.example" for name in ("TABLE", "QUEUE", "BLOB", "VAULT")}


def asked(env: dict[str, str]) -> set[str]:
    """What is looked for in the vault."""
    names: set[str] = set()

    def read(name: str) -> str:
        names.add(name)
        return "from the vault"

    with_secrets(env, read)
    return names


def test_every_setting_that_is_a_secret_can_be_in_the_vault() -> None:
    secret = {name for name in NAMES if "SecretStr" in str(Settings.model_fields[name[7:].lower()].annotation)}
    assert set(IN_VAULT) == secret - {"TANDEM_GRAPH_CERTIFICATE"}


def test_only_what_is_missing_and_has_a_use_is_looked_for() -> None:
    assert asked({}) == {"graph-client-secret", "alimail-client-secret"}
    assert asked({"TANDEM_GRAPH_FEDERATED": "managed-identity"}) == {"alimail-client-secret"}
    assert asked({"TANDEM_GRAPH_FEDERATED": "x", "TANDEM_ALIMAIL_CLIENT_SECRET": "y"}) == set()
    assert asked({"TANDEM_GRAPH_FEDERATED": "x", "TANDEM_DINGTALK_APP_KEY": "key"}) == {
        "alimail-client-secret",
        "dingtalk-app-secret",
        "dingtalk-token",
        "dingtalk-aes-key",
    }


def test_the_environment_goes_before_the_vault_and_blank_counts_as_left_out() -> None:
    env = {"TANDEM_GRAPH_FEDERATED": "x", "TANDEM_ALIMAIL_CLIENT_SECRET": "own"}
    assert with_secrets(env, lambda name: "from the vault") == env
    blank = {**env, "TANDEM_ALIMAIL_CLIENT_SECRET": " "}
    found = with_secrets(blank, lambda name: "from the vault")
    assert found["TANDEM_ALIMAIL_CLIENT_SECRET"] == "from the vault"
    assert with_secrets(blank, lambda name: None) == blank


@pytest.mark.parametrize(
    "broken", [{"TANDEM_VAULT_URL": ""}, {"TANDEM_TABLE_URL": "http://x.example"}, {"TANDEM_BLOB_URL": "x"}]
)
def test_no_vault_is_asked_while_the_addresses_are_wrong(broken: dict[str, str]) -> None:
    assert app_on_azure(ADDRESSES) is not None
    assert app_on_azure({**ADDRESSES, **broken}) is None
