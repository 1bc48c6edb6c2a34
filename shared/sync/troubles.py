"""What people have to be told: that a direction stands still, or that a message was put aside. Its row leads to a note
(notes.py) and stays until that note is in the trash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from shared.model.words import Side
from shared.sync.rows import NOTE
from shared.sync.run import Run

PATIENCE = 900.0
"""Seconds that a direction may stand still before anybody is told."""

PASSWORD, FULL, RIGHTS, BRAKE, ITEM = "no client password", "mailbox full", "rights", "brake", "item"
DIRECTIONS = (PASSWORD, FULL)
"""Causes that are reasons of waiting items too."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """`side`: what can't be written or opened. `item`: the row of the item that was put aside, and `source` its id on
    the other side. `since`: epoch seconds. `on`: the side that the note was sent to, at `at`, with `mark` before it;
    `until`: when that is certain, None when nothing is under way; `missed`: when it was first looked for in vain. `id`:
    the note's, "" while there is none. `over`: all is well again, and the note is on its way to the trash."""

    cause: str
    side: Side
    since: float
    due: float | None
    item: str = ""
    source: str = ""
    on: Side | None = None
    at: float = 0.0
    mark: str = ""
    until: float | None = None
    missed: float | None = None
    id: str = ""
    over: bool = False

    @property
    def row(self) -> str:
        return f"{NOTE}{self.cause}:{self.item or self.side}"


def trouble(run: Run, cause: str, side: Side, item: str = "", source: str = "") -> None:
    """Remember since when, unless it is known; of a message people are told at once."""
    now = run.now()
    found = Trouble(cause, side, now, now if item else now + PATIENCE, item, source)
    if run.policy.notes and run.session.value(found.row) is None:
        put(run, found)


def put(run: Run, trouble: Trouble) -> None:
    run.session.put_folder(trouble.row, asdict(trouble), trouble.due)


def load(value: Mapping[str, Any]) -> Trouble:
    return Trouble(**value)
