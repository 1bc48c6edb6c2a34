"""The adapters that the product stands on: real ones on one machine, or those that somebody else brings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.outlook.tokens import Tokens
from shared.ports.state import Blobs, Secrets, Table, WorkQueue
from shared.ports.world import Clock, Executor, MailStreams, Random, Transport
from shared.state.files import FileBlobs, FileSecrets
from shared.state.queue import SqliteQueue
from shared.state.sqlite import SqliteTable
from shared.wiring.key import KEY, new_key
from shared.wiring.settings import Settings
from shared.wiring.world import RequestsTransport, SocketMailStreams, SystemClock, SystemRandom, ThreadExecutor

WIDTH = 4
"""Requests that one step of a run has in flight at most."""


@dataclass(frozen=True, slots=True)
class Parts:
    """`tokens`: access to Graph, made from the settings where it is None. `close` ends the connections that are
    kept."""

    table: Table
    queue: WorkQueue
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
    def embedded(cls, settings: Settings) -> Parts:
        """Real ones, with the state in the folder that the settings name; it is made when it isn't there, with the
        key of the deployment, of which processes that start at once make one."""
        secrets, random = FileSecrets(settings.state / "secrets.json"), SystemRandom()
        if secrets.get(KEY) is None:
            secrets.add(KEY, new_key(random))
        transport = RequestsTransport()
        return cls(
            table=SqliteTable(settings.state / "table.db"),
            queue=SqliteQueue(settings.state / "queue.db"),
            blobs=FileBlobs(settings.state / "blobs"),
            secrets=secrets,
            clock=SystemClock(),
            random=random,
            executor=ThreadExecutor(WIDTH),
            transport=transport,
            streams=SocketMailStreams(),
            close=transport.close,
        )
