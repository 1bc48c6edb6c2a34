"""An item that keeps being refused is put aside, so that it costs nothing more; a person says when to try it again.

Only what concerns the item itself counts: a full mailbox, a missing password, throttling and outages never do. An error
of the vendor does when it meets this copy while others are made. What is put aside stays where it is on both sides.
Everything else of the pair goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from shared.model.errors import Refused, TandemError
from shared.model.links import Intent, Link
from shared.model.mail import Item
from shared.model.metrics import SET_ASIDE
from shared.model.words import Side, other
from shared.ports.state import Op, Table
from shared.sync.ledger import Entry
from shared.sync.rows import ASKED, FAILING, LINK, STUB, after, waiting_row
from shared.sync.run import Run
from shared.sync.troubles import ITEM, trouble

TRIES, SPAN = 5, 3600.0
"""How often, and over how many seconds at least: a vendor's bad quarter of an hour is over by then, and with the pause
after a refusal (`Policy.waits`) the fifth try is the one an hour after the first."""

QUARANTINED, LEFT = "quarantined", "left alone"
"""Why such an item waits: until somebody asks; for good."""

RETRY, DROP = "retry", "drop"
"""What can be asked."""

TOO_LARGE = "too large"
"""Why, where a stub stands in the message's place."""
FAILS = "the vendor fails on this message"
"""Why a message is put aside that met nothing but errors of the vendor."""

WAITS = "no_twin"
"""The code of a refusal that is no fault of the message: its folder isn't there yet."""


@dataclass(frozen=True, slots=True)
class Failing:
    """An item whose effect on `side` is refused. `row`: its own row, a link's or a waiting item's; `source`: its id on
    the other side; `kind` of effect; `why`: a word of ours or the vendor's code; `since`: the first refusal, `last` the
    latest one that counted, and `tries` so far; `at`: when it was put aside, None before; `left`: for good."""

    row: str
    kind: str
    side: Side
    source: str
    why: str
    since: float
    tries: int = 1
    at: float | None = None
    left: bool = False
    last: float = 0.0


def refused(run: Run, intent: Intent, exc: TandemError, why: str) -> bool:
    """Count this refusal; -> whether the item was put aside over it."""
    if not isinstance(exc, Refused) or exc.scope != "item" or exc.retryable or exc.code == WAITS:
        return False
    return _counted(run, intent, why)


def failed_alone(run: Run, intent: Intent) -> bool:
    """Count this copy, which met an error of the vendor, if another one was made on that side since it last did; so
    an outage, in which everything fails, puts nothing aside. -> whether the item was."""
    old = _failing(run, _row(run, intent)[0])
    alone = old is not None and run.session.lease.copied.get(intent.side, 0.0) > old.last
    if intent.kind != "create" or (old is not None and not alone):
        return False
    return _counted(run, intent, FAILS, 1 if alone else 0)


def _row(run: Run, intent: Intent) -> tuple[str, str]:
    """The row of its item, and its id on the other side."""
    link = run.session.link(intent.key)
    source = link.end(other(intent.side)).id if link else intent.source
    return (LINK + link.key if link else waiting_row(other(intent.side), source)), source


def _counted(run: Run, intent: Intent, why: str, tries: int = 1) -> bool:
    row, source = _row(run, intent)
    waits = row.startswith(LINK) or run.session.waiting(other(intent.side), source) is not None
    if intent.kind == "retire" or not waits:
        return False
    old, now = _failing(run, row), run.now()
    failing = old or Failing(row, intent.kind, intent.side, source, why, now, tries=0)
    since = failing.since if failing.tries else now
    failing = replace(failing, why=why, since=since, last=now, tries=failing.tries + tries)
    if failing.tries >= TRIES and now - failing.since >= SPAN:
        failing = replace(failing, at=now)
    run.session.put_beside(intent.mid, row, FAILING + row, asdict(failing))
    if failing.at is None:
        return False
    _park(run, failing, QUARANTINED, tries=failing.tries)
    run.note(intent, QUARANTINED, intent.side, why=why)
    trouble(run, ITEM, failing.side, row, source)
    _tell(run)
    return True


def stand_aside(run: Run, link: Link, intent: Intent) -> None:
    """What crossed only stands for the original, which was too large. It counts as put aside until somebody asks; the
    stub tells people by itself, without a note."""
    row, now = STUB + link.key, run.now()
    failing = Failing(row, intent.kind, intent.side, intent.source, TOO_LARGE, now, at=now)
    run.session.put_beside(link.mid, row, FAILING + row, asdict(failing))
    run.note(intent, QUARANTINED, intent.side, why=TOO_LARGE)
    _tell(run)


def is_original_wanted(run: Run, link: Link) -> bool:
    """Has somebody asked that the original of this stub be tried again?"""
    return _answered(run, STUB + link.key, link.mid) is None


def is_set_aside(run: Run, side: Side, item: Item) -> bool:
    """Is this message without a link not to be copied now? Then its row says so."""
    row = run.session.waiting(side, item.id)
    failing = _answered(run, waiting_row(side, item.id), row.mid) if row is not None and row.tries else None
    if failing is None:
        return False
    run.wait(side, item, LEFT if failing.left else QUARANTINED, None)
    return True


def is_link_set_aside(run: Run, link: Link) -> bool:
    """Is no step of this link to be taken now?"""
    return link.waits in (QUARANTINED, LEFT) and _answered(run, LINK + link.key, link.mid) is not None


def rest_aside(run: Run, link: Link) -> None:
    """Nothing of it is due any more."""
    failing = _failing(run, LINK + link.key)
    if failing is not None:
        _park(run, failing, LEFT if failing.left else QUARANTINED, link.tries)


def failed_before(run: Run, intents: Iterable[Intent]) -> set[str]:
    """The ids of those whose item met errors before: what goes together with it may meet them too."""
    rows = {intent.id: FAILING + _row(run, intent)[0] for intent in intents}
    run.session.prefetch(rows.values())
    return {id for id, row in rows.items() if run.session.value(row) is not None}


def _failing(run: Run, row: str) -> Failing | None:
    value = run.session.value(FAILING + row)
    return failing_of(value) if value else None


def _answered(run: Run, row: str, mid: str) -> Failing | None:
    """What stands aside by now, after what a person has asked for it; None when it is to be tried."""
    run.session.prefetch((FAILING + row, ASKED + row))
    failing, asked = _failing(run, row), (run.session.value(ASKED + row) or {}).get("what")
    if failing is None or failing.at is None or asked is None:
        return failing if failing is not None and failing.at is not None else None
    run.session.drop_beside(mid, row, ASKED + row)
    run.session.end_note(row)
    run.session.note(mid, Entry(f"{asked} asked", row.removeprefix(LINK), failing.side, {"why": failing.why}))
    if asked == DROP:
        failing = replace(failing, left=True)
        run.session.put_beside(mid, row, FAILING + row, asdict(failing))
    else:
        run.session.drop_beside(mid, row, FAILING + row)
    _tell(run)
    return failing if asked == DROP else None


def _park(run: Run, failing: Failing, reason: str, tries: int) -> None:
    link = run.session.link(failing.row.removeprefix(LINK)) if failing.row.startswith(LINK) else None
    if link is not None:
        for side, end in (("dingtalk", link.dingtalk), ("outlook", link.outlook)):
            link = link.with_end(side, replace(end, due=None))  # type: ignore[arg-type]
        run.session.put_link(replace(link, waits=reason, tries=tries))
    elif (row := run.session.waiting(other(failing.side), failing.source)) is not None:
        run.session.put_waiting(replace(row, reason=reason, due=None, tries=tries))


def _tell(run: Run) -> None:
    """How many stand aside now."""
    rows = [failing_of(value) for value in run.session.prefixed(FAILING).values() if value]
    run.telemetry.gauge(SET_ASIDE, sum(row.at is not None and not row.left for row in rows), pair=run.pair.id)


# ---- for people
def set_aside(table: Table, partition: str) -> Iterator[Failing]:
    """What stands aside, whether for good or until somebody asks."""
    for entity in table.scan(partition, FAILING, after(FAILING)):
        failing = failing_of(entity.value)
        if failing.at is not None:
            yield failing


def failing_of(value: Mapping[str, Any]) -> Failing:
    return Failing(**value)


def ask(table: Table, partition: str, failing: Failing, what: str) -> None:
    """Have the next run that looks at it act upon this. Needs no lease."""
    table.transact(partition, [Op("put", ASKED + failing.row, {"what": what, "at": table.now()})])
