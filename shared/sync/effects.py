"""Guarding effects and carrying them out: an intent is committed before every effect, and the base moves when a read
shows the value, not when a reply says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shared.model.errors import (
    LeaseLost,
    MailboxFull,
    NoClientPassword,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    Stale,
    StoreUnavailable,
    TandemError,
    Throttled,
    TooLarge,
    Unavailable,
)
from shared.model.links import Intent, Link
from shared.model.mail import Created, Item, Message
from shared.model.plans import State
from shared.model.words import DINGTALK, SIDES, Side, other
from shared.sync.brake import Brake
from shared.sync.ledger import Entry
from shared.sync.observe import find_moved
from shared.sync.postpone import postpone
from shared.sync.quarantine import refused
from shared.sync.run import Run
from shared.sync.settle import confirmed, link_copy
from shared.sync.troubles import DIRECTIONS, trouble


def carry_out(run: Run, brake: Brake, deadline: float) -> None:
    """Everything in `todo`, in batches that are each committed. What can't be sent now is due again."""
    todo = list(run.todo.values())
    todo = brake.guard(run, todo)
    while todo:
        batch, todo = todo[: run.policy.batch], todo[run.policy.batch :]
        if run.clock.monotonic() > deadline or run.must_yield():
            for intent in batch + todo:
                postpone(run, intent, "time")
            return
        _batch(run, batch)


def _batch(run: Run, batch: Sequence[Intent]) -> None:
    parcels = [parcel for intent in batch if (parcel := _prepare(run, intent)) is not None]
    now = run.now()
    for parcel in parcels:
        size = len(parcel.message.mime or b"") if parcel.message else 0
        parcel.intent = replace(
            parcel.intent, settle_after=now + run.policy.settle(size), mark=parcel.mark, missed=None
        )
        run.session.put_intent(parcel.intent)
        run.session.note(parcel.intent.mid, _planned(parcel.intent))
    run.session.commit()
    for parcel in parcels:
        _effect(run, parcel)
    run.session.commit()


@dataclass(slots=True)
class Parcel:
    """An intent with what its request carries, fetched before the intent is committed."""

    intent: Intent
    message: Message | None = None
    mark: str = ""


def _prepare(run: Run, intent: Intent) -> Parcel | None:
    """What can be read before the intent is written is read now; a failure here has changed nothing."""
    if intent.kind != "create":
        return Parcel(intent)
    try:
        folder = _folder(run, intent, intent.state or {})
        message = run.replicas[other(intent.side)].fetch(intent.source)
        return Parcel(intent, message, run.replicas[intent.side].mark(folder))
    except StoreUnavailable:
        raise
    except TandemError as exc:
        _failed(run, intent, exc)
        return None


def _planned(intent: Intent) -> Entry:
    before = dict(intent.state or {}) if intent.kind != "create" else {}
    return Entry(
        "planned", intent.key, intent.side, {"kind": intent.kind, "want": dict(intent.want or {}), "before": before}
    )


def _effect(run: Run, parcel: Parcel) -> None:
    """Send one request and take in what is known of its outcome. Once it was sent no failure of a later read may close
    the intent: it stays open until its effect is certain, and is settled then."""
    intent = parcel.intent
    send, take_in = EFFECTS[intent.kind]
    try:
        sent = send(run, parcel)
    except OutcomeUnknown:
        return
    except StoreUnavailable:
        raise
    except TandemError as exc:
        run.session.close_intent(intent)
        _failed(run, intent, exc)
        return
    if sent is None:
        run.session.close_intent(intent)
        return
    try:
        take_in(run, intent, sent)
    except (Unavailable, Throttled):
        return


def _folder(run: Run, intent: Intent, state: State) -> str:
    folder = run.folders.id(intent.side, str(state["folder"]))
    if folder is None:
        raise Refused(f"the folder has no twin on {intent.side}; the message waits until it has", code="no_twin")
    return folder


# ---- a copy
def _send_create(run: Run, parcel: Parcel) -> Created:
    intent, state = parcel.intent, parcel.intent.state or {}
    assert parcel.message is not None
    return run.replicas[intent.side].create(
        parcel.message,
        folder=_folder(run, intent, state),
        read=bool(state["read"]),
        flag=state["flag"],  # type: ignore[arg-type]
        categories=run.labels.merged((), str(state["categories"])),
        key=intent.key,
        mark=parcel.mark,
        permit=run.permit(intent),
    )


def _take_created(run: Run, intent: Intent, made: Created) -> None:
    if made.id is None:
        run.session.put_intent(replace(intent, settle_after=run.now() + run.policy.busy))
        return
    link_copy(run, intent, made.id, made.listed)


# ---- a change of state
def _send_write(run: Run, parcel: Parcel) -> Sent | None:
    """Set the fields, if the target still shows what the write was planned on."""
    intent, side = parcel.intent, parcel.intent.side
    link, want, before = run.session.link(intent.key), intent.want or {}, intent.state or {}
    if link is None:
        return None
    target = run.read(side, intent.target, run.policy.fresh)
    if target is None or any(run.state(side, target)[name] != value for name, value in before.items()):
        _not_sent(run, intent, "changed meanwhile")
        return None
    if intent.because and not _still_trashed(run, link, other(side)):
        _not_sent(run, intent, "no longer in the trash")
        return None
    changes: dict[str, object] = dict(want)
    if "folder" in want:
        changes["folder"] = _folder(run, intent, want)
    if "categories" in want:
        changes["categories"] = run.labels.merged(target.categories, str(want["categories"]))
    run.forget(side, intent.target)
    try:
        return Sent(run.replicas[side].write(target, changes, run.permit(intent)))
    except (Refused, LeaseLost):
        if len(changes) == 1:
            raise
        return Sent(intent.target)  # of several requests one may have been done: a read says which


@dataclass(frozen=True, slots=True)
class Sent:
    """The id that the target has now, None when it is not known."""

    id: str | None


def _take_written(run: Run, intent: Intent, sent: Sent) -> None:
    """Read it back: what the read shows moves the base. After a move it may be found under another id only."""
    link = run.session.link(intent.key)
    item = run.read(intent.side, sent.id) if sent.id is not None else None
    if item is None and link is not None and intent.side == DINGTALK:
        item = find_moved(run, link)
    link = run.session.link(intent.key)
    if item is None or link is None:
        return
    end = link.end(intent.side)
    fresh = link.with_end(intent.side, replace(end, id=item.id, missed=None, said=False))
    fresh = run.session.put_link(confirmed(run, fresh, intent, item))
    run.session.close_intent(intent)
    run.note(intent, "done", intent.side, want=dict(intent.want or {}))
    _due_after(run, intent, fresh, item)


def _due_after(run: Run, intent: Intent, link: Link, item: Item) -> None:
    """What is still to be read after a write: nothing, when both sides show the base."""
    state = run.state(intent.side, item)
    if any(state[name] != value for name, value in (intent.want or {}).items()):
        run.recheck(link, SIDES, run.now() + run.policy.retry)
    elif link.expected(intent.side) != state:
        run.recheck(link, (intent.side,))
    else:
        twin = run.peek(other(intent.side), link.end(other(intent.side)).id)
        if twin is not None and run.state(other(intent.side), twin) == link.expected(other(intent.side)):
            run.rest(replace(link, waits="", tries=0))


def _still_trashed(run: Run, link: Link, side: Side) -> bool:
    item = run.read(side, link.end(side).id, run.policy.fresh)
    return item is not None and run.state(side, item)["folder"] == "trash"


def _not_sent(run: Run, intent: Intent, why: str) -> None:
    run.note(intent, "refused", intent.side, why=why)
    postpone(run, intent, "", delay=0.0)


# ---- our copy, whose original came late
def _send_retire(run: Run, parcel: Parcel) -> Sent | None:
    """Into the trash with it: only if nobody moved it, and only while the original is there. What somebody changed on
    it meanwhile is journaled."""
    intent = parcel.intent
    copy = run.read(intent.side, intent.target, run.policy.fresh)
    link, trash = run.session.link(intent.key), run.folders.id(intent.side, "trash")
    stays = run.read(intent.side, link.end(intent.side).id) if link else None
    if (copy is None or stays is None) and intent.attempts < RETIRES:
        raise Unavailable("our copy or its original is not found just now; it is looked at again", code="not_found")
    before, shown = intent.state or {}, run.state(intent.side, copy) if copy is not None else {}
    if copy is None or shown["folder"] != before["folder"] or stays is None or trash is None:
        run.note(intent, "refused", intent.side, why="changed meanwhile")
        if copy is not None:
            run.wait(intent.side, copy, "copy", None)
        return None
    if changed := {name: value for name, value in shown.items() if value != before[name]}:
        run.note(intent, "overwritten", intent.side, **changed)
        run.session.commit()
    run.forget(intent.side, intent.target)
    return Sent(run.replicas[intent.side].write(copy, {"folder": trash}, run.permit(intent)))


def _take_retired(run: Run, intent: Intent, sent: Sent) -> None:
    after = run.read(intent.side, sent.id) if sent.id is not None else None
    if after is not None and run.state(intent.side, after)["folder"] != "trash":
        return
    if after is not None:
        run.wait(intent.side, after, "copy", None)
    run.session.close_intent(intent)
    run.note(intent, "done", intent.side)


RETIRES = 4
"""How often a copy is tried to be put into the trash before it is left where it is."""

EFFECTS: dict[str, tuple[Callable[[Run, Parcel], Any], Callable[[Run, Intent, Any], None]]] = {
    "create": (_send_create, _take_created),
    "write": (_send_write, _take_written),
    "retire": (_send_retire, _take_retired),
}
"""For each kind of intent: send it (None: it was not sent, and needn't be), and take in what it did."""


# ---- what could not be done
def _failed(run: Run, intent: Intent, exc: TandemError) -> None:
    """Nothing was done. Throttling and outages never count against the item."""
    if isinstance(exc, NotPermitted) and not isinstance(exc, NoClientPassword):
        run.stopped, run.barred = exc, run.barred or intent.side
    reason = REASONS.get(type(exc)) or exc.code or type(exc).__name__
    run.note(intent, "refused", intent.side, why=reason)
    if reason in DIRECTIONS and intent.kind == "create":
        trouble(run, reason, intent.side)
    if refused(run, intent, exc, reason):
        return
    delay = exc.retry_after if exc.retry_after is not None else run.policy.retry
    if isinstance(exc, Stale):
        delay = 0.0
    elif isinstance(exc, NotFound):
        delay = run.policy.reread
    elif type(exc) in REASONS or not exc.retryable:
        delay = run.policy.waits
    postpone(run, intent, reason, delay)


REASONS: dict[type[TandemError], str] = {
    TooLarge: "too large",
    MailboxFull: "mailbox full",
    NoClientPassword: "no client password",
}
"""Why an effect waits, in words that people see, and waits long: trying again soon would not help."""
