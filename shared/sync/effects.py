"""Guarding effects and carrying them out: an intent is committed before every effect, and the base moves when a read
shows the value, not when a reply says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.model.errors import (
    LeaseLost,
    MailboxFull,
    NoClientPassword,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    Stale,
    TandemError,
    TooLarge,
    Unavailable,
)
from shared.model.links import Intent, Link
from shared.model.mail import Created, Message
from shared.model.plans import State
from shared.model.words import Flag, Side, other
from shared.sync.brake import Brake
from shared.sync.ledger import Entry
from shared.sync.observe import find_moved
from shared.sync.postpone import postpone
from shared.sync.run import Run
from shared.sync.settle import confirmed, link_copy


def carry_out(run: Run, brake: Brake, deadline: float) -> None:
    """Everything in `todo`, in batches that are each committed. What can't be sent now is due again."""
    todo = list(run.todo.values())
    todo = brake.guard(run, todo)
    while todo:
        batch, todo = todo[: run.policy.batch], todo[run.policy.batch :]
        if run.clock.monotonic() > deadline:
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
    except TandemError as exc:
        _failed(run, intent, exc)
        return None


def _planned(intent: Intent) -> Entry:
    before = dict(intent.state or {}) if intent.kind != "create" else {}
    return Entry(
        "planned", intent.key, intent.side, {"kind": intent.kind, "want": dict(intent.want or {}), "before": before}
    )


def _effect(run: Run, parcel: Parcel) -> None:
    """Send one request and take in what is known of its outcome."""
    intent = parcel.intent
    try:
        if intent.kind == "create":
            done = _create(run, parcel)
        elif intent.kind == "write":
            done = _write(run, intent)
        else:
            done = _retire(run, intent)
    except OutcomeUnknown:
        return  # stays open until its effect is certain
    except TandemError as exc:
        run.session.close_intent(intent)
        _failed(run, intent, exc)
        return
    if done:
        run.session.close_intent(intent)


def _folder(run: Run, intent: Intent, state: State) -> str:
    folder = run.folders.id(intent.side, str(state["folder"]))
    if folder is None:
        raise Refused(f"the folder has no twin on {intent.side}; the message waits until it has", code="no_twin")
    return folder


def _create(run: Run, parcel: Parcel) -> bool:
    intent, state = parcel.intent, parcel.intent.state or {}
    assert parcel.message is not None
    made: Created = run.replicas[intent.side].create(
        parcel.message,
        folder=_folder(run, intent, state),
        read=bool(state["read"]),
        flag=state["flag"],  # type: ignore[arg-type]
        key=intent.key,
        mark=parcel.mark,
        permit=run.permit(intent),
    )
    if made.id is None:
        run.session.put_intent(replace(intent, settle_after=run.now() + run.policy.busy))
        return False
    link_copy(run, intent, made.id, made.listed, None if made.listed else _flag_of_copy(run, intent, made.id))
    return True


def _flag_of_copy(run: Run, intent: Intent, id: str) -> Flag | None:
    """A flag may take a request of its own after the create: only a read says whether the copy has it."""
    if (intent.state or {}).get("flag") == "none":
        return None
    try:
        item = run.read(intent.side, id)
    except Unavailable:
        item = None
    return item.flag if item is not None else "none"


def _write(run: Run, intent: Intent) -> bool:
    """Set the fields, if the target still shows what the write was planned on; then read it back."""
    link, side = run.session.link(intent.key), intent.side
    want, before = intent.want or {}, intent.state or {}
    if link is None:
        return True
    target = run.read(side, intent.target, run.policy.fresh)
    if target is None or any(run.state(side, target)[name] != value for name, value in before.items()):
        return _not_sent(run, intent, "changed meanwhile")
    if intent.because and not _still_trashed(run, link, other(side)):
        return _not_sent(run, intent, "no longer in the trash")
    changes = {**want, "folder": _folder(run, intent, want)} if "folder" in want else want
    run.forget(side, intent.target)
    partial = False
    try:
        id = run.replicas[side].write(target, changes, run.permit(intent))
    except (Refused, LeaseLost):
        partial, id = len(changes) > 1, intent.target
        if not partial:
            raise
    if id is None:
        moved = find_moved(run, link)
        if moved is None:
            return False
        id = moved.id
    return _read_back(run, intent, id)


def _read_back(run: Run, intent: Intent, id: str) -> bool:
    """The intent stays open when the target can't be read just now."""
    try:
        item = run.read(intent.side, id)
    except Unavailable:
        return False
    link = run.session.link(intent.key)
    if item is None or link is None:
        return link is None
    end = link.end(intent.side)
    fresh = link.with_end(intent.side, replace(end, id=id, missed=None, said=False))
    fresh = run.session.put_link(replace(confirmed(run, fresh, intent, item), waits="", tries=0))
    run.note(intent, "done", intent.side, want=dict(intent.want or {}))
    if any(run.state(intent.side, item)[name] != value for name, value in (intent.want or {}).items()):
        run.recheck(fresh, (intent.side,), run.now() + run.policy.retry)
    elif fresh.base != run.state(intent.side, item):
        run.recheck(fresh, (intent.side,))
    else:
        twin = run.peek(other(intent.side), fresh.end(other(intent.side)).id)
        if twin is not None and run.state(other(intent.side), twin) == fresh.base:
            run.rest(fresh)
    return True


def _still_trashed(run: Run, link: Link, side: Side) -> bool:
    item = run.read(side, link.end(side).id, run.policy.fresh)
    return item is not None and run.state(side, item)["folder"] == "trash"


def _not_sent(run: Run, intent: Intent, why: str) -> bool:
    run.note(intent, "refused", intent.side, why=why)
    postpone(run, intent, "", delay=0.0)
    return True


def _retire(run: Run, intent: Intent) -> bool:
    """Put our copy, whose original came late, into the trash: only as it was, and only while the original is there."""
    copy = run.read(intent.side, intent.target, run.policy.fresh)
    link = run.session.link(intent.key)
    stays = run.read(intent.side, link.end(intent.side).id) if link else None
    if copy is None or run.state(intent.side, copy) != intent.state or stays is None or not link:
        run.note(intent, "refused", intent.side, why="changed meanwhile")
        if copy is not None:
            run.wait(intent.side, copy, "copy", None)
        return True
    trash = run.folders.id(intent.side, "trash")
    if trash is None:
        return False
    run.forget(intent.side, intent.target)
    id = run.replicas[intent.side].write(copy, {"folder": trash}, run.permit(intent))
    after = run.read(intent.side, id) if id is not None else None
    if after is not None and run.state(intent.side, after)["folder"] != "trash":
        return False
    if after is not None:
        run.wait(intent.side, after, "copy", None)
    run.note(intent, "done", intent.side)
    return True


# ---- what could not be done
def _failed(run: Run, intent: Intent, exc: TandemError) -> None:
    """Nothing was done. Throttling and outages never count against the item."""
    if isinstance(exc, NotPermitted) and not isinstance(exc, NoClientPassword):
        run.stopped = exc
    reason = REASONS.get(type(exc)) or exc.code or type(exc).__name__
    run.note(intent, "refused", intent.side, why=reason)
    delay = exc.retry_after if exc.retry_after is not None else run.policy.retry
    if isinstance(exc, Stale):
        delay = 0.0
    elif type(exc) in REASONS or not exc.retryable:
        delay = run.policy.waits
    postpone(run, intent, reason, delay)


REASONS: dict[type[TandemError], str] = {
    TooLarge: "too large",
    MailboxFull: "mailbox full",
    NoClientPassword: "no client password",
}
"""Why an effect waits, in words that people see, and waits long: trying again soon would not help."""
