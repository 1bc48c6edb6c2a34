"""What the people of the demo do, as a table. Everybody does all of it, in both mailboxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.demo.watch import Kind, Side

Party = Literal["outside", "own", "other"]


@dataclass(frozen=True, slots=True)
class Mailing:
    """`own` is the account of the act, `other` the same person's account on the other side. `reaches`: to whom of `to`
    the mail really comes."""

    sender: Party
    to: tuple[Party, ...]
    reaches: tuple[Party, ...]
    kind: Kind = "copy"


MAILINGS: Mapping[str, Mailing] = {
    "receives": Mailing("outside", ("own",), ("own",)),
    "sends": Mailing("own", ("outside",), ("outside",)),
    "sends to itself": Mailing("own", ("own",), ("own",)),
    "sends to the other account": Mailing("own", ("other",), ("other",)),
    "receives as both do": Mailing("outside", ("own", "other"), ("own", "other"), "twin"),
    "receives alone what was for both": Mailing("outside", ("own", "other"), ("own",), "held"),
}

CHANGES: Mapping[str, tuple[str, Any]] = {
    "reads": ("read", True),
    "marks unread": ("read", False),
    "flags": ("flag", "flagged"),
    "completes": ("flag", "complete"),
    "unflags": ("flag", "none"),
    "files under 報關": ("place", "報關"),
    "files under 项目": ("place", "项目"),
    "trashes": ("place", "trash"),
    "restores": ("place", "inbox"),
}
"""Verb -> the field that it changes, and to what."""

FOLDERS = ("報關", "项目")
"""Folders that everybody has in both mailboxes."""


@dataclass(frozen=True, slots=True)
class Act:
    """`side`: the account at which it happens. `letter`: its name in LETTERS."""

    side: Side
    verb: str
    letter: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Begins when all that came before has crossed. In a scene each side acts on a letter once at most."""

    title: str
    acts: tuple[Act, ...]


def _acts(verb: str, *, outlook: str = "", dingtalk: str = "") -> tuple[Act, ...]:
    """The verb for each of these letters, the two sides in turn."""
    sides: tuple[tuple[Side, list[str]], ...] = (("outlook", outlook.split()), ("dingtalk", dingtalk.split()))
    longest = max(len(letters) for _, letters in sides)
    return tuple(Act(side, verb, letters[n]) for n in range(longest) for side, letters in sides if n < len(letters))


STORY = (
    Scene(
        "Mail comes in on both sides",
        _acts(
            "receives",
            outlook="customs order packing photo invoice arrival shipped",
            dingtalk="quote stopped lading schedule sample payment inspection",
        ),
    ),
    Scene(
        "Mail goes out on both sides",
        _acts(
            "sends",
            outlook="booking deposit agenda claim thanks",
            dingtalk="inquiry drawing overtime delivery reply",
        ),
    ),
    Scene(
        "Mail to oneself and to one's other account",
        _acts("sends to the other account", outlook="handover", dingtalk="forward")
        + _acts("sends to itself", outlook="note", dingtalk="memo"),
    ),
    Scene(
        "The same mail to both accounts",
        _acts("receives as both do", outlook="notice", dingtalk="terms")
        + _acts("receives alone what was for both", outlook="rate", dingtalk="survey"),
    ),
    Scene(
        "Reading and flagging",
        _acts("reads", outlook="customs packing invoice schedule", dingtalk="quote sample arrival")
        + _acts("flags", outlook="order shipped", dingtalk="lading payment"),
    ),
    Scene(
        "Changing one's mind",
        _acts("completes", outlook="order", dingtalk="lading")
        + _acts("marks unread", outlook="packing", dingtalk="quote")
        + _acts("unflags", outlook="shipped", dingtalk="payment"),
    ),
    Scene(
        "Filing, on either side",
        _acts("files under 報關", outlook="customs inspection", dingtalk="shipped")
        + _acts("files under 项目", outlook="photo", dingtalk="quote schedule"),
    ),
    Scene("Trashing", _acts("trashes", outlook="arrival notice", dingtalk="stopped memo")),
    Scene("Taking it back from the trash", _acts("restores", outlook="arrival", dingtalk="stopped")),
    Scene(
        "Both sides at the same message",
        _acts("reads", outlook="payment", dingtalk="order")
        + _acts("flags", dingtalk="payment")
        + _acts("unflags", outlook="order"),
    ),
)
