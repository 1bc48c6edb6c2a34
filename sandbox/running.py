"""Both simulated vendors and the app in a local Functions host, on free ports of this machine."""

from __future__ import annotations

import random
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from sandbox.demo.meter import Meter
from sandbox.demo.office import Person, furnish
from sandbox.dingtalk import DingTalkMail, ImapServer
from sandbox.faults import Door, Faults, ImapDoor
from sandbox.host import Host
from sandbox.microsoft import Microsoft365
from sandbox.microsoft.server import MicrosoftServer
from sandbox.web import Request, Response, Server, Vendor
from shared.model.errors import Conflict
from shared.model.pairs import Pair
from shared.model.words import SIDES
from shared.ports.state import Op
from shared.state.queue import SqliteQueue
from shared.sync.rows import FOLDER, after
from shared.sync.service import SCHEDULE, SUBSCRIPTIONS, partition
from shared.wiring.parts import Parts
from shared.wiring.product import Product, build, use
from shared.wiring.replicas import password_name
from shared.wiring.settings import load_settings

APP = Path(__file__).resolve().parents[1]
TENANT, CLIENT, SECRET = "0f8f0c1e-5a57-4a0b-9d7e-3a1c5f0e7d10", "3b2f6d44-91c8-4c53-8a52-6f1de9a4b7c2", "sandbox-graph"
ALI_CLIENT, ALI_SECRET = "sandbox-alimail-app", "sandbox-alimail"
NAMES = ("Chan Man 陳敏", "Wong Kit 黃傑", "Lau Ying 劉瑩", "Ho Ming 何明")
EVERY_SECOND = "* * * * * *"
HOLD = 3.0
"""Seconds that mail to both accounts waits for its twin here."""
GRACE = 5.0
"""Seconds after its timeout in which a request may still take effect: nothing is under way for longer here."""
FIRST_LOOK = 60.0
"""Seconds that the app may take until it has looked at all mailboxes once."""


class SandboxError(Exception):
    """The sandbox can't run; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class SandboxPair:
    name: str
    outlook: str
    dingtalk: str
    union_id: str
    client_password: str


class Sandbox:
    """Runs from `with` to its end. `pairs`: how many people; `poll`: seconds between two looks at DingTalk; `faults`:
    what goes wrong on the way to the vendors once all is up.

    All state is in a temporary folder and is gone afterwards. One at a time in a process."""

    def __init__(self, *, pairs: int = 2, poll: float = 2.0, faults: Faults | None = None) -> None:
        self._poll, self.faults = poll, faults or Faults()
        self._stack = ExitStack()
        self.hold = HOLD
        self.pairs = [_pair(number) for number in range(1, pairs + 1)]
        self.people: list[Person] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    # ---- starting
    def _start(self) -> None:
        state = Path(self._stack.enter_context(TemporaryDirectory(prefix="tandem-", ignore_cleanup_errors=True)))
        self._start_vendors()
        self._furnish()
        port = _free_port()
        self._product = self._build(state, f"http://127.0.0.1:{port}")
        use(self._product)
        self._stack.callback(use, None)
        self._host = Host(APP, self._queue, {"TANDEM_TICK_SCHEDULE": EVERY_SECOND}, port)
        self._host.start()
        self._stack.callback(self._host.stop)
        self._queue.wake = self._host.wake
        _wait(self._has_looked, FIRST_LOOK * (1 + self.faults.rtt))
        self.faults.begin()

    def _start_vendors(self) -> None:
        chance = random.Random()
        self.microsoft = Microsoft365(
            clock=time.time, random=chance, tenant_id=TENANT, client_id=CLIENT, client_secret=SECRET
        )
        self.dingtalk = DingTalkMail(clock=time.time, random=chance, client_id=ALI_CLIENT, client_secret=ALI_SECRET)
        self.meter = Meter(self.microsoft, self.dingtalk, self.microsoft.part_counts)
        self._tap, faults, tokens = Tap(self.dingtalk), self.faults, self.microsoft.tokens.revoke
        front = Door("microsoft", self.microsoft, faults, tokens, self.microsoft.expire_delta_tokens)
        self._graph = MicrosoftServer(self.microsoft, front=front, post_office=faults.post_office)
        self._stack.callback(self._graph.close)
        self._alimail = Server(Door("dingtalk", self._tap, faults, self.dingtalk.revoke_tokens))
        self._stack.callback(self._alimail.close)
        self._imap = ImapServer(ImapDoor(self.dingtalk, faults))
        self._stack.callback(self._imap.close)

    def _furnish(self) -> None:
        for number, pair in enumerate(self.pairs):
            outlook = self.microsoft.add_mailbox(
                pair.outlook, display_name=pair.name, language=("zh-TW", "en")[number % 2]
            )
            dingtalk = self.dingtalk.add_mailbox(pair.dingtalk, client_password=pair.client_password)
            person = Person(pair.name, {"outlook": outlook, "dingtalk": dingtalk})
            furnish(person)
            self.people.append(person)

    def _build(self, state: Path, url: str) -> Product:
        settings = load_settings(self._settings(state, url))
        self._queue = WakingQueue(settings.state / "queue.db")
        product = build(settings, replace(Parts.embedded(settings), queue=self._queue))
        for number, pair in enumerate(self.pairs, 1):
            id = f"pair-{number}"
            product.secrets.set(password_name(id), pair.client_password)
            product.pairs.add(Pair(id, pair.name, pair.outlook, pair.dingtalk, time.time(), pair.union_id))
        return product

    def _settings(self, state: Path, url: str) -> dict[str, str]:
        return {
            "TANDEM_GRAPH_URL": self._graph.graph_url,
            "TANDEM_LOGIN_URL": self._graph.url,
            "TANDEM_ALIMAIL_URL": self._alimail.url,
            "TANDEM_IMAP_HOST": self._imap.host,
            "TANDEM_IMAP_PORT": str(self._imap.port),
            "TANDEM_IMAP_TLS": "false",
            "TANDEM_PUBLIC_URL": url,
            "TANDEM_STATE": str(state),
            "TANDEM_POLL_SECONDS": str(self._poll),
            "TANDEM_TWIN_HOLD_SECONDS": str(HOLD),
            "TANDEM_GRACE_SECONDS": str(GRACE),
            "TANDEM_GRAPH_TENANT_ID": TENANT,
            "TANDEM_GRAPH_CLIENT_ID": CLIENT,
            "TANDEM_GRAPH_CLIENT_SECRET": SECRET,
            "TANDEM_ALIMAIL_CLIENT_ID": ALI_CLIENT,
            "TANDEM_ALIMAIL_CLIENT_SECRET": ALI_SECRET,
        }

    def _has_looked(self) -> bool:
        """Every pair has its subscription, both trees of folders and a position in each folder."""
        table, pairs = self._product.table, self._product.pairs.list()
        subscribed = table.get(SUBSCRIPTIONS, [f"pair:{pair.id}" for pair in pairs])
        return len(subscribed) == len(pairs) and all(self._knows(partition(pair)) for pair in pairs)

    def _knows(self, name: str) -> bool:
        rows = {side: list(self._product.table.scan(name, f"c:{side}:", after(f"c:{side}:"))) for side in SIDES}
        folders = list(self._product.table.scan(name, FOLDER, after(FOLDER)))
        return bool(folders) and all(rows.values())

    # ---- while it runs
    def ready(self) -> dict[str, Any]:
        """What a client needs to use it: addresses, apps and pairs. Doors that aren't there are None."""
        return {
            "graph": self._graph.graph_url,
            "login": self._graph.url,
            "alimail": self._alimail.url,
            "dingtalk": None,
            "dingtalk_oapi": None,
            "functions": self._host.url,
            "imap": {"host": self._imap.host, "port": self._imap.port, "tls": False},
            "apps": {
                "graph": {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": SECRET},
                "alimail": {"client_id": ALI_CLIENT, "client_secret": ALI_SECRET},
                "dingtalk": None,
            },
            "pairs": [
                {
                    "name": pair.name,
                    "outlook": pair.outlook,
                    "dingtalk": pair.dingtalk,
                    "union_id": pair.union_id,
                    "client_password": pair.client_password,
                }
                for pair in self.pairs
            ],
        }

    def polls(self, address: str) -> Sequence[float]:
        """When the app's looks at this DingTalk mailbox began, in epoch seconds."""
        return self._tap.looks[address]

    def catch_up(self) -> None:
        """Forget when everything was last looked at, so that the next tick does it again."""
        with suppress(Conflict):
            self._product.table.transact(SCHEDULE, [Op("delete", "catch-up")])


class WakingQueue(SqliteQueue):
    """Tells the host of this process that something was put, so that it doesn't have to look all the time."""

    wake: Callable[[], None] = staticmethod(lambda: None)

    def send(self, queue: str, message: Mapping[str, Any], delay: float = 0.0) -> None:
        super().send(queue, message, delay)
        if delay <= 0:
            self.wake()


class Tap:
    """A vendor with an ear: notes when someone asked for a mailbox's folders, with which each look begins."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self.looks: Mapping[str, list[float]] = defaultdict(list)

    def handle(self, request: Request) -> Response:
        parts = request.segments
        if request.method == "GET" and parts[:2] == ("v2", "users") and parts[3:] == ("mailFolders",):
            self.looks[parts[2]].append(time.time())
        return self._vendor.handle(request)


def _pair(number: int) -> SandboxPair:
    name = NAMES[number - 1] if number <= len(NAMES) else f"Person {number}"
    local = name.split(" ")[0].lower() if number <= len(NAMES) else f"person{number}"
    return SandboxPair(
        name,
        f"{local}@office.example",
        f"{local}@factory.example",
        f"union-{number:03d}",
        f"client-password-{number:03d}",
    )


def _free_port() -> int:
    """Free a moment ago: the app's own address has to be known before it starts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(until: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise SandboxError(
                f"the app hasn't looked at all mailboxes within {seconds:g} s:"
                " see its warnings above, or try fewer pairs"
            )
        time.sleep(0.05)
