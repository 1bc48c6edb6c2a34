"""Two simulated vendors, a queue, a timer and workers that can die: the stage on which the product runs."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.dingtalk import DingTalkMail
from sandbox.dingtalk import Switches as DingTalkSwitches
from sandbox.microsoft import Microsoft365
from sandbox.microsoft import Switches as MicrosoftSwitches
from sandbox.simulation.office import Office, Worker
from sandbox.simulation.world import Crash, World
from sandbox.truth import Mailbox
from shared.model.errors import TandemError
from shared.ports.telemetry import SILENCE, Telemetry

TICK = 10.0
TRIES = 5
INVISIBLE = 600.0
"""How long a message stays invisible when the worker that took it died (Functions: fixed)."""


class Stage:
    """`pushes` says how often a push of the vendor arrives and how late; `restart` how soon a dead worker's message is
    taken up again. `errors`: exceptions that are none of the product's own kinds, which means a bug."""

    def __init__(
        self,
        world: World,
        *,
        microsoft: MicrosoftSwitches,
        dingtalk: DingTalkSwitches,
        workers: int = 3,
        skew: Callable[[], float] = lambda: 0.0,
        settings: Mapping[str, str] = {},
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self.world, self._skew = world, skew
        seed = world.rng.getrandbits(30)
        self.microsoft = Microsoft365(
            clock=lambda: world.now,
            random=random.Random(seed),
            switches=microsoft,
            base_url="https://graph.test/v1.0",
            login_url="https://login.test",
            tenant_id="tenant",
            client_id="client",
            client_secret="secret",
            post=_handshake,
        )
        self.dingtalk = DingTalkMail(
            clock=lambda: world.now,
            random=random.Random(seed + 1),
            switches=dingtalk,
            client_id="ali",
            client_secret="s",
        )
        self.office = Office(world, self.microsoft, self.dingtalk, self.deliver, settings, telemetry)
        self.workers = [self._worker() for _ in range(workers)]
        self.pushes: Callable[[], list[float]] = lambda: [0.1]
        self.restart: Callable[[], float] = lambda: 0.5
        self.errors: list[str] = []
        self.world.after(0.0, self._tick)

    @property
    def mailboxes(self) -> dict[str, Mailbox]:
        return self.office.mailboxes

    def _worker(self) -> Worker:
        return Worker(self.office, self._skew())

    # ---- the queue
    def deliver(self, queue: str, message: Mapping[str, Any], tries: int = 0) -> None:
        worker = next((w for w in self.workers if not w.busy), None)
        if worker is None:
            self.world.after(2.0, lambda: self.deliver(queue, message, tries))
            return
        self.world.log(f"{queue} {message.get('cause', '')}")
        delay = self._employ(worker, lambda: worker.handle(queue, message))
        if delay is not None and tries < TRIES:
            self.world.after(delay, lambda: self.deliver(queue, message, tries + 1))

    def _employ(self, worker: Worker, work: Callable[[], object]) -> float | None:
        """-> after how long the work has to be done again, None when it was done."""
        worker.busy = True
        try:
            work()
        except Crash:
            self.world.log("a worker died")
            self.workers[self.workers.index(worker)] = self._worker()
            return self.restart()
        except TandemError as exc:
            self.world.log(f"failed: {type(exc).__name__}")
            return 30.0
        except Exception as exc:
            self.world.log(f"an error of our own: {type(exc).__name__}")
            self.errors.append(repr(exc))
            return 30.0
        finally:
            worker.busy = False
        return None

    # ---- what the vendor tells
    def push(self) -> None:
        """Take the vendor's pushes; each arrives as often and as late as `pushes` says."""
        for delivery in self.microsoft.take_notifications():
            for delay in self.pushes():
                self.world.after(delay, partial(self._notify, delivery.body))
            self.microsoft.notified(delivery, True)

    def _notify(self, body: bytes) -> None:
        worker = next((w for w in self.workers if not w.busy), None)
        if worker is not None:
            self._employ(worker, lambda: worker.service.notified(body))

    def _tick(self) -> None:
        self.push()
        self.deliver("tick", {}, TRIES)
        self.world.after(TICK, self._tick)


def _handshake(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
    return 200, parse_qs(urlsplit(url).query)["validationToken"][0].encode()
