"""The product's parts on Azure, from the environment alone: signing in, trust, and the whole product on them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

from sandbox.host import Host
from sandbox.host.converters import ConverterEngine
from sandbox.simulation.adapters import SimTable
from shared.model.errors import StoreUnavailable, WrongSettings
from shared.model.pairs import Pair
from shared.ports.state import Entity, Op
from shared.state.azure import STORAGE_READS
from shared.state.azure_table import AzureTable
from shared.state.azure_vault import CLAIM
from shared.wiring.credential import graph_credential
from shared.wiring.parts import Parts
from shared.wiring.product import build
from shared.wiring.settings import load_settings
from tests.contract.test_state_azure import Prefixed, fresh
from tests.support.azure_services import AzureServices
from tests.support.quiet_scene import Scene

STORES = ["table", "queue", "blobs", "secrets"]


@pytest.fixture
def parts(azure: AzureServices, monkeypatch: pytest.MonkeyPatch) -> Parts:
    """As a process on Azure gets them, from its environment and nothing else, but less patient."""
    monkeypatch.setitem(STORAGE_READS, "retry_total", 0)
    return Parts.of(load_settings(environment(azure.environment)))


def environment(addresses: Mapping[str, str]) -> dict[str, str]:
    names = ("GRAPH_TENANT_ID", "GRAPH_CLIENT_ID", "GRAPH_CLIENT_SECRET", "ALIMAIL_CLIENT_ID", "ALIMAIL_CLIENT_SECRET")
    return {**addresses, **{f"TANDEM_{name}": "x" for name in names}}


def act_on_each(parts: Parts) -> dict[str, Callable[[], object]]:
    return {
        "table": lambda: parts.table.transact("p", [Op("put", "k", {})]),
        "queue": lambda: parts.queue.send(fresh("q"), {}),
        "blobs": lambda: parts.blobs.put("k", b""),
        "secrets": lambda: parts.secrets.set(fresh("s"), "1"),
    }


def test_the_parts_reach_all_stores_by_the_apps_managed_identity_alone(azure: AzureServices, parts: Parts) -> None:
    azure.identity.asked.clear()
    for act in act_on_each(parts).values():
        act()
    assert azure.identity.asked == {"https://storage.azure.com": 1, "https://vault.azure.net": 1}


def test_no_request_is_logged_with_what_it_names(
    azure: AzureServices, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    build(load_settings(environment(azure.environment)), parts)
    parts.table.transact("p", [Op("put", "s:look:outlook:an-id", {})])
    parts.table.get("p", ["s:look:outlook:an-id"])
    for act in act_on_each(parts).values():
        act()
    assert caplog.records == []


@pytest.mark.parametrize("store", STORES)
def test_a_store_whose_certificate_is_not_trusted_is_not_talked_to(
    parts: Parts, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(StoreUnavailable, match="gave no answer: check its address"):
        act_on_each(parts)[store]()


@pytest.mark.parametrize("store", STORES)
def test_who_has_no_identity_is_told_so(azure: AzureServices, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "another")
    monkeypatch.setitem(STORAGE_READS, "retry_total", 0)
    act = act_on_each(Parts.azure(load_settings(environment(azure.environment)), ManagedIdentityCredential()))[store]
    with pytest.raises(StoreUnavailable, match="no identity to sign in with"):
        act()


class Impostor:
    """Gives a token that no store takes."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("nonsense", int(time.time()) + 3600)


# azure-data-tables looks at an error in XML, which Azurite gives here, in a way that Python will drop.
@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning:azure.data.tables")
@pytest.mark.parametrize("store", STORES)
def test_a_token_that_a_store_does_not_take_is_reported_and_not_shown(azure: AzureServices, store: str) -> None:
    parts = Parts.azure(load_settings(environment(azure.environment)), Impostor())
    with pytest.raises(StoreUnavailable) as caught:
        act_on_each(parts)[store]()
    assert "identity" in str(caught.value) or "doesn't know this app" in str(caught.value)
    assert "nonsense" not in str(caught.value)


def test_the_product_starts_and_ticks_on_azure_alone(azure: AzureServices, credential: DefaultAzureCredential) -> None:
    azure.vault.empty()
    settings = load_settings(environment(azure.environment))
    first, second = (build(settings, Parts.azure(settings, credential)) for _ in range(2))
    pair = Pair(fresh("pair-"), "Chan", "chan@office.example", "chan@factory.example", since=0)
    first.pairs.add(pair)
    assert pair in second.pairs.list()
    second.service.tick()
    queue: Any = second.queue
    asked = [json.loads(received.body) for received in queue.receive("poll", 32, 30)]
    assert {"poll": [pair.id]} in asked
    assert len(azure.vault.versions("deployment-key")) == 1
    first.pairs.remove(pair.id)
    for product in (first, second):
        product.close()


def test_an_app_that_may_only_read_the_vault_starts_once_an_administrator_has_run_a_command(
    azure: AzureServices, credential: DefaultAzureCredential
) -> None:
    azure.vault.empty()
    settings = load_settings(environment(azure.environment))
    azure.vault.may = {"get"}
    with pytest.raises(WrongSettings, match="the secret deployment-key isn't in the vault yet") as caught:
        build(settings, Parts.azure(settings, credential))
    assert caught.value.names == ("deployment-key",)
    assert "'Key Vault Secrets Officer'" in str(caught.value)

    azure.vault.may = {"get", "set"}
    started = time.monotonic()
    build(settings, Parts.azure(settings, credential)).close()
    assert time.monotonic() - started < CLAIM / 2, "it waited for one who may not write"

    azure.vault.may = {"get"}
    build(settings, Parts.azure(settings, credential)).close()
    assert len(azure.vault.versions("deployment-key")) == 1


def test_the_secret_of_the_app_registration_comes_from_the_vault_when_no_setting_gives_a_proof(
    azure: AzureServices, credential: DefaultAzureCredential
) -> None:
    azure.vault.empty()
    environ = environment(azure.environment)
    del environ["TANDEM_GRAPH_CLIENT_SECRET"]
    settings = load_settings(environ)
    product = build(settings, Parts.azure(settings, credential))
    with pytest.raises(WrongSettings, match=r"the secret graph-client-secret is missing: .*`tandem setup`"):
        product.check()
    product.secrets.set("graph-client-secret", "of-entra")
    product.close()
    parts = Parts.azure(settings, credential)
    proof = graph_credential(settings, parts)
    assert callable(proof)
    assert proof() == "of-entra"
    parts.close()


@pytest.mark.parametrize("side", ["outlook", "dingtalk"])
def test_mail_is_mirrored_with_the_ledger_in_azures_table(
    azure: AzureServices, credential: DefaultAzureCredential, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simulated office, whose workers read and write every row at Azurite; time alone is simulated."""
    table = AzureTable(azure.environment["TANDEM_TABLE_URL"], credential, fresh())

    class Remote(SimTable):
        def _get(self, partition: str, keys: Sequence[str]) -> dict[str, Entity]:
            return table.get(partition, keys)

        def _scan(self, partition: str, start: str, end: str, limit: int | None) -> list[Entity]:
            return list(table.scan(partition, start, end, limit))

        def _transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
            return table.transact(partition, ops)

    monkeypatch.setattr("sandbox.simulation.office.SimTable", Remote)
    scene = Scene()
    scene.arrive(side)
    scene.run(120.0)
    scene.boxes[side].set_read(scene.one(side).id, True)
    scene.run(420.0)
    assert scene.shown("outlook") == scene.shown("dingtalk")
    assert [read for _, _, read, _ in scene.shown(side)] == [True]
    assert "pair-1:mail" in table.partitions("pair-")
    assert len(list(table.scan("pair-1:mail", "l:", "l;"))) == 1


APP = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
calls = []

@app.queue_trigger(arg_name="message", queue_name="work", connection="AzureWebJobsStorage")
def work(message: func.QueueMessage) -> None:
    calls.append((message.get_json(), message.dequeue_count))
    assert message.get_json()["n"] == 1
"""
HOST = {
    "version": "2.0",
    "extensions": {"queues": {"maxDequeueCount": 2, "visibilityTimeout": "00:00:00", "maxPollingInterval": "00:00:02"}},
}


def test_a_local_functions_host_takes_its_messages_from_azure_and_gives_up_what_fails(
    azure: AzureServices, credential: DefaultAzureCredential, tmp_path: Path
) -> None:
    queue = Prefixed(azure.environment["TANDEM_QUEUE_URL"], credential, fresh("q") + "-")
    (tmp_path / "function_app.py").write_text(APP)
    (tmp_path / "host.json").write_text(json.dumps(HOST))
    for number in (1, 2):
        queue.send("work", {"n": number})
    host = Host(tmp_path, queue, {}, engine=ConverterEngine())
    host.start()
    try:
        end = time.monotonic() + 20
        while queue.depth("work") or not queue.poisoned("work"):
            assert time.monotonic() < end
            time.sleep(0.05)
        import function_app

        assert sorted(function_app.calls, key=repr) == [({"n": 1}, 1), ({"n": 2}, 1), ({"n": 2}, 2)]  # type: ignore[attr-defined]
    finally:
        host.stop()
    (given_up,) = queue.poisoned("work")
    assert json.loads(given_up.body) == {"n": 2}
    queue.replay("work", given_up.id)
    assert [one.body for one in queue.receive("work", 16, 30)] == [given_up.body]
