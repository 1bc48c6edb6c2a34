"""Messages without a link: which message is which, and which get a copy.

In this order: the item of an open intent; a linked message that moved; a vanished side that is back; the late original
of our copy; a twin that came to both accounts; else a copy is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from shared.model.errors import Unavailable
from shared.model.links import End, Intent, Link, Waiting
from shared.model.mail import Item, Row
from shared.model.plans import State
from shared.model.shut import PASSWORD
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side, other
from shared.sync.carry import CARRYING
from shared.sync.folders import WATCHED
from shared.sync.labels import is_excluded
from shared.sync.notes import is_note
from shared.sync.observe import SEEN, adopt_moved, is_certain, may_be
from shared.sync.quarantine import is_set_aside
from shared.sync.run import Run
from shared.sync.settle import adopt

DAY = 86400.0
EXCLUDED, OLD = "excluded", "old"


def plan_unlinked(run: Run, due: Iterable[str], everything: bool = False) -> None:
    """Decide about every message without a link that is due, was shown or named: unless `everything` is wanted, about
    `Policy.most` on each side. The others are written down as seen, and due."""
    names = [row[2:].split(":", 1) for row in due if row.startswith("u:")]
    waiting: dict[Side, set[str]] = {side: {id for s, id in names if s == side} for side in SIDES}
    for side in SIDES:
        shown = {row.id for row in run.listed[side].values() if _recent(run, row.received)}
        ids = sorted(waiting[side]) + sorted((run.hinted[side] | shown) - waiting[side])
        run.session.prefetch_items((side, id) for id in ids)
        ids = [id for id in ids if _open(run, side, id, id in waiting[side] or id in run.hinted[side])]
        if not everything:
            for id in ids[run.policy.most :]:
                _put_off(run, side, id)
            ids = ids[: run.policy.most]
        likely = _likely_twins(run, side, ids)
        run.prefetch(other(side), likely.values())
        run.prefetch(side, likely)
        run.prefetch(side, ids, whole=True)
        for id in ids:
            if run.session.link_of(side, id) is None:
                _decide(run, side, id)


def _put_off(run: Run, side: Side, id: str) -> None:
    """Due from now on, under the identity that its row in a listing tells, by which a twin finds it before its turn."""
    row, shown, now = run.session.waiting(side, id), run.listed[side].get(id), run.now()
    if row is None and shown is not None and shown.message_id:
        known = run.folders.get(side, shown.folder)
        sent = known is not None and known.role == "sent"
        mid = run.identity.hash("message-id", shown.message_id)
        row = Waiting(side, id, mid, sent, shown.folder, now, SEEN)
    row = row or _unread(run, side, id)
    if row.due is None or row.due > now:
        run.session.put_waiting(replace(row, due=now))


def _likely_twins(run: Run, side: Side, ids: Iterable[str]) -> dict[str, str]:
    """By id of an old message, the one on the other side that it is probably linked with, and so not copied to."""
    there = {row.message_id: row.id for row in run.window[other(side)].values() if row.message_id}
    shown = run.window[side]
    found = {id: there[mid] for id in ids if id in shown and (mid := shown[id].message_id) in there}
    run.session.prefetch_items((other(side), id) for id in found.values())
    return {id: twin for id, twin in found.items() if run.session.link_of(other(side), twin) is None}


def _recent(run: Run, received: float) -> bool:
    """An older message without a link is never copied, and can be the twin of none that is."""
    return received >= run.pair.since - DAY


def _open(run: Run, side: Side, id: str, named: bool) -> bool:
    """Is there anything to decide about this id? A parked message that did not move is left alone."""
    if run.session.link_of(side, id) is not None:
        run.session.drop_waiting(side, id)
        return False
    row = run.session.waiting(side, id)
    if row is None or named:
        return True
    shown = run.listed[side].get(id)
    moved = shown is not None and (shown.folder != row.folder or is_readmitted(row.reason, shown))
    return moved or (row.due is not None and row.due <= run.now())


def is_readmitted(reason: str, shown: Row) -> bool:
    """Has a person taken away the category that kept this message from being copied?"""
    return reason == EXCLUDED and not is_excluded(shown.categories)


def _decide(run: Run, side: Side, id: str) -> None:
    try:
        item = run.read(side, id)
        if item is None:
            _missing(run, side, id)
        elif not item.draft:
            _place(run, side, item)
    except Unavailable:
        row = run.session.waiting(side, id) or _unread(run, side, id)
        run.session.put_waiting(replace(row, due=run.now() + run.policy.retry))


def _missing(run: Run, side: Side, id: str) -> None:
    """A message that was shown or named and is not found is given up after three looks a minute apart: given up
    wrongly, it would be missing when its twin is matched, and be doubled."""
    now = run.now()
    row = run.session.waiting(side, id) or _unread(run, side, id)
    if row.missed is not None and now - row.missed < run.policy.reread:
        return
    if row.misses + 1 >= LOOKS:
        run.session.drop_waiting(side, id)
        return
    run.session.put_waiting(replace(row, missed=now, misses=row.misses + 1, due=now + run.policy.reread))


LOOKS = 3


def _unread(run: Run, side: Side, id: str) -> Waiting:
    """A row for an id of which nothing is known yet; its identity is told when it can be read."""
    return Waiting(side, id, run.identity.hash("unread", side, id), False, "", run.now(), "unreadable")


def _place(run: Run, side: Side, item: Item) -> None:
    if is_note(item.key):
        return run.wait(side, item, "note", None)
    mid, sent, now = run.identity.mid(item), run.is_sent(side, item), run.now()
    intents = [*run.session.intents.values(), *run.todo.values()]
    for intent in intents:
        if (
            intent.kind == "create"
            and intent.side == side
            and item.key == intent.key
            and intent.id in run.session.intents
        ):
            if now >= intent.settle_after:
                return adopt(run, intent, item)
            return run.wait(side, item, "under way", intent.settle_after)
        if intent.kind == "create" and intent.side == other(side) and intent.source == item.id:
            reason = CARRYING if intent.large else "copying"
            return run.wait(side, item, reason, max(intent.settle_after, now + run.policy.busy))
        if intent.kind == "retire" and intent.target == item.id:
            return None
    creates = [i for i in intents if i.kind == "create" and i.mid == mid]
    if any(i.sent == sent or (i.side != side and _lost_its_source(run, i, item)) for i in creates):
        return run.wait(side, item, "under way", now + run.policy.busy)
    links = sorted(run.session.links_by(mid), key=lambda link: (link.sent != sent, link.key))
    if any(_is_moved(run, side, item, link) for link in links):
        return None
    if any(_is_extra(run, side, item, run.session.link(link.key) or link) for link in links):
        return None
    if _match(run, side, item, mid, sent):
        return None
    return _source(run, side, item, sent, bool(links))


def _lost_its_source(run: Run, intent: Intent, item: Item) -> bool:
    """Is `item` perhaps what is being copied, moved and so with another id? Taken for the sent or received counterpart
    of it, it would be copied again."""
    if intent.side == DINGTALK or intent.source_key != item.key or run.session.link_of(DINGTALK, intent.source):
        return False
    return run.read(DINGTALK, intent.source) is None


# ---- a linked message?
def _is_moved(run: Run, side: Side, item: Item, link: Link) -> bool:
    """Is this unlinked DingTalk message a linked one that has another id now? Only if the linked id is not found."""
    if side != DINGTALK or link.gone == side or not may_be(run, link, item):
        return False
    if run.busy(link.key):
        run.wait(side, item, "under way", run.now() + run.policy.busy)
        return True
    if run.read(DINGTALK, link.dingtalk.id, run.policy.fresh) is not None:
        return False
    if not is_certain(run, link, item):
        run.recheck(link, (DINGTALK,))
        run.wait(side, item, "under way", run.now() + run.policy.reread)
        return True
    adopt_moved(run, link, item)
    run.recheck(link)
    return True


def _is_extra(run: Run, side: Side, item: Item, link: Link) -> bool:
    """Is it a vanished side that is back, a copy of our copy, or the original of which we made a copy?"""
    if link.gone == side and run.is_source(side, item) and item.key in ("", link.key, link.end(side).key):
        copy = None if link.copy == side and not item.key else link.copy
        back = replace(link, gone=None, copy=copy).with_end(side, End(item.id, key=item.key))
        run.session.drop_waiting(side, item.id)
        run.session.put_link(back)
        run.recheck(back)
        return True
    if item.key == link.key:
        return _waits_as_copy(run, side, item, link)
    if link.copy == side and not item.key and link.gone != side and link.sent == run.is_sent(side, item):
        return _late_twin(run, side, item, link)
    return False


def _waits_as_copy(run: Run, side: Side, item: Item, link: Link) -> bool:
    """With the key of our copy it is a person's copy of it or, very rarely, our double. A double stands where ours was
    put and is left there. What stands elsewhere for a while is a person's, and crosses as a message of its own."""
    if run.folders.key(side, item.folder) == link.base["folder"] or not run.is_source(side, item):
        run.wait(side, item, "copy", None)
        return True
    row = run.session.waiting(side, item.id)
    until = (row.first if row else run.now()) + run.policy.unborn
    if run.now() < until:
        run.wait(side, item, "copy", until)
    return run.now() < until


def _late_twin(run: Run, side: Side, item: Item, link: Link) -> bool:
    """The original of our copy came after all: link it, and put our copy into the trash. Only while nobody has touched
    either and neither is in the trash; the message that stays is read before and after."""
    state = run.state(side, item)
    if state["folder"] == "trash" or link.base["folder"] == "trash":
        return False
    if run.busy(link.key):
        run.wait(side, item, "under way", run.now() + run.policy.busy)
        return True
    copy = run.read(side, link.end(side).id)
    if copy is not None and _was_filed(run, side, item, copy):
        return False
    there = run.read(other(side), link.end(other(side)).id)
    settled = copy and there and run.state(side, copy) == link.expected(side)
    settled = settled and there and run.state(other(side), there) == link.expected(other(side))
    if not copy or not settled:
        run.wait(side, item, "twin", run.now() + run.policy.reread)
        return True
    for shown in (run.state(side, copy), state):
        run.note(link, "overwritten", side, **shown)
    run.session.put_intent(
        Intent(
            link.key,
            "retire",
            side,
            link.mid,
            link.sent,
            target=copy.id,
            state=dict(link.base),
            settle_after=run.now(),
        )
    )
    base = _as_delivered(run, {side: state, other(side): link.base}, link.sent)
    relinked = replace(link, copy=None, base=base).with_end(side, End(item.id, due=run.now(), key=item.key))
    run.session.drop_waiting(side, item.id)
    run.session.put_link(relinked)
    run.note(link, "twin_late", side)
    run.recheck(relinked)
    return True


def _was_filed(run: Run, side: Side, item: Item, copy: Item) -> bool:
    """Is it a person's copy of `copy` that has lost our key, as it may in Outlook? It keeps the second of its receipt
    and is put into another folder; what is delivered comes to the inbox."""
    known = run.folders.get(side, item.folder)
    elsewhere = item.folder != copy.folder and (known is None or known.role != "inbox")
    return side == OUTLOOK and elsewhere and abs(item.received - copy.received) < 1.0


# ---- two items without a link
def _match(run: Run, side: Side, item: Item, mid: str, sent: bool) -> bool:
    """The same message came to both accounts (or was always in both): link the two, copy nothing."""
    twins = _candidates(run, other(side), mid, sent)
    if twins is None:
        run.wait(side, item, "twin unreadable", run.now() + run.policy.reread)
        return True
    twins = [twin for twin in twins if _may_match(run, side, item, twin, mid)]
    if not twins:
        return False
    twin = min(twins, key=lambda twin: _distance(run, side, item, twin))
    pair = {side: item, other(side): twin}
    states = {s: run.state(s, pair[s]) for s in SIDES}
    for s in SIDES:
        run.session.drop_waiting(s, pair[s].id)
    key = run.identity.key(OUTLOOK, pair[OUTLOOK].id)
    ends = {s: End(pair[s].id, due=run.now(), key=pair[s].key) for s in SIDES}
    link = Link(key, mid, sent, ends[DINGTALK], ends[OUTLOOK], _as_delivered(run, states, sent), written=run.now())
    run.session.put_link(link)
    run.note(link, "matched")
    return True


def _candidates(run: Run, side: Side, mid: str, sent: bool) -> list[Item] | None:
    """Unlinked messages of this identity; None when one of them can't be found or read just now."""
    ids = [row.id for row in run.session.waiting_by(mid, side) if row.reason not in ("copy", "unreadable")]
    ids += [id for id in _shown_unlinked(run, side, mid) if id not in ids]
    items: list[Item] = []
    for id in ids:
        if run.session.link_of(side, id) is not None or any(i.target == id for i in run.session.intents.values()):
            continue
        item = run.read(side, id)
        if item is None:
            if run.session.waiting(side, id) is not None:
                _missing(run, side, id)
                if run.session.waiting(side, id) is None:
                    continue
            return None
        if run.identity.mid(item) == mid and run.is_sent(side, item) == sent and not item.draft:
            items.append(item)
    return items


def _shown_unlinked(run: Run, side: Side, mid: str) -> list[str]:
    """Ids in this round's rows with this identity; rows without a Message-ID say nothing of theirs."""
    return [
        row.id
        for row in {**run.window[side], **run.listed[side]}.values()
        if row.message_id and _recent(run, row.received) and run.identity.hash("message-id", row.message_id) == mid
    ]


def _may_match(run: Run, side: Side, item: Item, twin: Item, mid: str) -> bool:
    """A message in the trash is matched only if neither carries a key and no link has its identity. A link whose
    DingTalk id is lost comes first: the twin may be that message, moved."""
    lost = (link.dingtalk for link in run.session.links_by(mid) if side == OUTLOOK and link.gone != DINGTALK)
    if any(end.key == twin.key and run.read(DINGTALK, end.id) is None for end in lost):
        return False
    trash = "trash" in (run.state(side, item)["folder"], run.state(other(side), twin)["folder"])
    return not trash or not (item.key or twin.key or run.session.links_by(mid))


def _distance(run: Run, side: Side, item: Item, twin: Item) -> tuple[object, ...]:
    """A live folder beats junk and trash, then the same folder, the nearest date, the nearest size."""
    mine, theirs = run.state(side, item)["folder"], run.state(other(side), twin)["folder"]
    sizes = abs((item.size or 0) - (twin.size or 0))
    return theirs in WATCHED, mine != theirs, abs(item.received - twin.received), sizes, twin.id


def _as_delivered(run: Run, states: dict[Side, State], sent: bool) -> State:
    """The base of a first match: the item as it was delivered, so that nobody's later act is undone by the other side's
    silence. Junk was a filter's doing if only one side is in it."""
    junk = [state for state in states.values() if state["folder"] == "junk"]
    folder = "sent" if sent else "junk" if len(junk) == 1 else "inbox"
    return {"read": sent, "flag": "none", "folder": folder, "categories": ""}


# ---- a copy
def _source(run: Run, side: Side, item: Item, sent: bool, known: bool) -> None:
    """A message that was never seen before: does it get a copy, now or later?"""
    if not run.is_source(side, item):
        folder = run.folders.get(side, item.folder)
        if folder is None:
            return run.wait(side, item, "folder", run.now() + run.policy.waits)
        return run.wait(side, item, folder.role or "scope", None)
    if is_excluded(item.categories):
        return run.wait(side, item, EXCLUDED, None)
    if item.received < run.pair.since:
        return run.wait(side, item, OLD, None)
    if run.folders.id(other(side), run.folders.key(side, item.folder)) is None:
        run.folders.need(other(side), run.folders.key(side, item.folder), run.session)
        return run.wait(side, item, "folder", run.now() + run.policy.waits)
    if is_set_aside(run, side, item):
        return None
    row = run.session.waiting(side, item.id)
    if not sent and not known and run.pair.addresses(other(side)).intersection(item.recipients):
        until = (row.first if row else run.now()) + run.policy.hold
        if run.now() < until:
            return run.wait(side, item, "held", until)
    if run.shut and other(side) == DINGTALK:
        return run.wait(side, item, PASSWORD, None)
    return plan_create(run, side, item, run.identity.key(side, item.id))


def plan_create(run: Run, side: Side, item: Item, key: str, attempts: int = 1) -> None:
    """Plan a copy of `item` (which stands on `side`) on the other side. A copy in DingTalk is made without a flag and
    without categories: setting them takes requests of their own, so it is a change of state like any other, with an
    intent of its own."""
    state = dict(run.state(side, item))
    if other(side) == DINGTALK:
        state |= {"flag": "none", "categories": ""}
    intent = Intent(
        key,
        "create",
        other(side),
        run.identity.mid(item),
        run.is_sent(side, item),
        source=item.id,
        source_key=item.key,
        state=state,
        received=item.received,
        attempts=attempts,
    )
    run.todo[intent.id] = intent
    run.wait(side, item, "copying", run.now())
