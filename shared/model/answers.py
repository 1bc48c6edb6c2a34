"""What a vendor answered, read with care: whatever isn't as documented is refused whole, before anything is made of it.

A shape is: a type; a frozenset of the words allowed; a tuple of shapes, any of which will do; a list of one shape; or
an object as a dict of shapes, with "*" for members of any other name. A member may be missing or null unless it is
`Must`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

Shape = Any

_CODE = re.compile(r"[A-Za-z0-9_.\-]{1,80}")
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Must:
    """A member that has to be there."""

    shape: Shape


def parsed(body: bytes) -> Any:
    """JSON; ValueError for anything else, and for what is nested deeper than any answer. Halves of characters, which
    can't be stored or sent, become question marks."""
    try:
        value = json.loads(body)
        if _HALF.search(body):
            value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except RecursionError:
        raise ValueError("nested too deep") from None
    return value


def misfit(value: Any, shape: Shape) -> str | None:
    """None when the value has the shape; else where it hasn't, by the names of the shape alone."""
    return _misfit(value, shape, "")


def fits(value: Any, shape: Shape) -> bool:
    return misfit(value, shape) is None


def _misfit(value: Any, shape: Shape, at: str) -> str | None:
    if isinstance(shape, dict):
        return _misfit_object(value, shape, at) if isinstance(value, dict) else at or "."
    if isinstance(shape, list):
        if not isinstance(value, list):
            return at or "."
        return next((found for one in value if (found := _misfit(one, shape[0], f"{at}[]"))), None)
    if isinstance(shape, tuple):
        return None if any(_misfit(value, one, at) is None for one in shape) else at or "."
    if isinstance(shape, frozenset):
        good = isinstance(value, str) and value in shape
    else:
        good = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
    return None if good else at or "."


def _misfit_object(value: dict[str, Any], shape: dict[str, Shape], at: str) -> str | None:
    for name, wanted in shape.items():
        if name == "*":
            found = next((f for other in value.keys() - shape.keys() if (f := _misfit(value[other], wanted, at))), None)
        elif isinstance(wanted, Must):
            found = _misfit(value.get(name), wanted.shape, f"{at}.{name}")
        else:
            found = None if value.get(name) is None else _misfit(value[name], wanted, f"{at}.{name}")
        if found:
            return found
    return None


def plain_code(value: Any) -> str:
    """A vendor's error code if it looks like one, else "": it is logged, and must hold no address and no text."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""
