"""The fault plan: what may become of a call, drawn from the seed."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.simulation.world import Fate, Kind, World, calm

TIMEOUT, LATE = 30.0, 20.0
"""LATE: how long after its caller's time-out an effect may still land."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances per call. `crash` is for any call, half of them after the call left; `freeze` makes an answer take so
    long that the lease may be gone."""

    read: float = 0.02
    refused: float = 0.03
    before: float = 0.03
    after: float = 0.05
    late: float = 0.05
    store: float = 0.002
    crash: float = 0.005
    freeze: float = 0.001

    def scaled(self, by: float) -> Faults:
        return Faults(*(getattr(self, name) * by for name in self.__slots__))

    def decide(self, world: World, kind: Kind, name: str) -> Fate:
        fate, dice = calm(world, kind, name), world.rng.random()
        if dice < self.crash:
            return self._crash(world, kind, fate)
        if world.rng.random() < self.freeze:
            fate.answer_after += world.rng.choice((20.0, 100.0, 300.0, 500.0))
            fate.fault = "freeze"
            return fate
        dice = world.rng.random()
        if kind == "read":
            return self._read(dice, fate)
        if kind == "effect":
            return self._effect(world, dice, fate)
        if dice < self.store:
            done = world.rng.random() < 0.5
            return Fate(0.0 if done else None, 0.0, answer=False, fault="store after" if done else "store before")
        return fate

    def _crash(self, world: World, kind: Kind, fate: Fate) -> Fate:
        how = world.rng.choice(("before", "early", "late"))
        if how == "before":
            fate.effect_after = None
        elif how == "late" and kind == "effect":
            fate.effect_after = world.rng.uniform(1.0, TIMEOUT + LATE)
        fate.crash, fate.fault = True, f"crash {how}"
        return fate

    def _read(self, dice: float, fate: Fate) -> Fate:
        if dice < self.read:
            return Fate(None, fate.answer_after, answer=False, fault="read time-out")
        if dice < 2 * self.read:
            return Fate(None, fate.answer_after, refuse=429 if dice < 1.5 * self.read else 503, fault="read refused")
        return fate

    def _effect(self, world: World, dice: float, fate: Fate) -> Fate:
        for fault in ("refused", "before", "after", "late"):
            chance = getattr(self, fault)
            if dice < chance:
                return self._made(world, fault, fate)
            dice -= chance
        return fate

    @staticmethod
    def _made(world: World, fault: str, fate: Fate) -> Fate:
        if fault == "refused":
            return Fate(None, fate.answer_after, refuse=429, fault="refused")
        if fault == "before":
            return Fate(None, fate.answer_after, answer=False, fault="lost before its effect")
        if fault == "after":
            return Fate(fate.effect_after, fate.answer_after, answer=False, fault="answer lost")
        late = world.rng.uniform(1.0, TIMEOUT + LATE)
        return Fate(late, fate.answer_after, answer=False, fault="late effect")
