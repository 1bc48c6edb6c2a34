"""Records of the ledger as JSON objects and back, and the names of their rows.

| row | holds |
|---|---|
| `s:lease` | holder, epoch, expiry, head of the journal, number of links, next wake, how the last run ended, versions |
| `s:dirty` | set by whoever found the lease taken |
| `s:called` | a message for the hints so far is on its way |
| `s:guard` | when a message comes that goes on if the holder of the lease dies |
| `s:look:<side>:<id>` | a hint, written without the lease; an empty id means the whole side |
| `l:<key>` | a link; `d:<id>` and `o:<id>` point to it |
| `u:<side>:<id>` | an item without a link that waits |
| `m:<hash>` | links and waiting items by identity |
| `i:<id>` | an open intent |
| `carry:<id>` | who carries the large message of that intent, or what became of it; written without the lease |
| `t:<time>:<row>` | an intent, link or waiting item that is due then |
| `f:=<key>` | a folder's link: both ids, the agreed names as hashes, what is under way |
| `f:-<side>:<id>` | a folder that has no part in the pairing, and why |
| `f:tree:<side>` | a hash of that side's tree; `f:facts`: what is known of the vendors' folders |
| `f:backfill` | how far a backfill is; it stands here because each run reads these rows anyway |
| `b:<side>:<folder>` | where it is in that folder |
| `walked:<side>` | when that side's folders were last seen as they are known; polls write it without the lease |
| `c:<side>:<collection>` | a cursor |
| `c:<side>:~sweep` | where the sweep of that side stands (sweep.py); polls write it without the lease |
| `w:<n>` | hashes of the ids on the sweep's n-th page, and of what they showed, now and the last time |
| `j:<time>:<n>` | the journal |
| `failing:<row>` | how often the effect of that row's item was refused, and whether it is put aside (quarantine.py) |
| `asked:<row>` | what a person wants of an item that is put aside; written without the lease |
| `note:<cause>` | what people are to be told, and the note about it (troubles.py); it has a due time too |
| `brake`, `approval`, `a:<key>` | the brake (brake.py) |
| `shut` | since when and why nothing new can be put into DingTalk (shut.py); it has a due time too |
| `login` | what came of logins to the DingTalk mailbox (dingtalk/logins.py); written without the lease |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from shared.model.links import End, Intent, Link, Waiting
from shared.model.words import Side

Json = Mapping[str, Any]

SERVICE = "s:"
"""What says who is at it and for what. These rows stand right before what is due, so that one scan shows both."""
LEASE, DIRTY, CALLED, GUARD, HINT = (SERVICE + name for name in ("lease", "dirty", "called", "guard", "look:"))
LINK, WAITING, INTENT, DUE, FOLDER, JOURNAL, SWEPT = "l:", "u:", "i:", "t:", "f:", "j:", "w:"
BACKFILL, POSITION = f"{FOLDER}backfill", "b:"
FAILING, ASKED, NOTE = "failing:", "asked:", "note:"
CARRY, STUB = "carry:", "stub:"
"""The latter in the place of a row after `failing:`, `asked:` and `note:item:`: a stub's, with its link's key."""

SHUT, LOGIN = "shut", "login"

TREE = "/"
"""In a hint's place of an id: the folder trees have to be walked."""


def after(prefix: str) -> str:
    """The end of the range of keys that start with `prefix`."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def pointer(side: Side, id: str) -> str:
    return f"{side[0]}:{id}"


def waiting_row(side: Side, id: str) -> str:
    return f"{WAITING}{side}:{id}"


def hint_row(side: Side, id: str) -> str:
    return f"{HINT}{side}:{id}"


def cursor_row(side: Side, collection: str) -> str:
    return f"c:{side}:{collection}"


def sweep_row(side: Side) -> str:
    """It stands among the cursors, so that one scan reads it with them."""
    return cursor_row(side, "~sweep")


def swept_row(page: int) -> str:
    return f"{SWEPT}{page:08d}"


def identity_row(mid: str) -> str:
    return f"m:{mid}"


def position_row(side: Side, folder: str) -> str:
    return f"{POSITION}{side}:{folder}"


def walked_row(side: Side) -> str:
    return f"walked:{side}"


def due_row(due: float, row: str) -> str:
    return f"{DUE}{due:014.3f}:{row}"


def link_of_json(value: Json) -> Link:
    ends = {side: End(**value[side]) for side in ("dingtalk", "outlook")}
    return Link(**{**value, **ends, "unsure": tuple(value["unsure"])})


def intent_of_json(value: Json) -> Intent:
    return Intent(**value)


def waiting_of_json(value: Json) -> Waiting:
    return Waiting(**value)


def to_json(record: Link | Intent | Waiting) -> dict[str, Any]:
    return asdict(record)
