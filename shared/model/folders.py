"""Folders as linked records: what the ledger holds of them, and what the planner of folders takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from shared.model.words import Role, Side

TOP = "top"
"""The key of what stands above all folders."""
OWN = "own"


@dataclass(frozen=True, slots=True)
class FolderEnd:
    """One side of a folder. `name` (HMAC) and `parent` (a folder's key): as this side showed them when both sides last
    agreed. `out`: since when walks do not show it live; `dead`: a second walk said the same, so that it counts;
    `trashed`: it stands under the trash, not nowhere. `alive`: when the last walk began that showed it live before
    that. `placed`: when our last create or move of it left, 0 where nothing that can be deleted holds it. `left`: the
    folder that was here before it was thrown away and made again; `left_alive`: its `alive`."""

    id: str = ""
    name: str = ""
    parent: str = ""
    out: float | None = None
    dead: bool = False
    trashed: bool = False
    alive: float = 0.0
    placed: float = 0.0
    left: str = ""
    left_alive: float = 0.0


@dataclass(frozen=True, slots=True)
class FolderEffect:
    """An effect under way, committed with the link before its request leaves. `name` (HMAC) and `parent`: what it
    wants; `source`: (name, parent) of the other side that it carries over, OWN where that has still to follow.
    `missed`: first look that didn't find it."""

    what: Literal["create", "rename", "move", "delete"]
    side: Side
    name: str
    parent: str
    source: tuple[str, str]
    settle_after: float
    missed: float | None = None


@dataclass(frozen=True, slots=True)
class FolderLink:
    """One folder. `key` never changes; a message's state names it. `age`: the older link keeps a name. `needed`: a
    message or folder wants it on the side where it was deleted. `empty`: first look that found what goes empty.
    `excluded`: the entry of the pair that leaves it alone. `waits`: why it waits, for people."""

    key: str
    age: int
    role: Role | None = None
    dingtalk: FolderEnd = FolderEnd()
    outlook: FolderEnd = FolderEnd()
    effect: FolderEffect | None = None
    needed: bool = False
    empty: float | None = None
    excluded: str = ""
    due: float | None = None
    tries: int = 0
    waits: str = ""

    def end(self, side: Side) -> FolderEnd:
        return self.dingtalk if side == "dingtalk" else self.outlook

    def with_end(self, side: Side, end: FolderEnd) -> FolderLink:
        return replace(self, dingtalk=end) if side == "dingtalk" else replace(self, outlook=end)


FolderWord = Literal["live", "none", "out", "hidden", "unknown"]


@dataclass(frozen=True, slots=True)
class Shown:
    """One side of a folder as read in this run. `none`: it was never there, or is made again; `out`: gone or in the
    trash, and that counts; `hidden`: excluded, or below such a one; `unknown`: nothing can be said yet.

    `parent` is a key, "" where it stands below a folder that has none. `adrift`: it is in the trash because we put it
    below a folder that was deleted by then, which is nobody's act."""

    word: FolderWord
    name: str = ""
    parent: str = ""
    renamed: bool = False
    moved: bool = False
    adrift: bool = False


@dataclass(frozen=True, slots=True)
class FolderView:
    """As much of a folder's link as the planner needs."""

    key: str
    age: int
    role: Role | None
    dingtalk: Shown
    outlook: Shown
    needed: bool = False
    placed: bool = False

    def shown(self, side: Side) -> Shown:
        return self.dingtalk if side == "dingtalk" else self.outlook


@dataclass(frozen=True, slots=True)
class Held:
    """A folder that stands somewhere now: it holds its name there. `key` "" when it has no link."""

    side: Side
    parent: str
    name: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class MakeFolder:
    key: str
    side: Side
    name: str
    parent: str


@dataclass(frozen=True, slots=True)
class RenameFolder:
    """`passing`: only to make room, so that the other side's name still has to cross. `own`: the name that this side
    gave has to change and still has to cross."""

    key: str
    side: Side
    name: str
    passing: bool = False
    own: bool = False


@dataclass(frozen=True, slots=True)
class MoveFolder:
    """`own`: the other side has still to follow to the same place."""

    key: str
    side: Side
    parent: str
    own: bool = False


@dataclass(frozen=True, slots=True)
class DropFolder:
    """The other side deleted it: on `side` it goes once it is empty."""

    key: str
    side: Side


@dataclass(frozen=True, slots=True)
class ForgetFolder:
    """What was deleted on `side` is made again: the link lets go of the dead id."""

    key: str
    side: Side


@dataclass(frozen=True, slots=True)
class CloseFolder:
    key: str


@dataclass(frozen=True, slots=True)
class AgreeFolder:
    """Both sides stand as they should: that is agreed."""

    key: str


@dataclass(frozen=True, slots=True)
class WaitFolder:
    """It is not where it should be, and something else has to be done first."""

    key: str


@dataclass(frozen=True, slots=True)
class LostPlace:
    """A name or place on `side` that gives way; it goes into the journal."""

    key: str
    side: Side
    field: Literal["name", "parent"]
    value: str


FolderStep = (
    MakeFolder
    | RenameFolder
    | MoveFolder
    | DropFolder
    | ForgetFolder
    | CloseFolder
    | AgreeFolder
    | WaitFolder
    | LostPlace
)
