"""The adapters that the product stands on: real ones on one machine, or those that somebody else brings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.outlook.tokens import Tokens
from shared.ports.state import Blobs, ReceivingQueue, Secrets, Table
from shared.ports.world import Clock, Executor, MailStreams, Random, Transport
from shared.state.files import FileBlobs, FileSecrets
from shared.state.queue import SqliteQueue
from shared.state.sqlite import SqliteTable
from shared.wiring.settings import Settings
from shared.wiring.world import (
    RequestsTransport,
    SocketMailStreams,
    SystemClock,
    SystemRandom,
    ThreadExecutor,
    is_loopback,
)

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

WIDTH = 4
"""Requests that one step of a run has in flight at most."""


@dataclass(frozen=True, slots=True)
class Parts:
    """`tokens`: access to Graph, made from the settings where it is None. `close` ends the connections that are
    kept."""

    table: Table
    queue: ReceivingQueue
    blobs: Blobs
    secrets: Secrets
    clock: Clock
    random: Random
    executor: Executor
    transport: Transport
    streams: MailStreams
    tokens: Tokens | None = None
    close: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, settings: Settings) -> Parts:
        """Those that the settings ask for."""
        return cls.azure(settings) if settings.on_azure else cls.embedded(settings)

    @classmethod
    def embedded(cls, settings: Settings) -> Parts:
        """Real ones, with the state in the folder that the settings name; it is made when it isn't there."""
        return cls._with(
            SqliteTable(settings.state / "table.db"),
            SqliteQueue(settings.state / "queue.db"),
            FileBlobs(settings.state / "blobs"),
            FileSecrets(settings.state / "secrets.json"),
        )

    @classmethod
    def azure(cls, settings: Settings, credential: TokenCredential | None = None) -> Parts:
        """Real ones, with the state in the storage account and the vault that the settings name. `credential`: whose
        rights are used; by default the app's managed identity, or on a person's machine what they signed in with."""
        from azure.identity import DefaultAzureCredential  # slow to import, and needed here alone

        from shared.state.azure_blobs import AzureBlobs
        from shared.state.azure_queue import AzureQueue
        from shared.state.azure_table import AzureTable
        from shared.state.azure_vault import VaultSecrets

        signed_in = credential or DefaultAzureCredential()
        vault = str(settings.vault_url)
        table = AzureTable(str(settings.table_url), signed_in)
        own_domain = not is_loopback(urlsplit(vault).hostname or "")  # a stand-in on this machine has none
        queue = AzureQueue(str(settings.queue_url), signed_in)
        blobs = AzureBlobs(str(settings.blob_url), signed_in)
        secrets = VaultSecrets(vault, signed_in, table, verify_challenge_resource=own_domain)
        return cls._with(table, queue, blobs, secrets, table.close, queue.close, blobs.close, secrets.close)

    @classmethod
    def _with(
        cls, table: Table, queue: ReceivingQueue, blobs: Blobs, secrets: Secrets, *closing: Callable[[], None]
    ) -> Parts:
        transport = RequestsTransport()

        def close() -> None:
            for each in (transport.close, *closing):
                each()

        return cls(
            table=table,
            queue=queue,
            blobs=blobs,
            secrets=secrets,
            clock=SystemClock(),
            random=SystemRandom(),
            executor=ThreadExecutor(WIDTH),
            transport=transport,
            streams=SocketMailStreams(),
            close=close,
        )
