"""`tandem backfill`: bring over the mail from before the pair was added."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from shared.cli.common import PairName, Yes, clock, console, epoch, find, product

if TYPE_CHECKING:
    from shared.model.pairs import Pair
    from shared.sync.backfill import Progress as Standing
    from shared.sync.backfill_preview import Foreseen
    from shared.wiring.product import Product

EVERY = 2.0
"""Seconds between two looks at how far it is."""


def backfill(
    pair: PairName,
    since: Annotated[str | None, typer.Option(help="How far back, such as 2024-01-01. Default: everything.")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only say what would come over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The preview as JSON, for scripts; nothing begins.")] = False,
    yes: Yes = False,
) -> None:
    """Bring over mail from before the pair was added, both ways, newest first. What both sides hold is linked, not
    copied. It goes on without this command, and after a crash."""
    start = epoch(since) if since else 0.0
    with product() as built:
        held = find(built.pairs, pair)
        if start > built.table.now():
            raise typer.BadParameter("lies in the future: everything before it is old mail", param_hint="--since")
        if not (preview or as_json):
            built.desk.check_backfill(held)
        if as_json:
            print(json.dumps(facts(built.desk.foresee(held, start, lambda count: None)), indent=1))
            return
        with console.status("Listing both mailboxes …") as spinner:
            seen = built.desk.foresee(held, start, lambda count: spinner.update(f"{count} messages listed …"))
        _show(seen)
        _warn(built, held, seen)
        if preview or not (seen.twins or any(copied.total() for copied in seen.copied.values())):
            return
        if not yes:
            typer.confirm("Bring these messages over?", abort=True)
        built.desk.backfill(held, start, seen.total)
        console.print(f"It has begun. How far it is: `tandem status`, for pair {held.id}.")
        if console.is_terminal:
            _watch(built, held)


def facts(seen: Foreseen) -> dict[str, Any]:
    """`bytes` are None where the vendor shows no sizes, `free` always: no vendor tells how much room is left."""
    return {
        "total": seen.total,
        "copied": {side: dict(copied) for side, copied in seen.copied.items()},
        "bytes": seen.bytes,
        "free": None,
        "twins": seen.twins,
        "linked": seen.linked,
        "left": dict(seen.left),
        "outside": seen.outside,
        "sampled": seen.sampled,
        "too_large": seen.large,
        "requests": {name: round(count) for name, count in asdict(seen.asked).items()},
        "hours": round(seen.seconds / 3600, 2),
    }


def _show(seen: Foreseen) -> None:
    table = Table("from", "folder", "messages to copy", box=None)
    for side, copied in seen.copied.items():
        for place, count in sorted(copied.items()):
            table.add_row(side, escape(place), str(count))
    if table.row_count:
        console.print(table)
    else:
        console.print("No message has to be copied.")
    for side, size in seen.bytes.items():
        if count := seen.copied[side].total():
            told = "of unknown size" if size is None else f"about {size / 1e6:.1f} MB, reckoned from a sample"
            console.print(f"{count} from {side}: {told}")
    console.print(f"{seen.twins} messages stand on both sides or twice, and are linked where they are the same")
    console.print(f"{seen.linked} messages are in step already")
    for reason, count in sorted(seen.left.items()):
        console.print(f"{count} will not come: {WHY.get(reason, reason)}")
    for side, places in seen.outside.items():
        for place in sorted(places):
            console.print(f"{escape(place)} of {side} will not come: the folder is left out")
    if seen.large:
        console.print(
            f"{seen.large} of {seen.sampled} that were looked at are too large to come: a stub will stand for each"
        )
    asked = seen.asked
    console.print(
        f"It takes about {asked.graph:.0f} requests to Microsoft, {asked.alimail:.0f} to Alimail and {asked.imap:.0f}"
        f" commands of IMAP: {_span(seen.seconds)} at least, within the vendors' limits"
    )
    console.print("Neither vendor tells how much room is left in a mailbox: see to it before you begin")


def _span(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{max(1.0, seconds / 60):.0f} minutes"


def _warn(built: Product, pair: Pair, seen: Foreseen) -> None:
    """What will keep some of it waiting."""
    from shared.wiring.replicas import password_name

    if pair.paused:
        console.print(f"The pair is paused: nothing comes until `tandem pair resume {pair.id}`")
    if (count := seen.copied["outlook"].total()) and not built.secrets.get(password_name(pair.id)):
        console.print(
            f"Without a client password nothing can be put into DingTalk: the {count} from outlook wait until"
            f" `tandem pair password {pair.id}`; the other way is not held up"
        )


def _watch(built: Product, pair: Pair) -> None:
    """Until it has ended; whoever stops this command stops nothing else."""
    from shared.wiring.world import SystemClock

    waiting = SystemClock()
    columns = (TextColumn("{task.description}"), BarColumn())
    try:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("old mail", total=1.0)
            while (standing := built.desk.status(pair).backfill) is not None:
                told = figures(standing, built.table.now())
                bar.update(task, description=line(told), completed=told["share"])
                if standing.ended is not None:
                    return
                waiting.sleep(EVERY)
    except KeyboardInterrupt:
        console.print(f"It goes on without this command. `tandem pair pause {pair.id}` holds it up.")


def figures(standing: Standing, now: float) -> dict[str, Any]:
    """For status. `share`: from 0 to 1; `rate`: messages per second; `left`: seconds, None where that can't be told."""
    ended = standing.ended
    spent = max(1.0, (ended or now) - standing.began)
    rate = standing.passed / spent
    share = 1.0 if ended else min(0.99, standing.passed / standing.total) if standing.total else 0.0
    missing = max(0, (standing.total or 0) - standing.passed)
    return {
        "state": "ended" if ended else "checking" if standing.passes else "running",
        "since": standing.since,
        "began": standing.began,
        "ended": ended,
        "position": standing.position,
        "total": standing.total,
        "passed": standing.passed,
        "share": round(share, 4),
        "rate": round(rate, 3),
        "left": round(missing / rate) if rate and standing.total and not ended else None,
    }


def line(facts: dict[str, Any]) -> str:
    if facts["state"] == "ended":
        return f"all over since {clock(facts['ended'])}"
    if facts["state"] == "checking":
        return "all over; looking once more for what was moved meanwhile"
    left = "" if facts["left"] is None else f", about {facts['left'] / 60:.0f} min left"
    return f"{facts['passed']} of {facts['total']} messages, {facts['rate']:.1f} a second{left}"


WHY = {
    "excluded": "their category keeps them from being copied",
    "junk": "they are in junk",
    "trash": "they are in the trash",
    "folder": "their folder has no part in the pair",
}
