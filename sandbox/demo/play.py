"""Plays the story in a running sandbox and says what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console

from sandbox.demo.meter import Meter
from sandbox.demo.office import Office, Person
from sandbox.demo.report import Counted, Figures, compared, figures, messages
from sandbox.demo.screen import Screen
from sandbox.demo.story import STORY, Act, Scene
from sandbox.demo.watch import STEP, Watcher

PATIENCE = 45.0
"""Seconds to wait for what has not crossed yet; what then still hasn't shows in the comparison."""
QUIET = 1.5
"""Seconds after the last look of the product in which an echo would have been written."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two acts of a person, and between two scenes. A brisk person is about as quick as the product may
    be: DingTalk mail allows 40 requests a second for the whole mail domain."""

    act: float
    scene: float


BRISK, WATCHABLE = Pace(0.5, 0.0), Pace(0.7, 1.5)


class Stage(Protocol):
    """A running sandbox, as far as the demo needs it."""

    @property
    def people(self) -> Sequence[Person]: ...
    @property
    def meter(self) -> Meter: ...
    @property
    def hold(self) -> float:
        """Seconds that mail to both accounts waits for its twin."""
        ...

    def polls(self, address: str) -> Sequence[float]:
        """When the product's looks at this DingTalk mailbox began (epoch seconds)."""
        ...

    def catch_up(self) -> None:
        """Have the product look at everything at its next tick."""
        ...


def play(
    stage: Stage, console: Console, pace: Pace, story: Sequence[Scene] = STORY, patience: float = PATIENCE
) -> Figures:
    """Act it out, wait until all has crossed and nothing more comes, compare, and print the outcome."""
    boxes = {person.name: person.boxes for person in stage.people}
    watcher = Watcher(boxes, stage.meter.written, stage.polls)
    office = Office(list(stage.people), watcher, stage.hold)
    screen = Screen(console, watcher)
    with screen.live():
        for scene in story:
            screen.scene(scene.title)
            for act in scene.acts:
                _everybody(office, act, lambda: _pass(watcher, pace.act / len(office.people)))
            _pass(watcher, patience, lambda: not watcher.pending)
            _pass(watcher, pace.scene)
        screen.scene("Listening for echoes: two polls and a catch-up")
        counted = _listen(stage, watcher)
    result = figures(boxes, office.made, watcher, counted)
    screen.end(result, compared(boxes), {pair: messages(boxes, pair) for pair in boxes})
    return result


def _everybody(office: Office, act: Act, pause: Callable[[], None]) -> None:
    for person in office.people:
        office.act(person, act)
        pause()


def _pass(watcher: Watcher, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Let time pass, with an eye on what crosses."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        watcher.look()
        time.sleep(STEP)


def _listen(stage: Stage, watcher: Watcher) -> Counted:
    """All has crossed: whatever is written during two polls of each mailbox and a catch-up is an echo."""
    meter, before = stage.meter, stage.meter.writes()
    addresses = [person.boxes["dingtalk"].address for person in stage.people]
    polls = {address: len(stage.polls(address)) for address in addresses}
    reads = _reads(meter.calls())
    stage.catch_up()
    _pass(
        watcher,
        PATIENCE,
        lambda: all(len(stage.polls(a)) >= polls[a] + 3 for a in addresses) and _reads(meter.calls()) > reads,
    )
    _pass(watcher, QUIET)
    late = meter.written() - sum(before.values())
    return Counted(before, late, meter.sent(), meter.calls())


def _reads(calls: Mapping[str, int]) -> int:
    """Looks at Outlook, which a poll of DingTalk doesn't make."""
    return sum(count for route, count in calls.items() if route.startswith("outlook ") and "GET" in route)
