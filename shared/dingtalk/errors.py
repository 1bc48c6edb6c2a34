"""What Alimail's refusals mean.

Facts: an error body is `{detailErrorCode, message, developerMessage}`; `detailErrorCode` on HTTP 200 is an error too;
429 may carry Retry-After (Alimail: errors, rate). Only a few codes are known, so the status decides where the code
doesn't. The vendor's texts are never taken over: they may name addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.model.answers import plain_code
from shared.model.errors import (
    MailboxFull,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    TandemError,
    Throttled,
    TooLarge,
    Unavailable,
)

Json = Any

STATUSES: dict[int, type[TandemError]] = {
    401: NotPermitted,
    403: NotPermitted,
    404: NotFound,
    413: TooLarge,
    429: Throttled,
    507: MailboxFull,
}

CODES: dict[str, type[TandemError]] = {
    "domain.notfound": NotPermitted,
    "user.notfound": NotPermitted,
    "mailbox.notfound": NotPermitted,
    "1001": Refused,
    "1003": Refused,
}
"""Codes in lower case that say more than the status does: without its mailbox nothing is "not found"."""

LONGEST_WAIT = 6
"""Digits of a Retry-After that is believed: eleven days."""

WORDS: tuple[tuple[str, type[TandemError]], ...] = (
    ("quota", MailboxFull),
    ("notfound", NotFound),
    ("toomany", Throttled),
    ("throttl", Throttled),
    ("forbidden", NotPermitted),
    ("nopermission", NotPermitted),
    ("unauthorized", NotPermitted),
)
"""What an unknown code still tells, first match; asked only where the status says nothing (200) or little (400)."""


def failure(
    what: str, status: int, body: Json, headers: Mapping[str, str], *, effect: bool = False
) -> TandemError | None:
    """The error that an answer stands for, None when it is a success. `what` names the request without any content;
    `effect`: it changes something at the vendor, so an answer that says nothing leaves its outcome unknown."""
    said = body.get("detailErrorCode") if isinstance(body, dict) else None
    if status < 400 and not said:
        return None
    code = plain_code(str(said)) if said else ""
    if status == 404 and not said and not effect:
        return Unavailable(f"something before Alimail answered {what} with status 404", code="404")
    kind = _kind(status, code) or (OutcomeUnknown if effect else Unavailable)
    text = f"Alimail answered {what} with status {status}" + (f", code {code}" if code else "")
    return kind(text, code=code or str(status), retry_after=retry_after(headers))


def _kind(status: int, code: str) -> type[TandemError] | None:
    known = CODES.get(code.lower()) or STATUSES.get(status)
    if known is not None or status >= 500:
        return known
    squeezed = code.lower().replace("_", "").replace(".", "")
    for word, kind in WORDS:
        if word in squeezed:
            return kind
    if code.isdigit() and int(code) in STATUSES:
        return STATUSES[int(code)]
    return Refused if status >= 400 else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, None when the vendor names none (a date is not a number of seconds: then our own back-off holds)."""
    value = headers.get("retry-after", "").strip()
    return float(value) if value.isascii() and value.isdigit() and len(value) <= LONGEST_WAIT else None
