"""What all commands share: the product, finding a pair, and errors as one line. Nothing heavy is imported before a
command runs, so that --help is quick."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from shared.model.pairs import Pair
    from shared.wiring.pairs import Pairs
    from shared.wiring.product import Product

Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
PairName = Annotated[str, typer.Argument(metavar="PAIR", help="Its id, its name, or one of its addresses.")]

FAILED = 1

console, complaints = Console(highlight=False), Console(stderr=True, highlight=False)


@contextmanager
def product() -> Iterator[Product]:
    """Built from the environment, and closed at the end. An error of ours ends the command with its text, which says
    what to do, and status 1."""
    from shared.model.errors import TandemError
    from shared.wiring.product import build
    from shared.wiring.settings import load_settings

    try:
        with closing(build(load_settings(os.environ))) as built:
            yield built
    except TandemError as exc:
        complaints.print(escape(str(exc)))
        raise typer.Exit(FAILED) from exc


def find(pairs: Pairs, text: str) -> Pair:
    """The pair with this id, name or address."""
    wanted = text.casefold()
    found = [
        pair
        for pair in pairs.list()
        if wanted in (pair.id, pair.name.casefold(), pair.outlook.casefold(), pair.dingtalk.casefold())
    ]
    if len(found) == 1:
        return found[0]
    if found:
        complaints.print(f"{len(found)} pairs answer to that: give the id of one ({', '.join(p.id for p in found)})")
    else:
        complaints.print("There is no such pair: see `tandem pair list`.")
    raise typer.Exit(FAILED)


def clock(at: float | None) -> str:
    """A time of the store in this machine's zone; a dash for none."""
    return "-" if at is None else datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def epoch(text: str) -> float:
    """Of a date or time that somebody typed; without a zone it is this machine's."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as exc:
        raise typer.BadParameter("is no date such as 2026-11-01 or 2026-11-01T09:00", param_hint="--since") from exc
    return (at if at.tzinfo else at.astimezone()).astimezone(UTC).timestamp()
