"""The adapters for Azure: the same suites as the embedded ones against Azurite and a vault, with Azure's own ways to
sign in, and what only they do."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.identity import DefaultAzureCredential
from azure.storage.queue import QueueClient

from shared.model.errors import StoreUnavailable, WrongSettings
from shared.ops.moving import copy_rows
from shared.ports.state import Blobs, Op, ReceivingQueue, Secrets, Table
from shared.state.azure_blobs import AzureBlobs
from shared.state.azure_queue import AzureQueue
from shared.state.azure_table import AzureTable, StoreClock
from shared.state.azure_vault import VaultSecrets
from shared.state.sqlite import SqliteTable
from shared.sync.rows import LEASE
from shared.wiring.key import deployment_key
from shared.wiring.world import SystemRandom
from tests.contract.test_state_files import BlobsContract, SecretsContract
from tests.contract.test_state_queue import QueueContract
from tests.contract.test_state_table import TableContract, put, race, values
from tests.support.azure_services import AzureServices


def fresh(prefix: str = "t") -> str:
    """A name that no other test has."""
    return f"{prefix}{uuid.uuid4().hex[:12]}"


class TestAzureTable(TableContract):
    @pytest.fixture
    def another(self, azure: AzureServices, credential: DefaultAzureCredential) -> Callable[[], Table]:
        name = fresh()
        return lambda: AzureTable(azure.environment["TANDEM_TABLE_URL"], credential, name)

    def test_of_a_table_that_is_not_there_nothing_is_read_and_nothing_made(
        self, table: Table, azure: AzureServices, credential: DefaultAzureCredential
    ) -> None:
        assert table.get("p", ["a"]) == {}
        assert values(table) == {}
        assert table.partitions("") == []
        from azure.data.tables import TableServiceClient

        service = TableServiceClient(azure.environment["TANDEM_TABLE_URL"], credential=credential)
        assert table._client.table_name not in {made.name for made in service.list_tables()}  # type: ignore[attr-defined]

    def test_of_eight_who_write_first_all_make_the_table(self, another: Callable[[], Table]) -> None:
        race(*(lambda n=n: put(another(), f"k{n}", n) for n in range(8)))
        assert len(values(another())) == 8

    def test_rows_move_here_from_one_machine_and_back(self, another: Callable[[], Table], tmp_path: Path) -> None:
        old, new = SqliteTable(tmp_path / "old.db"), SqliteTable(tmp_path / "new.db")
        rows = {f"l:outlook:{n}/密 #?": {"n": n, "text": "訂單" * 20_000 * (n % 3 == 0)} for n in range(230)}
        for key, value in rows.items():
            old.transact("p:mail", [Op("put", key, value)])
        old.transact("p:mail", [Op("put", LEASE, {"holder": "", "head": "h", "wake": 9.0, "expiry": 0.0})])
        assert copy_rows(old, another(), "p:mail") == 231
        assert copy_rows(another(), new, "p:mail") == 231
        held = {row.key: row.value for row in new.scan("p:mail", "", "~")}
        assert held == {**rows, LEASE: {"holder": "", "head": "h", "wake": 0.0, "expiry": 0.0}}

    def test_the_time_is_the_stores(self, table: Table) -> None:
        assert abs(table.now() - time.time()) < 5

    def test_a_write_whose_answer_is_lost_is_not_repeated_and_nobody_is_told_that_it_failed(
        self, table: Table, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        etag, sent = put(table, "k", 1), list[str]()
        transport = table._client._client._client._pipeline._transport  # type: ignore[attr-defined]
        real = transport.send

        def lose(request: Any, **options: Any) -> Any:
            sent.append(request.method)
            real(request, **options).read()
            from azure.core.exceptions import ServiceResponseError

            raise ServiceResponseError("the connection was reset")

        with monkeypatch.context() as patch:
            patch.setattr(transport, "send", lose)
            with pytest.raises(StoreUnavailable, match="gave no answer"):
                put(table, "k", 2, etag)
        assert sent == ["POST"]
        assert values(table) == {"k": 2}


def test_a_clock_follows_the_latest_date_and_a_store_that_sets_its_clock_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now, clock = [1000.0], StoreClock()
    monkeypatch.setattr("shared.state.azure_table.time.monotonic", lambda: now[0])

    def answer(at: float) -> float:
        headers = {"Date": formatdate(at, usegmt=True)}
        clock.note(SimpleNamespace(http_response=SimpleNamespace(headers=headers)))
        return clock.now()

    assert not clock.known
    assert answer(5_000_000) == 5_000_000
    now[0] += 0.9
    assert answer(5_000_000) == pytest.approx(5_000_000.9)  # the Date is cut to seconds; time doesn't go back
    now[0] += 0.2
    assert answer(5_000_002) == 5_000_002
    now[0] += 10
    assert clock.now() == 5_000_012
    assert answer(4_999_000) == 4_999_000


class TestAzureQueue(QueueContract):
    """In real time: the emulator knows no other."""

    hold, soon, later = 2.0, 0.4, 2.2

    @pytest.fixture
    def another(self, azure: AzureServices, credential: DefaultAzureCredential) -> Callable[[], ReceivingQueue]:
        prefix = fresh("q") + "-"
        return lambda: Prefixed(azure.environment["TANDEM_QUEUE_URL"], credential, prefix)

    @pytest.fixture
    def pass_time(self) -> Callable[[float], None]:
        return time.sleep

    def test_messages_are_base64_as_the_functions_host_wants_them(
        self, queue: ReceivingQueue, azure: AzureServices, credential: DefaultAzureCredential
    ) -> None:
        queue.send("work", {"a": 1})
        assert isinstance(queue, Prefixed)
        client = QueueClient(azure.environment["TANDEM_QUEUE_URL"], f"{queue.prefix}work", credential=credential)
        assert [message.content for message in client.peek_messages()] == ["eyJhIjoxfQ=="]

    def test_a_message_that_somebody_else_put_as_it_is_does_not_stop_the_others(
        self, queue: ReceivingQueue, azure: AzureServices, credential: DefaultAzureCredential
    ) -> None:
        queue.send("work", {})
        assert isinstance(queue, Prefixed)
        client = QueueClient(azure.environment["TANDEM_QUEUE_URL"], f"{queue.prefix}work", credential=credential)
        client.send_message("not base64!")
        assert sorted(one.body for one in queue.receive("work", 16, 30)) == [b"not base64!", b"{}"]


class Prefixed(AzureQueue):
    """Queues of one test alone."""

    def __init__(self, url: str, credential: DefaultAzureCredential, prefix: str) -> None:
        super().__init__(url, credential)
        self.prefix = prefix

    def _client(self, queue: str) -> QueueClient:
        return super()._client(self.prefix + queue)


class TestAzureBlobs(BlobsContract):
    @pytest.fixture
    def blobs(self, azure: AzureServices, credential: DefaultAzureCredential) -> Blobs:
        return AzureBlobs(azure.environment["TANDEM_BLOB_URL"], credential, fresh("c"))

    def test_of_eight_who_put_first_all_make_the_container(self, blobs: Blobs) -> None:
        race(*(lambda n=n: blobs.put(f"b{n}", b"x") for n in range(8)))
        assert all(blobs.get(f"b{n}") == b"x" for n in range(8))


class TestVaultSecrets(SecretsContract):
    @pytest.fixture
    def another(self, azure: AzureServices, credential: DefaultAzureCredential, table: Table) -> Callable[[], Secrets]:
        azure.vault.empty()
        return lambda: VaultSecrets(
            azure.environment["TANDEM_VAULT_URL"], credential, table, verify_challenge_resource=False
        )

    @pytest.fixture
    def table(self, azure: AzureServices, credential: DefaultAzureCredential) -> Table:
        return AzureTable(azure.environment["TANDEM_TABLE_URL"], credential, fresh())

    def test_a_disabled_secret_says_so_and_a_new_value_ends_it(self, another: Callable[[], Secrets]) -> None:
        another().set("a", "hush")
        another()._client.update_secret_properties("a", enabled=False)  # type: ignore[attr-defined]
        with pytest.raises(WrongSettings, match="secret a is disabled in the vault: enable it") as caught:
            another().get("a")
        assert "hush" not in str(caught.value)
        another().set("a", "new")
        assert another().get("a") == "new"

    def test_when_secrets_end_is_told_by_their_names(
        self, another: Callable[[], Secrets], azure: AzureServices
    ) -> None:
        end = datetime.fromtimestamp(1_900_000_000, UTC)
        for name in ("ends", "disabled", "endless"):
            another().set(name, "hush")
        client = another()._client  # type: ignore[attr-defined]
        client.update_secret_properties("ends", expires_on=end)
        client.update_secret_properties("disabled", expires_on=end, enabled=False)
        assert another().expiries() == {"ends": end.timestamp()}  # type: ignore[attr-defined]
        azure.vault.may = {"get"}
        with pytest.raises(StoreUnavailable):
            another().expiries()  # type: ignore[attr-defined]

    def test_what_was_deleted_is_recovered_by_who_adds_and_not_made_anew(self, another: Callable[[], Secrets]) -> None:
        another().set("key", "old")
        another().delete("key")
        assert another().add("key", "new") == "old"

    def test_a_role_that_is_missing_is_named(self, another: Callable[[], Secrets], azure: AzureServices) -> None:
        azure.vault.may = {"get", "list"}
        with pytest.raises(StoreUnavailable, match="give it the role 'Key Vault Secrets Officer'") as caught:
            another().set("a", "hush")
        assert caught.value.code == "Forbidden"

    def test_a_value_is_asked_for_once_in_a_while(self, another: Callable[[], Secrets], azure: AzureServices) -> None:
        another().set("a", "1")
        secrets = another()
        assert secrets.get("a") == "1"
        before = azure.vault.counts.total()
        assert [secrets.get("a") for _ in range(5)] == ["1"] * 5
        assert azure.vault.counts.total() == before

    def test_one_who_died_before_its_secret_came_delays_the_others_and_no_more(
        self, another: Callable[[], Secrets], table: Table, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        until = table.now() + 1.5
        table.transact("secrets", [Op("put", "key", {"until": until})])
        assert another().add("key", "new") == "new"
        assert until - 1 < table.now() < until + 10  # the clocks of two differ by up to a second: dates are cut to it
        monkeypatch.setattr("shared.state.azure_vault.WAIT", 1.0)
        table.transact("secrets", [Op("put", "other", {"until": table.now() + 60})])
        with pytest.raises(StoreUnavailable, match="being added by another process"):
            another().add("other", "new")

    def test_the_deployment_gets_one_key_however_many_start_at_once(
        self, another: Callable[[], Secrets], azure: AzureServices
    ) -> None:
        keys = list[bytes]()
        race(*[lambda: keys.append(deployment_key(another(), SystemRandom()))] * 8)
        assert len(keys) == 8
        assert len(set(keys)) == 1
        assert len(azure.vault.versions("deployment-key")) == 1

    def test_a_vault_that_asks_for_a_token_of_another_domain_gets_none(
        self, azure: AzureServices, credential: DefaultAzureCredential, table: Table
    ) -> None:
        secrets = VaultSecrets(azure.environment["TANDEM_VAULT_URL"], credential, table)
        before = azure.identity.asked.total()
        with pytest.raises(WrongSettings, match="check TANDEM_VAULT_URL"):
            secrets.get("a")
        assert azure.identity.asked.total() == before
