"""`tandem status`, `plan` and `approve`: how pairs stand, what a run would do, and what the brake holds."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from shared.cli.backfill import figures, line
from shared.cli.common import PairName, clock, console, find, product
from shared.model.shut import MISSING, PASSWORD, REMEDIES, TEXTS

if TYPE_CHECKING:
    from shared.model.pairs import Pair
    from shared.sync.desk import Planned, Status

FEW = 20
"""Items that are shown unless all are asked for."""

All = Annotated[bool, typer.Option("--all", help="Show every item.")]


def status(as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False) -> None:
    """How every pair stands. The JSON holds ids, counts, codes and times only."""
    from shared.sync.schedule import interval

    with product() as built:
        pairs = built.pairs.list()
        now, has_password = built.table.now(), built.people.has_password
        least = built.settings.rhythm.every(now)
        domains = Counter(pair.mail_domain for pair in pairs if not pair.paused)
        every = {pair.id: interval(domains[pair.mail_domain], least) for pair in pairs}
        told = [(pair, _told(pair, built.desk.status(pair), has_password(pair), now, every[pair.id])) for pair in pairs]
        app = built.service.app_status()
        if as_json:
            callbacks = asdict(app.callbacks) if app.callbacks else None
            facts = {"pairs": [facts for _, facts in told], "poisoned": app.poisoned, "callbacks": callbacks}
            print(json.dumps(facts, indent=1))
            return
        for pair, facts in told:
            console.print(f"[bold]{escape(pair.name)}[/bold] ({pair.id}): {facts['state']}")
            for name, text in _lines(pair, facts):
                console.print(f"  {name:<12} {escape(text)}")
        for queue, count in app.poisoned.items():
            if count:
                console.print(f"{count} messages of queue {queue} kept failing: see `tandem poison list`.")
        if app.callbacks and app.callbacks.clock_off is not None:
            console.print(f"This machine's clock seems {app.callbacks.clock_off:g} s off: set it.")
        if not told:
            console.print("There is no pair yet: see `tandem pair add --help`.")


def _told(pair: Pair, status: Status, has_password: bool, now: float, every: float) -> dict[str, Any]:
    """`every`: seconds between two looks at it."""
    from shared.sync.sweep import duration, rest

    brake, shut = status.brake, _shut(status, has_password)
    return {
        "pair": pair.id,
        "state": "paused" if pair.paused else _state(status, shut),
        "paused_why": pair.paused_why,
        "links": status.links,
        "gone": status.gone,
        "read_elsewhere": status.read_elsewhere,
        "waiting": dict(Counter(row.reason for row in status.waiting)),
        "held_back": dict(Counter(link.waits for link in status.held_back)),
        "quarantined": sum(not failing.left for failing in status.set_aside),
        "left_alone": sum(failing.left for failing in status.set_aside),
        "open_intents": status.open_intents,
        "sweep": {
            "ended": status.sweep.ended,
            "took": status.sweep.took or None,
            "takes": status.sweep.took or duration(status.links, status.folders, every),
            "every": max(rest(every), status.sweep.took, duration(status.links, status.folders, every)),
            "pages": status.sweep.pages,
        },
        "last_run": status.ended,
        "last_error": status.error,
        "next_due": status.next_due,
        "one_way": shut,
        "brake": {"since": brake.since, "removals": len(brake.links), "hash": brake.hash} if brake else None,
        "backfill": figures(status.backfill, now) if status.backfill else None,
    }


def _shut(status: Status, has_password: bool) -> dict[str, Any] | None:
    """Why nothing new can be put into DingTalk, since when, and how much waits for that."""
    waits = sum(row.reason == PASSWORD for row in status.waiting)
    if not has_password:
        return {"why": MISSING, "since": status.shut.since if status.shut else None, "waiting": waits}
    if status.shut is None or status.shut.opened:
        return None
    return {"why": status.shut.why, "since": status.shut.since, "waiting": waits}


def _state(status: Status, shut: dict[str, Any] | None) -> str:
    if status.brake:
        return "brake"
    if status.ended is None:
        return "starting"
    if status.error:
        return "trouble"
    return "one way" if shut else "running"


def _lines(pair: Pair, facts: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [("paused", PAUSED.get(facts["paused_why"], facts["paused_why"]))] if facts["paused_why"] else []
    lines += [("in step", f"{facts['links']} messages"), ("last run", clock(facts["last_run"]))]
    sweep = facts["sweep"]
    ended = f"the last one ended {clock(sweep['ended'])}" if sweep["ended"] else "none has ended yet"
    takes, every = _span(sweep["takes"]), _span(sweep["every"])
    lines.append(("full sweep", f"takes about {takes}, one in {every}; {ended}"))
    if facts["last_error"]:
        lines.append(("it failed", facts["last_error"]))
    if facts["one_way"]:
        lines.append(("one way", _one_way(pair, facts["one_way"])))
    if facts["brake"]:
        lines.append(
            ("brake", f"holds {facts['brake']['removals']} removals: see them with `tandem approve {pair.id}`")
        )
    if facts["quarantined"]:
        text = f"{facts['quarantined']} kept being refused: see them with `tandem quarantine list {pair.id}`"
        lines.append(("quarantined", text))
    for name, key in (("waiting", "waiting"), ("held back", "held_back")):
        if facts[key]:
            lines.append((name, ", ".join(f"{count} {reason}" for reason, count in sorted(facts[key].items()))))
    if facts["backfill"]:
        lines.append(("old mail", line(facts["backfill"])))
    if facts["gone"]:
        lines.append(("gone", f"{facts['gone']} vanished from one side and are kept on the other"))
    if facts["read_elsewhere"]:
        text = f"{facts['read_elsewhere']} ask for a receipt, and stay unread on the side where reading would send it"
        lines.append(("unread", text))
    if facts["open_intents"]:
        lines.append(("under way", str(facts["open_intents"])))
    return lines


def _one_way(pair: Pair, shut: dict[str, Any]) -> str:
    since = f"since {clock(shut['since'])} " if shut["since"] else ""
    remedy = REMEDIES[shut["why"]].replace("tandem pair password", f"tandem pair password {pair.id}")
    return f"{since}nothing new goes to DingTalk, {shut['waiting']} messages wait: {TEXTS[shut['why']]}; {remedy}"


def plan(pair: PairName, everything: All = False) -> None:
    """What a run would do now, item by item. Reads both mailboxes and writes nothing anywhere."""
    with product() as built:
        held = find(built.pairs, pair)
        preview = built.desk.preview(held)
        _items(preview.steps, everything)
        waits = Counter(row.reason for row in preview.waiting)
        for reason, count in sorted(waits.items()):
            console.print(f"{count} would wait: {reason}")
        if not preview.steps:
            console.print("There is nothing to do.")


def approve(
    pair: PairName,
    everything: All = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Let the removals that the brake holds go on: exactly those shown, and none that come later."""
    with product() as built:
        held = find(built.pairs, pair)
        shown, steps = built.desk.held(held)
        if shown is None:
            console.print("The brake holds nothing.")
            return
        console.print(f"The brake has held {len(shown.links)} removals since {clock(shown.since)}:")
        _items(steps, everything)
        if not yes:
            typer.confirm(f"Move these {len(shown.links)} messages to the trash on the other side?", abort=True)
        console.print(f"{built.desk.approve(held, shown.hash)} removals go on.")


def _items(steps: list[Planned] | tuple[Planned, ...], everything: bool) -> None:
    if not steps:
        return
    table = Table("on", "what", "message of", "from", "subject", box=None)
    for step in steps if everything else steps[:FEW]:
        item = step.item
        told = (clock(item.received), item.sender, item.subject) if item else ("-", "-", "-")
        table.add_row(*map(escape, (step.side, _what(step), *told)))
    console.print(table)
    if not everything and len(steps) > FEW:
        console.print(f"… and {len(steps) - FEW} more: --all shows them.")


def _what(step: Planned) -> str:
    if step.item is None and step.kind in FOLDER_WORDS:
        return f"{step.kind} {step.folder}{''.join(FOLDER_WORDS[step.kind] + str(v) for v in step.want.values())}"
    if step.kind == "create":
        return f"copy into {step.folder}"
    changes = ", ".join(WORDS.get((name, value), f"{name} {value}") for name, value in step.want.items())
    return f"{changes} (held)" if step.held else changes or step.kind


def _span(seconds: float) -> str:
    minutes = max(1, math.ceil(seconds / 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


PAUSED = {
    "left": "the person has left the organisation in DingTalk",
    "moving": "moved to another place; there `tandem move arrive` lets it go on",
}
FOLDER_WORDS = {"make folder": "", "rename folder": " to ", "move folder": " below ", "delete folder": ""}
WORDS = {
    ("read", True): "mark read",
    ("read", False): "mark unread",
    ("folder", "trash"): "move to the trash",
    ("flag", "none"): "take the flag off",
}
