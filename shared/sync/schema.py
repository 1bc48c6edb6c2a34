"""Which shape the rows are in, and how those of an older version come into this one's.

A version is a number, 1 to begin with. It stands with what is read anyway: for the whole state among the pairs
(`shared.wiring.pairs`), for one ledger in its lease (`shared.sync.lease`). docs/adr/0007-versions-of-the-rows.md says
why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from shared.model.errors import NewerState
from shared.ports.state import Op, Table

Step = Callable[[Table, str], Iterable[Op]]
"""Brings the rows of one ledger, given by its table and partition, from one version to the next.

It is run under the lease, and its ops are committed in their order, a transaction at a time, while it is asked for
more. A worker may die after any of them, and then the step runs again from its beginning: so it yields nothing for rows
that are in the new shape already, and deletes a row only after what takes its place. It leaves alone what is written
without the lease (hints, marks, polled times, approvals): such rows keep their shape, or are read in both."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a version of Tandem knows: `steps[0]` leads from version 1 to 2, and so on."""

    steps: tuple[Step, ...] = ()

    @property
    def version(self) -> int:
        return len(self.steps) + 1

    def check(self, found: int) -> None:
        """NewerState when rows of this version can't be read here."""
        if found > self.version:
            raise NewerState(
                f"this state was written by a newer Tandem (schema {found}; this one knows {self.version}):"
                " deploy the newer version everywhere",
                code=str(found),
            )


def _two(table: Table, partition: str) -> Iterable[Op]:
    """Intents say whether a carrier is at them, links whether their copy is a stub. Notes have rows, which are due like
    others and which version 1 would look at for ever. The lease says when copies were last made, and what fails when it
    was last tried. All of it is new, so nothing is written."""
    return ()


STEPS: tuple[Step, ...] = (_two,)
"""To change the shape of rows, append a step. One more field needs one too, since older versions refuse what they
don't know; a step without ops will do then."""
SCHEMA = Schema(STEPS)
