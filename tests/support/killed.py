"""A backfill by `tandem serve` in a process that is killed again and again, and begins anew at once."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import Any

from shared.model.errors import Conflict
from shared.model.pairs import Pair
from shared.ports.state import Op
from shared.state.queue import SqliteQueue
from shared.state.sqlite import SqliteTable
from shared.sync.backfill import Progress, progress_of, start
from shared.sync.calls import partition
from shared.sync.rows import BACKFILL, DIRTY, HINT, INTENT, LEASE, after
from shared.sync.turns import SCHEDULE
from shared.wiring.pairs import Pairs
from tests.support.hasty import PATIENT, UNPACED
from tests.support.old_vendors import OldProcess
from tests.support.processes import ROOT, Served, environment, tandem, until

SETTINGS = {"TANDEM_POLL_SECONDS": "2", "TANDEM_NIGHT_POLL_SECONDS": "2", "TANDEM_TWIN_HOLD_SECONDS": "1"}
WRITING, LONGEST = 0.5, 3.0
"""Seconds after which a process is killed at most: from when it writes, and from when it is up."""
SOON = 4
"""One process of so many is killed soon after it is up."""
FIRST_LOOK = 120.0
TAKEN = 60.0


class Office:
    """A pair whose mailboxes are in another process, and the `serve` processes that keep them in step. `hasty`: with
    the times of `tests.support.hasty`; `rtt`, `limits`: of the vendors. Without limits the app doesn't pace itself."""

    def __init__(
        self,
        folder: Path,
        stack: ExitStack,
        holds: Mapping[str, int],
        *,
        hasty: bool = True,
        rtt: float = 0.0,
        limits: bool = True,
    ) -> None:
        self._folder, self._stack, self._served = folder, stack, 0
        self.vendors = OldProcess(folder, holds, rtt=rtt, limits=limits)
        stack.callback(self.vendors.close)
        self.settings = {**self.vendors.facts["settings"], **SETTINGS, "TANDEM_STATE": str(folder / "state")}
        self.settings |= {} if limits else {UNPACED: "1"}
        self.settings |= {} if hasty else {PATIENT: "1"}
        self.add_pair()

    def add_pair(self) -> None:
        """As of now: what is there is old."""
        [pair] = self.vendors.facts["pairs"]
        facts = ["--name", pair["name"], "--outlook", pair["outlook"], "--dingtalk", pair["dingtalk"]]
        facts += ["--union-id", pair["union_id"], "--client-password-stdin", "--yes"]
        self.run("pair", "add", *facts, input=pair["client_password"] + "\n")
        self.name = pair["name"]

    def run(self, *arguments: str, input: str = "") -> str:
        """A command -> what it printed."""
        ran = tandem(*arguments, settings=self.settings, input=input)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def serve(self) -> Served:
        self._served += 1
        file = self._folder / f"serve-{self._served}.json"
        command = [sys.executable, "-m", "tests.support.hasty", "serve", "--port", "0", "--ready", str(file)]
        serving = Served(file, command, ROOT, environment(self.settings))
        self._stack.callback(serving.close)
        serving.ready()
        return serving

    # ---- what stands in the ledger
    def rows(self, prefix: str) -> dict[str, Mapping[str, Any]]:
        found = self.table.scan(partition(self.pair.id), prefix, after(prefix))
        return {row.key: row.value for row in found}

    @property
    def table(self) -> SqliteTable:
        return SqliteTable(self._folder / "state" / "table.db")

    @property
    def pair(self) -> Pair:
        [pair] = Pairs(self.table).served()
        return pair

    def ask(self) -> None:
        """For all old mail, as `tandem backfill` does after its preview."""
        start(self.table, SqliteQueue(self._folder / "state" / "queue.db"), self.pair, 0.0)

    def catch_up(self) -> None:
        """Have everything looked at at the next tick."""
        with suppress(Conflict):
            self.table.transact(SCHEDULE, [Op("delete", "catch-up")])

    def lose(self) -> None:
        """All that the product kept, while it isn't running."""
        rmtree(self._folder / "state")
        self.add_pair()

    def looked(self, serving: Served) -> None:
        """Wait until the first look is over."""
        until(lambda: bool(self.rows("c:dingtalk:")) and bool(self.rows("c:outlook:")), FIRST_LOOK, serving.output)
        until(self.is_quiet, FIRST_LOOK, serving.output)

    def writes(self, serving: Served) -> None:
        """Wait until something is sent that was not under way before."""
        before = self._sent()
        until(lambda: not self._sent() <= before, TAKEN, serving.output)

    def at_work(self, serving: Served) -> None:
        """Wait until a process holds the lease, or there is nothing left to do."""
        until(lambda: bool(self.rows(LEASE)[LEASE]["holder"]) or self.is_over(), TAKEN, serving.output)

    def _sent(self) -> frozenset[str]:
        """Open intents, each with when its effect is certain: what a process sends is among them for a moment."""
        return frozenset(f"{key} {row['settle_after']}" for key, row in self.rows(INTENT).items())

    def is_quiet(self) -> bool:
        """Nobody is at it or wanted, and nothing is open."""
        return not (self.rows(LEASE)[LEASE]["holder"] or self.rows(DIRTY) or self.rows(HINT) or self.rows(INTENT))

    def is_over(self) -> bool:
        """The backfill has ended, and nothing is left to do."""
        progress = self.progress()
        return progress is not None and progress.ended is not None and self.is_quiet()

    def progress(self) -> Progress | None:
        return progress_of(self.rows(BACKFILL).get(BACKFILL))


@dataclass(slots=True)
class Outcome:
    """`working`: processes that were killed while they had the lease; `open`: intents that a killed one left."""

    kills: int = 0
    working: int = 0
    open: int = 0
    seconds: float = 0.0
    compared: dict[str, Any] = field(default_factory=dict)


def killed(
    office: Office, kills: int, seed: int, within: float, told: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Kill at `kills` random moments; then wait until the backfill is over and all is quiet. AssertionError after
    `within` seconds."""
    dice, began, seen = random.Random(seed), time.monotonic(), Outcome()
    serving = office.serve()
    office.looked(serving)
    office.run("backfill", office.name, "--yes")
    for number in range(kills):
        if number % SOON:
            office.writes(serving)
        time.sleep(dice.uniform(0.0, WRITING if number % SOON else LONGEST))
        if number % SOON:
            office.at_work(serving)  # it may have ended its turn meanwhile, and a death between two turns is no test
        serving.end(signal.SIGKILL)
        lease, left = office.rows(LEASE)[LEASE], len(office.rows(INTENT))
        seen.kills, seen.open = seen.kills + 1, seen.open + left
        seen.working += bool(lease["holder"])
        told(f"kill {seen.kills}: {left} open intents, {office.progress()}")
        serving = office.serve()
    until(office.is_over, within, lambda: f"{office.progress()}\n{serving.output()}")
    seen.compared, seen.seconds = office.vendors.ask("compared"), time.monotonic() - began
    assert serving.end() == 0, serving.output()
    return seen
