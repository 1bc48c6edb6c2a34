"""Why nobody can sign in to a DingTalk mailbox, so that nothing new can be put there: the code of NoClientPassword."""

from __future__ import annotations

from typing import Literal, get_args

Why = Literal["missing", "refused", "expired", "off"]
"""No client password is kept; DingTalk refused the one that is, or says that it has expired; or IMAP is switched off,
for the mailbox or for the organisation, so that no password would do."""

MISSING: Why = "missing"
REFUSED: Why = "refused"
EXPIRED: Why = "expired"
OFF: Why = "off"
WHYS: tuple[Why, ...] = get_args(Why)


def why(code: str) -> Why:
    """What a NoClientPassword says; one that says nothing was a refusal."""
    return next((one for one in WHYS if one == code), REFUSED)
