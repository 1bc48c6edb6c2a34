"""Names of folders, both ways: one table of what each side can hold, and when two names are the same folder's. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from shared.model.words import Side

NAMELESS = "_"
"""Stands for a name of which nothing is left."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a side can hold. `swaps`: characters that it can't, and what stands for them; `longest`: in characters;
    `deepest`: levels below the top; `fold`: two siblings whose names fold to the same are alike there."""

    swaps: dict[str, str]
    longest: int
    deepest: int
    fold: Callable[[str], str]


RULES: dict[Side, Rule] = {
    # Graph: mail folders. Siblings differ by more than case; 255 characters; 300 levels.
    "outlook": Rule({}, 255, 300, str.casefold),
    # Alimail: folders; IMAP: the delimiter is "/". Length and depth are not documented: what both doors surely take.
    "dingtalk": Rule({"/": "／"}, 100, 30, str),
}

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NUMBER = re.compile(r" \(\d+\)$")

ARCHIVES: dict[str, str] = {"zh-hant": "存檔", "zh": "归档", "": "Archive"}
"""What DingTalk's archive is called, by the beginning of a language tag; the first that fits."""

TRADITIONAL = ("zh-hant", "zh-tw", "zh-hk", "zh-mo")


def mapped(side: Side, name: str) -> str:
    """The name as `side` can hold it. What it can hold stays as it is."""
    rule = RULES[side]
    name = _CONTROL.sub(" ", unicodedata.normalize("NFC", name))
    for old, new in rule.swaps.items():
        name = name.replace(old, new)
    return _cut(name.strip(), rule.longest) or NAMELESS


def fold(side: Side, name: str) -> str:
    """What must differ between siblings on `side`."""
    return RULES[side].fold(mapped(side, name))


def alike(one: str, two: str) -> bool:
    """May these be the names of one folder on two sides?"""
    return _common(one) == _common(two)


def numbered(side: Side, name: str, number: int) -> str:
    """`name (number)`, within what `side` can hold."""
    tail = f" ({number})"
    return _cut(_NUMBER.sub("", mapped(side, name)), RULES[side].longest - len(tail)) + tail


def archive_name(language: str) -> str:
    tag = language.lower()
    if tag.startswith(TRADITIONAL):
        return ARCHIVES["zh-hant"]
    return next(name for start, name in ARCHIVES.items() if tag.startswith(start))


def is_archive(name: str) -> bool:
    return any(alike(name, known) for known in ARCHIVES.values())


def _common(name: str) -> str:
    """Without what either side would change."""
    return mapped("dingtalk", name).casefold()


def _cut(name: str, longest: int) -> str:
    return name[:longest].rstrip()
