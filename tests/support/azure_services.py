"""Stand-ins for what the app uses on Azure: a storage account, a key vault and the managed identity that opens both."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox.web import Server
from tests.support.azurite import azurite
from tests.support.certificate import make_certificate
from tests.support.managed_identity import ManagedIdentity
from tests.support.vault import Vault


@dataclass(frozen=True, slots=True)
class AzureServices:
    """`environment`: what a process needs in its environment to find, trust and use them, and nothing else."""

    environment: dict[str, str]
    vault: Vault
    identity: ManagedIdentity


@contextmanager
def azure_services() -> Iterator[AzureServices]:
    """Runs them on free ports of this machine; their content is gone at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tandem-azure-", ignore_cleanup_errors=True)))
        certificate, key = make_certificate(folder)
        storage = stack.enter_context(azurite(certificate, key, folder))
        client_id, header = str(uuid.uuid4()), uuid.uuid4().hex
        identity = ManagedIdentity(client_id, header)
        door = Server(identity)
        stack.callback(door.close)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        vault = Vault(lambda: vault_door.url)
        vault_door = Server(vault, tls=tls)
        stack.callback(vault_door.close)
        environment = {
            "TANDEM_TABLE_URL": storage["table"],
            "TANDEM_QUEUE_URL": storage["queue"],
            "TANDEM_BLOB_URL": storage["blob"],
            "TANDEM_VAULT_URL": vault_door.url,
            "IDENTITY_ENDPOINT": f"{door.url}/msi/token",
            "IDENTITY_HEADER": header,
            "AZURE_CLIENT_ID": client_id,
            "REQUESTS_CA_BUNDLE": str(certificate),
        }
        yield AzureServices(environment, vault, identity)
