"""A scene with mail from before the pair was added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sandbox.simulation.adapters import SimTable
from sandbox.simulation.world import Fate, Kind, World
from shared.model.words import Side, other
from shared.sync.backfill import Progress, start
from tests.support.scene import Scene

DAY = 86400.0


class OldMail(Scene):
    """Mailboxes with `count` old messages each, an hour apart, at the sides that `holds` names; the pair came later.
    `lacks`: the side that lacks some of them, by their number modulo 4. `dies`: outside calls, by number, that kill the
    worker that makes them."""

    def __init__(self, count: int, *holds: Side, lacks: Mapping[int, Side] = {}) -> None:
        self.count, self.holds, self.lacks, self.dies = count, holds, lacks, set[int]()
        super().__init__(lambda scene: self._fill())

    def _fill(self) -> None:
        self.began = self.world.now
        for number in range(self.count):
            for side in self.holds:
                if self.lacks.get(number % 4) == side:
                    continue
                self.arrive(side, f"old{number}-{'' if len(self.holds) > 1 else side}", folder="inbox")
            self.world.now += 3600.0
        self.change_pair(since=self.world.now)

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        fate = super()._fate(world, kind, name)
        at = self.calls.total()
        if at in self.dies:
            self.dies.remove(at)
            fate.crash = True
        return fate

    def ask(self, since: float | None = None) -> None:
        table = SimTable(self.world, self.office._stored)
        start(table, self.stage.office._queue, self.pair, self.began - DAY if since is None else since)

    def finish(self, limit: float = 4 * 3600.0) -> Progress:
        end = self.world.now + limit
        while self.world.now < end:
            self.run(60.0)
            (row,) = self.rows("f:backfill")
            if row["ended"] is not None:
                self.run()
                return Progress(**row)
        raise AssertionError(f"not at its end: {self.rows('f:backfill')}")

    def lag(self, side: Side, id: str) -> float:
        """A message comes to this side; -> seconds until its copy is there."""
        self.arrive(side, id)
        came = self.world.now
        while not self.all(other(side), id):
            assert self.world.now < came + 600.0, f"{id} has not come over"
            self.run(1.0)
        return self.world.now - came

    def created(self) -> int:
        """Copies that were begun."""
        return sum(row["what"] == "planned" and row["detail"]["kind"] == "create" for row in self.rows("j:"))

    def asked(self) -> dict[str, int]:
        """Requests so far, by vendor, each part of a batch as one; commands of IMAP apart."""
        graph, alimail = self.office.microsoft, self.office.dingtalk.counts
        whole = sum(n for route, n in graph.counts.items() if not route.endswith("/$batch"))
        imap = sum(n for route, n in alimail.items() if route.startswith("IMAP"))
        return {
            "graph": whole + sum(graph.part_counts.values()),
            "alimail": alimail.total() - imap,
            "imap": imap,
        }

    def copies(self, side: Side) -> Counter[str]:
        return Counter(message.message_id for message in self.box(side).messages())
