"""While nobody can sign in to DingTalk by IMAP nothing new can be put there. What is to be copied stands aside then,
without a due time, so that thousands of messages cost nothing; state and the other direction go on.

Once somebody can sign in again, DingTalk's folders are listed and what stood aside is due again, a page at a time: it
is linked where it has come there meanwhile, else copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

from shared.model.errors import NoClientPassword, StoreUnavailable, TandemError
from shared.model.links import Intent, Waiting
from shared.model.shut import EXPIRED, MISSING, OFF, PASSWORD, REFUSED, Why, why
from shared.model.words import DINGTALK, OUTLOOK
from shared.sync.rows import NOTE, SHUT, waiting_row
from shared.sync.run import Run
from shared.sync.troubles import trouble

CAUSES: Mapping[Why, str] = {
    MISSING: PASSWORD,
    REFUSED: "client password refused",
    EXPIRED: "client password expired",
    OFF: "IMAP off",
}
"""Of each why, the cause of which people are told."""

AGAIN = 900.0
"""Seconds between two looks whether another password is kept, or a server that takes none takes one now."""
FOLDERS = 5
"""Folders that are listed in one round."""
PAGE = 20
"""Messages that are made due in one round: live ones are looked at after each."""


@dataclass(frozen=True, slots=True)
class Shut:
    """`since`: epoch seconds. `opened`: somebody could sign in, and DingTalk's folders were listed up to `folder`; once
    all were `listed`, what stood aside is made due, so far up to the row `after`."""

    why: Why
    since: float
    opened: bool = False
    folder: str = ""
    listed: bool = False
    after: str = ""
    due: float | None = None


def shut_of(value: Mapping[str, Any] | None) -> Shut | None:
    return Shut(**value) if value else None


def _held(run: Run) -> Shut | None:
    return shut_of(run.session.value(SHUT))


def _put(run: Run, held: Shut, due: float) -> None:
    run.session.put_folder(SHUT, asdict(held), due)


def stand_aside(run: Run, intent: Intent, refusal: NoClientPassword) -> bool:
    """Nothing was sent. -> whether it stands aside now: a message whose copy vanished waits as its link does."""
    now, word, held = run.now(), why(refusal.code), _held(run)
    run.shut = word
    if held is None or held.opened or held.why != word:
        since = held.since if held and not held.opened else now
        _put(run, Shut(word, since), now + AGAIN)
        _ask_notes(run)
        trouble(run, CAUSES[word], DINGTALK, since=since)
    row = run.session.waiting(OUTLOOK, intent.source)
    if row is None or run.session.link(intent.key) is not None:
        return False
    run.session.put_waiting(replace(row, reason=PASSWORD, due=None))
    return True


def stands(run: Run, cause: str) -> bool:
    """Is this why nobody can sign in now?"""
    held = _held(run)
    return held is not None and not held.opened and CAUSES[held.why] == cause


def open_again(run: Run, due: set[str], asked: bool, look: Callable[[list[str]], None]) -> bool:
    """If it is time, or somebody `asked`, see whether anybody can sign in; `look` lists these folders of DingTalk.
    -> whether another round is wanted for it."""
    held = _held(run) if SHUT in due or asked else None
    if held is None or not (held.opened or _opens(run, held)):
        return False
    if not held.opened:
        run.shut, held = None, replace(held, opened=True)
        _ask_notes(run)
    if not held.listed:
        rest = sorted(id for id in run.folders.ids(DINGTALK) if id > held.folder)
        if rest:
            look(rest[:FOLDERS])
            _put(run, replace(held, folder=rest[:FOLDERS][-1]), run.now())
            return True
    return _release(run, replace(held, listed=True))


def _opens(run: Run, held: Shut) -> bool:
    inbox = run.folders.id(DINGTALK, "inbox")
    if inbox is None:
        _put(run, held, run.now() + AGAIN)
        return False
    try:
        run.replicas[DINGTALK].mark(inbox)
    except NoClientPassword as refusal:
        word = run.shut = why(refusal.code)
        _put(run, replace(held, why=word), run.now() + AGAIN)
        if word != held.why:
            _ask_notes(run)
            trouble(run, CAUSES[word], DINGTALK, since=held.since)
        return False
    except StoreUnavailable:
        raise
    except TandemError as exc:
        _put(run, held, run.now() + (exc.retry_after or run.policy.retry))
        return False
    return True


def _release(run: Run, held: Shut) -> bool:
    """One page; -> whether there may be another. Of it the one that has waited longest is due first."""
    asides = (row for row in run.session.waiting_after(OUTLOOK, held.after) if _stands_aside(row))
    rows = list(islice(asides, PAGE))
    for row in rows:
        run.session.put_waiting(replace(row, due=row.first))
    if len(rows) < PAGE:
        run.session.drop_folder(SHUT)
    else:
        _put(run, replace(held, after=waiting_row(OUTLOOK, rows[-1].id)), run.now())
    run.session.commit()
    return len(rows) == PAGE


def _stands_aside(row: Waiting) -> bool:
    return row.reason == PASSWORD and row.due is None


def _ask_notes(run: Run) -> None:
    """Notes about this may have to go: they are due."""
    for cause in CAUSES.values():
        name = f"{NOTE}{cause}:{DINGTALK}"
        note = run.session.value(name)
        if note is not None:
            run.session.put_folder(name, note, run.now())
