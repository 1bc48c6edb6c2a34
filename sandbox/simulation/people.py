"""Two people who write, read, flag, move, trash and restore, each in the mailbox they like better."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sandbox.simulation.folder_people import FolderPeople
from sandbox.simulation.letters import letter
from sandbox.simulation.oracle import Oracle, other
from sandbox.simulation.world import World
from sandbox.truth import Flag, Mailbox, Stored

SIDES = ("dingtalk", "outlook")
FLAGS: tuple[Flag, ...] = ("none", "flagged", "complete")
CATEGORIES = ("海关", "Urgent")
FOLDERS = 0.12
"""The share of acts that are about folders."""
OUTSIDE = ("li.na@supplier.example", "chan@forwarder.example", "ops@customs.example")


@dataclass(frozen=True, slots=True)
class Letter:
    message_id: str
    mime: bytes


class People:
    """`mailboxes` by side; `touched(side)` is called after each act so that the vendor's pushes can be delivered.
    `sorting`: whether they give messages categories."""

    def __init__(
        self,
        world: World,
        rng: random.Random,
        mailboxes: dict[str, Mailbox],
        oracle: Oracle,
        touched: Callable[[], None],
        sorting: bool = False,
    ) -> None:
        self._sorting = sorting
        self._world, self._rng, self._boxes, self._oracle, self._touched = world, rng, mailboxes, oracle, touched
        self.acts = 0
        self.active = True
        self._serial = 0
        self._folders = FolderPeople(rng, mailboxes, oracle, self._done)

    def begin(self) -> None:
        for side in SIDES:
            for _ in range(self._rng.randint(1, 3)):
                self._arrive(side)
            self._world.after(self._pause(), partial(self._again, side))

    def _pause(self) -> float:
        return self._rng.choice((2.0, 10.0, 30.0, 60.0)) * self._rng.random() + 0.1

    def _again(self, side: str) -> None:
        if self.active:
            self._act(side)
            self._world.after(self._pause(), lambda: self._again(side))

    def _act(self, side: str) -> None:
        r, box = self._rng, self._boxes[side]
        if r.random() < FOLDERS:
            return self._folders.act(side)
        items = [m for m in box.messages() if not m.draft]
        if not items or r.random() < (0.35 if len(items) < 6 else 0.08):
            return self._arrive(side)
        item = r.choice(sorted(items, key=lambda m: m.id))
        acts: dict[str, int] = {"read": 25, "flag": 20, "answer": 3}
        if self._sorting:
            acts["sort"] = 12
        if not self._oracle.is_ambiguous(item):
            acts |= {"move": 22, "trash": 10, "restore": 14}
        self._change(side, item, r.choices(list(acts), list(acts.values()))[0])

    def _change(self, side: str, item: Stored, what: str) -> None:
        r, box = self._rng, self._boxes[side]
        trash = box.role("trash")
        if what == "read":
            self._edit(side, item, "read", not item.read, lambda: box.set_read(item.id, not item.read))
        elif what == "flag":
            flag = r.choice([f for f in FLAGS if f != item.flag])
            self._edit(side, item, "flag", flag, lambda: box.set_flag(item.id, flag))
        elif what == "answer":
            box.answer(item.id)
            self._done(f"{side} {item.message_id[:12]} answered")
        elif what == "sort":
            chosen = tuple(sorted(r.sample(CATEGORIES, r.randint(0, len(CATEGORIES)))))
            self._edit(side, item, "categories", chosen, lambda: box.set_categories(item.id, chosen))
        elif what == "trash" and self._oracle.place(side, item) != "trash":
            self._edit(side, item, "folder", "trash", lambda: box.move(item.id, trash))
        elif (what == "move") == (self._oracle.place(side, item) != "trash"):
            places = {name: id for name, id in self._places(side).items() if id != item.folder}
            if not places:
                return
            name = r.choice(sorted(places))
            self._edit(side, item, "folder", name, lambda: box.move(item.id, places[name]))

    def _places(self, side: str) -> dict[str, str]:
        """By the name that the oracle knows a folder by for ever."""
        box, folders = self._boxes[side], {f"{side}/{f.id}": f.id for f in self._oracle.folders.live(side)}
        return {**folders, "inbox": box.role("inbox"), "junk": box.role("junk")}

    def _edit(self, side: str, item: Stored, field: str, value: Any, act: Callable[[], Any]) -> None:
        self._oracle.edited(side, item, field, value)
        act()
        self._done(f"{side} {item.message_id[:12]} {field}={value}")

    def _done(self, text: str) -> None:
        self.acts += 1
        self._world.log(f"person {text}")
        self._touched()

    # ---- new mail
    def _arrive(self, side: str) -> None:
        own, twin = self._boxes[side], self._boxes[other(side)]
        kind = self._rng.choices(("plain", "out", "self", "other", "both"), (50, 10, 8, 14, 18))[0]
        outside = self._rng.choice(OUTSIDE)
        if kind in ("plain", "both"):
            to = [own.address] if kind == "plain" else [own.address, twin.address]
            hidden = self._rng.random() >= 0.85
            received = self._write(outside, ["list@elsewhere.example"] if hidden else to)
            self._deliver(side, received, False, twins=kind == "both")
            if kind == "both":
                self._later(other(side), received)
            return
        letter = self._write(own.address, [{"out": outside, "self": own.address, "other": twin.address}[kind]])
        self._deliver(side, letter, True)
        if kind == "self":
            self._deliver(side, letter, False)
        elif kind == "other":
            self._deliver(other(side), letter, False)

    def _later(self, side: str, letter: Letter) -> None:
        delay = self._rng.choice((1.0, 20.0, 100.0, 200.0, 400.0)) * self._rng.random()
        self._world.after(delay, lambda: self._deliver(side, letter, False, twins=True))

    def _deliver(self, side: str, letter: Letter, sent: bool, twins: bool = False) -> None:
        box = self._boxes[side]
        self._oracle.arrived(side, letter.message_id, sent, twins)
        box.deliver(letter.mime, box.role("sent") if sent else None, read=sent)
        self._done(f"{side} {letter.message_id[:12]} arrives sent={sent} twins={twins}")

    def _write(self, sender: str, to: list[str]) -> Letter:
        self._serial += 1
        attachment = self._rng.randbytes(400) if self._rng.random() < 0.2 else None
        return Letter(*letter(sender, to, self._serial, self._world.now, attachment))
