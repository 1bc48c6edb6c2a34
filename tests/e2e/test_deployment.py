"""The deployed package from outside: what is built from .funcignore, with the settings of Azure and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from azure.identity import DefaultAzureCredential

from shared.state.azure_queue import AzureQueue
from shared.state.azure_table import AzureTable
from shared.sync.rows import LEASE
from shared.sync.schema import SCHEMA
from tests.support.azurite import MISSING, is_installed
from tests.support.deployment import SECRETS, Deployment, all_secrets, deployment
from tests.support.package import unpack
from tests.support.package_host import QUEUES
from tests.support.processes import until

HOST_SETTINGS = (
    QUEUES,
    "TANDEM_TICK_SCHEDULE",
    "REQUESTS_CA_BUNDLE",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "AZURE_CLIENT_ID",
)
"""What is there without anybody's doing: the trigger's schedule, and who the app is."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("package"))


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployment]:
    if not is_installed():
        pytest.skip(MISSING)
    with deployment(tmp_path) as deployed:
        yield deployed


@pytest.mark.slow
def test_the_package_keeps_two_mailboxes_in_step_without_a_secret_in_its_settings(
    app: Path, deployed: Deployment
) -> None:
    with deployed.running(app) as running:
        environment = running.ready()["environment"]
        assert all_secrets().isdisjoint(environment.values())
        assert "AzureWebJobsStorage" not in environment, "a connection string would stand there"
        assert running.health() == (503, {"ok": False, "settings": list(SECRETS)})
        deployed.put_secrets()
        until(lambda: running.health() == (200, {"ok": True}), 30, running.output)
        deployed.vendors.call_back(f"{deployed.front.url}/api/dingtalk/callback")
        deployed.add_pair()
        deployed.mail_arrives()
        deployed.in_step()
        for box in deployed.person.boxes.values():
            box.set_read(next(m for m in box.messages() if not m.read).id, True)
        deployed.in_step()
        assert (deployed.vendors.meter.sent(), running.end()) == (0, 0), running.output()
    assert "Traceback" not in running.output()
    assert not any(secret in running.output() for secret in all_secrets())
    assert deployed.vendors.microsoft.identities.asked > 0, "Graph was reached by the identity"


@pytest.mark.slow
def test_an_app_without_its_settings_starts_says_what_is_missing_and_poisons_nothing(
    app: Path, deployed: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in deployed.azure.environment.items():
        monkeypatch.setenv(name, value)
    queue = AzureQueue(deployed.azure.environment["TANDEM_QUEUE_URL"], DefaultAzureCredential())
    queue.send("work", {"pair": "pair-1", "kind": "mail"})
    with deployed.running(app, {name: deployed.environment[name] for name in HOST_SETTINGS}) as running:
        status, said = running.health()
        assert status == 503
        assert {"TANDEM_GRAPH_TENANT_ID", "TANDEM_GRAPH_FEDERATED", "TANDEM_ALIMAIL_CLIENT_ID"} <= set(said["settings"])
        url = running.ready()["functions"]
        assert requests.post(f"{url}/api/graph/notifications", data=b"{}", timeout=30).status_code == 503
        until(lambda: queue.depth("work") == 0, 30, running.output)
        assert queue.depth("work-poison") == 0
        assert running.end() == 0
    assert running.output().count("nothing is served until the settings are right") == 1
    assert "Traceback" not in running.output()
    queue.close()


NEWER = """
def _shadow(table: Table, partition: str) -> Iterable[Op]:
    done = {row.key[len("zz:"):] for row in table.scan(partition, "zz:", "zz;")}
    for row in table.scan(partition, "l:", "l;"):
        if row.key not in done:
            yield Op("put", "zz:" + row.key, {})

STEPS: tuple[Step, ...] = (*STEPS, _shadow)
SCHEMA = Schema(STEPS)
"""
"""What the next version's package has after the steps of this one."""


def next_version(folder: Path) -> Path:
    app = unpack(folder)
    schema = app / "shared" / "sync" / "schema.py"
    schema.write_text(schema.read_text("utf-8") + NEWER, "utf-8")
    return app


NOW = SCHEMA.version
TAKEN_OVER = (
    f"this state was written by a newer Tandem (schema {SCHEMA.version + 1}; this one knows {SCHEMA.version}):"
    " deploy the newer version everywhere"
)


@pytest.mark.slow
def test_a_new_version_takes_over_while_mail_keeps_crossing(
    app: Path, deployed: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = next_version(tmp_path / "newer")
    deployed.put_secrets()
    with deployed.running(app) as old:
        deployed.add_pair()
        deployed.mail_arrives(2)
        deployed.in_step()
        deployed.mail_arrives()
        with deployed.running(newer) as new:
            deployed.mail_arrives()
            until(lambda: f"{TAKEN_OVER}; this one does nothing" in old.output(), 60, new.output)
            assert old.health() == (503, {"ok": False})
            deployed.mail_arrives()
            assert old.end() == 0, old.output()
            deployed.mail_arrives()
            deployed.in_step(180)
            assert new.health() == (200, {"ok": True})
            assert (deployed.vendors.meter.sent(), new.end()) == (0, 0), new.output()
    assert "Traceback" not in old.output() + new.output()
    for name, value in deployed.azure.environment.items():
        monkeypatch.setenv(name, value)
    table = AzureTable(deployed.azure.environment["TANDEM_TABLE_URL"], DefaultAzureCredential())
    (ledger,) = [name for name in table.partitions("p-") if name.endswith(":mail")]
    lease = table.get(ledger, [LEASE])[LEASE].value
    assert (lease["schema"], lease["migrated"]) == (SCHEMA.version + 1, SCHEMA.version + 1)
    assert list(table.scan(ledger, "zz:", "zz;")), "what the old version knew has the rows of the new one"
    queue = AzureQueue(deployed.azure.environment["TANDEM_QUEUE_URL"], DefaultAzureCredential())
    assert [queue.depth(f"{name}-poison") for name in ("poll", "work", "bulk")] == [0, 0, 0]
    table.close()
    queue.close()
