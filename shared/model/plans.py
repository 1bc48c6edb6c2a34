"""What the planner takes and gives: observations, and the steps that bring two sides together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shared.model.words import OUTLOOK, Side

Value = str | bool
State = Mapping[str, Value]
"""The fields of an item that people change, by name. For mail: `read` (bool), `flag`, `folder` (the folder link's key;
"trash" for the trash), `categories` (hashes of those that both sides can hold). Always the same names on both sides and
in the base."""

Word = Literal["kept", "edited", "trashed", "gone", "unborn", "unknown"]


@dataclass(frozen=True, slots=True)
class Observation:
    """What a replica shows of one side of a link. `state` is the base where nothing newer is known."""

    word: Word
    state: State

    @property
    def absent(self) -> bool:
        return self.word in ("gone", "unborn")


@dataclass(frozen=True, slots=True)
class LinkView:
    """As much of a link as the planner needs. `unsure`: fields whose last write was not seen to land."""

    key: str
    base: State
    gone: Side | None = None
    unsure: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Policy:
    """`winner` settles a field that both sides changed differently. `edit_restores`: an edit on one side brings back
    what the other trashed (calendar, contacts, tasks); mail lets only a move do that. `mirror_vanished`: what vanished
    on one side is trashed on the other."""

    winner: Side = OUTLOOK
    edit_restores: bool = False
    mirror_vanished: bool = False


@dataclass(frozen=True, slots=True)
class Agree:
    """Both sides show these values: the base moves to them."""

    link: str
    values: State


@dataclass(frozen=True, slots=True)
class Write:
    """Set `changes` on `side`, which shows `before` (the before-image). `because`: the side whose trashing this
    carries over, to be read again right before."""

    link: str
    side: Side
    changes: State
    before: State
    because: Side | None = None


@dataclass(frozen=True, slots=True)
class Overwritten:
    """`value` stood on `side` and gives way to another one; it goes into the journal."""

    link: str
    side: Side
    field: str
    value: Value


@dataclass(frozen=True, slots=True)
class CreateAgain:
    """Our copy on `side` never came to be: make it again from the other side, with `state`."""

    link: str
    side: Side
    state: State


@dataclass(frozen=True, slots=True)
class MarkGone:
    """The item vanished from `side` and nobody trashed it: the other side keeps its own, `base` is what it shows."""

    link: str
    side: Side
    base: State


@dataclass(frozen=True, slots=True)
class Close:
    """Nothing is left to keep in step."""

    link: str


Step = Agree | Write | Overwritten | CreateAgain | MarkGone | Close
