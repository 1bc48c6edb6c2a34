"""What the refusals of DingTalk's old API mean.

Facts (DingTalk: server-api-error-codes-1, how-to-process-api-throttling): HTTP 200 always; gateway errors are wrapped,
`{"errcode": 88, "sub_code": "40014", ...}`, others bare, `{"errcode": 60121}`; the effective code is `sub_code` or else
`errcode`. The vendor's texts are never taken over: they may name people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.model.errors import NotFound, NotPermitted, Refused, TandemError, Throttled

TOKEN = frozenset({"40001", "40014", "42001"})
"""The access token is wrong, unknown or expired."""

CODES: dict[str, tuple[type[TandemError], float | None]] = {
    **dict.fromkeys(TOKEN, (NotPermitted, None)),
    "-1": (Throttled, 30.0),
    "90002": (Throttled, 1.0),
    "90018": (Throttled, 1.0),
    "1111": (Throttled, 300.0),
    "90020": (Throttled, 3600.0),
    "60011": (NotPermitted, None),
    "60020": (NotPermitted, None),
    "50002": (NotPermitted, None),
    "50004": (NotPermitted, None),
    "60121": (NotFound, None),
}
"""Kind of error and seconds to wait: busy; calls a second, of all and of this app; the address blocked; calls a month;
no permission, address not in the whitelist, outside the app's scope; no such user."""


def code_of(answer: Mapping[str, Any]) -> str:
    """The effective code; "0" for success."""
    if answer.get("status") == 1111:  # the block of an address comes in a shape of its own
        return "1111"
    return str(answer.get("sub_code") or answer.get("errcode", 0))


def failure(what: str, answer: Mapping[str, Any]) -> TandemError | None:
    """The error that an answer to `what` stands for; None when it is a success."""
    code = code_of(answer)
    if code == "0":
        return None
    kind, wait = CODES.get(code, (Refused, None))
    return kind(f"DingTalk refused {what}: code {code}", code=code, retry_after=wait)
