"""Settling open intents: what became of an effect whose outcome is unknown, and linking what it made."""

from __future__ import annotations

from dataclasses import replace

from shared.model.errors import TandemError, Unavailable
from shared.model.links import End, Intent, Link
from shared.model.mail import Found, Item, Trace
from shared.model.words import DINGTALK, Side, other
from shared.sync.ledger import Entry
from shared.sync.observe import find_moved
from shared.sync.quarantine import failed_alone, stand_aside
from shared.sync.run import Run

PENDING = 30.0
"""How long to wait for the listing of a message that one entrance of the vendor already shows."""


def settle(run: Run) -> None:
    """Look after every open intent whose effect is certain by now; each is committed on its own. For those of
    large messages see lane.py."""
    for intent in sorted(run.session.intents.values(), key=lambda i: i.id):
        if intent.large or run.now() < intent.settle_after:
            continue
        try:
            SETTLERS[intent.kind](run, intent)
        except TandemError as exc:
            if not exc.retryable:
                raise
            run.session.put_intent(replace(intent, settle_after=run.now() + run.policy.retry))
        run.session.commit()


def settle_create(run: Run, intent: Intent) -> None:
    """Found, it is linked; not there: again."""
    source = _read_or_none(run, other(intent.side), intent.source)
    if is_missing(run, intent, source):
        _give_up_or_again(run, intent, source)


def is_missing(run: Run, intent: Intent, source: Item | None) -> bool:
    """Look by key in every folder, trash included, and link what is found; -> whether two looks a minute apart found
    nothing, and the intent was closed over it."""
    found = _find(run, intent, source)
    free = [item for item in found.items if run.session.link_of(intent.side, item.id) is None]
    if free:
        adopt(run, intent, free[0])
        return False
    if found.pending or intent.missed is None:
        missed, delay = (intent.missed, PENDING) if found.pending else (run.now(), run.policy.reread)
        run.session.put_intent(replace(intent, missed=missed, settle_after=run.now() + delay))
        return False
    run.session.close_intent(intent)
    run.session.note(intent.mid, _entry(intent, "not found"))
    return True


def _give_up_or_again(run: Run, intent: Intent, source: Item | None) -> None:
    """The source is looked at anew: it may have moved, changed or gone since; if it still wants a copy, it gets one,
    unless the vendor fails on it alone."""
    side = other(intent.side)
    if source is not None:
        run.wait(side, source, "copying", run.now())
    if (row := run.session.waiting(side, intent.source)) is not None:
        run.session.put_waiting(replace(row, due=run.now(), tries=row.tries + 1))
    if (link := run.session.link(intent.key)) is not None:
        run.recheck(link)
    failed_alone(run, intent)


def _find(run: Run, intent: Intent, source: Item | None) -> Found:
    folder = run.folders.id(intent.side, str((intent.state or {}).get("folder", ""))) or ""
    mid = source.message_id if source else ""
    return run.replicas[intent.side].find(Trace(intent.key, mid, intent.received, folder, intent.mark))


def _read_or_none(run: Run, side: Side, id: str) -> Item | None:
    try:
        return run.read(side, id)
    except Unavailable:
        return None


def adopt(run: Run, intent: Intent, item: Item) -> None:
    """The item of an intent was found: link it with the state it was made with."""
    link_copy(run, intent, item.id, listed=True)
    run.recheck(run.session.link(intent.key), (intent.side,))  # type: ignore[arg-type]


def link_copy(run: Run, intent: Intent, id: str, listed: bool) -> Link:
    """Our copy stands as `id`: close the intent and link the two in one commit."""
    side, now = intent.side, run.now()
    old = run.session.link(intent.key)
    due = None if listed else now + run.policy.echo
    copy = End(id, seen=listed, due=due, key=intent.key, placed=sent_at(run, intent))
    source = End(intent.source, due=now + run.policy.again, key=intent.source_key)
    ends = {side: copy, other(side): source}
    link = Link(
        intent.key,
        intent.mid,
        intent.sent,
        ends["dingtalk"],
        ends["outlook"],
        dict(intent.state or {}),
        side,
        made=(old.made if old else 0) + 1,
        written=now,
        stub=intent.stub,
    )
    run.session.close_intent(intent)
    run.session.drop_waiting(side, id)
    run.session.drop_waiting(other(side), intent.source)
    if old is not None:
        run.session.close_link(old)
    run.session.put_link(link)
    if intent.stub:
        stand_aside(run, link, intent)
    elif old is not None and old.stub:
        _retire_stub(run, old)
    run.session.note(intent.mid, _entry(intent, "done"))
    run.session.copied(side)
    run.mirrored(intent)
    return link


def _retire_stub(run: Run, old: Link) -> None:
    """The original came across after all: what stood for it goes into the trash."""
    side = old.copy or DINGTALK
    stub, state = old.end(side).id, dict(old.base)
    run.session.put_intent(
        Intent(old.key, "retire", side, old.mid, old.sent, target=stub, state=state, settle_after=run.now())
    )


def sent_at(run: Run, intent: Intent) -> float:
    """About when its request left; never earlier than it did."""
    return intent.settle_after - run.policy.settle()


def settle_write(run: Run, intent: Intent) -> None:
    """Read the target: what it shows of the write moves the base, what it doesn't is in doubt."""
    link = run.session.link(intent.key)
    if link is None:
        return run.session.close_intent(intent)
    item = run.read(intent.side, link.end(intent.side).id)
    if item is None and intent.side == DINGTALK:
        item = find_moved(run, link)
    if item is None:
        return _unseen_write(run, intent, link)
    link = run.session.link(intent.key) or link
    run.session.put_link(replace(confirmed(run, link, intent, item), unsure=_doubt(link, intent)))
    run.session.close_intent(intent)
    run.session.note(intent.mid, _entry(intent, "settled"))
    run.recheck(link)
    return None


def _doubt(link: Link, intent: Intent) -> tuple[str, ...]:
    return tuple(sorted({*link.unsure, *(intent.want or {})}))


def _unseen_write(run: Run, intent: Intent, link: Link) -> None:
    """A target that can't be read keeps its intent open until it is found, or missed twice a minute apart."""
    now = run.now()
    first = intent.missed if intent.missed is not None else now
    patience = run.policy.unborn if intent.side == DINGTALK else run.policy.reread
    if now - first < patience:
        return run.session.put_intent(replace(intent, missed=first, settle_after=now + run.policy.retry))
    run.session.close_intent(intent)
    run.session.note(intent.mid, _entry(intent, "target not found"))
    run.session.put_link(replace(link, unsure=_doubt(link, intent)))
    run.recheck(link)
    return None


def confirmed(run: Run, link: Link, intent: Intent, item: Item) -> Link:
    """A read after our write: what it shows moves the base; what it does not show is in doubt."""
    state, want = run.state(intent.side, item), intent.want or {}
    done = {name for name, value in want.items() if state[name] == value}
    if done:
        run.mirrored(intent)
    base = {**link.base, **{name: want[name] for name in done}}
    unsure = (set(link.unsure) - done) | (want.keys() - done)
    if "folder" in done:
        link = link.with_end(intent.side, replace(link.end(intent.side), placed=sent_at(run, intent)))
    return replace(link, base=base, unsure=tuple(sorted(unsure)))


def settle_retire(run: Run, intent: Intent) -> None:
    """Our copy whose original came late: still where it was, it goes into the trash (again); else it stays."""
    item = run.read(intent.side, intent.target)
    if item is None and intent.missed is None:
        later = run.now() + run.policy.reread
        return run.session.put_intent(replace(intent, missed=run.now(), settle_after=later))
    if item is not None and run.folders.key(intent.side, item.folder) == (intent.state or {})["folder"]:
        run.todo[intent.id] = replace(intent, attempts=intent.attempts + 1)
        return None
    run.session.close_intent(intent)
    run.session.note(intent.mid, _entry(intent, "settled"))
    if item is not None:
        run.wait(intent.side, item, "copy", None)
    return None


def _entry(intent: Intent, what: str) -> Entry:
    return Entry(what, intent.key, intent.side, {"kind": intent.kind, "attempts": intent.attempts})


SETTLERS = {"create": settle_create, "write": settle_write, "retire": settle_retire}
