"""Settings: every mistake at once, each with what to do, and never a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.model.errors import WrongSettings
from shared.wiring.settings import Settings, load_settings

NEEDED = {
    "TANDEM_GRAPH_TENANT_ID": "tenant",
    "TANDEM_GRAPH_CLIENT_ID": "client",
    "TANDEM_GRAPH_CLIENT_SECRET": "hush-graph",
    "TANDEM_ALIMAIL_CLIENT_ID": "ali",
    "TANDEM_ALIMAIL_CLIENT_SECRET": "hush-ali",
}


def loaded(**changed: str) -> Settings:
    return load_settings({**NEEDED, **changed})


ONE_OF = "TANDEM_GRAPH_CLIENT_SECRET, TANDEM_GRAPH_CERTIFICATE, TANDEM_GRAPH_FEDERATED"
"""How the settings of which one is needed are named together."""


def complaints(env: dict[str, str]) -> dict[str, str]:
    """What is said of each setting."""
    with pytest.raises(WrongSettings) as caught:
        load_settings(env)
    lines = str(caught.value).splitlines()
    said = dict(line.split(": ", 1) for line in lines)
    assert len(said) == len(lines)
    return said


def test_what_is_left_out_has_its_default() -> None:
    settings = loaded()
    shown = settings.model_dump(exclude={name.removeprefix("TANDEM_").lower() for name in NEEDED})
    assert shown == {
        "graph_certificate": None,
        "graph_federated": None,
        "graph_managed_identity_client_id": None,
        "graph_url": "https://graph.microsoft.com/v1.0",
        "login_url": "https://login.microsoftonline.com",
        "alimail_url": "https://alimail-cn.aliyuncs.com",
        "alimail_deletes_folders": True,
        "dingtalk_corp_id": None,
        "dingtalk_app_key": None,
        "dingtalk_app_secret": None,
        "dingtalk_token": None,
        "dingtalk_aes_key": None,
        "dingtalk_url": "https://api.dingtalk.com",
        "dingtalk_oapi_url": "https://oapi.dingtalk.com",
        "imap_host": "imap.qiye.aliyun.com",
        "imap_port": 993,
        "imap_tls": True,
        "imap_connections": 3,
        "public_url": None,
        "state": Path(".tandem"),
        "spool_folder": None,
        "table_url": None,
        "queue_url": None,
        "blob_url": None,
        "vault_url": None,
        "poll_seconds": 30.0,
        "night_poll_seconds": None,
        "day": "07-23",
        "time_zone": "Asia/Shanghai",
        "junk": "watch",
        "categories": False,
        "notes": True,
        "largest_mb": 150,
        "receipts": "careful",
        "mirror_vanished": False,
        "twin_hold_seconds": 120.0,
        "request_timeout": 30.0,
        "grace_seconds": 75.0,
        "lease_seconds": 240.0,
        "insights": None,
        "insights_identity": None,
        "insights_by_worker": False,
    }


def test_what_is_given_is_taken() -> None:
    settings = loaded(
        TANDEM_GRAPH_URL="https://microsoftgraph.chinacloudapi.cn/v1.0/",
        TANDEM_IMAP_PORT=" 1993 ",
        TANDEM_PUBLIC_URL="https://tandem.example:8443",
        TANDEM_STATE="~/state",
        TANDEM_POLL_SECONDS="2",
        TANDEM_TWIN_HOLD_SECONDS="0",
    )
    assert settings.graph_url == "https://microsoftgraph.chinacloudapi.cn/v1.0"
    assert (settings.imap_port, settings.public_url) == (1993, "https://tandem.example:8443")
    assert (settings.state, settings.poll_seconds) == (Path.home() / "state", 2.0)
    assert settings.twin_hold_seconds == 0
    assert settings.graph_client_secret is not None
    assert settings.graph_client_secret.get_secret_value() == "hush-graph"


def test_other_environment_variables_are_nobodys_business() -> None:
    assert load_settings({**NEEDED, "PATH": "", "GRAPH_URL": "nonsense", "TANDEM_TICK_SCHEDULE": "x"}) == loaded()


def test_a_blank_setting_counts_as_left_out() -> None:
    assert loaded(TANDEM_IMAP_HOST="", TANDEM_IMAP_PORT=" ").imap_port == 993
    assert set(complaints({**NEEDED, "TANDEM_GRAPH_CLIENT_SECRET": " "})) == {ONE_OF}
    assert loaded(TANDEM_NONSENSE=" ") == loaded()


def test_settings_do_not_change_and_show_no_secret() -> None:
    settings = loaded()
    with pytest.raises(ValueError, match="frozen"):
        settings.imap_port = 1
    assert "hush" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_everything_that_is_missing_is_named_at_once() -> None:
    said = complaints({})
    assert said.pop(ONE_OF).startswith("none of them is set; set exactly one of them")
    assert list(said) == [name for name in NEEDED if name != "TANDEM_GRAPH_CLIENT_SECRET"]
    assert all(text.startswith("is missing; set it to the ") for text in said.values())


def test_only_one_credential_is_taken() -> None:
    several = {**NEEDED, "TANDEM_GRAPH_FEDERATED": "managed-identity"}
    assert complaints(several) == {
        "TANDEM_GRAPH_CLIENT_SECRET, TANDEM_GRAPH_FEDERATED": "are set together; keep one of them"
    }
    del several["TANDEM_GRAPH_CLIENT_SECRET"]
    assert load_settings(several).graph_federated == "managed-identity"
    several["TANDEM_GRAPH_MANAGED_IDENTITY_CLIENT_ID"] = "0f8f0c1e-5a57"
    assert load_settings(several).graph_managed_identity_client_id == "0f8f0c1e-5a57"


def test_an_identitys_id_without_an_identity_is_a_mistake() -> None:
    said = complaints({**NEEDED, "TANDEM_GRAPH_MANAGED_IDENTITY_CLIENT_ID": "hush"})
    assert list(said) == ["TANDEM_GRAPH_MANAGED_IDENTITY_CLIENT_ID"]
    assert "has no use without" in str(said)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TANDEM_POL_SECONDS", "TANDEM_POLL_SECONDS"),
        ("TANDEM_GRAPH_TENANT", "TANDEM_GRAPH_TENANT_ID"),
        ("TANDEM_TICK_SCHEDUEL", "TANDEM_TICK_SCHEDULE"),
        ("TANDEM_IMAP_TSL", "TANDEM_IMAP_TLS"),
    ],
)
def test_a_misspelt_setting_is_reported_with_what_was_meant(name: str, meant: str) -> None:
    assert complaints({**NEEDED, name: "hush"}) == {name: f"is not a setting; did you mean {meant}?"}


def test_a_setting_that_is_like_none_is_reported_too() -> None:
    assert complaints({**NEEDED, "TANDEM_ZZZ": "hush"}) == {"TANDEM_ZZZ": "is not a setting; remove it or correct it"}


def test_every_mistake_is_named_at_once_with_what_to_do_and_no_value() -> None:
    wrong = {
        "TANDEM_GRAPH_FEDERATED": ("hush", "is not a word that is known here"),
        "TANDEM_GRAPH_CERTIFICATE": ("hush.pem", "names a file that can't be read"),
        "TANDEM_GRAPH_URL": ("ftp://hush/v1.0", "is not an address"),
        "TANDEM_LOGIN_URL": ("https://user:hush@login.example", "holds more than an address"),
        "TANDEM_ALIMAIL_URL": ("https://alimail.example:hush", "is not an address"),
        "TANDEM_IMAP_HOST": ("imap.example/hush", "is not the name of a server"),
        "TANDEM_IMAP_PORT": ("hush", "is not a whole number"),
        "TANDEM_IMAP_TLS": ("hush", "is neither true nor false"),
        "TANDEM_PUBLIC_URL": ("http://hush.example", "is plain http to another machine"),
        "TANDEM_POLL_SECONDS": ("hush", "is not a number"),
        "TANDEM_TWIN_HOLD_SECONDS": ("nan", "is not a number"),
        "TANDEM_REQUEST_TIMEOUT": ("29", "is less than 30"),
        "TANDEM_GRACE_SECONDS": ("601", "is more than 600"),
        "TANDEM_LEASE_SECONDS": ("-1", "is less than a large message needs"),
    }
    env = {name: value for name, (value, _) in wrong.items()}
    said = complaints({**env, "TANDEM_GRAPH_CLIENT_SECRET": "hush"})
    assert said.pop(ONE_OF) == "are set together; keep one of them"
    assert set(said) == set(wrong) | (set(NEEDED) - {"TANDEM_GRAPH_CLIENT_SECRET"})
    assert {name: said[name].partition(";")[0].partition(" (")[0].partition(" that starts")[0] for name in wrong} == {
        name: what for name, (_, what) in wrong.items()
    }
    assert all(len(text.partition("; ")[2].split()) >= 5 for text in said.values())
    assert "hush" not in str(said)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "[::1]", "localhost"])
def test_plain_connections_may_stay_on_this_machine(host: str) -> None:
    settings = loaded(
        TANDEM_GRAPH_URL=f"http://{host}:8080/v1.0",
        TANDEM_LOGIN_URL=f"http://{host}:8080",
        TANDEM_ALIMAIL_URL=f"http://{host}:8081",
        TANDEM_PUBLIC_URL=f"http://{host}:8082",
        TANDEM_IMAP_HOST=host.strip("[]"),
        TANDEM_IMAP_TLS="false",
    )
    assert (settings.alimail_url, settings.imap_tls) == (f"http://{host}:8081", False)


@pytest.mark.parametrize("host", ["imap.example", "10.0.0.1", "localhost.example", "127.0.0.1.example", "0.0.0.0"])
def test_plain_connections_to_another_machine_are_refused(host: str) -> None:
    said = complaints(
        {**NEEDED, "TANDEM_ALIMAIL_URL": f"http://{host}", "TANDEM_IMAP_HOST": host, "TANDEM_IMAP_TLS": "0"}
    )
    assert {name: text.partition(";")[0] for name, text in said.items()} == {
        "TANDEM_ALIMAIL_URL": "is plain http to another machine",
        "TANDEM_IMAP_TLS": "asks for plain IMAP to another machine",
    }
    assert set(complaints({**NEEDED, "TANDEM_IMAP_TLS": "off"})) == {"TANDEM_IMAP_TLS"}


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("TANDEM_GRAPH_TENANT_ID", "tenant/../other", "holds a character that can't be there"),
        ("TANDEM_GRAPH_URL", "https://graph.microsoft.com", "has no version"),
        ("TANDEM_GRAPH_URL", "https://graph.microsoft.com/v1.0?x=1", "holds more than an address"),
        ("TANDEM_GRAPH_URL", "https://", "is not an address"),
        ("TANDEM_GRAPH_URL", "https://[::1", "is not an address"),
        ("TANDEM_GRAPH_URL", "https://graph.microsoft.com:0/v1.0", "is not an address"),
        ("TANDEM_ALIMAIL_URL", "https://alimail-cn.aliyuncs.com/v2", "has a path"),
        ("TANDEM_LOGIN_URL", "https://login.microsoftonline.com/common", "has a path"),
        ("TANDEM_PUBLIC_URL", "https://tandem.example/api#x", "holds more than an address"),
        ("TANDEM_IMAP_HOST", "imaps://imap.example", "is not the name of a server"),
        ("TANDEM_IMAP_PORT", "0", "is less than 1"),
        ("TANDEM_IMAP_PORT", "65536", "is more than 65535"),
        ("TANDEM_IMAP_PORT", "99.5", "is not a whole number"),
        ("TANDEM_POLL_SECONDS", "inf", "is not a number"),
        ("TANDEM_POLL_SECONDS", "0", "is less than 0.1"),
    ],
)
def test_a_value_that_cannot_work_is_refused(name: str, value: str, what: str) -> None:
    said = complaints({**NEEDED, name: value})
    assert set(said) == {name}
    assert said[name].startswith(what)


def test_a_lease_outlives_the_longest_request() -> None:
    assert loaded(TANDEM_LEASE_SECONDS="145").lease_seconds == 145
    assert set(complaints({**NEEDED, "TANDEM_LEASE_SECONDS": "144"})) == {"TANDEM_LEASE_SECONDS"}
    assert set(complaints({**NEEDED, "TANDEM_REQUEST_TIMEOUT": "200"})) == {"TANDEM_LEASE_SECONDS"}
    assert loaded(TANDEM_GRACE_SECONDS="0", TANDEM_LEASE_SECONDS="70").lease_seconds == 70


APP = {
    "TANDEM_DINGTALK_CORP_ID": "ding-corp",
    "TANDEM_DINGTALK_APP_KEY": "dingabc",
    "TANDEM_DINGTALK_APP_SECRET": "hush-app",
    "TANDEM_DINGTALK_TOKEN": "hushtoken",
    "TANDEM_DINGTALK_AES_KEY": "hush" + "1" * 39,
}


def test_the_dingtalk_app_is_taken_whole_and_shows_no_secret() -> None:
    settings = loaded(**APP)
    assert settings.dingtalk_app_key == "dingabc"
    assert "hush" not in repr(settings) + settings.model_dump_json()


@pytest.mark.parametrize("name", APP)
def test_half_a_dingtalk_app_is_refused_with_the_names_of_what_is_missing(name: str) -> None:
    said = complaints({**NEEDED, **{other: value for other, value in APP.items() if other != name}})
    assert set(said) == {name}
    assert said[name].startswith("is missing although other settings of DingTalk's app are given; set it to the")
    assert set(complaints({**NEEDED, name: APP[name]})) == set(APP) - {name}


def test_half_a_dingtalk_app_is_told_beside_everything_else() -> None:
    said = complaints({"TANDEM_DINGTALK_CORP_ID": "ding-corp", "TANDEM_POLL_SECONDS": "0"})
    wrong = {*NEEDED, *APP, "TANDEM_POLL_SECONDS", ONE_OF}
    assert set(said) == wrong - {"TANDEM_DINGTALK_CORP_ID", "TANDEM_GRAPH_CLIENT_SECRET"}


def test_a_callback_key_that_cannot_be_one_is_refused_and_not_shown() -> None:
    said = complaints({**NEEDED, **APP, "TANDEM_DINGTALK_AES_KEY": "hush"})
    assert said["TANDEM_DINGTALK_AES_KEY"].startswith("is not an AES key of 43 letters and digits; set it to")
    assert "hush" not in str(said)


AZURE = {
    "TANDEM_TABLE_URL": "https://tandem.table.core.windows.net",
    "TANDEM_QUEUE_URL": "https://tandem.queue.core.windows.net/",
    "TANDEM_BLOB_URL": "https://127.0.0.1:10000/devstoreaccount1",
    "TANDEM_VAULT_URL": "https://tandem.vault.azure.net",
}


def test_state_is_on_azure_when_all_four_addresses_are_given() -> None:
    settings = loaded(**AZURE)
    assert settings.on_azure
    assert settings.queue_url == "https://tandem.queue.core.windows.net"
    assert settings.blob_url == "https://127.0.0.1:10000/devstoreaccount1"
    assert not loaded().on_azure


@pytest.mark.parametrize("name", AZURE)
def test_a_part_of_the_addresses_on_azure_is_not_enough(name: str) -> None:
    said = complaints({**NEEDED, name: AZURE[name]})
    assert set(said) == set(AZURE) - {name}
    assert all("state on Azure are given; give the address of the " in text for text in said.values())
    assert all("or leave out all four" in text for text in said.values())
    assert set(complaints({**NEEDED, **AZURE, name: " "})) == {name}


def test_state_is_on_azure_or_in_a_folder() -> None:
    said = complaints({**NEEDED, **AZURE, "TANDEM_STATE": "/srv/tandem"})
    assert said == {"TANDEM_STATE": "is given beside addresses on Azure; leave it out"}


@pytest.mark.parametrize("name", AZURE)
@pytest.mark.parametrize(
    "value", ["http://127.0.0.1:10000/devstoreaccount1", "http://tandem.example", "tandem", "https://"]
)
def test_an_address_on_azure_is_encrypted(name: str, value: str) -> None:
    said = complaints({**NEEDED, **AZURE, name: value})
    assert set(said) == {name}
    assert "give the address of the" in said[name]


# ---- what the vault may hold
ON_AZURE = {
    "TANDEM_TABLE_URL": "https://tandem.table.core.windows.net",
    "TANDEM_QUEUE_URL": "https://tandem.queue.core.windows.net",
    "TANDEM_BLOB_URL": "https://tandem.blob.core.windows.net",
    "TANDEM_VAULT_URL": "https://tandem.vault.azure.net",
}


def test_with_state_on_azure_the_secrets_may_be_left_to_the_vault() -> None:
    app = {"TANDEM_DINGTALK_CORP_ID": "ding-corp", "TANDEM_DINGTALK_APP_KEY": "dingabc"}
    left_out = {name: value for name, value in NEEDED.items() if name != "TANDEM_ALIMAIL_CLIENT_SECRET"}
    settings = load_settings({**left_out, **app, **ON_AZURE})
    assert (settings.alimail_client_secret, settings.dingtalk_token) == (None, None)
    assert set(complaints({**left_out, **app})) == {
        "TANDEM_ALIMAIL_CLIENT_SECRET",
        "TANDEM_DINGTALK_APP_SECRET",
        "TANDEM_DINGTALK_TOKEN",
        "TANDEM_DINGTALK_AES_KEY",
    }


def test_half_an_app_is_a_mistake_on_azure_too() -> None:
    said = complaints({**NEEDED, **ON_AZURE, "TANDEM_DINGTALK_TOKEN": "hush"})
    assert set(said) == {"TANDEM_DINGTALK_CORP_ID", "TANDEM_DINGTALK_APP_KEY"}
