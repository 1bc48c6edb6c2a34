"""Graph's error codes as our errors (Graph: errors; throttling)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.model.answers import parsed, plain_code
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

EXPIRED = frozenset({"syncstatenotfound", "syncstateinvalid", "resyncrequired"})
"""A delta token that no longer counts. Codes are compared in lower case."""

GONE = frozenset({"erroritemnotfound", "errorinvalididmalformed"})
"""By these a read says that the message isn't there. Any other refusal leaves it unknown."""

FOLDER_GONE = GONE | {"errorfoldernotfound", "errorsyncfoldernotfound"}

CODES: dict[str, type[TandemError]] = {
    **dict.fromkeys(FOLDER_GONE, NotFound),
    **dict.fromkeys(EXPIRED, Unavailable),
    "errorirresolvableconflict": Stale,
    "errorquotaexceeded": MailboxFull,
    "mailboxnotenabledforrestapi": NotPermitted,
    "errorinvaliduser": NotPermitted,
    "request_resourcenotfound": NotPermitted,
    "erroraccessdenied": NotPermitted,
    "authorization_requestdenied": NotPermitted,
    "invalidauthenticationtoken": NotPermitted,
    "errormessagesizeexceeded": TooLarge,
    "errorattachmentsizelimitexceeded": TooLarge,
    "errorcorruptdata": Refused,
    "errorinvalidrecipients": Refused,
    "errorcannotopenfileattachment": Refused,
}
"""Without its mailbox nothing is "not found": that is a matter of rights and licences."""

RIGHTS: dict[int, type[TandemError]] = {401: NotPermitted, 403: NotPermitted, 429: Throttled}
LONGEST_WAIT = 6
"""Digits of a Retry-After that is believed: eleven days."""
EFFECTS: dict[int, type[TandemError]] = {
    **RIGHTS,
    404: NotFound,
    409: Stale,
    412: Stale,
    413: TooLarge,
    507: MailboxFull,
}
"""Where the code says nothing: of a read, no more is known than these (a bare 404 may be a proxy's); of an effect,
that it was refused."""


def error(what: str, status: int, headers: Mapping[str, str], body: Any, effect: bool) -> TandemError:
    """The error for an answer; `what` says what was asked, without content. `body` is JSON as bytes or read."""
    code = code_of(body)
    kind = CODES.get(code.lower()) or (_of_effect(status) if effect else RIGHTS.get(status, Unavailable))
    text = f"{what}: Graph answered {status} {code}".rstrip()
    return kind(text, code=code or str(status), retry_after=seconds(headers.get("retry-after")))


def _of_effect(status: int) -> type[TandemError]:
    """An answer that says neither yes nor no (5xx, 3xx, 408) leaves the outcome unknown."""
    refused = 400 <= status < 500 and status != 408
    return EFFECTS.get(status) or (Refused if refused else OutcomeUnknown)


def code_of(body: Any) -> str:
    """`error.code` of an answer; "" when it has none, or none that looks like one."""
    if isinstance(body, bytes):
        try:
            body = parsed(body)
        except ValueError:
            return ""
    inner = body.get("error") if isinstance(body, dict) else None
    code = inner.get("code") if isinstance(inner, dict) else None
    return plain_code(code)


def seconds(text: str | None) -> float | None:
    """A Retry-After in seconds; None when there is none, or a date, for which our own back-off stands in."""
    text = (text or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_WAIT else None
