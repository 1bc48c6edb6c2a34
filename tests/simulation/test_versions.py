"""Two versions of the product at work on one state, as while a new one is being deployed."""

from __future__ import annotations

from collections import Counter

import pytest

from sandbox.simulation.office import Worker
from sandbox.simulation.story import ACTIVE, Story
from sandbox.simulation.world import EPOCH, Crash, Fate, Kind, World, calm
from shared.sync.rows import LEASE
from shared.sync.schema import SCHEMA, Schema
from tests.support.newer import LATEST, NEWEST, NEXT, SHADOW
from tests.support.quiet_scene import Scene

SIDES = ("outlook", "dingtalk")


class Rollout(Scene):
    """Mail keeps coming on both sides, and people work. Workers take turns in being the first that is asked."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.letters = 0

    def replace(self, *schemas: Schema) -> None:
        """From now on these are the workers; whoever was at work goes on to the end of it."""
        self.stage.workers[:] = [Worker(self.stage.office, 0.0, schema) for schema in schemas]

    def busy(self, times: int) -> None:
        for _ in range(times):
            for side in SIDES:
                self.arrive(side)
                self.letters += 1
            self.run(20.0)
            self.stage.workers.reverse()
            for side in SIDES:
                message = self.world.rng.choice(self.boxes[side].messages())
                self.boxes[side].set_read(message.id, not message.read)
            self.run(self.world.rng.uniform(0.0, 40.0))
            self.stage.workers.append(self.stage.workers.pop(0))

    def nothing_is_lost_or_doubled(self) -> None:
        assert self.equal()
        for side in SIDES:
            assert Counter(Counter(id for id, *_ in self.shown(side)).values()) == {1: self.letters}
        assert self.stage.errors == []
        assert self.harmless()


@pytest.mark.parametrize("seed", range(1, 5))
def test_while_two_versions_overlap_no_mail_is_lost_or_doubled(seed: int) -> None:
    scene = Rollout(seed)
    scene.busy(3)
    scene.replace(SCHEMA, NEWEST, SCHEMA)
    scene.busy(4)
    scene.replace(NEWEST, NEWEST, SCHEMA)
    scene.busy(3)
    scene.replace(NEWEST, NEWEST, NEWEST)
    scene.busy(2)
    scene.run(900.0)
    scene.nothing_is_lost_or_doubled()
    lease = scene.stage.office.rows()[LEASE]
    assert (lease["schema"], lease["migrated"]) == (LATEST, LATEST)
    assert scene.rows(SHADOW), "what was there before has the rows of the new version"


def test_an_upgrade_that_dies_is_finished_by_another_worker_and_the_old_ones_stay_away() -> None:
    scene = Rollout(7)
    scene.busy(4)
    scene.run(300.0)
    scene.replace(SCHEMA, SCHEMA)
    writes = 0

    def decide(world: World, kind: Kind, name: str) -> Fate:
        """Of the new worker's writes (the lease, a step, a step) the last never happens."""
        nonlocal writes
        writes += name.startswith("transact")
        return calm(world, kind, name) if writes < 3 else Fate(None, 0.0, crash=True)

    scene.world.decide = decide
    with pytest.raises(Crash):
        Worker(scene.stage.office, 0.0, NEWEST).handle("work", {"pair": "pair-1", "kind": "mail"})
    scene.world.decide = calm
    scene.busy(2)
    lease = scene.stage.office.rows()[LEASE]
    assert (lease["schema"], lease["migrated"]) == (LATEST, NEXT)
    scene.replace(NEWEST, NEWEST)
    scene.busy(2)
    scene.run(900.0)
    scene.nothing_is_lost_or_doubled()


def test_after_a_return_to_the_old_version_everything_waits_and_nothing_is_lost() -> None:
    scene = Rollout(3)
    scene.busy(2)
    scene.replace(NEWEST, NEWEST)
    scene.busy(2)
    scene.run(300.0)
    rows = scene.stage.office.rows()
    scene.replace(SCHEMA, SCHEMA, SCHEMA)
    scene.busy(2)
    assert scene.stage.office.rows() == rows, "the old version writes nothing"
    scene.replace(NEWEST, NEWEST)
    scene.run(900.0)
    scene.nothing_is_lost_or_doubled()


class RolloutStory(Story):
    """A seed of the simulation, with its people, faults and crashes. From a third of the time on every worker that
    starts is one of either version, and all that are old end, one after the other, from two thirds on."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._versions: tuple[Schema, ...] = (SCHEMA,)
        self.stage._worker = self._worker  # type: ignore[method-assign]
        self.world.after(ACTIVE / 3, self._overlap)
        self.world.after(ACTIVE * 2 / 3, self._end_old)

    def _worker(self) -> Worker:
        return Worker(self.stage.office, self._dice.uniform(-20, 20), self._dice.choice(self._versions))

    def _overlap(self) -> None:
        self._versions = (SCHEMA, NEWEST)
        self.stage.workers.append(Worker(self.stage.office, 0.0, NEWEST))

    def _end_old(self) -> None:
        self._versions = (NEWEST,)
        old = next((w for w in self.stage.workers if w.schema == SCHEMA and not w.busy), None)
        if old is not None:
            self.stage.workers[self.stage.workers.index(old)] = self._worker()
        if any(worker.schema == SCHEMA for worker in self.stage.workers):
            self.world.after(20.0, self._end_old)


@pytest.mark.parametrize("seed", [11, 12])
def test_with_faults_and_crashes_in_the_middle_of_it_the_oracle_finds_nothing(seed: int) -> None:
    story = RolloutStory(seed)
    outcome = story.play()
    assert outcome.violations == ()
    lease = story.stage.office.rows()[LEASE]
    assert (lease["schema"], lease["migrated"]) == (LATEST, LATEST)
    assert sum(outcome.faults.values()) > 5
    assert story.world.now > EPOCH + ACTIVE
