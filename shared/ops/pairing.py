"""Whether two mailboxes can be a pair, before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.model.mail import Folder
from shared.model.owners import Owner
from shared.model.pairs import Pair
from shared.model.words import DINGTALK, OUTLOOK, SIDES, Side, other

NAMES: Mapping[Side, str] = {"outlook": "Outlook", "dingtalk": "DingTalk"}


@dataclass(frozen=True, slots=True)
class Proposal:
    """`pair` with the aliases that its vendors tell. With `refusals` it can't be one; `warnings` are to be confirmed.
    The texts name no address."""

    pair: Pair
    owners: Mapping[Side, Owner]
    refusals: tuple[str, ...]
    warnings: tuple[str, ...]


def propose(
    pair: Pair, owners: Mapping[Side, Owner], others: Iterable[Pair], trees: Mapping[Side, Sequence[Folder]] = {}
) -> Proposal:
    """Look at `pair` beside the pairs that there are. `trees`: both sides' folders, where `exclude_folders` names some
    by path; in the proposal they are named by id."""
    pair, missing = _excluding(pair, trees)
    aliases = {side: tuple(sorted(owners[side].aliases - {pair.address(side).lower()})) for side in SIDES}
    pair = replace(pair, outlook_aliases=aliases[OUTLOOK], dingtalk_aliases=aliases[DINGTALK])
    refusals = [
        f"the {NAMES[side]} mailbox is in pair {held.id} already: remove that pair first"
        for held in others
        for side in SIDES
        if pair.addresses(side) & held.addresses(side)
    ]
    refusals += [f"there is no folder {path} in either mailbox" for path in missing]
    onward = {side: _forwards(pair, owners, side) for side in SIDES}
    warnings: list[str] = []
    if all(onward.values()):
        refusals.append(
            "the two mailboxes forward their mail to each other, so that every message would come over and over:"
            " end the forwarding, then add the pair"
        )
    else:
        warnings = [text for side in SIDES for text in _warnings(owners, side, onward[side])]
    return Proposal(pair, owners, tuple(refusals), tuple(warnings))


def _excluding(pair: Pair, trees: Mapping[Side, Sequence[Folder]]) -> tuple[Pair, list[str]]:
    """With the folders that its paths name, "Clients/Chan" or a name at the top; and paths that name none."""
    entries, missing = list[str](), list[str]()
    for path in pair.exclude_folders:
        wanted = tuple(part.strip().casefold() for part in path.split("/") if part.strip())
        found = [
            f"{side}/{folder.id}"
            for side, tree in trees.items()
            for folder in tree
            if folder.role is None and tuple(name.casefold() for name in folder.path) == wanted
        ]
        entries += found
        missing += [] if found else [path]
    return replace(pair, exclude_folders=tuple(entries)), missing


def _forwards(pair: Pair, owners: Mapping[Side, Owner], side: Side) -> bool:
    return bool((owners[side].forwards or frozenset()) & pair.addresses(other(side)))


def _warnings(owners: Mapping[Side, Owner], side: Side, onward: bool) -> Iterable[str]:
    name, twin = NAMES[side], NAMES[other(side)]
    if onward:
        yield (
            f"{name} forwards mail to {twin}: forwarded copies are other messages to a mail program, and would be there"
            " twice. End the forwarding"
        )
    if owners[side].forwards is None:
        yield f"it can't be told whether {name} forwards mail to {twin}: make sure that it doesn't"
    if not owners[side].name:
        yield f"the app may not read whose {name} mailbox it is: make sure that the address is right"
