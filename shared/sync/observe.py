"""Observing: which ids to look at, and what a read by id says of each side of a link.

Streams and listings say which ids to look at; what is there is said only by a read by id in this run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from shared.model.errors import Unavailable
from shared.model.links import End, Link
from shared.model.mail import Changes, Item, Trace
from shared.model.plans import Observation
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side, other
from shared.sync.plan import observe
from shared.sync.rows import sweep_row
from shared.sync.run import Run, found_again
from shared.sync.sweep import Sweep

SEEN = "seen"
"""Why a message without a link waits that is one of many which came at once."""
SLOWEST = 3600.0
"""The longest pause between two reads of an item that is not found and that nobody said was removed."""


def take(run: Run, side: Side, changes: Changes, began: float) -> None:
    """Remember what a stream showed. An id that one round shows both present and removed is read."""
    if changes.folders is not None:
        run.trees[side] = (changes.folders, began)
    run.listed[side].update({row.id: row for row in changes.rows})
    _take_removed(run, side, changes)
    if changes.complete:
        _take_absences(run, side, changes)


def _take_removed(run: Run, side: Side, changes: Changes) -> None:
    """That a message left a folder where both sides agree it isn't is no news: our own move of it, most likely."""
    removed = sorted(changes.removed)
    run.session.prefetch_items((side, id) for _, id in removed)
    for folder, id in removed:
        link = run.session.link_of(side, id)
        if (
            link is None
            or link.waits
            or link.unsure
            or run.busy(link.key)
            or run.folders.key(side, folder) == link.base["folder"]
        ):
            run.removed[side].add(id)


def _take_absences(run: Run, side: Side, changes: Changes) -> None:
    """A folder was listed wholly: an item of ours that should be in it and was not shown is as good as said removed."""
    keys = {run.folders.key(side, folder) for folder in changes.complete}
    shown = {row.id for row in changes.rows}
    for link in run.session.links():
        id = link.end(side).id
        if link.base["folder"] in keys and id not in shown and link.gone != side:
            run.removed[side].add(id)


def touched(run: Run, due: Iterable[str]) -> list[Link]:
    """The links that are due, or that something was said about, in a stable order."""
    ids = [(side, id) for side in SIDES for id in sorted({*run.listed[side], *run.removed[side], *run.hinted[side]})]
    run.session.prefetch_items(ids)
    found = [run.session.link(row[2:]) for row in due if row.startswith("l:")]
    found += [run.session.link_of(side, id) for side, id in ids]
    return list({link.key: link for link in found if link}.values())


def put_off(run: Run, links: Iterable[Link]) -> tuple[list[Link], list[Link]]:
    """-> those to look at in this round, and those left for the next ones: of links that have to be read, all beyond
    `Policy.most`. These are due, with what the streams said of them, so that a round is over before its lease is."""
    now, left = run.now(), run.policy.most
    chosen, later = list[Link](), list[Link]()
    for link in links:
        sides = [side for side in SIDES if _must_read(run, link, side, now)]
        if not sides or left > 0:
            chosen.append(link)
        else:
            later.append(link)
            for side in sides:
                link = _sighted(run, link, side)
            if any(link.end(side).due is None or link.end(side).due > now for side in sides):  # type: ignore[operator]
                run.recheck(link, sides)
        left -= bool(sides)
    return chosen, later


def prefetch(run: Run, links: Iterable[Link]) -> None:
    """Read in one go what `look` will ask for."""
    now = run.now()
    for side in SIDES:
        run.prefetch(side, [link.end(side).id for link in links if _must_read(run, link, side, now)])


def _must_read(run: Run, link: Link, side: Side, now: float) -> bool:
    end = link.end(side)
    if link.gone == side:
        return False
    due = end.due is not None and end.due <= now
    row = run.listed[side].get(end.id)
    differs = row is not None and run.state(side, row) != link.expected(side)
    return due or differs or end.id in run.removed[side] or end.id in run.hinted[side]


def look(run: Run, link: Link, side: Side, force: bool = False) -> Observation:
    """What one side of a link shows. Unavailable when it has to be read and can't be."""
    if link.gone == side:
        return Observation("gone", link.base)
    link = _sighted(run, link, side)
    end = link.end(side)
    if not force and not _must_read(run, link, side, run.now()):
        if end.id in run.listed[side]:
            if end.due is not None and end.missed is None:
                run.session.put_link(link.with_end(side, replace(end, due=None)))
            return Observation("kept", link.expected(side))
        return Observation("unknown", link.base)
    item = run.read(side, end.id)
    if item is None:
        return absent(run, link, side)
    state = run.state(side, item)
    if state["folder"] == "trash" != link.base["folder"] and run.folders.swallowed(side, item.folder, end.placed):
        run.note(link, "overwritten", side, field="folder", value="trash")
        run.session.put_link(replace(run.recheck(link), base={**link.base, "folder": "trash"}))
        return Observation("edited", state)
    done = state == link.expected(side)
    if end.due is not None or end.missed is not None or end.said:
        run.session.put_link(link.with_end(side, found_again(end, None if done else end.due)))
    return observe(link.base, state)


def _sighted(run: Run, link: Link, side: Side) -> Link:
    """Set `seen` and `said` from what this side's own stream shows in this round."""
    end = link.end(side)
    removed = end.id in run.removed[side]
    shown = end.id in run.listed[side] or removed or (side == DINGTALK and end.id in run.hinted[side])
    fresh = replace(end, seen=end.seen or shown, said=end.said or removed)
    return run.session.put_link(link.with_end(side, fresh)) if fresh != end else link


def absent(run: Run, link: Link, side: Side) -> Observation:
    """A read by id said "not found"."""
    nowhere = False
    if side == DINGTALK:
        candidates = _candidates(run, link)
        moved = _adopt_one(run, link, candidates or ())
        if moved is not None:
            return observe(link.base, run.state(DINGTALK, moved))
        nowhere = candidates == []
    link = run.session.link(link.key) or link
    end, now = link.end(side), run.now()
    first = end.missed if end.missed is not None else now
    if now - first < run.policy.reread:
        return _again(run, link, side, replace(end, missed=first), first + run.policy.reread)
    if (side == OUTLOOK and end.said) or (nowhere and is_swept(run, first)):
        return Observation("gone", link.base)
    if side == OUTLOOK and not end.seen:
        if now - link.written < run.policy.unborn:
            return _again(run, link, side, replace(end, missed=first), link.written + run.policy.unborn)
        return _unborn(run, link)
    return _again(run, link, side, replace(end, missed=first), now + min(SLOWEST, now - first))


def _again(run: Run, link: Link, side: Side, end: End, due: float) -> Observation:
    """Nothing is known yet. A due time is pushed back only here: by back-off."""
    run.session.put_link(link.with_end(side, replace(end, due=due)))
    return Observation("unknown", link.base)


def _unborn(run: Run, link: Link) -> Observation:
    """Nowhere by id; nowhere by key and identity either? Found elsewhere, it is the same item."""
    source = run.read(link_source(link), link.end(link_source(link)).id)
    if source is not None:
        side = other(link_source(link))
        folder = run.folders.id(side, str(link.base["folder"])) or ""
        found = run.replicas[side].find(Trace(link.key, source.message_id, source.received, folder))
        for item in found.items:
            if run.session.link_of(side, item.id) is None:
                run.remember(side, {item.id: item})
                run.session.put_link(link.with_end(side, End(item.id, key=item.key)))
                return observe(link.base, run.state(side, item))
    return Observation("unborn", link.base)


def link_source(link: Link) -> Side:
    """The side that holds the original of our copy."""
    return other(link.copy) if link.copy else OUTLOOK


def is_swept(run: Run, missed: float) -> bool:
    """Have two complete sweeps begun since a read first missed an item? It was read, and so there, after our last write
    to it, or that read would have been the first."""
    proves = Sweep.load(run.session.value(sweep_row(DINGTALK))).proves
    return proves is not None and proves >= missed


def _candidates(run: Run, link: Link) -> list[Item] | None:
    """Messages that may be the linked one under another id; None where it isn't known what to look for."""
    trace = _trace_of(run, link)
    if trace is None:
        return None
    found = run.replicas[DINGTALK].find(trace)
    return [item for item in found.items if may_be(run, link, item)]


def find_moved(run: Run, link: Link) -> Item | None:
    """After a move a DingTalk message may have another id: one that is unlinked, has the same identity and carries the
    same key (or none, if the lost one had none) is the same message."""
    return _adopt_one(run, link, _candidates(run, link) or ())


def _adopt_one(run: Run, link: Link, candidates: Iterable[Item]) -> Item | None:
    for item in candidates:
        if is_certain(run, link, item) and _is_free(run, item):
            run.remember(DINGTALK, {item.id: item})
            adopt_moved(run, link, item)
            return item
    return None


def may_be(run: Run, link: Link, item: Item) -> bool:
    """May this be the linked message under another id? It has the same identity, the same mark or none, and was not
    seen before beside the linked one: then it is another message, like the sent and the received copy of one mail."""
    row = run.session.waiting(DINGTALK, item.id)
    known = row is not None and row.reason not in UNJUDGED
    return not known and item.key == link.dingtalk.key and run.identity.mid(item) == link.mid


def is_certain(run: Run, link: Link, item: Item) -> bool:
    """A received message that may be a sent one, or the other way round, is more likely its counterpart: only if the
    linked id was missed twice."""
    link = run.session.link(link.key) or link
    missed = link.dingtalk.missed
    twice = missed is not None and run.now() - missed >= run.policy.reread
    return twice or run.is_sent(DINGTALK, item) == link.sent


UNJUDGED = ("under way", "unreadable", SEEN)
"""Reasons of waiting items of which nobody has said yet which message they are."""


def _is_free(run: Run, item: Item) -> bool:
    taken = run.session.link_of(DINGTALK, item.id)
    return taken is None and not any(i.target == item.id for i in run.session.intents.values())


def adopt_moved(run: Run, link: Link, item: Item) -> Link:
    link = run.session.link(link.key) or link
    run.session.drop_waiting(DINGTALK, item.id)
    run.note(link, "moved", DINGTALK)
    return run.session.put_link(link.with_end(DINGTALK, End(item.id, key=item.key)))


def _trace_of(run: Run, link: Link) -> Trace | None:
    """What the lost message can be found by, read from its twin."""
    if link.gone == OUTLOOK:
        return None
    try:
        twin = run.read(OUTLOOK, link.outlook.id)
    except Unavailable:
        return None
    if twin is None:
        return None
    folder = run.folders.id(DINGTALK, str(link.base["folder"])) or ""
    return Trace("", twin.message_id, twin.received, folder)
