"""One pair on the stage, and workers that are processes of the product."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.dingtalk import DingTalkMail
from sandbox.microsoft import Microsoft365
from sandbox.simulation.adapters import (
    SimBlobs,
    SimClock,
    SimExecutor,
    SimQueue,
    SimRandom,
    SimSecrets,
    SimStreams,
    SimTable,
    SimTokens,
    SimTransport,
    Stored,
)
from sandbox.simulation.world import EPOCH, World
from sandbox.truth import Mailbox
from shared.model.pairs import Pair
from shared.ports.telemetry import SILENCE, Telemetry
from shared.sync.schema import SCHEMA, Schema
from shared.wiring.pairs import Pairs
from shared.wiring.product import Parts, Product, build
from shared.wiring.settings import load_settings

OUTLOOK, DINGTALK = "chan@office.example", "chan@factory.example"
FOLDERS = ("Shipments", "报关")
SETTINGS = {
    "TANDEM_GRAPH_URL": "https://graph.test/v1.0",
    "TANDEM_LOGIN_URL": "https://login.test",
    "TANDEM_ALIMAIL_URL": "https://alimail.test",
    "TANDEM_IMAP_HOST": "imap.test",
    "TANDEM_PUBLIC_URL": "https://tandem.test",
    "TANDEM_GRAPH_TENANT_ID": "tenant",
    "TANDEM_GRAPH_CLIENT_ID": "client",
    "TANDEM_GRAPH_CLIENT_SECRET": "secret",
    "TANDEM_ALIMAIL_CLIENT_ID": "ali",
    "TANDEM_ALIMAIL_CLIENT_SECRET": "s",
    "TANDEM_NIGHT_POLL_SECONDS": "30",
}


class Office:
    """What outlives every worker: the vendors, the rows, the secrets, and one pair."""

    def __init__(
        self,
        world: World,
        microsoft: Microsoft365,
        dingtalk: DingTalkMail,
        deliver: Callable[[str, Mapping[str, Any]], None],
        settings: Mapping[str, str],
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._settings, self._telemetry = {**SETTINGS, **settings}, telemetry
        self.world, self.microsoft, self.dingtalk = world, microsoft, dingtalk
        self.mailboxes: dict[str, Mailbox] = {
            "dingtalk": dingtalk.add_mailbox(DINGTALK, client_password="client-password"),
            "outlook": microsoft.add_mailbox(OUTLOOK),
        }
        for box in self.mailboxes.values():
            for name in FOLDERS:
                box.make_folder(name)
        self._stored, self._blobs, self._secrets = Stored(), SimBlobs(), SimSecrets()
        self._queue = SimQueue(world, deliver)
        self._transport = SimTransport(
            world, {"graph.test": microsoft, "login.test": microsoft, "alimail.test": dingtalk}
        )
        self._secrets.set("imap-pair-1", "client-password")
        self.pairs = Pairs(SimTable(World(0), self._stored))
        self.pairs.add(Pair("pair-1", "Chan", OUTLOOK, DINGTALK, since=EPOCH))

    @property
    def pair(self) -> Pair:
        pair = self.pairs.get("pair-1")
        assert pair is not None
        return pair

    def product(self, skew: float = 0.0, schema: Schema = SCHEMA) -> Product:
        """A fresh process of the product; its clock is off by `skew` seconds. `schema`: the shape of rows it knows."""
        world, clock = self.world, SimClock(self.world, skew)
        parts = Parts(
            table=SimTable(world, self._stored),
            queue=self._queue,
            blobs=self._blobs,
            secrets=self._secrets,
            clock=clock,
            random=SimRandom(world),
            executor=SimExecutor(world),
            transport=self._transport,
            streams=SimStreams(world, self.dingtalk.imap),
            tokens=SimTokens(self._transport, clock),
            telemetry=self._telemetry,
        )
        empties = self.dingtalk.switches.folder_delete == "empties"
        settings = {**self._settings, "TANDEM_ALIMAIL_DELETES_FOLDERS": str(not empties).lower()}
        return build(load_settings(settings), parts, schema)

    def rows(self, partition: str = "pair-1:mail") -> dict[str, Mapping[str, Any]]:
        """The rows of a partition, the pair's ledger by default, as they stand."""
        return {key: entity.value for key, entity in SimTable(World(0), self._stored).all(partition).items()}


class Worker:
    """`schema` as for `Office.product`: a worker may be of another version than the rest."""

    def __init__(self, office: Office, skew: float, schema: Schema = SCHEMA) -> None:
        self.service = office.product(skew, schema).service
        self.schema = schema
        self.busy = False

    def handle(self, queue: str, message: Mapping[str, Any]) -> None:
        if queue == "tick":
            self.service.tick(here=True)
        elif queue == "poll":
            self.service.poll(message)
        else:
            self.service.work(message, bulk=queue == "bulk")
