"""Names of partitions and rows as Azure's tables take them, in the same order."""

from __future__ import annotations

import re

_CODED = re.compile(r"[\x00-'./>?\[\\]|[^\x00-}]")
_CODE = re.compile(r"[!.>\[]([0-9a-f]{2})|~([0-9a-f]{6})")


def encode_key(key: str) -> str:
    """`key` without anything that a table refuses in a key (Azure: `/ \\ # ?` and control characters) or that a URL or
    a filter treats as its own; reversible, and in the order of the keys' code points.

    A character that is coded becomes a lead, which is coded itself and so begins nothing else, and its code point in
    hex: `!` for those up to `'`, else the character just below (`.2f` for `/`), `~` for all that is beyond ASCII, whose
    order in UTF-16 would be another."""
    return _CODED.sub(_coded, key)


def decode_key(text: str) -> str:
    """What `encode_key` made `text` of."""
    return _CODE.sub(lambda match: chr(int(match[1] or match[2], 16)), text)


def _coded(match: re.Match[str]) -> str:
    character = match[0]
    if character >= "~":
        return f"~{ord(character):06x}"
    return f"{_lead(character)}{ord(character):02x}"


def _lead(character: str) -> str:
    if character <= "'":
        return "!"
    return {"/": ".", "?": ">", "\\": "["}.get(character, character)
