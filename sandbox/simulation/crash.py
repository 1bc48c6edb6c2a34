"""Small scenarios with a crash at one outside call: the effect in flight lands early, late or never, and the worker is
restarted at once or after the longest request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sandbox.dingtalk import Switches as DingTalkSwitches
from sandbox.microsoft import Switches as MicrosoftSwitches
from sandbox.simulation.letters import letter
from sandbox.simulation.oracle import Oracle
from sandbox.simulation.stage import Stage
from sandbox.simulation.world import EPOCH, Fate, Kind, World, calm
from sandbox.truth import Mailbox

WATCHED, QUIET = 75.0, 900.0
"""How long after the act its calls may be the ones that kill: two polls. How long everything may take to settle."""
LONGEST = 120.0
"""Longer than any request may take to land: time-out and grace."""
LANDINGS = ("never", "early", "late")
RESTARTS = (0.5, LONGEST)
SEED = 1

Act = Callable[[Stage, Oracle], None]


@dataclass(frozen=True, slots=True)
class Point:
    scenario: str
    number: int
    landing: str
    restart: float

    def __str__(self) -> str:
        return f"{self.scenario}: call {self.number}, effect {self.landing}, restarted after {self.restart:g} s"


def _arrives(side: str) -> Act:
    def act(stage: Stage, oracle: Oracle) -> None:
        box = stage.mailboxes[side]
        message_id, mime = letter("li.na@supplier.example", [box.address], 1, stage.world.now, attachment=b"%PDF-1.7")
        oracle.arrived(side, message_id, False, False)
        box.deliver(mime)

    return act


def _changes(side: str, field: str) -> Act:
    def act(stage: Stage, oracle: Oracle) -> None:
        box = stage.mailboxes[side]
        (item,) = box.messages()
        value: object = {"read": True, "flag": "flagged", "folder": "trash"}[field]
        oracle.edited(side, item, field, value)
        _set(box, item.id, field)

    return act


def _folder_made(side: str) -> Act:
    def act(stage: Stage, oracle: Oracle) -> None:
        box = stage.mailboxes[side]
        id = box.make_folder("Clients")
        oracle.folders.was_made(side, id, "Clients", None)
        message_id, mime = letter("li.na@supplier.example", [box.address], 1, stage.world.now)
        oracle.arrived(side, message_id, False, False)
        box.deliver(mime, id)

    return act


def _folder_renamed(side: str) -> Act:
    def act(stage: Stage, oracle: Oracle) -> None:
        box = stage.mailboxes[side]
        id = next(f.id for f in box.folders() if f.name == "Clients")
        oracle.folders.edited(side, id, "name", "客户")
        box.rename_folder(id, "客户")

    return act


def _old_mail(stage: Stage, oracle: Oracle) -> None:
    """From before the pair: two on each side, whose copies are made together, and one that both have."""
    pair, boxes = stage.office.pair, stage.mailboxes
    stage.office.pairs.save(replace(pair, since=stage.world.now + 1.0))
    for serial, sides in enumerate((*[("outlook",)] * 2, *[("dingtalk",)] * 2, ("outlook", "dingtalk"))):
        addresses = [boxes[side].address for side in sides]
        message_id, mime = letter("li.na@supplier.example", addresses, serial, stage.world.now)
        for side in sides:
            oracle.arrived(side, message_id, False, len(sides) > 1)
            boxes[side].deliver(mime)


def _asked_for(stage: Stage, oracle: Oracle) -> None:
    stage.office.product().desk.backfill(stage.office.pair, 0.0, None)


def _set(box: Mailbox, id: str, field: str) -> None:
    if field == "read":
        box.set_read(id, True)
    elif field == "flag":
        box.set_flag(id, "flagged")
    else:
        box.move(id, box.role("trash"))


SCENARIOS: dict[str, tuple[Act, ...]] = {
    "a message arrives in Outlook": (_arrives("outlook"),),
    "a message arrives in DingTalk": (_arrives("dingtalk"),),
    "a message is read in Outlook": (_arrives("outlook"), _changes("outlook", "read")),
    "a message is flagged in DingTalk": (_arrives("outlook"), _changes("dingtalk", "flag")),
    "a message is trashed in Outlook": (_arrives("dingtalk"), _changes("outlook", "folder")),
    "a message is trashed in DingTalk": (_arrives("outlook"), _changes("dingtalk", "folder")),
    "old mail is asked for": (_old_mail, _asked_for),
    "a folder with a message is made in DingTalk": (_folder_made("dingtalk"),),
    "a folder is renamed in DingTalk": (_folder_made("dingtalk"), _folder_renamed("dingtalk")),
}
"""Acts in order; the last one is what is watched, the ones before it are over when it begins."""


class Play:
    """One scenario. `choose`: asked at each call that may kill, by its number; the point to die at, or None."""

    def __init__(self, scenario: str, choose: Callable[[int], Point | None] = lambda number: None) -> None:
        self.world = World(SEED, self._fate)
        self.stage = Stage(self.world, microsoft=MicrosoftSwitches(), dingtalk=DingTalkSwitches())
        self.oracle = Oracle(self.stage.mailboxes, lambda: self.world.now - EPOCH, self.stage.office.rows)
        self._acts, self._choose = SCENARIOS[scenario], choose
        self._watching, self.calls = False, 0

    def run(self) -> list[tuple[str, str]]:
        """-> violations."""
        self.world.run_until(EPOCH + 60.0)
        for act in self._acts:
            act(self.stage, self.oracle)
            self.stage.push()
            if act is self._acts[-1]:
                self._watching = True
                self.world.run_until(self.world.now + WATCHED)
                self._watching = False
            self.world.run_until(self.world.now + QUIET)
        effects = self.world.effects
        self.world.run_until(self.world.now + QUIET)
        if self.world.effects != effects:
            self.oracle.fail("not quiet", f"{self.world.effects - effects} writes after everything was over")
        for error in self.stage.errors:
            self.oracle.fail("error", error)
        self.oracle.check(self.stage.office.rows(), [])
        return self.oracle.violations

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        fate = calm(world, kind, name)
        if not self._watching:
            return fate
        self.calls += 1
        point = self._choose(self.calls)
        if point is not None:
            self.stage.restart = lambda: point.restart
            fate.crash = True
            if point.landing == "never":
                fate.effect_after = None
            elif point.landing == "late":
                fate.effect_after = 40.0 if kind == "effect" else 3.0
        return fate


def play(point: Point) -> Play:
    """From the beginning, with the crash of this point."""
    return Play(point.scenario, lambda number: point if number == point.number else None)
