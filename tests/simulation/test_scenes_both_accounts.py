"""Mail that comes to both accounts of a pair, by the hundred: in any order, at any distance, touched in between."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import pytest

from sandbox.truth import Stored
from shared.model.words import SIDES, Side, other
from shared.sync.run import Policy
from tests.support.scene import ADDRESS, SUPPLIER, Scene, mail

COUNT, WITHIN, LATEST = 300, 3600.0, 300.0
"""Messages, the seconds within which they come, and those until the latest twin."""
HOLD, POLL = Policy().hold, 30.0
LIST = "all@office.example"
ALIASES: dict[Side, str] = {"outlook": "chan.tai@office.example", "dingtalk": "chan.tai@factory.example"}
WAYS = ("to", "cc", "alias", "list")
ACTS = ("nothing", "answered", "read", "flagged", "moved", "trashed")
PLACES = {"moved": "Shipments", "trashed": "trash"}


@dataclass
class Letter:
    """`first`: where it comes first; `gap`: seconds until its twin comes to the other account, None when it never
    does; `act`: what a person does to the first one half-way. `ids`: of what came, by side; `came`: when the first."""

    id: str
    way: str
    first: Side
    gap: float | None
    act: str
    ids: dict[Side, str] = field(default_factory=dict)
    came: float = 0.0

    @property
    def is_named(self) -> bool:
        """Does the message itself name the other account?"""
        return self.way != "list"

    def content(self, at: float) -> bytes:
        to, headers = {
            "to": (tuple(ADDRESS.values()), {}),
            "cc": ((SUPPLIER,), {"Cc": ", ".join(ADDRESS.values())}),
            "alias": (tuple(ALIASES.values()), {}),
            "list": ((LIST,), {}),
        }[self.way]
        return mail(self.id, to=to, at=at, headers=headers)


def written(seed: int) -> list[Letter]:
    dice = random.Random(seed)
    letters: list[Letter] = []
    for number in range(COUNT):
        gap = None if dice.random() < 0.15 else dice.choice((0.0, dice.uniform(0, 60), dice.uniform(0, LATEST)))
        letters.append(Letter(f"m{number}", dice.choice(WAYS), dice.choice(SIDES), gap, dice.choice(ACTS)))
    return letters


class Post(Scene):
    """Both mailboxes while these letters come."""

    def __init__(self, letters: list[Letter], seed: int) -> None:
        aliases = {f"{side}_aliases": (ALIASES[side],) for side in SIDES}
        super().__init__(lambda scene: scene.change_pair(**aliases))
        self.letters = letters
        dice, began = random.Random(seed), self.world.now
        for letter in letters:
            at, gap = began + dice.uniform(0, WITHIN), letter.gap
            self.world.at(at, partial(self._comes, letter, letter.first))
            self.world.at(at + (LATEST if gap is None else gap) / 2, partial(self._acts, letter))
            if gap is not None:
                self.world.at(at + gap, partial(self._comes, letter, other(letter.first)))

    def _comes(self, letter: Letter, side: Side) -> None:
        letter.came = letter.came or self.world.now
        letter.ids[side] = self.box(side).deliver(letter.content(letter.came), self.folder(side, "inbox"))

    def _acts(self, letter: Letter) -> None:
        box, id = self.box(letter.first), letter.ids[letter.first]
        if letter.act == "answered":
            box.answer(id)
        elif letter.act == "read":
            box.set_read(id, True)
        elif letter.act == "flagged":
            box.set_flag(id, "flagged")
        elif letter.act in PLACES:
            box.move(id, self.folder(letter.first, PLACES[letter.act]))

    def shown(self) -> dict[Side, dict[str, list[Stored]]]:
        """What each side holds, by letter."""
        held: dict[Side, dict[str, list[Stored]]] = {side: {} for side in SIDES}
        for side in SIDES:
            for message in self.box(side).messages():
                held[side].setdefault(message.message_id.partition("@")[0], []).append(message)
        return held

    def crossed(self) -> dict[str, float]:
        """After how many seconds a copy of the first of a letter stood on the other side, by letter."""
        by_source = {letter.ids[letter.first]: letter for letter in self.letters}
        sources = {row["key"]: [row[side]["id"] for side in SIDES] for row in self.rows("l:")}
        times: dict[str, float] = {}
        for key, row in self.office.rows().items():
            if key.startswith("j:") and row["what"] == "done" and row["detail"].get("kind") == "create":
                for letter in (by_source[id] for id in sources[row["link"]] if id in by_source):
                    times[letter.id] = float(key.split(":")[1]) - letter.came
        return times


@pytest.fixture(scope="module")
def post() -> Post:
    scene = Post(written(1), 1)
    scene.run(WITHIN + LATEST + 1800.0)
    return scene


def test_of_mail_to_both_accounts_each_side_shows_one_message_whenever_its_twin_comes(post: Post) -> None:
    shown = post.shown()
    assert all(shown[side].keys() <= {letter.id for letter in post.letters} for side in SIDES)
    for letter in post.letters:
        live = {side: [m for m in shown[side].get(letter.id, ()) if post.place(side, m) != "trash"] for side in SIDES}
        states = {side: [(post.place(side, m), m.read, m.flag) for m in live[side]] for side in SIDES}
        assert states["outlook"] == states["dingtalk"], letter
        if letter.act == "trashed":
            assert len(live["outlook"]) <= 1, letter
            continue
        place, read = PLACES.get(letter.act, "inbox"), letter.act == "read"
        assert states["outlook"] == [(place, read, "flagged" if letter.act == "flagged" else "none")], letter
        assert {side: m.id for side in SIDES for m in live[side] if side in letter.ids} == letter.ids, letter
    assert (post.mail_sent(), post.held_back(), post.stage.errors) == (0, [], [])
    with post.no_writes():
        post.run(900)


def test_nothing_that_came_is_lost_and_nobodys_trash_holds_more_than_was_thrown_away(post: Post) -> None:
    shown = post.shown()
    for letter in post.letters:
        for side, id in letter.ids.items():
            assert id in [m.id for m in shown[side][letter.id]], letter
        copies = [m for side in SIDES for m in shown[side].get(letter.id, ()) if m.by == "client"]
        assert len(copies) <= (2 if letter.act == "trashed" else 1), letter


def test_within_the_hold_twins_are_linked_and_later_ones_take_the_place_of_our_copy(
    post: Post, capsys: pytest.CaptureFixture[str]
) -> None:
    shown, sorts, times = post.shown(), Counter[str](), post.crossed()
    for letter in post.letters:
        copies = [(side, m) for side in SIDES for m in shown[side].get(letter.id, ()) if m.by == "client"]
        sort = _sort(letter)
        sorts[sort] += 1
        if sort == "linked":
            assert copies == [], letter
        elif letter.act != "trashed":
            assert len(copies) == 1 or (sort in ("named by nobody", "about the hold") and not copies), letter
            assert [post.place(*copy) == "trash" for copy in copies] == [letter.gap is not None] * len(copies), letter
    held = sorted(times[letter.id] for letter in post.letters if letter.id in times and letter.is_named)
    others = sorted(times[letter.id] for letter in post.letters if letter.id in times and not letter.is_named)
    late = post.journal().count("twin_late")
    with capsys.disabled():
        print(f"\n{COUNT} messages to both accounts: {dict(sorted(sorts.items()))}, {late} originals after our copy")
        for name, seconds in (("held for a twin", held), ("not held", others)):
            print(f"  {name}: {len(seconds)} copies, median {median(seconds):.0f} s, slowest {seconds[-1]:.0f} s")
    assert all(count > 5 for count in sorts.values())
    assert late > 50
    assert held[0] >= HOLD
    assert held[-1] < HOLD + 3 * POLL
    assert others[-1] < 3 * POLL


def _sort(letter: Letter) -> str:
    if letter.gap is None:
        return "alone"
    if not letter.is_named:
        return "named by nobody"
    return "linked" if letter.gap < HOLD - POLL else "about the hold" if letter.gap < HOLD + POLL + 5 else "late"
