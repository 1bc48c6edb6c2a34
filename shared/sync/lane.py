"""What a run does about large messages that carriers are at: takes in what became of them, and sees to those that
nobody carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shared.model.errors import Refused, TandemError, TooLarge, Unavailable
from shared.model.links import Intent
from shared.model.mail import Item
from shared.model.words import other
from shared.sync.carry import Carry
from shared.sync.effects import failed
from shared.sync.large import ask, with_stub
from shared.sync.postpone import postpone
from shared.sync.quarantine import refused
from shared.sync.run import Run
from shared.sync.settle import is_missing, link_copy

LOST = "lost_on_the_way"
"""The code of a message whose carriers came to nothing without a word, as when they died of it."""


def look_after(run: Run) -> None:
    """Every open intent for a large message; each that needs something is committed on its own. The next one's turn
    comes when none is under way: one of a pair at a time, the newest first."""
    intents = [intent for intent in run.session.intents.values() if intent.large]
    if not intents:
        return
    rows = run.session.carried()
    carries = {intent.id: Carry.load(rows.get(intent.id)) for intent in intents}
    for intent in sorted(intents, key=lambda one: one.id):
        try:
            changed = _look_after(run, intent, carries[intent.id])
        except TandemError as exc:
            if not exc.retryable:
                raise
            run.session.put_intent(replace(intent, settle_after=run.now() + run.policy.retry))
            changed = True
        if changed:
            run.session.commit()
    _ask_for_next(run, [intent for intent in run.session.intents.values() if intent.large], carries)


def _ask_for_next(run: Run, intents: list[Intent], carries: Mapping[str, Carry]) -> None:
    waiting = [intent for intent in intents if intent.settle_after > run.now() + run.policy.lease]
    if waiting and all(intent in waiting and carries[intent.id].is_free for intent in intents):
        ask(run, max(waiting, key=lambda one: (one.received, one.id)))
        run.session.commit()


def _look_after(run: Run, intent: Intent, carry: Carry) -> bool:
    """-> whether anything was written."""
    now = run.now()
    if carry.id is not None:
        link_copy(run, replace(intent, settle_after=now + run.policy.settle()), carry.id, carry.listed)
    elif carry.error:
        _refused(run, intent, carry.refusal)
    elif carry.holder and now < carry.certain:
        if intent.settle_after == carry.certain or now < intent.settle_after < carry.certain:
            return False
        run.session.put_intent(replace(intent, settle_after=carry.certain))
    elif now < intent.settle_after and not (carry.holder and intent.missed is None):
        return False
    elif carry.holder:
        _settle(run, intent)
    else:
        ask(run, intent)
    return True


def _refused(run: Run, intent: Intent, exc: TandemError) -> None:
    """Nothing was done. What is too large gets a stub in this round; all else is tried again, ever later."""
    run.session.close_intent(intent)
    if not isinstance(exc, TooLarge):
        if exc.retryable and exc.retry_after is None:
            exc.retry_after = _pause(run, intent)
        return failed(run, intent, exc)
    if (planned := with_stub(run, intent)) is not None:
        run.todo[planned.id] = planned
    return None


def _settle(run: Run, intent: Intent) -> None:
    """Its carrier is gone without a word: look for the copy before anybody carries it again."""
    if not is_missing(run, intent, _source(run, intent)):
        return
    lost = Refused("a large message was lost on its way again and again", code=LOST)
    if not refused(run, intent, lost, LOST):
        postpone(run, intent, LOST, _pause(run, intent))


def _source(run: Run, intent: Intent) -> Item | None:
    try:
        return run.read(other(intent.side), intent.source)
    except Unavailable:
        return None


def _pause(run: Run, intent: Intent) -> float:
    """A large message costs more to try than a small one: the pauses grow."""
    link, row = run.session.link(intent.key), run.session.waiting(other(intent.side), intent.source)
    tries = row.tries if row is not None else link.tries if link is not None else 0
    return min(run.policy.retry * 2.0**tries, run.policy.waits)
