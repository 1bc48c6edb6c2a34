"""The wiring: what the product is built from, and what it keeps."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from shared.dingtalk.replica import DingTalkMail
from shared.model.errors import WrongSettings
from shared.model.metrics import EXPIRES, POISON
from shared.model.pairs import Pair
from shared.outlook.replica import OutlookMail
from shared.ports.state import Op
from shared.ports.world import HttpRequest, HttpResponse, MailStream
from shared.state.queue import SqliteQueue
from shared.sync.events import CallbackStatus
from shared.sync.schedule import SHARD
from shared.sync.turns import SCHEDULE
from shared.wiring import product as wiring
from shared.wiring.key import KEY, deployment_key
from shared.wiring.product import Parts, build, get_product, use
from shared.wiring.replicas import Replicas, password_name
from shared.wiring.settings import Settings, load_settings
from tests.contract.test_state_table import race
from tests.support.certificates import certificate, key_pem, rsa_key
from tests.support.watching import Watching

PAIR = Pair("pair-1", "Chan", "chan@office.example", "chan@factory.example", since=0)


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {
        "TANDEM_GRAPH_TENANT_ID": "tenant",
        "TANDEM_GRAPH_CLIENT_ID": "client",
        "TANDEM_GRAPH_CLIENT_SECRET": "hush",
        "TANDEM_ALIMAIL_CLIENT_ID": "ali",
        "TANDEM_ALIMAIL_CLIENT_SECRET": "hush",
        "TANDEM_STATE": str(folder),
        **more,
    }


class Nowhere:
    """A transport and mail streams that must not be used."""

    def send(self, request: HttpRequest) -> HttpResponse:
        raise AssertionError("a vendor was called")

    def connect(self, host: str, port: int, *, tls: bool, timeout: float) -> MailStream:
        raise AssertionError("a vendor was called")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(environment(tmp_path / "state", TANDEM_PUBLIC_URL="https://tandem.example"))


@pytest.fixture
def parts(settings: Settings) -> Parts:
    return replace(Parts.embedded(settings), transport=Nowhere(), streams=Nowhere())


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    use(None)
    yield
    use(None)


def test_the_embedded_state_is_one_folder_of_its_owner(settings: Settings) -> None:
    product = build(settings)
    product.pairs.add(PAIR)
    product.queue.send("work", {})
    product.blobs.put("a/b", b"")
    assert {path.name.partition("-")[0] for path in settings.state.iterdir()} == {
        "table.db",
        "queue.db",
        "secrets.json",
        "secrets.json.lock",
        "blobs",
    }
    assert settings.state.stat().st_mode & 0o777 == 0o700
    assert build(settings).pairs.list() == (PAIR,)


def test_a_tick_enqueues_a_look_at_every_pair_and_calls_no_vendor(settings: Settings, parts: Parts) -> None:
    product = build(settings, parts)
    product.pairs.add(PAIR)
    product.service.tick()
    asked = [json.loads(received.body) for received in parts.queue.receive("poll", 16, 60)]
    assert ["pair-1"] in [message.get("poll") for message in asked]
    assert {"subscribe": ["pair-1"]} in asked


def test_a_timer_that_looks_itself_does_so_for_as_many_pairs_as_one_message_names(tmp_path: Path) -> None:
    settings = load_settings(environment(tmp_path))
    parts = replace(Parts.embedded(settings), transport=Nowhere(), streams=Nowhere())
    product, held = build(settings, parts), cast(SqliteQueue, parts.queue)
    for number in range(SHARD + 1):
        product.pairs.add(
            replace(PAIR, id=f"pair-{number}", outlook=f"{number}@o.example", dingtalk=f"{number}@d.example")
        )
    product.service.tick(here=True)
    assert (held.depth("poll"), held.depth("work")) == (2, SHARD + 1), "two looks by message, and the catch-up"
    product.pairs.remove("pair-0")
    parts.table.transact(SCHEDULE, [Op("delete", "poll")])
    product.service.tick(here=True)
    assert (held.depth("poll"), held.depth("work")) == (2, SHARD + 1 + SHARD), "all looked at, and met the first time"


def test_without_a_public_address_nothing_is_subscribed(tmp_path: Path) -> None:
    settings = load_settings(environment(tmp_path))
    parts = replace(Parts.embedded(settings), transport=Nowhere(), streams=Nowhere())
    product = build(settings, parts)
    product.pairs.add(PAIR)
    product.service.tick()
    (message,) = (json.loads(received.body) for received in parts.queue.receive("poll", 16, 60))
    assert message["poll"] == ["pair-1"]


def test_the_key_of_the_deployment_is_made_once(settings: Settings) -> None:
    keys = list[bytes]()

    def start() -> None:
        parts = Parts.embedded(settings)
        keys.append(deployment_key(parts.secrets, parts.random))

    race(*[start] * 8)
    assert len(set(keys)) == 1
    assert len(keys[0]) == 32


def test_other_parts_get_a_key_too(settings: Settings, parts: Parts) -> None:
    parts.secrets.delete(KEY)
    key = deployment_key(parts.secrets, parts.random)
    assert parts.secrets.get(KEY) == key.hex()
    assert deployment_key(parts.secrets, parts.random) == key


@pytest.mark.parametrize("text", ["hush", "ab" * 31, "ab" * 33])
def test_a_key_that_cannot_be_one_is_refused_and_kept(settings: Settings, parts: Parts, text: str) -> None:
    parts.secrets.set(KEY, text)
    with pytest.raises(WrongSettings, match="restore it") as caught:
        build(settings, parts)
    assert "hush" not in str(caught.value)
    assert parts.secrets.get(KEY) == text


def test_a_replica_is_kept_for_each_pair_and_side(settings: Settings, parts: Parts) -> None:
    replicas = Replicas(settings, parts, bytes(32))
    other = replace(PAIR, id="pair-2", outlook="b@office.example", dingtalk="b@factory.example")
    made = [replicas.replica(pair, side) for pair in (PAIR, other) for side in ("outlook", "dingtalk")]
    assert [type(replica) for replica in made] == [OutlookMail, DingTalkMail] * 2
    assert [replica.side for replica in made] == ["outlook", "dingtalk"] * 2
    assert len({id(replica) for replica in made}) == 4
    paused = replace(PAIR, paused=True, name="Chan Tai Man")
    assert replicas.replica(paused, "outlook") is made[0]
    assert replicas.replica(paused, "dingtalk") is made[1]


def test_a_replica_is_made_anew_when_its_address_or_password_changes(settings: Settings, parts: Parts) -> None:
    replicas = Replicas(settings, parts, bytes(32))
    first = {side: replicas.replica(PAIR, side) for side in ("outlook", "dingtalk")}
    parts.secrets.set(password_name(PAIR.id), "client-password")
    assert replicas.replica(PAIR, "outlook") is first["outlook"]
    second = replicas.replica(PAIR, "dingtalk")
    assert second is not first["dingtalk"]
    assert replicas.replica(PAIR, "dingtalk") is second
    moved = replace(PAIR, outlook="new@office.example", dingtalk="new@factory.example")
    assert replicas.replica(moved, "outlook") is not first["outlook"]
    assert replicas.replica(moved, "dingtalk") is not second


def test_threads_get_the_same_replica(settings: Settings, parts: Parts) -> None:
    replicas, got = Replicas(settings, parts, bytes(32)), list[object]()
    race(*[lambda: got.append(replicas.replica(PAIR, "dingtalk"))] * 8)
    assert len(got) == 8
    assert len({id(replica) for replica in got}) == 1


def test_the_product_of_the_process_is_built_once_from_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(tmp_path / "state", TANDEM_POLL_SECONDS="2").items():
        monkeypatch.setenv(name, value)
    got = list[object]()
    race(*[lambda: got.append(get_product())] * 4)
    assert len({id(product) for product in got}) == 1
    assert get_product().settings.poll_seconds == 2
    other = build(get_product().settings)
    use(other)
    assert get_product() is other


def test_wrong_settings_are_told_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in environment(tmp_path):
        monkeypatch.delenv(name, raising=False)
    for _ in range(2):
        with pytest.raises(WrongSettings, match="TANDEM_GRAPH_TENANT_ID: is missing"):
            get_product()


def test_what_is_slow_to_import_waits_until_it_is_used() -> None:
    code = f"import sys, {wiring.__name__}; print(' '.join(sys.modules))"
    root = Path(__file__).resolve().parents[2]
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "requests" in loaded
    assert loaded.isdisjoint(
        {
            *("msal", "pydantic_settings", "typer", "rich", "azure.functions", "azure.identity", "azure.core"),
            *("opentelemetry", "azure.monitor"),
        }
    )


@pytest.mark.parametrize("name", ["msal", "imapclient"])
def test_a_library_whose_warnings_hold_secrets_stays_silent_once_the_product_is_built(
    settings: Settings, parts: Parts, name: str
) -> None:
    build(settings, parts)
    assert not logging.getLogger(name).isEnabledFor(logging.ERROR)


# ---- DingTalk's open platform, and what failed for good
APP = {
    "TANDEM_DINGTALK_CORP_ID": "ding-corp",
    "TANDEM_DINGTALK_APP_KEY": "dingabc",
    "TANDEM_DINGTALK_APP_SECRET": "hush",
    "TANDEM_DINGTALK_TOKEN": "hushtoken",
    "TANDEM_DINGTALK_AES_KEY": "1" * 43,
}


def test_with_a_dingtalk_app_people_are_looked_up_by_the_hour_and_by_a_worker(tmp_path: Path) -> None:
    settings = load_settings(environment(tmp_path, **APP))
    parts = replace(Parts.embedded(settings), transport=Nowhere(), streams=Nowhere())
    product = build(settings, parts)
    product.pairs.add(replace(PAIR, union_id="union-1"))
    for _ in range(3):
        product.service.tick()
    people = [m for m in map(_body, parts.queue.receive("work", 16, 60)) if "people" in m]
    assert people == [{"people": ["pair-1"]}]
    assert product.callback is not None
    assert product.quota is not None
    status = product.service.app_status()
    assert (status.callbacks, status.poisoned) == (CallbackStatus(0, None), {"poll": 0, "work": 0, "bulk": 0})


def test_without_a_dingtalk_app_nobody_is_looked_up_and_events_are_left_alone(settings: Settings, parts: Parts) -> None:
    product = build(settings, parts)
    product.pairs.add(replace(PAIR, union_id="union-1"))
    product.service.tick()
    product.service.work({"event": "0" * 32})
    product.service.work({"people": ["pair-1"]})
    assert (product.callback, product.quota, product.service.app_status().callbacks) == (None, None, None)


def test_a_message_that_failed_for_good_is_counted_told_and_kept(
    settings: Settings, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    product, queue = build(settings, parts), SqliteQueue(settings.state / "queue.db")
    product.queue.send("work", {"pair": "zqx"})
    (received,) = queue.receive("work", 1, 60)
    queue.poison("work", received)
    product.service.tick()
    assert "queue work: 1 messages failed for good" in caplog.text
    assert "zqx" not in caplog.text
    assert product.service.app_status().poisoned == {"poll": 0, "work": 1, "bulk": 0}
    assert queue.depth("work-poison") == 1


def test_messages_that_failed_for_good_are_told_by_queue_and_none_where_there_are_none(
    settings: Settings, parts: Parts
) -> None:
    watching = Watching()
    product = build(settings, replace(parts, telemetry=watching.telemetry))
    queue = SqliteQueue(settings.state / "queue.db")
    for _ in range(2):
        product.queue.send("work", {})
        (received,) = queue.receive("work", 1, 60)
        queue.poison("work", received)
    product.service.tick()
    told = [(point.unit, point.dimensions, point.value) for point in watching.points(POISON.name)]
    assert told == [("{message}", {"queue": "work"}, 2)]


def test_the_end_of_the_certificate_is_told_once_in_an_hour(tmp_path: Path, parts: Parts) -> None:
    proof, watching = key_pem(rsa_key()) + certificate(rsa_key(), days=20), Watching()
    asked = {**environment(tmp_path / "state"), "TANDEM_GRAPH_CERTIFICATE": proof, "TANDEM_GRAPH_CLIENT_SECRET": ""}
    settings = load_settings(asked)
    product = build(settings, replace(parts, telemetry=watching.telemetry))
    for _ in range(2):
        product.service.tick()
    (point,) = watching.points(EXPIRES.name)
    assert point.dimensions == {"kind": "certificate"}
    assert point.value == pytest.approx(20, abs=0.1)


def _body(received: Any) -> Any:
    return json.loads(received.body)
