"""What can't be done now is due again; nothing is forgotten."""

from __future__ import annotations

from dataclasses import replace

from shared.model.links import Intent, Link
from shared.model.words import SIDES, other
from shared.sync.run import Run


def postpone(run: Run, intent: Intent, reason: str, delay: float | None = None) -> None:
    """Its link, or its source, is due again; nothing is forgotten."""
    delay = run.policy.retry if delay is None else delay
    if intent.kind == "retire":
        run.session.put_intent(replace(intent, settle_after=run.now() + max(delay, run.policy.busy)))
        return
    link = run.session.link(intent.key)
    if link is not None:
        link = run.session.put_link(replace(link, waits=reason, tries=link.tries + 1))
        _due_later(run, link, delay)
    elif (row := run.session.waiting(other(intent.side), intent.source)) is not None:
        tries = row.tries + 1
        run.session.put_waiting(replace(row, reason=reason or row.reason, due=run.now() + delay, tries=tries))


def _due_later(run: Run, link: Link, delay: float) -> None:
    """Back-off: the one place beside a missing item where a due time moves back."""
    for side in SIDES:
        end = link.end(side)
        if link.gone != side and end.missed is None:
            link = link.with_end(side, replace(end, due=run.now() + delay))
    run.session.put_link(link)
