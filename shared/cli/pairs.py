"""`tandem pair …`: people are added, looked at, paused and removed."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from shared.cli.common import FAILED, PairName, Yes, clock, complaints, console, epoch, find, product

if TYPE_CHECKING:
    from shared.model.pairs import Pair
    from shared.ops.pairing import Proposal

app = typer.Typer(help="The people whose two mailboxes are kept the same.", no_args_is_help=True)

Stdin = Annotated[bool, typer.Option("--client-password-stdin", help="Read the client password from standard input.")]


@app.command()
def add(
    name: Annotated[str, typer.Option(help="What the pair is called here.")],
    outlook: Annotated[str, typer.Option(metavar="ADDRESS", help="The Outlook mailbox; a shared one will do.")],
    dingtalk: Annotated[str, typer.Option(metavar="ADDRESS", help="The DingTalk mailbox.")],
    union_id: Annotated[str, typer.Option(metavar="ID", help="The person's unionId in DingTalk.")] = "",
    since: Annotated[
        str, typer.Option(metavar="DATE", help="Copy mail received from then on, such as 2026-11-01; default: now.")
    ] = "",
    exclude_folder: Annotated[
        list[str] | None,
        typer.Option(metavar="FOLDER", help="Leave out this folder, such as A/B, and all below; repeatable."),
    ] = None,
    client_password_stdin: Stdin = False,
    yes: Yes = False,
) -> None:
    """Put a person's two mailboxes in step. Shows whose they are and asks."""
    from shared.model.pairs import Pair

    start = epoch(since) if since else None
    with product() as built:
        start, id = math.floor(built.table.now()) if start is None else start, built.people.new_id()
        pair = Pair(id, name, outlook, dingtalk, start, union_id, exclude_folders=tuple(exclude_folder or ()))
        proposal = built.people.propose(pair)
        _show(proposal)
        if proposal.refusals:
            raise typer.Exit(FAILED)
        if not yes:
            typer.confirm("Keep these two the same?", abort=True)
        secret = _password(client_password_stdin, optional=True)
        built.people.add(proposal.pair, secret)
        console.print(f"Added as {id}.")
        if not secret:
            console.print(f"Until `tandem pair password {id}` is given, nothing is copied from Outlook to DingTalk.")


def _show(proposal: Proposal) -> None:
    from shared.ops.pairing import NAMES

    for side, owner in proposal.owners.items():
        kind = "a shared mailbox, " if owner.shared else ""
        console.print(f"{NAMES[side]:<9} {escape(owner.name or '(name unknown)')}, {kind}{escape(owner.address)}")
    console.print(f"{'since':<9} {clock(proposal.pair.since)}")
    for text in proposal.warnings:
        console.print(f"[yellow]Note: {text}.[/yellow]")
    for text in proposal.refusals:
        complaints.print(f"It can't be a pair: {text}.")


@app.command("list")
def list_pairs() -> None:
    """All pairs."""
    with product() as built:
        table = Table("pair", "name", "Outlook", "DingTalk", "state", box=None)
        for pair in built.pairs.list():
            table.add_row(*map(escape, (pair.id, pair.name, pair.outlook, pair.dingtalk, _state(pair))))
        console.print(table)


@app.command()
def show(pair: PairName) -> None:
    """One pair, with all that is set for it."""
    with product() as built:
        held = find(built.pairs, pair)
        rows = {
            "pair": held.id,
            "name": held.name,
            "Outlook": ", ".join((held.outlook, *held.outlook_aliases)),
            "DingTalk": ", ".join((held.dingtalk, *held.dingtalk_aliases)),
            "unionId": held.union_id or "-",
            "since": clock(held.since),
            "left out": f"{len(held.exclude_folders)} folders, with all below" if held.exclude_folders else "-",
            "password": "given"
            if built.people.has_password(held)
            else "missing: nothing goes from Outlook to DingTalk",
            "state": _state(held),
        }
        for name, text in rows.items():
            console.print(f"{name:<9} {escape(text)}")


@app.command()
def pause(pair: PairName) -> None:
    """Stop a pair; nothing is forgotten."""
    with product() as built:
        built.pairs.save(replace(find(built.pairs, pair), paused=True))
        console.print("Paused. A run that is under way ends by itself within a minute.")


@app.command()
def resume(pair: PairName) -> None:
    """Go on with a paused pair."""
    with product() as built:
        held = replace(find(built.pairs, pair), paused=False, paused_why="")
        built.pairs.save(held)
        built.desk.wake(held)
        console.print("It goes on.")


@app.command()
def password(
    pair: PairName,
    client_password_stdin: Stdin = False,
    again: Annotated[bool, typer.Option("--again", help="Try one that DingTalk has refused before.")] = False,
) -> None:
    """Give the DingTalk mailbox's client password; it is tried once before it is kept."""
    with product() as built:
        held = find(built.pairs, pair)
        secret = _password(client_password_stdin, optional=False)
        built.people.set_password(held, secret, again)
        console.print("DingTalk took it, and it is kept. What waited for it is linked or copied from now on.")


@app.command()
def remove(pair: PairName, yes: Yes = False) -> None:
    """Stop a pair and delete what is known of it; mail stays as it is on both sides."""
    with product() as built:
        held = find(built.pairs, pair)
        if not yes:
            typer.confirm(f"Forget {held.name} and how the two mailboxes belong together?", abort=True)
        for note in built.people.remove(held):
            console.print(f"[yellow]Note: {note}.[/yellow]")
        console.print("Removed. Both mailboxes are as they were.")


def _state(pair: Pair) -> str:
    return "paused" if pair.paused else "running"


def _password(from_stdin: bool, optional: bool) -> str:
    """From standard input, or asked for without being shown; "" when there is nobody to ask and it may be left out."""
    if from_stdin:
        text = sys.stdin.readline().rstrip("\r\n")
    elif optional and not sys.stdin.isatty():
        return ""
    else:
        later = " (empty: later)" if optional else ""
        text = typer.prompt(f"Client password of the DingTalk mailbox{later}", default="", hide_input=True)
    if not text and not optional:
        complaints.print("No password was given; nothing was changed.")
        raise typer.Exit(FAILED)
    return text
