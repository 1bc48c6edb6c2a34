"""Graph's error codes as our errors (Graph: errors; throttling)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.model.errors import (
    MailboxFull,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    Stale,
    TandemError,
    Throttled,
    TooLarge,
    Unavailable,
)

CODES: dict[str, type[TandemError]] = {
    "erroritemnotfound": NotFound,
    "resourcenotfound": NotFound,
    "errorfoldernotfound": NotFound,
    "errorinvalididmalformed": NotFound,
    "errorirresolvableconflict": Stale,
    "errorquotaexceeded": MailboxFull,
    "mailboxnotenabledforrestapi": NotPermitted,
    "errorinvaliduser": NotPermitted,
    "request_resourcenotfound": NotPermitted,
    "erroraccessdenied": NotPermitted,
    "authorization_requestdenied": NotPermitted,
    "invalidauthenticationtoken": NotPermitted,
    "applicationthrottled": Throttled,
}
STATUSES: dict[int, type[TandemError]] = {
    401: NotPermitted,
    403: NotPermitted,
    404: NotFound,
    409: Stale,
    412: Stale,
    413: TooLarge,
    429: Throttled,
    507: MailboxFull,
}
EXPIRED = frozenset({"syncstatenotfound", "syncstateinvalid", "resyncrequired"})
"""A delta token that no longer counts."""


def error(what: str, status: int, headers: Mapping[str, str], body: Any, effect: bool) -> TandemError:
    """The error for an answer; `what` says what was asked, without content. A 5xx to a request with an effect leaves
    its outcome unknown; a refusal by throttling does not."""
    code = code_of(body)
    retry_after = seconds(headers.get("retry-after"))
    kind = CODES.get(code.lower()) or STATUSES.get(status)
    if kind is None:
        kind = (OutcomeUnknown if effect else Unavailable) if status >= 500 else Refused
    return kind(f"{what}: Graph answered {status} {code}".rstrip(), code=code or str(status), retry_after=retry_after)


def code_of(body: Any) -> str:
    """`error.code` of an answer; "" when it has none."""
    if isinstance(body, bytes):
        try:
            body = json.loads(body)
        except ValueError:
            return ""
    inner = body.get("error") if isinstance(body, dict) else None
    code = inner.get("code") if isinstance(inner, dict) else None
    return code if isinstance(code, str) else ""


def seconds(text: str | None) -> float | None:
    """A Retry-After in seconds; None when there is none that can be read."""
    try:
        return float(text) if text else None
    except ValueError:
        return None
