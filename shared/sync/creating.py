"""Small copies go together: read together, committed together, sent together, and each with an outcome of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from shared.model.errors import NoClientPassword, Refused, StoreUnavailable, TandemError, TooLarge, tried
from shared.model.links import Intent
from shared.model.mail import Created, Message
from shared.model.plans import State
from shared.model.spooled import size_of
from shared.model.words import DINGTALK, Side, other
from shared.ports.replica import Copy
from shared.sync.large import weigh
from shared.sync.quarantine import failed_before
from shared.sync.run import SLACK, Run
from shared.sync.stubs import stub

T = TypeVar("T")
SMALL = 1_000_000
"""Bytes of a message that goes with others; a larger one goes by itself."""
ROOM = 4_000_000
"""Bytes of messages that are held in memory at a time, as far as their sizes are known."""
APART = 2.0
"""Seconds that a copy may have to wait for each other one that goes with it."""


@dataclass(slots=True)
class Parcel:
    """An intent with what its request carries, fetched before the intent is committed. `failed`: why there is nothing
    to send."""

    intent: Intent
    message: Message | None = None
    mark: str = ""
    failed: TandemError | None = None

    def take(self, message: Message | TandemError) -> None:
        """What was fetched, or why not. What doesn't come in one piece is large."""
        if isinstance(message, TooLarge) and not self.intent.stub:
            self.intent = replace(self.intent, large=True)
        elif isinstance(message, TandemError):
            self.failed = message
        else:
            self.message = message

    @property
    def size(self) -> int:
        """Bytes that its request carries, about."""
        if self.message is None:
            return 0
        content = sum(size_of(one.content) for one in self.message.attachments)
        return size_of(self.message.mime) or len(self.message.text) + len(self.message.html) + content * 4 // 3


def cut(run: Run, todo: Sequence[Intent]) -> tuple[list[Intent], list[Intent]]:
    """The next batch, and the rest. Small copies into one side go together, as many as the lease outlives; one that met
    errors before goes alone. Other effects, of which each waits for the one before, go as they were planned."""
    first, size = todo[0], 0
    apart = failed_before(run, [one for one in todo if one.kind == "create"]) if len(todo) > 1 else set[str]()
    batch: list[Intent] = []
    for intent in todo:
        if first.kind != "create" and intent.kind != "create" and len(batch) < run.policy.batch:
            batch.append(intent)
        elif first.kind == intent.kind == "create" and intent.side == first.side and len(batch) < run.policy.bulk:
            own = _known_size(run, intent)
            small = size + own <= ROOM and max(own, _known_size(run, first)) <= SMALL
            small = small and apart.isdisjoint((first.id, intent.id))
            if not batch or (small and _is_outlived(run, len(batch) + 1, size + own)):
                batch.append(intent)
                size += own
    taken = {intent.id for intent in batch}
    return batch, [intent for intent in todo if intent.id not in taken]


def _is_outlived(run: Run, count: int, size: int) -> bool:
    """Does the lease last until the effect of so many copies is certain, even if they are half as large again?"""
    return run.policy.settle(size * 3 // 2) + APART * count + SLACK < run.policy.lease


def _known_size(run: Run, intent: Intent) -> int:
    item = run.peek(other(intent.side), intent.source)
    return (item.size or 0) if item is not None else 0


def fetched(run: Run, intents: Sequence[Intent]) -> list[Parcel]:
    """What these creates into one side carry, read in as few requests as there are. Nothing for a large one: it is a
    carrier's. One whose stub stays is left out."""
    parcels = [_marked(run, weighed) for intent in intents if (weighed := weigh(run, intent)) is not None]
    for parcel in parcels:
        if parcel.failed is None and parcel.intent.stub:
            parcel.take(_tried(partial(stub, run, parcel.intent)))
    whole = [one for one in parcels if one.failed is None and not one.intent.stub and not one.intent.large]
    source = run.replicas[other(intents[0].side)]
    if len(whole) == 1:
        messages = [_tried(partial(source.fetch, whole[0].intent.source))]
    else:
        messages = source.fetch_many([parcel.intent.source for parcel in whole])
    for parcel, message in zip(whole, messages, strict=True):
        parcel.take(message)
    return parcels


def _marked(run: Run, intent: Intent) -> Parcel:
    def marked() -> str:
        if run.shut and intent.side == DINGTALK:
            raise NoClientPassword("nothing new can be put into DingTalk now", code=run.shut)
        return run.replicas[intent.side].mark(folder_of(run, intent.side, intent.state or {}))

    mark = _tried(marked)
    return Parcel(intent, failed=mark) if isinstance(mark, TandemError) else Parcel(intent, mark=mark)


def _tried(call: Callable[[], T]) -> T | TandemError:
    outcome = tried(call)
    if isinstance(outcome, StoreUnavailable):
        raise outcome
    return outcome


def folder_of(run: Run, side: Side, state: State) -> str:
    """Where an item with this state stands on that side, by the vendor's id."""
    folder = run.folders.id(side, str(state["folder"]))
    if folder is None:
        raise Refused(f"the folder has no twin on {side}; the message waits until it has", code="no_twin")
    return folder


def create_together(run: Run, parcels: Sequence[Parcel]) -> list[Created | TandemError]:
    """Send these creates into one side; what is known of the outcome of each."""
    side: Side = parcels[0].intent.side
    return run.replicas[side].create_many([copy_of(run, parcel) for parcel in parcels])


def copy_of(run: Run, parcel: Parcel) -> Copy:
    intent, state = parcel.intent, parcel.intent.state or {}
    assert parcel.message is not None
    return Copy(
        parcel.message,
        folder=folder_of(run, intent.side, state),
        read=bool(state["read"]),
        flag=state["flag"],  # type: ignore[arg-type]
        categories=run.labels.merged((), str(state["categories"])),
        key=intent.key,
        mark=parcel.mark,
        permit=run.permit(intent),
    )


def patience(parcels: Sequence[Parcel]) -> float:
    """How much longer than by itself the last of these may take until it is sent."""
    return APART * max(0, sum(parcel.intent.kind == "create" for parcel in parcels) - 1)
