"""Many messages put into DingTalk at once: an APPEND takes two ways there and back, so they go by several connections.

The first connection is the mailbox's own. The others are a help and no more: where the server takes no further login,
everything goes by the first, and only what that one says of the password counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from shared.dingtalk.imap import ImapDoor
from shared.dingtalk.mailbox import known
from shared.model.errors import NoClientPassword, TandemError, Unavailable, tried
from shared.model.spooled import Content
from shared.ports.replica import Permit
from shared.ports.world import Executor


@dataclass(frozen=True, slots=True)
class Append:
    """As `ImapDoor.append` takes it."""

    name: str
    mime: Content
    read: bool
    received: float
    permit: Permit
    answered: bool

    def by(self, door: ImapDoor) -> None:
        door.append(
            self.name, self.mime, read=self.read, received=self.received, permit=self.permit, answered=self.answered
        )


def append_all(door: ImapDoor, executor: Executor, appends: Sequence[Append]) -> list[TandemError | None]:
    """What `append` raised for each, None where it did not."""
    doors = [door, *_open(door, len(appends) - 1)]
    lanes = [appends[start :: len(doors)] for start in range(len(doors))]
    done: list[TandemError | None] = [None] * len(appends)
    answers = executor.map([partial(_lane, one, lane) for one, lane in zip(doors, lanes, strict=True)])
    for start, answer in enumerate(answers):
        done[start :: len(doors)] = known(answer)
    for number, error in enumerate(done):
        if isinstance(error, NoClientPassword) and number % len(doors):
            done[number] = tried(partial(appends[number].by, door))
    return done


def _open(door: ImapDoor, most: int) -> list[ImapDoor]:
    """Further connections that are there. After a refused login none is tried any more: accounts lock."""
    opened: list[ImapDoor] = []
    for one in door.beside[:most]:
        try:
            one.open()
        except NoClientPassword:
            door.beside.clear()
            break
        except Unavailable:
            break
        opened.append(one)
    return opened


def _lane(door: ImapDoor, appends: Sequence[Append]) -> list[TandemError | None]:
    return [tried(partial(append.by, door)) for append in appends]
