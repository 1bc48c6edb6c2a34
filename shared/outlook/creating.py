"""New messages in Outlook, up to twenty in one request (Graph: JSON batching).

Each part is answered by itself: a refused or throttled one says nothing of the others. What can't go with others, since
it is too large or the batch as a whole was refused, goes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from shared.model.errors import OutcomeUnknown, Refused, TandemError, TooLarge, tried
from shared.model.mail import Created
from shared.outlook import mapping
from shared.outlook.errors import error
from shared.outlook.transport import LARGEST, PARTS, Answer, Graph, encoded, member
from shared.ports.replica import Copy

NEW = "a new message"
OVERHEAD = 1000
"""Bytes of a part beside its body, at most."""
WHOLE_REFUSED = (Refused, TooLarge)
"""Refusals of a batch that may be due to one of its parts, or to their sum; nothing was done."""

Alone = Callable[..., Created]
Outcome = Created | TandemError


def messages_of(mailbox: str, folder: str) -> str:
    return f"{mailbox}/mailFolders/{quote(folder, safe='')}/messages"


def create_many(graph: Graph, mailbox: str, copies: Sequence[Copy], alone: Alone) -> list[Outcome]:
    """The outcomes in the order of the copies. `alone`: the replica's `create`."""
    bodies = [encoded(_body(copy)) for copy in copies]
    outcomes: dict[int, Outcome] = {}
    for group in _groups([len(body) for body in bodies]):
        answers = _together(graph, mailbox, {n: (copies[n], bodies[n]) for n in group}) if len(group) > 1 else None
        for n in group:
            outcomes[n] = tried(partial(copies[n].made_by, alone)) if answers is None else answers[n]
    return [outcomes[n] for n in range(len(copies))]


def _body(copy: Copy) -> Mapping[str, Any]:
    return mapping.creating(copy.message, copy.read, copy.flag, copy.key, copy.categories)


def _groups(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of those that fit into one request."""
    group: list[int] = []
    room = LARGEST
    for number, size in enumerate(sizes):
        if group and (len(group) == PARTS or size + OVERHEAD > room):
            yield group
            group, room = [], LARGEST
        group.append(number)
        room -= size + OVERHEAD
    if group:
        yield group


def _together(graph: Graph, mailbox: str, copies: Mapping[int, tuple[Copy, bytes]]) -> dict[int, Outcome] | None:
    """None when the batch as a whole was refused and each is to go alone."""
    posts = {n: (messages_of(mailbox, copy.folder), body) for n, (copy, body) in copies.items()}

    def permit() -> None:
        for copy, _ in copies.values():
            copy.permit()

    try:
        answers = graph.post_all(posts, NEW, permit)
    except OutcomeUnknown as exc:
        return dict.fromkeys(copies, exc)
    except TandemError as exc:
        return None if type(exc) in WHOLE_REFUSED else dict.fromkeys(copies, exc)
    return {n: _outcome(answers.get(n)) for n in copies}


def _outcome(answer: Answer | None) -> Outcome:
    if answer is None:
        return OutcomeUnknown(f"{NEW}: Graph left out parts of a batch", code="batch")
    if not 200 <= answer.status < 300:
        return error(NEW, answer.status, answer.headers, answer.body, effect=True)
    try:
        return Created(member(answer.body, "id", NEW))
    except OutcomeUnknown as exc:
        return exc
