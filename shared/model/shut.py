"""Why nobody can sign in to a DingTalk mailbox, so that nothing new can be put there: the code of NoClientPassword."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Why = Literal["missing", "refused", "expired", "off"]
"""No client password is kept; DingTalk refused the one that is, or says that it has expired; or IMAP is switched off,
for the mailbox or for the organisation, so that no password would do."""

MISSING: Why = "missing"
REFUSED: Why = "refused"
EXPIRED: Why = "expired"
OFF: Why = "off"
WHYS: tuple[Why, ...] = get_args(Why)
PASSWORD = "no client password"
"""The reason of a message that waits for one of them to be over."""

TEXTS: Mapping[Why, str] = {
    MISSING: "no client password is kept for this DingTalk mailbox",
    REFUSED: "DingTalk refused the client password, and it is not tried again",
    EXPIRED: "DingTalk says that the client password has expired",
    OFF: "DingTalk says that IMAP is switched off for this mailbox or the organisation",
}
REMEDIES: Mapping[Why, str] = {
    MISSING: "make one in DingTalk Mail and give it with `tandem pair password`",
    REFUSED: "make a new one in DingTalk Mail and give it with `tandem pair password`",
    EXPIRED: "make a new one in DingTalk Mail and give it with `tandem pair password`",
    OFF: "switch IMAP and third-party clients on in DingTalk's mail administration, then give the client password, the"
    " same or a new one, with `tandem pair password`",
}


def why(code: str) -> Why:
    """What a NoClientPassword says; one that says nothing was a refusal."""
    return next((one for one in WHYS if one == code), REFUSED)
