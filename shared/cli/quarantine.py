"""`tandem quarantine …`: messages that kept being refused are looked at, tried again or left alone."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from shared.cli.common import PairName, clock, console, find, product

if TYPE_CHECKING:
    from shared.ops.quarantine import Case

app = typer.Typer(
    help="Messages that kept being refused: which they are, and what becomes of them.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for scripts: ids, codes and times only.")]
ItemName = Annotated[str, typer.Argument(metavar="ITEM", help="Its id, as listed.")]


@app.command("list")
def list_quarantined(
    pair: Annotated[str, typer.Argument(metavar="[PAIR]", help="Its id, name or an address; default: all.")] = "",
    as_json: AsJson = False,
) -> None:
    """What stands aside, and why. Without --json both vendors are asked for sender, date and folder."""
    with product() as built:
        pairs = [find(built.pairs, pair)] if pair else list(built.pairs.list())
        if as_json:
            facts = [_facts(held.id, case) for held in pairs for case in built.quarantine.cases(held)]
            print(json.dumps(facts, indent=1))
            return
        table, empty = Table("pair", "item", "since", "stands on", "folder", "from", "subject", "why", box=None), True
        for held in pairs:
            for shown in built.quarantine.show(held):
                item, case, empty = shown.item, shown.case, False
                told = (item.sender, item.subject) if item else ("-", "not found just now")
                row = (held.name, case.id, clock(case.failing.since), case.side, shown.folder or "-", *told, why(case))
                table.add_row(*map(escape, row))
        console.print("Nothing stands aside." if empty else table)


@app.command()
def retry(
    pair: PairName,
    item: Annotated[str, typer.Argument(metavar="[ITEM]", help="Its id, as listed; default: all of the pair.")] = "",
) -> None:
    """Try again, once the cause is mended."""
    with product() as built:
        console.print(f"{built.quarantine.retry(find(built.pairs, pair), item or None)} will be tried again.")


@app.command()
def drop(pair: PairName, item: ItemName) -> None:
    """Leave a message alone for good. Nothing is deleted: it stays as it is on both sides."""
    with product() as built:
        built.quarantine.drop(find(built.pairs, pair), item)
        console.print("It is left alone. `tandem quarantine retry` with its id takes that back.")


def why(case: Case) -> str:
    """In words that people see."""
    failing = case.failing
    what = "can't be copied" if failing.kind == "create" else "a change of it can't be carried over"
    reason = WHY.get(failing.why) or f"{NAMES[failing.side]} or the reading of it refuses with {failing.why}"
    return f"{what}: {reason}{' (left alone)' if failing.left else ''}"


def _facts(pair: str, case: Case) -> dict[str, Any]:
    failing = asdict(case.failing)
    kept = ("kind", "side", "why", "since", "at", "tries", "left")
    return {"pair": pair, "item": case.id, "source": failing["source"], **{name: failing[name] for name in kept}}


NAMES = {"dingtalk": "DingTalk", "outlook": "Outlook"}
WHY = {
    "too large": "it is larger than what is carried across; a stub stands for it",
    "lost_on_the_way": "whoever carried it came to nothing again and again",
    "late_attachments_refused": "the tenant takes no large attachments from Tandem: it may need the role "
    "Mail-Advanced.ReadWrite.All",
    "attachments_incomplete": "Outlook keeps fewer attachments, or bytes of them, than it was given",
    "ErrorFolderExists": "a person's folder has the name of the hidden one in which large messages are put together",
    "ErrorCorruptData": "Outlook calls its content damaged",
    "ErrorInvalidRecipients": "Outlook takes one of its addresses for none",
    "ErrorItemNotFound": "it is shown, and can't be opened",
}
