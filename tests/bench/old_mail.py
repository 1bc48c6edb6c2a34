"""How soon what a person does to an old message in DingTalk is in Outlook: `python -m tests.bench.old_mail`.

In the simulation, with a look at DingTalk in two seconds; requests are those to DingTalk meanwhile, looks included. It
takes some minutes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from sandbox.simulation.office import SETTINGS
from shared.sync.sweep import duration, rest
from tests.support.equal_mail import ACTS, EqualMail, until_equal
from tests.support.quiet_scene import DINGTALK

POLL, FOLDERS = 2.0, 8


@dataclass(frozen=True, slots=True)
class Told:
    """`place`: how many messages are newer; `took`: seconds; `sweep`: the longest that one sweep and its rest take."""

    what: str
    place: int
    took: float
    requests: int
    sweep: float

    @property
    def line(self) -> str:
        return f"{self.what} below {self.place} others: in Outlook after {self.took:.0f} s, {self.requests} requests"


def old_mail(count: int, places: Sequence[int]) -> Iterator[Told]:
    """One act after the other."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TANDEM_POLL_SECONDS", "TANDEM_NIGHT_POLL_SECONDS"):
            patch.setitem(SETTINGS, name, str(POLL))
        patch.setattr("sandbox.simulation.stage.TICK", POLL / 2)
        scene = EqualMail(count, settle=200.0)
        counts = scene.stage.dingtalk.counts
        for place in places:
            for number, (what, act) in enumerate(ACTS.items()):
                before = counts.total()
                act(scene.boxes[DINGTALK], scene.old[-place - number - 1])
                took = until_equal(scene, POLL / 2, 3600.0)
                sweep = 2 * POLL + max(rest(POLL), duration(count, FOLDERS, POLL)) + duration(count, FOLDERS, POLL)
                yield Told(what, place, took, counts.total() - before, sweep)


if __name__ == "__main__":
    for told in old_mail(5000, (150, 2500, 4990)):
        print(told.line, flush=True)
