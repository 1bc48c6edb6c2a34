"""`tandem move …`: from one machine or region to another, with what is known of everybody."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from shared.cli.common import Yes, complaints, console, product

app = typer.Typer(help="Move to another machine or region, with what is known of everybody.", no_args_is_help=True)

STATE = ("TANDEM_STATE", "TANDEM_TABLE_URL", "TANDEM_QUEUE_URL", "TANDEM_BLOB_URL", "TANDEM_VAULT_URL")
"""The settings that make a place."""

Place = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="The new place: lines NAME=VALUE, as `azd env get-values` prints them; only the addresses of the state"
        " are read.",
    ),
]


@app.command()
def out(place: Place, yes: Yes = False) -> None:
    """Pause everybody here and copy what is known of them to an empty place. Nothing is deleted here."""
    from shared.wiring.moving import leave
    from shared.wiring.parts import Parts
    from shared.wiring.settings import load_settings

    with product() as built:
        settings = load_settings(_elsewhere(place))
        if not yes:
            typer.confirm(f"Pause {len(built.pairs.list())} pairs and copy them?", abort=True)
        with closing(Parts.of(settings)) as there:
            moved = leave(built, there)
        console.print(
            f"Copied and read back: {moved.pairs} pairs, {moved.rows} rows, {moved.passwords} client passwords.\n"
            "All pairs are paused here and there. Restart the app at the new place, so that it reads the key that came"
            " with them, and then run `tandem move arrive` with its settings."
        )


@app.command()
def arrive() -> None:
    """At the new place: let everybody go on who ran before."""
    from shared.wiring.moving import arrive

    with product() as built:
        console.print(f"{arrive(built)} pairs go on.")


def _elsewhere(place: Path) -> Mapping[str, str]:
    """The settings of here, with the state of there."""
    lines = (line.partition("=") for line in place.read_text("utf-8").splitlines())
    there = {name.strip(): value.strip().strip('"') for name, _, value in lines if name.strip() in STATE}
    if not there:
        complaints.print(f"{place} names no state: it needs a line such as TANDEM_TABLE_URL=https://...")
        raise typer.Exit(1)
    return {**{name: value for name, value in os.environ.items() if name not in STATE}, **there}
