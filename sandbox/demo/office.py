"""People who act out the story in the simulated mailboxes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.demo.compare import Identity, identity, places
from sandbox.demo.letters import LETTERS, Envelope, compose, message_id
from sandbox.demo.post import Post
from sandbox.demo.story import CHANGES, FOLDERS, MAILINGS, Act, Mailing, Party
from sandbox.demo.watch import SIDES, Line, Side, Watcher, other
from sandbox.truth import Flag, Mailbox, Stored

OUTSIDE = (
    ("Li Na 李娜", "li.na@supplier.example"),
    ("林先生", "lam@forwarder.example"),
    ("Ops", "ops@customs.example"),
)


@dataclass(frozen=True, slots=True)
class Person:
    """One pair: the same person's two accounts."""

    name: str
    boxes: Mapping[Side, Mailbox]


class Office:
    """`made`: pair -> how many items of each identity people brought into being; each belongs on both sides.

    `hold`: seconds that mail to both accounts waits for its twin."""

    def __init__(self, people: list[Person], watcher: Watcher, hold: float) -> None:
        self.people, self._watcher, self._hold = people, watcher, hold
        self._post = Post({box.address: box for person in people for box in person.boxes.values()})
        self._ids: dict[tuple[str, str], str] = {}
        self._serial = 0
        self.made: dict[str, Counter[Identity]] = {person.name: Counter() for person in people}

    def act(self, person: Person, act: Act) -> None:
        if act.verb in MAILINGS:
            self._mail(person, act, MAILINGS[act.verb])
        else:
            self._change(person, act)

    # ---- mail
    def _mail(self, person: Person, act: Act, mailing: Mailing) -> None:
        self._serial += 1
        letter, now = LETTERS[act.letter], time.time()
        outside = OUTSIDE[self._serial % len(OUTSIDE)]
        own, twin = person.boxes[act.side].address, person.boxes[other(act.side)].address
        parties: dict[Party, tuple[str, str]] = {
            "outside": outside,
            "own": (person.name, own),
            "other": (person.name, twin),
        }
        to = [parties[party] for party in mailing.to]
        envelope = Envelope(parties[mailing.sender], to[:1], to[1:], self._serial, now)
        self._ids[person.name, act.letter] = message_id(envelope)
        unreached = {parties[party][1] for party in mailing.to if party not in mailing.reaches}
        sides = {box.address: side for side, box in person.boxes.items()}
        new: set[Identity] = set()
        for delivered in self._post.send(compose(letter, envelope), unreached):
            name = (delivered.message_id, delivered.sent)
            if name not in new:  # what comes to both accounts is one item
                line = Line(person.name, sides[delivered.address], mailing.kind, act.verb, letter.subject, name, now)
                line.not_before = now + self._hold + 2 if mailing.kind == "twin" else 0.0
                self._watcher.expect(line)
            new.add(name)
        self.made[person.name].update(new)

    # ---- state
    def _change(self, person: Person, act: Act) -> None:
        """An act on something that never crossed is left out; the comparison shows what is missing."""
        box, (field, value) = person.boxes[act.side], CHANGES[act.verb]
        found = self._find(box, self._ids[person.name, act.letter])
        if found is None:
            return
        item, name = found
        subject, want = LETTERS[act.letter].subject, {field: value}
        self._watcher.expect(Line(person.name, act.side, "change", act.verb, subject, name, time.time(), want))
        if field == "read":
            box.set_read(item.id, bool(value))
        elif field == "flag":
            flag: Flag = value
            box.set_flag(item.id, flag)
        else:
            box.move(item.id, next(id for id, place in places(box).items() if place == value))

    def _find(self, box: Mailbox, message_id: str) -> tuple[Stored, Identity] | None:
        """The received one, where there is a sent copy as well."""
        place = places(box)
        found = [(m, identity(m, place[m.folder])) for m in box.messages() if m.message_id == message_id]
        return min(found, key=lambda pair: pair[1], default=None)


def furnish(person: Person) -> None:
    """The folders that the story needs, on both sides."""
    for side in SIDES:
        for name in FOLDERS:
            person.boxes[side].make_folder(name)
