"""Both simulated vendors and the app in a local Functions host, on free ports of this machine."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sandbox.faults import Faults
from sandbox.host import Host
from sandbox.vendors import Vendors
from shared.model.errors import Conflict
from shared.model.pairs import Pair
from shared.model.words import SIDES
from shared.ports.state import Op
from shared.ports.telemetry import SILENCE, Telemetry
from shared.state.queue import SqliteQueue
from shared.sync.calls import partition
from shared.sync.pushes import SUBSCRIPTIONS
from shared.sync.rows import FOLDER, after
from shared.sync.turns import SCHEDULE
from shared.wiring.parts import Parts
from shared.wiring.product import CALLBACK, Product, build, use
from shared.wiring.replicas import password_name
from shared.wiring.settings import load_settings

APP = Path(__file__).resolve().parents[1]
EVERY_SECOND = "* * * * * *"
HOLD = 3.0
"""Seconds that mail to both accounts waits for its twin here."""
GRACE = 5.0
"""Seconds after its timeout in which a request may still take effect: nothing is under way for longer here."""
FIRST_LOOK = 60.0
"""Seconds that the app may take until it has looked at all mailboxes once."""


class SandboxError(Exception):
    """The sandbox can't run; the text says why and what to do."""


class Sandbox(Vendors):
    """Runs from `with` to its end. `pairs`: how many people; `poll`: seconds between two looks at DingTalk; `faults`:
    what goes wrong on the way to the vendors once all is up. `telemetry`: who watches the app.

    All state is in a temporary folder and is gone afterwards. One at a time in a process."""

    def __init__(
        self, *, pairs: int = 2, poll: float = 2.0, faults: Faults | None = None, telemetry: Telemetry = SILENCE
    ) -> None:
        super().__init__(pairs=pairs, faults=faults)
        self._poll, self._telemetry = poll, telemetry
        self.hold = HOLD

    # ---- starting
    def _start(self) -> None:
        state = Path(self._stack.enter_context(TemporaryDirectory(prefix="tandem-", ignore_cleanup_errors=True)))
        super()._start()
        port = _free_port()
        self._product = self._build(state, f"http://127.0.0.1:{port}")
        self._stack.callback(self._product.close)
        use(self._product)
        self._stack.callback(use, None)
        self._host = Host(APP, self._queue, {"TANDEM_TICK_SCHEDULE": EVERY_SECOND}, port)
        self._host.start()
        self._stack.callback(self._host.stop)
        self._queue.wake = self._host.wake
        self.call_back(self._host.url + CALLBACK)
        _wait(self._has_looked, FIRST_LOOK * (1 + self.faults.rtt))
        self.faults.begin()

    def _build(self, state: Path, url: str) -> Product:
        own = {
            "TANDEM_PUBLIC_URL": url,
            "TANDEM_STATE": str(state),
            "TANDEM_POLL_SECONDS": str(self._poll),
            "TANDEM_NIGHT_POLL_SECONDS": str(self._poll),
            "TANDEM_TWIN_HOLD_SECONDS": str(HOLD),
            "TANDEM_GRACE_SECONDS": str(GRACE),
        }
        settings = load_settings({**self.settings(), **own})
        self._queue = WakingQueue(settings.state / "queue.db")
        parts = replace(Parts.embedded(settings), queue=self._queue, telemetry=self._telemetry)
        product = build(settings, parts)
        for number, pair in enumerate(self.pairs, 1):
            id = f"pair-{number}"
            product.secrets.set(password_name(id), pair.client_password)
            product.pairs.add(Pair(id, pair.name, pair.outlook, pair.dingtalk, time.time(), pair.union_id))
        return product

    def _has_looked(self) -> bool:
        """Every pair has its subscription, both trees of folders and a position in each folder."""
        table, pairs = self._product.table, self._product.pairs.list()
        subscribed = table.get(SUBSCRIPTIONS, [f"pair:{pair.id}" for pair in pairs])
        return len(subscribed) == len(pairs) and all(self._knows(partition(pair.id)) for pair in pairs)

    def _knows(self, name: str) -> bool:
        rows = {side: self._product.table.scan(name, f"c:{side}:", after(f"c:{side}:")) for side in SIDES}
        positions = (any("cursor" in row.value for row in some) for some in rows.values())
        folders = list(self._product.table.scan(name, FOLDER, after(FOLDER)))
        return bool(folders) and all(positions)

    # ---- while it runs
    def ready(self) -> dict[str, Any]:
        return {**super().ready(), "functions": self._host.url}

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
