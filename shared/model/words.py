"""The words that every room uses."""

from __future__ import annotations

from typing import Literal

Side = Literal["dingtalk", "outlook"]
Kind = Literal["mail", "calendar", "contacts", "tasks"]
Role = Literal["inbox", "sent", "archive", "junk", "trash", "drafts", "system"]
"""What a folder is for. `system` folders (drafts of the vendor, outbox, sync issues, our staging folder ...) are never
looked into; a folder made by a person has no role."""

Flag = Literal["none", "flagged", "complete"]
Importance = Literal["low", "normal", "high"]

DINGTALK: Side = "dingtalk"
OUTLOOK: Side = "outlook"
SIDES: tuple[Side, Side] = (DINGTALK, OUTLOOK)


def other(side: Side) -> Side:
    return OUTLOOK if side == DINGTALK else DINGTALK
