"""One root for every error, with what the caller should do about it.

`retryable`: the same call may work later. `scope`: what is affected. `code`: the vendor's own code, never content.
An error text names ids, codes and counts; it never holds a subject, body, address, token or secret.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

T = TypeVar("T")
Scope = Literal["item", "collection", "pair", "app"]


class TandemError(Exception):
    retryable: bool = False
    scope: Scope = "item"

    def __init__(self, message: str, *, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class OutcomeUnknown(TandemError):
    """A request with an effect got no usable answer (time-out, reset, 5xx): nobody knows whether it was done."""

    retryable = True


class Unavailable(TandemError):
    """A read got no usable answer, or the vendor is down or throttles: nothing is known, nothing was done."""

    retryable = True
    scope: Scope = "pair"


class Refused(TandemError):
    """The vendor said no: nothing was done."""


class Throttled(Refused):
    """Nothing was done; try again after `retry_after` seconds. Never counts against an item."""

    retryable = True
    scope: Scope = "pair"


class NotFound(Refused):
    """The item or folder named in the request isn't there."""


class Stale(Refused):
    """The item changed since the version that the request was planned on: read again."""

    retryable = True


class MailboxFull(Refused):
    """The side takes no new items until somebody makes room."""

    retryable = True
    scope: Scope = "pair"


class TooLarge(Refused):
    """The item is over what this version carries across: it waits and is listed."""


class NotPermitted(Refused):
    """Rights were revoked, expired or never given: the pair stops with one clear state."""

    scope: Scope = "pair"


class SignInRefused(NotPermitted):
    """The vendor gives the app no token: its credential is wrong or has expired, or the app is gone. Every pair stops
    until an administrator mends it; the vendor isn't asked again for `retry_after` seconds."""

    scope: Scope = "app"


class NoClientPassword(NotPermitted):
    """The DingTalk side can't take new messages: the client password is missing, expired or was refused."""


class LeaseLost(TandemError):
    """Somebody else holds the lease, or it would not outlive the request: nothing was sent or committed."""

    retryable = True
    scope: Scope = "pair"


class Conflict(TandemError):
    """A conditional write of the state store found another version: nothing was written."""

    retryable = True


class StoreUnavailable(TandemError):
    """The state store gave no usable answer; the write may or may not have happened."""

    retryable = True
    scope: Scope = "app"


class NoRoom(TandemError):
    """This machine's disk takes no more of what is too large for its memory: nothing was kept, nothing was sent."""

    retryable = True
    scope: Scope = "app"


class NewerState(TandemError):
    """The state was written by a newer version of Tandem: nothing was read from it or written to it."""

    retryable = True
    scope: Scope = "app"


class WrongSettings(TandemError):
    """The settings or the input can't be used; nothing was changed. `names`: the settings and secrets."""

    scope: Scope = "app"

    def __init__(self, message: str, *, names: tuple[str, ...] = (), code: str = "") -> None:
        super().__init__(message, code=code)
        self.names = names


def tried(call: Callable[[], T]) -> T | TandemError:
    """What the call gives, or the error of ours that it raises."""
    try:
        return call()
    except TandemError as exc:
        return exc
