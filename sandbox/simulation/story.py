"""The whole of one seed: two people, faults and crashes, and what must be true at the end."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from sandbox.dingtalk import Switches as DingTalkSwitches
from sandbox.microsoft import Switches as MicrosoftSwitches
from sandbox.simulation.faults import Faults
from sandbox.simulation.office import DINGTALK
from sandbox.simulation.oracle import Oracle
from sandbox.simulation.people import CATEGORIES, People
from sandbox.simulation.stage import INVISIBLE, Stage
from sandbox.simulation.world import EPOCH, Fate, Kind, World, calm

ACTIVE, SETTLE, ROUND = 900.0, 1500.0, 400.0
"""Seconds that people are at work; that everything under way may take to end; of one quiet round."""
DELETES: tuple[Literal["under_trash", "refuses", "empties"], ...] = ("under_trash", "refuses", "empties")
LEAST_ACTS, LEAST_FAULTS = 40, 5
PASSWORDS = 5
"""In one seed of so many DingTalk's client password is taken no more for a while, and another one is put into the
vault."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`violations`: (invariant, what happened, in words)."""

    seed: int
    violations: tuple[tuple[str, str], ...]
    hash: str
    acts: int
    calls: int
    faults: Counter[str]


class Story:
    def __init__(self, seed: int, trace: bool = False) -> None:
        self.seed = seed
        self.world = World(seed, self._fate)
        self.world.trace = [] if trace else None
        self._dice = random.Random(seed * 7919 + 1)
        self._faults = Faults().scaled(self._dice.choice((1.3, 1.8, 2.5)))
        self._active = True
        sorting = seed % 2 == 0
        self.stage = Stage(
            self.world,
            microsoft=MicrosoftSwitches(list_lag=self._dice.choice((0.0, 15.0, 40.0)), glitch_404=0.005),
            dingtalk=DingTalkSwitches(
                list_lag=self._dice.choice((0.0, 15.0, 40.0)),
                glitch_404=0.005,
                move_keeps_id=seed % 3 != 0,
                tag_routes=sorting,
                folder_keeps_id=seed % 4 != 0,
                folder_delete=DELETES[seed % 5 % 3],
                system_takes_folders=seed % 7 != 0,
                equal_names=seed % 6 == 0,
                ends_sessions=seed % PASSWORDS == 3,
            ),
            skew=lambda: self._dice.uniform(-20, 20),
            settings={"TANDEM_CATEGORIES": "true", "TANDEM_JUNK": "copy"} if sorting else {},
        )
        self.stage.pushes = self._pushes
        self.stage.restart = lambda: self.world.rng.choice((0.5, 120.0, INVISIBLE))
        boxes = self.stage.mailboxes
        self.oracle = Oracle(boxes, lambda: self.world.now - EPOCH, self.stage.office.rows)
        self.oracle.folders.flat, self.oracle.folders.keeps_id = seed % 7 == 0, seed % 4 != 0
        self.people = People(self.world, self._dice, boxes, self.oracle, self.stage.push, sorting)
        for name in CATEGORIES:
            self.stage.dingtalk.mailboxes[DINGTALK].make_tag(name)
        if seed % PASSWORDS == 3:
            self._change_password(random.Random(seed))

    def _change_password(self, dice: random.Random) -> None:
        store, new = self.stage.dingtalk.mailboxes[DINGTALK].store, "another-client-password"
        at = dice.uniform(50.0, 500.0)

        def refuse() -> None:
            store.password = new

        self.world.after(at, refuse)
        self.world.after(at + dice.uniform(0.0, 400.0), lambda: self.stage.office.keep_password(new))

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        fate = self._faults.decide(world, kind, name) if self._active else calm(world, kind, name)
        if kind == "effect":
            side = "outlook" if "graph.test" in name else "dingtalk"
            landed = world.now + (fate.effect_after or 0.0)
            world.windows.append((side, world.now - EPOCH, landed - EPOCH))
        return fate

    def _pushes(self) -> list[float]:
        """Pushes get lost, come twice, and come late."""
        if not self._active:
            return [0.1]
        rng = self.world.rng
        return [0.05 + rng.choice((0.2, 1.0, 8.0)) * rng.random() for _ in range(rng.choice((1, 1, 1, 1, 2, 0)))]

    def play(self) -> Outcome:
        self.world.after(5.0, self.people.begin)
        self.world.after(ACTIVE, self._quiet)
        self.world.run_until(EPOCH + ACTIVE)
        self.world.run_until(self.world.now + SETTLE + 3 * ROUND)
        effects = self.world.effects
        self.world.run_until(self.world.now + ROUND)
        if self.world.effects != effects:
            self.oracle.fail("not quiet", f"{self.world.effects - effects} writes in the fourth quiet round")
        self._check()
        world = self.world
        violations = tuple(self.oracle.violations)
        return Outcome(self.seed, violations, world.hash, self.people.acts, world.calls, world.faults)

    def _quiet(self) -> None:
        """On the time line, since a frozen call carries the time on: nobody does anything from here on."""
        self._active = self.people.active = False
        self.world.log("quiet")

    def _check(self) -> None:
        oracle, stage = self.oracle, self.stage
        oracle.check(stage.office.rows(), self.world.windows)
        vendors = (stage.microsoft, stage.dingtalk)
        for what, count in (("sent", sum(v.sent_mail for v in vendors)), ("receipt", sum(v.receipts for v in vendors))):
            if count:
                oracle.fail(what, f"{count} of them")
        for error in stage.errors[:3]:
            oracle.fail("error", error)
        for vendor in vendors:
            if vendor.ignored:
                oracle.fail("ignored", f"the vendor silently ignores {sorted(set(vendor.ignored))[:5]}")
        faults = sum(self.world.faults.values())
        if self.people.acts < LEAST_ACTS or faults < LEAST_FAULTS:
            oracle.fail("too tame", f"{self.people.acts} acts, {faults} faults")
