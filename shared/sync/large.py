"""Which messages are too large for a run, and what a run does with them: it hands them over to a carrier, or lets a
stub stand for what can't be carried at all."""

from __future__ import annotations

from dataclasses import replace

from shared.model.links import Intent, Link
from shared.model.words import other
from shared.sync.carry import CARRYING
from shared.sync.quarantine import stand_aside
from shared.sync.run import Run

IN_TURN = 86400.0
"""Seconds after which one that waits for its turn is due in any case."""


def weigh(run: Run, intent: Intent) -> Intent | None:
    """As what is known of its source's size makes it: as it was, as a large one, which a carrier is to fetch, or as a
    stub. None when there is nothing to do: its stub stays."""
    if intent.stub:
        return intent
    item = run.peek(other(intent.side), intent.source)
    size = item.size or 0 if item is not None else 0
    if size > run.policy.largest:
        return with_stub(run, intent)
    return replace(intent, large=True) if size > run.policy.large else intent


def hand_over(run: Run, intent: Intent) -> None:
    """Write the intent for a carrier, and ask for one unless the pair has a large message under way: then its turn
    comes (lane.py). Its source rests."""
    intent = replace(intent, large=True, settle_after=run.now() + IN_TURN, missed=None)
    is_first = not any(one.large and one.id != intent.id for one in run.session.intents.values())
    row = run.session.waiting(other(intent.side), intent.source)
    if row is not None:
        run.session.put_waiting(replace(row, reason=CARRYING, due=intent.settle_after))
    if is_first:
        ask(run, intent)
    else:
        run.session.put_intent(intent)


def ask(run: Run, intent: Intent) -> None:
    """Ask for a carrier; once more if none has come for as long as a lease lasts."""
    intent = replace(intent, settle_after=run.now() + run.policy.lease)
    run.session.put_intent(intent)
    run.call_carrier(intent)


def with_stub(run: Run, intent: Intent) -> Intent | None:
    """An intent for a stub of what can't be carried. None when there is one: it stays, and is put aside again."""
    link = run.session.link(intent.key)
    if link is not None and link.stub and _is_there(run, link, intent):
        stand_aside(run, link, intent)
        run.recheck(link)
        return None
    return replace(intent, large=False, stub=True, mark="", missed=None)


def _is_there(run: Run, link: Link, intent: Intent) -> bool:
    return run.read(intent.side, link.end(intent.side).id) is not None
