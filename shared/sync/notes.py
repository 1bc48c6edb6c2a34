"""Notes: nobody is left waiting without knowing. One unread message, inserted and never sent, in a mailbox of the pair
that can be written; in the trash once all is well again.

A note carries a key of ours, by which it is found again after a crash, and by which it is never copied across."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from shared.model.errors import LeaseLost, OutcomeUnknown, StoreUnavailable, TandemError
from shared.model.mail import Address, Item, Message, Trace
from shared.model.words import OUTLOOK, Side, other
from shared.ports.state import Table
from shared.sync.brake import APPROVAL
from shared.sync.brake import ROW as BRAKE_ROW
from shared.sync.folders import FolderMap
from shared.sync.lease import Leases
from shared.sync.ledger import Session
from shared.sync.note_texts import TEXTS
from shared.sync.rows import FAILING, NOTE
from shared.sync.run import Run
from shared.sync.troubles import BRAKE, DIRECTIONS, ITEM, RIGHTS, Trouble, load, put, trouble

AGAIN = 900.0
"""Seconds between two looks whether it is over, and between tries to insert a note."""

KEY = "tandem-note-"
UNDECIDED = ("copying", "time")
"""Reasons of items of which this run hasn't said what becomes of them."""


def is_note(key: str) -> bool:
    return key.startswith(KEY)


def keep_notes(run: Run, due: Iterable[str], deadline: float, barred: Side | None = None) -> None:
    """Act upon these rows that are due. `barred`: the side that may not be opened just now. What fails is tried again
    later: a note never keeps mail from its turn."""
    for name in sorted(name for name in due if name.startswith(NOTE)):
        value = run.session.value(name)
        if value is None or run.clock.monotonic() > deadline:
            continue
        try:
            _keep(run, load(value), barred)
        except (LeaseLost, StoreUnavailable):
            raise
        except TandemError:
            _later(run, load(run.session.value(name) or value))
        run.session.commit()


def tell_barred(run: Run, table: Table, partition: str, leases: Leases, deadline: float) -> None:
    """A mailbox of the pair may not be opened, so that the run ends: what it has collected is left, and of this alone
    people are told."""
    if run.barred is None:
        return
    session = Session(table, partition, leases, run.session.lease)
    folders = FolderMap.load(session.folder_rows())
    fresh = Run(run.pair, run.replicas, session, folders, run.identity, run.policy, run.clock, run.executor, run.labels)
    with suppress(TandemError):
        trouble(fresh, RIGHTS, run.barred)
        session.commit()
        keep_notes(fresh, session.due(fresh.now()), deadline, run.barred)
    run.session.lease = session.lease


def _later(run: Run, held: Trouble, after: float = AGAIN) -> None:
    put(run, replace(held, due=run.now() + after))


def _keep(run: Run, held: Trouble, barred: Side | None) -> None:
    holds = not held.over and _holds(run, held, barred)
    if held.until is not None:
        return _settle(run, held)
    if holds is None or (holds and held.id):
        return put(run, replace(held, due=None if held.cause == ITEM else run.now() + AGAIN))
    if holds:
        return _insert(run, held, barred)
    if held.id:
        return _trash(run, replace(held, over=True))
    return run.session.drop_folder(held.row)


def _holds(run: Run, held: Trouble, barred: Side | None) -> bool | None:
    """Does it still stand still? None when that can't be told now."""
    if not run.policy.notes:
        return False
    if held.cause == RIGHTS:
        return True if barred == held.side else None if barred else False
    if held.cause == BRAKE:
        return "held" in (run.session.value(BRAKE_ROW) or {}) and run.session.value(APPROVAL) is None
    if held.cause == ITEM:
        failing = run.session.value(FAILING + held.item)
        return failing is not None and failing["at"] is not None and not failing["left"]
    assert held.cause in DIRECTIONS
    return any(
        row.side == other(held.side) and row.reason in (held.cause, *UNDECIDED) for row in run.session.each_waiting()
    )


# ---- inserting
def _key(run: Run, held: Trouble) -> str:
    """The same for one cause from its beginning to its end."""
    return KEY + run.identity.hash("note", held.row, repr(held.since))


def _insert(run: Run, held: Trouble, barred: Side | None) -> None:
    first = other(held.side) if held.cause != BRAKE else OUTLOOK
    for side in (first, other(first)):
        folder = run.folders.id(side, "inbox")
        if side == barred or folder is None:
            continue
        with suppress(TandemError):
            mark = run.replicas[side].mark(folder)
            if _send(run, held, side, folder, mark):
                return
    _later(run, held)


def _send(run: Run, held: Trouble, side: Side, folder: str, mark: str) -> bool:
    """-> whether it was sent, perhaps. Before that the row says so, and a crash is settled by looking for the key."""
    now, key = run.now(), _key(run, held)
    message = _message(run, held, side, key, now)
    until = now + run.policy.settle(len(message.mime or b""))
    held = replace(held, on=side, at=now, mark=mark, until=until, due=until, missed=None)
    put(run, held)
    run.session.commit()
    replica, permit = run.replicas[side], run.permit_until(until)
    try:
        made = replica.create(message, folder=folder, read=False, flag="none", key=key, mark=mark, permit=permit)
    except OutcomeUnknown:
        return True
    except TandemError:
        put(run, replace(held, on=None, until=None, due=run.now() + AGAIN))
        run.session.commit()
        return False
    if made.id is not None and run.read(side, made.id) is not None:
        put(run, replace(held, id=made.id, until=None, due=None if held.cause == ITEM else run.now() + AGAIN))
    return True


def _settle(run: Run, held: Trouble) -> None:
    """Look for a note of which nobody knows whether it is there; twice in vain, and it may be inserted again."""
    now = run.now()
    if held.until is not None and now < held.until:
        return put(run, replace(held, due=held.until))
    item, pending = _look(run, held)
    if item is not None:
        return put(run, replace(held, id=item.id, until=None, missed=None, due=now))
    if pending or held.missed is None:
        return put(run, replace(held, missed=now, due=now + run.policy.reread))
    return put(run, replace(held, until=None, missed=None, on=None, due=now))


def _look(run: Run, held: Trouble) -> tuple[Item | None, bool]:
    assert held.on is not None
    key, folder = _key(run, held), run.folders.id(held.on, "inbox") or ""
    found = run.replicas[held.on].find(Trace(key, _message_id(key), held.at, folder, held.mark))
    return next(iter(found.items), None), found.pending


def _trash(run: Run, held: Trouble) -> None:
    """Until a read shows it there, or it is nowhere: what people did with it before stays as it is."""
    assert held.on is not None
    put(run, replace(held, due=run.now() + run.policy.busy))
    run.session.commit()
    item = run.read(held.on, held.id, run.policy.fresh) or _look(run, held)[0]
    trash = run.folders.id(held.on, "trash")
    if item is None or run.state(held.on, item)["folder"] == "trash" or trash is None:
        return run.session.drop_folder(held.row)
    run.forget(held.on, item.id)
    run.replicas[held.on].write(item, {"folder": trash}, run.permit_until(run.now() + run.policy.settle()))
    return put(run, replace(held, due=run.now() + run.policy.busy))


# ---- what it says
def _message(run: Run, held: Trouble, side: Side, key: str, at: float) -> Message:
    subject, text = _text(run, held)
    address = run.pair.address(side)
    mime = EmailMessage(policy=SMTP)
    mime["From"], mime["To"], mime["Subject"] = f"Tandem <{address}>", address, subject
    mime["Date"] = format_datetime(datetime.fromtimestamp(int(at), run.policy.zone))
    mime["Message-ID"] = f"<{_message_id(key)}>"
    mime.set_content(text)
    own, to = Address("Tandem", address), (Address("", address),)
    return Message(
        _message_id(key), subject, own, own, to, (), (), (), at, at, "", "", text, "", (), mime=mime.as_bytes()
    )


def _message_id(key: str) -> str:
    return f"{key}@tandem.invalid"


def _text(run: Run, held: Trouble) -> tuple[str, str]:
    texts = TEXTS.get(run.pair.language) or TEXTS["en"]
    subject, text = texts.get(held.cause) or texts[f"{held.cause} {held.side}"]
    facts = {"since": _clock(run, held.since), "sender": "-", "date": "-", "folder": "-"}
    if held.cause == ITEM:
        side: Side = other(held.side)
        item = run.read(side, held.source)
        if item is not None:
            paths = {folder.id: "/".join(folder.path) for folder in run.replicas[side].tree()}
            facts |= {"sender": item.sender, "date": _clock(run, item.received), "folder": paths.get(item.folder, "-")}
    return subject, text.format(**facts) + "\n"


def _clock(run: Run, at: float) -> str:
    return datetime.fromtimestamp(at, run.policy.zone).strftime("%Y-%m-%d %H:%M")
