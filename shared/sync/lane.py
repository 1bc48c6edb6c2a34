"""What a run does about large messages that carriers are at: takes in what became of them, and sees to those that
nobody carries."""

from __future__ import annotations

from dataclasses import replace

from shared.model.errors import Refused, TandemError, TooLarge, Unavailable
from shared.model.links import Intent
from shared.model.mail import Item
from shared.model.words import other
from shared.sync.carry import Carry
from shared.sync.effects import failed
from shared.sync.large import with_stub
from shared.sync.run import Run
from shared.sync.settle import is_missing, link_copy

LOST = "lost_on_the_way"
"""The code of a message whose carriers came to nothing without a word, as when they died of it."""


def look_after(run: Run) -> None:
    """Every open intent for a large message; each that needs something is committed on its own."""
    for intent in sorted((i for i in run.session.intents.values() if i.large), key=lambda i: i.id):
        try:
            changed = _look_after(run, intent)
        except TandemError as exc:
            if not exc.retryable:
                raise
            run.session.put_intent(replace(intent, settle_after=run.now() + run.policy.retry))
            changed = True
        if changed:
            run.session.commit()


def _look_after(run: Run, intent: Intent) -> bool:
    """-> whether anything was written."""
    carry, now = Carry.load(run.session.carry(intent)), run.now()
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
        run.session.put_intent(replace(intent, settle_after=now + run.policy.lease))
        run.call_carrier(intent)
    return True


def _refused(run: Run, intent: Intent, exc: TandemError) -> None:
    """Nothing was done. What is too large gets a stub in this round; all else is tried again, ever later."""
    run.session.close_intent(intent)
    if not isinstance(exc, TooLarge):
        return failed(run, intent, _later(run, intent, exc))
    if (planned := with_stub(run, intent)) is not None:
        run.todo[planned.id] = planned
    return None


def _settle(run: Run, intent: Intent) -> None:
    """Its carrier is gone without a word: look for the copy before anybody carries it again."""
    if is_missing(run, intent, _source(run, intent)):
        lost = Refused("a large message was lost on its way again and again", code=LOST)
        failed(run, intent, _later(run, intent, lost))


def _source(run: Run, intent: Intent) -> Item | None:
    try:
        return run.read(other(intent.side), intent.source)
    except Unavailable:
        return None


def _later(run: Run, intent: Intent, exc: TandemError) -> TandemError:
    """A large message costs more to try than a small one: the pauses grow."""
    if exc.retry_after is None and (exc.retryable or exc.code == LOST):
        link, row = run.session.link(intent.key), run.session.waiting(other(intent.side), intent.source)
        tries = row.tries if row is not None else link.tries if link is not None else 0
        exc.retry_after = min(run.policy.retry * 2.0**tries, run.policy.waits)
    return exc
