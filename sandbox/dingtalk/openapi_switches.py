"""What is not known for certain about the open platform, or differs between tenants: each a switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class OpenSwitches:
    """Durations in seconds. The defaults are what is documented."""

    token_life: int = 7200
    one_token: bool = True
    """The new host's token is good on the old host too, and the other way round."""
    directory: bool = True
    """The app has the permission point to read the organisation's people (qyapi_get_member)."""
    rate: int | None = 20
    """Calls a second for one API; None lifts the limit."""

    owner: Literal["app", "corp"] = "app"
    """For whom callbacks are sealed: the app that the console knows, or the organisation (registered by the API)."""
    casing: Literal["documented", "pascal", "camel"] = "documented"
    """How the names in an event are spelled."""
    stamps: Literal["milliseconds", "seconds"] = "milliseconds"
    msg_signature: bool = False
    """The query has `msg_signature` beside `signature`."""
    handshake_timeout: float = 1.5
    event_timeout: float = 2.5
    retries: tuple[float, ...] = (10.0, 30.0)
    duplicates: float = 0.0
    """Probability that an event is pushed twice."""
    reordering: float = 0.0
    """Events are pushed after a random lag of up to this."""
    clock_off: float = 0.0
    """How far ahead of the true time stamps are."""
    failed_lag: float = 180.0
    """How long after the last attempt a failed callback can be asked for."""
    failed_on: Literal["old", "new", "both"] = "both"
    """Which host serves the list of failed callbacks."""
