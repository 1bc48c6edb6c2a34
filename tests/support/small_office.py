"""One person's two accounts at simulated vendors behind real sockets, and the product with its real adapters in this
process, one message of its queues after the other. `bad` spoils what a vendor's HTTP door answers."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from sandbox.demo.compare import Shown, differences, shown
from sandbox.dingtalk import DingTalkMail, ImapServer
from sandbox.microsoft import Microsoft365
from sandbox.microsoft.server import MicrosoftServer
from sandbox.truth import Mailbox, Stored
from sandbox.web import Request, Response, Server, Vendor
from shared.model.errors import TandemError
from shared.model.pairs import Pair
from shared.ports.state import Op
from shared.state.queue import SqliteQueue
from shared.state.sqlite import SqliteTable
from shared.wiring.parts import Parts
from shared.wiring.product import build
from shared.wiring.replicas import password_name
from shared.wiring.settings import load_settings
from tests.support.rawserver import Hasty
from tests.support.scene import mail

OUTLOOK, DINGTALK, PASSWORD = "chan@office.example", "chan@factory.example", "client-password"
GRAPH_SECRET, ALIMAIL_SECRET = "graph-client-secret", "alimail-client-secret"
SECRETS = (OUTLOOK, DINGTALK, PASSWORD, GRAPH_SECRET, ALIMAIL_SECRET, "li.na@supplier.example", "提单", "您好")
MOST, MAX_BODY = 0.4, 2_000_000
ADRIFT = ("s:", "walked:", "t:", "note:")
"""Rows that say who looks and when, which trouble is known, and hints at what to look at."""

Bad = Callable[[Request, Callable[[], Response]], Response]


class Front:
    """A vendor that `bad` answers for, where it is set."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self.bad: Bad | None = None
        self.asked = 0

    def handle(self, request: Request) -> Response:
        self.asked += 1
        if self.bad is None:
            return self._vendor.handle(request)
        return self.bad(request, lambda: self._vendor.handle(request))


class SmallOffice:
    """Runs from `with` to its end; its state is in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        chance = random.Random(7)
        self.microsoft = Microsoft365(
            clock=time.time, random=chance, tenant_id="tenant", client_id="client", client_secret=GRAPH_SECRET
        )
        self.dingtalk = DingTalkMail(clock=time.time, random=chance, client_id="ali", client_secret=ALIMAIL_SECRET)
        self.outlook_box = self.microsoft.add_mailbox(OUTLOOK)
        self.dingtalk_box = self.dingtalk.add_mailbox(DINGTALK, client_password=PASSWORD)
        self.boxes: dict[str, Mailbox] = {"outlook": self.outlook_box, "dingtalk": self.dingtalk_box}
        self.fronts = {"outlook": Front(self.microsoft), "dingtalk": Front(self.dingtalk)}

    def __enter__(self) -> Self:
        graph = MicrosoftServer(self.microsoft, front=self.fronts["outlook"])
        self._stack.callback(graph.close)
        alimail = Server(self.fronts["dingtalk"])
        self._stack.callback(alimail.close)
        imap = ImapServer(self.dingtalk)
        self._stack.callback(imap.close)
        settings = load_settings(
            {
                "TANDEM_GRAPH_URL": graph.graph_url,
                "TANDEM_LOGIN_URL": graph.url,
                "TANDEM_ALIMAIL_URL": alimail.url,
                "TANDEM_IMAP_HOST": imap.host,
                "TANDEM_IMAP_PORT": str(imap.port),
                "TANDEM_IMAP_TLS": "false",
                "TANDEM_STATE": str(self.folder),
                "TANDEM_POLL_SECONDS": "0.1",
                "TANDEM_NIGHT_POLL_SECONDS": "0.1",
                "TANDEM_TWIN_HOLD_SECONDS": "0",
                "TANDEM_GRAPH_TENANT_ID": "tenant",
                "TANDEM_GRAPH_CLIENT_ID": "client",
                "TANDEM_GRAPH_CLIENT_SECRET": GRAPH_SECRET,
                "TANDEM_ALIMAIL_CLIENT_ID": "ali",
                "TANDEM_ALIMAIL_CLIENT_SECRET": ALIMAIL_SECRET,
            }
        )
        transport = Hasty(MOST, MAX_BODY)
        self._stack.callback(transport.close)
        parts = replace(Parts.embedded(settings), transport=transport)
        assert isinstance(parts.table, SqliteTable)
        assert isinstance(parts.queue, SqliteQueue)
        self.table, self.queue, self.transport = parts.table, parts.queue, transport
        self.product = build(settings, parts)
        self.product.secrets.set(password_name("pair-1"), PASSWORD)
        self.product.pairs.add(Pair("pair-1", "Chan", OUTLOOK, DINGTALK, time.time() - 60.0, ""))
        self.hurry(timeout=1.0, grace=1.0, reread=0.3, retry=0.2, busy=0.2, unborn=5.0, waits=1.0)
        self._stack.callback(self._hang_up)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _hang_up(self) -> None:
        pair = self.product.pairs.list()[0]
        door: Any = self.product.service._replicas(pair, "dingtalk", False)
        door._imap.close()

    def hurry(self, **policy: float) -> None:
        """What the engine waits for, in seconds."""
        service = self.product.service
        changed: Any = policy
        service._policy = replace(service._policy, **changed)

    # ---- time
    def work(self, seconds: float) -> list[TandemError]:
        """Let the product work; -> what its triggers raised."""
        raised: list[TandemError] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._do(self.product.service.tick, raised)
            for name, act in (("poll", self.product.service.poll), ("work", self.product.service.work)):
                for received in self.queue.receive(name, 10, 600.0):
                    message: Mapping[str, Any] = json.loads(received.body)
                    self._do(lambda act=act, message=message: act(message), raised)  # type: ignore[misc]
                    self.queue.delete(name, received)
            time.sleep(0.02)
        return raised

    def _do(self, act: Callable[[], object], raised: list[TandemError]) -> None:
        try:
            act()
        except TandemError as error:
            raised.append(error)

    def settle(self, seconds: float = 30.0) -> None:
        """Until both mailboxes are the same, and no write is open."""
        end = time.monotonic() + seconds
        while True:
            self.look_again()
            self.work(0.5)
            if not differences(*self.boxes.values()) and not self.rows("i:"):
                return
            assert time.monotonic() < end, differences(*self.boxes.values())

    def look_again(self) -> None:
        """As after five minutes: the next tick looks at everything."""
        held = self.table.get("schedule", ["catch-up"]).get("catch-up")
        if held is not None:
            self.table.transact("schedule", [Op("delete", "catch-up")])

    # ---- people
    def arrive(self, side: str, id: str) -> None:
        box = self.boxes[side]
        content = mail(id, to=(box.address,), at=time.time(), attachments={"B.pdf": b"%PDF-1.7 " * 50})
        box.deliver(content, next(f.id for f in box.folders() if f.role == "inbox"))

    # ---- what there is
    def has(self, side: str, id: str) -> bool:
        return any(m.message_id == f"{id}@mail.example" for m in self.boxes[side].messages())

    def message(self, side: str, id: str) -> Stored:
        (found,) = (m for m in self.boxes[side].messages() if m.message_id == f"{id}@mail.example")
        return found

    def state(self, side: str, id: str) -> bool:
        """Whether it is read."""
        return self.message(side, id).read

    def shown(self) -> dict[str, list[Shown]]:
        return {side: shown(box) for side, box in self.boxes.items()}

    def rows(self, prefix: str = "") -> dict[str, Mapping[str, Any]]:
        return {e.key: e.value for e in self.table.scan("pair-1:mail", prefix, "~") if e.key.startswith(prefix)}

    def ledger(self) -> dict[str, Mapping[str, Any]]:
        """The pair's rows but those of `ADRIFT`, and without the times of links."""
        kept = {key: value for key, value in self.rows().items() if not key.startswith(ADRIFT)}
        return {key: _timeless(value) for key, value in kept.items()}


def _timeless(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return {k: _timeless(v) if isinstance(v, Mapping) else v for k, v in value.items() if k not in ("due", "missed")}
