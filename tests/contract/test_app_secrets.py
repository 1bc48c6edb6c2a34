"""The app's own secrets in the vault: found there, missing, disabled, and replaced while the app runs."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func
import pytest
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

import shared.state.azure_vault as vault_adapter
import shared.wiring.secrets as wiring
from functions.dingtalk import dingtalk_callback
from functions.graph import graph_notifications
from functions.health import health
from functions.queues import work
from functions.timers import tick
from sandbox.dingtalk import DingTalkMail, DingTalkOpen
from sandbox.web import Request, Response
from shared.dingtalk.tokens import ClientCredentials
from shared.model.errors import SignInRefused, Unavailable, WrongSettings
from shared.ports.world import HttpRequest, HttpResponse
from shared.wiring.parts import Parts
from shared.wiring.product import Product, build, use
from shared.wiring.secrets import app_secret
from shared.wiring.settings import IN_VAULT, Settings, load_settings
from shared.wiring.world import SystemClock
from tests.support.azure_services import AzureServices

AES_KEY, NEW_AES_KEY = "1" * 43, "2" * 43
VALUES = {
    "graph-client-secret": "hush-entra",
    "alimail-client-secret": "hush-ali",
    "dingtalk-app-secret": "hush-app",
    "dingtalk-token": "hushtoken",
    "dingtalk-aes-key": AES_KEY,
}


class Vault:
    """The vault as an administrator sees it."""

    def __init__(self, azure: AzureServices, credential: DefaultAzureCredential) -> None:
        self._client = SecretClient(
            azure.environment["TANDEM_VAULT_URL"], credential, verify_challenge_resource=False, retry_total=0
        )
        self.services = azure

    def put(self, name: str, value: str) -> None:
        self._client.set_secret(name, value)

    def enable(self, name: str, enabled: bool) -> None:
        self._client.update_secret_properties(name, enabled=enabled)

    def asked(self) -> int:
        return self.services.vault.counts["GET"]


@pytest.fixture
def vault(azure: AzureServices, credential: DefaultAzureCredential) -> Vault:
    azure.vault.empty()
    return Vault(azure, credential)


@pytest.fixture
def settings(vault: Vault) -> Settings:
    """As the deployed app has them: no secret among them."""
    return load_settings(environment(vault))


def environment(vault: Vault) -> dict[str, str]:
    return {
        **vault.services.environment,
        "TANDEM_GRAPH_TENANT_ID": "tenant",
        "TANDEM_GRAPH_CLIENT_ID": "client",
        "TANDEM_GRAPH_FEDERATED": "managed-identity",
        "TANDEM_ALIMAIL_CLIENT_ID": "ali",
        "TANDEM_DINGTALK_CORP_ID": "ding-corp",
        "TANDEM_DINGTALK_APP_KEY": "dingabc",
    }


@pytest.fixture
def parts(settings: Settings, credential: DefaultAzureCredential) -> Iterator[Parts]:
    parts = Parts.azure(settings, credential)
    yield parts
    parts.close()


@pytest.fixture
def product(settings: Settings, parts: Parts) -> Iterator[Product]:
    product = build(settings, parts)
    use(product)
    yield product
    use(None)


def test_each_secret_is_found_in_the_vault_under_its_name_and_a_setting_goes_first(
    vault: Vault, settings: Settings, parts: Parts
) -> None:
    for setting, name in IN_VAULT.items():
        vault.put(name, VALUES[name])
        field = setting.removeprefix("TANDEM_").lower()
        assert app_secret(field, settings, parts)() == VALUES[name]
    given = load_settings({**environment(vault), "TANDEM_ALIMAIL_CLIENT_SECRET": "hush-given"})
    assert app_secret("alimail_client_secret", given, parts)() == "hush-given"


def test_a_missing_secret_is_one_clear_error_until_it_is_there(
    vault: Vault, settings: Settings, parts: Parts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = app_secret("alimail_client_secret", settings, parts)
    before = vault.asked()
    for _ in range(20):
        with pytest.raises(SignInRefused) as caught:
            secret()
    assert vault.asked() == before + 1, "anybody could make the vault busy"
    assert str(caught.value) == (
        "the secret alimail-client-secret is missing: set TANDEM_ALIMAIL_CLIENT_SECRET,"
        " or put the secret alimail-client-secret into the vault 127: `tandem setup`"
    )
    assert [record.getMessage() for record in caplog.records] == [str(caught.value)]
    monkeypatch.setattr(wiring, "HELD", 0.0)
    vault.put("alimail-client-secret", "hush-ali")
    time.sleep(0.01)
    later = app_secret("alimail_client_secret", settings, parts)
    assert later() == "hush-ali"


def test_a_disabled_secret_and_a_vault_that_refuses_are_told_apart(
    vault: Vault, settings: Settings, parts: Parts
) -> None:
    vault.put("dingtalk-token", "hushtoken")
    vault.enable("dingtalk-token", False)
    with pytest.raises(SignInRefused, match="the secret dingtalk-token is disabled in the vault: enable it there"):
        app_secret("dingtalk_token", settings, parts)()
    vault.services.vault.may.discard("get")
    with pytest.raises(Unavailable, match="give it the role"):
        app_secret("dingtalk_app_secret", settings, parts)()


def test_what_cannot_be_an_aes_key_is_refused_without_showing_it(
    vault: Vault, settings: Settings, parts: Parts
) -> None:
    vault.put("dingtalk-aes-key", "hush")
    with pytest.raises(SignInRefused, match="the secret dingtalk-aes-key is not an AES key of 43 letters") as caught:
        app_secret("dingtalk_aes_key", settings, parts)()
    assert "hush" not in str(caught.value)


def test_a_new_value_is_used_when_the_cache_is_over(
    vault: Vault, settings: Settings, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.put("alimail-client-secret", "hush-old")
    secret = app_secret("alimail_client_secret", settings, parts)
    assert secret() == "hush-old"
    vault.put("alimail-client-secret", "hush-new")
    assert (secret(), vault_adapter.KEPT) == ("hush-old", 300.0)
    monkeypatch.setattr(vault_adapter, "KEPT", 0.0)
    assert secret() == "hush-new"


def test_who_asks_for_the_present_value_all_the_time_makes_the_vault_no_load(
    vault: Vault, settings: Settings, parts: Parts
) -> None:
    vault.put("dingtalk-token", "hushtoken")
    secret = app_secret("dingtalk_token", settings, parts)
    before = vault.asked()
    assert {secret(fresh=True) for _ in range(20)} == {"hushtoken"}
    assert vault.asked() == before + 1


class InProcess:
    """A vendor without a wire; notes which secrets it was shown."""

    def __init__(self, handle: Callable[[Request], Response]) -> None:
        self._handle = handle

    def send(self, request: HttpRequest) -> HttpResponse:
        path = request.url.split("test", 1)[1]
        answer = self._handle(Request(request.method, path, dict(request.headers), request.body))
        return HttpResponse(answer.status, answer.headers, answer.body)


def test_a_refused_sign_in_is_tried_once_more_with_what_the_vault_holds_now(
    vault: Vault, settings: Settings, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_adapter, "FRESH", 0.0)
    vault.put("alimail-client-secret", "hush-old")
    vendor = DingTalkMail(clock=time.time, random=random.Random(1), client_id="ali", client_secret="hush-new")
    secret = app_secret("alimail_client_secret", settings, parts)
    tokens = ClientCredentials(
        InProcess(vendor.handle), SystemClock(), "https://alimail.test", "ali", secret, threading.Lock()
    )
    assert secret() == "hush-old"
    vault.put("alimail-client-secret", "hush-new")
    assert tokens.token().startswith("ali")
    assert vendor.counts["token"] == 2
    vault.put("alimail-client-secret", "hush-wrong")
    vendor.revoke_tokens()
    assert tokens.token(tokens.token()).startswith("ali"), "the value that works is kept while it works"


def test_a_callback_made_with_new_keys_is_taken_at_once(
    vault: Vault, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_adapter, "FRESH", 0.0)
    for name, value in VALUES.items():
        vault.put(name, value)
    platform = DingTalkOpen(
        clock=time.time, random=random.Random(1), corp_id="ding-corp", app_key="dingabc", app_secret="hush-app"
    )
    assert product.callback is not None

    def post(url: str, body: bytes, timeout: float) -> tuple[int, bytes]:
        answer = dingtalk_callback(_request(url, body))
        return answer.status_code, answer.get_body()

    platform.configure("https://tandem.test/api/dingtalk/callback", "hushtoken", AES_KEY, post)
    vault.put("dingtalk-token", "hushother")
    vault.put("dingtalk-aes-key", NEW_AES_KEY)
    platform.configure("https://tandem.test/api/dingtalk/callback", "hushother", NEW_AES_KEY, post)


def _request(url: str, body: bytes = b"") -> func.HttpRequest:
    return func.HttpRequest(method="POST", url=url, params=dict(parse_qsl(urlsplit(url).query)), body=body)


# ---- before the app is set up
def answer(response: func.HttpResponse) -> tuple[int, Mapping[str, Any]]:
    return response.status_code, json.loads(response.get_body())


def test_health_names_the_secrets_that_are_missing_until_all_are_there(vault: Vault, product: Product) -> None:
    status, said = answer(health(_request("https://tandem.test/api/health")))
    wanted = [name for name in IN_VAULT.values() if name != "graph-client-secret"]  # its identity is its proof
    assert (status, said) == (503, {"ok": False, "settings": wanted})
    with pytest.raises(WrongSettings, match="dingtalk-token is missing"):
        product.check()
    for name, value in VALUES.items():
        vault.put(name, value)
    fresh = build(product.settings)
    use(fresh)
    assert answer(health(_request("https://tandem.test/api/health"))) == (200, {"ok": True})
    fresh.close()


def test_without_its_secrets_the_callback_asks_dingtalk_to_try_again(vault: Vault, product: Product) -> None:
    url = "https://tandem.test/api/dingtalk/callback?signature=a&timestamp=1&nonce=n"
    assert dingtalk_callback(_request(url, b'{"encrypt": "eA=="}')).status_code == 503


class Timer(func.TimerRequest):
    past_due = False


def test_with_incomplete_settings_every_trigger_ends_in_order_and_one_error_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    use(None)
    for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(f"TANDEM_GRAPH_{name}", raising=False)
    monkeypatch.setenv("TANDEM_POLL_SECONDS", "hush")
    message = func.QueueMessage(id="m", body=b'{"pair": "p"}')
    for _ in range(3):
        tick(Timer())
        work(message)
        assert graph_notifications(_request("https://tandem.test/", b"{}")).status_code == 503
        assert dingtalk_callback(_request("https://tandem.test/", b"{}")).status_code == 503
    assert len(caplog.records) == 1
    assert "TANDEM_GRAPH_TENANT_ID: is missing" in caplog.text
    status, said = answer(health(_request("https://tandem.test/")))
    assert status == 503
    assert {"TANDEM_GRAPH_TENANT_ID", "TANDEM_GRAPH_FEDERATED", "TANDEM_POLL_SECONDS"} <= set(said["settings"])
    assert "hush" not in caplog.text + str(said)
