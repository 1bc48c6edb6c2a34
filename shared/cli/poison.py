"""`tandem poison …`: messages that kept failing are looked at and given back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from shared.cli.common import FAILED, clock, complaints, console, product

if TYPE_CHECKING:
    from shared.ports.state import Poisoned

app = typer.Typer(help="Messages that kept failing: what they were about, and giving them back.", no_args_is_help=True)

SHOWN = ("pair", "cause", "event", "poll", "subscribe", "people")
"""Members of a message that are ids or words of ours; nothing else of it is shown."""


@app.command("list")
def list_poison() -> None:
    """The messages that were given up, 32 of each queue at most."""
    from shared.sync.service import QUEUES

    with product() as built:
        rows = [(name, message) for name in QUEUES for message in built.queue.poisoned(name)]
        table = Table("queue", "message", "since", "about", box=None)
        for name, message in rows:
            table.add_row(*map(escape, (name, message.id, clock(message.inserted), _about(message))))
        console.print(table if rows else "There are none.")


@app.command()
def replay(
    queue: Annotated[str, typer.Argument(help="The queue that it came from, such as work.")],
    message: Annotated[str, typer.Argument(help="Its id, as listed; or `all`.")],
) -> None:
    """Give a message back to its queue, once what it failed on is mended."""
    from shared.sync.service import QUEUES

    if queue not in QUEUES:
        complaints.print(f"There is no queue of this name: give one of {', '.join(QUEUES)}.")
        raise typer.Exit(FAILED)
    with product() as built:
        door, count = built.queue, 0
        wanted = [message] if message != "all" else [one.id for one in door.poisoned(queue)]
        for id in wanted:
            door.replay(queue, id)
            count += 1
        console.print(f"{count} given back to {queue}.")


def _about(message: Poisoned) -> str:
    try:
        value = json.loads(message.body)
    except ValueError:
        return "no JSON"
    if not isinstance(value, dict):
        return "no JSON object"
    return ", ".join(f"{name} {value[name]}" for name in SHOWN if name in value)
