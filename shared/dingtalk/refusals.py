"""What an IMAP server says when it lets nobody in (RFC 3501: greetings, LOGIN; RFC 5530: response codes).

Which words Alimail uses is not documented. So only what is plainly said counts as more than a refusal, and everything
else is one: a password that was refused is not tried again."""

from __future__ import annotations

import re

from shared.model.errors import NoClientPassword, TandemError, Unavailable
from shared.model.shut import EXPIRED, OFF, REFUSED, REMEDIES, TEXTS, Why

_OUTAGE = re.compile(r"\[(?:UNAVAILABLE|INUSE|LIMIT|SERVERBUG)\]", re.IGNORECASE)
_EXPIRED = re.compile(r"\[EXPIRED\]|\bexpired\b|过期|失效", re.IGNORECASE)
_SERVICE = re.compile(r"imap|third.?party|client access|三方|客户端", re.IGNORECASE)
_OFF = re.compile(
    r"disabled|switched off|turned off|not (?:enabled|allowed|open)|未(?:开启|启用|开通)|关闭|禁用", re.IGNORECASE
)


def no_password(why: Why) -> NoClientPassword:
    return NoClientPassword(f"{TEXTS[why]}: {REMEDIES[why]}", code=why)


def refusal(said: str) -> TandemError:
    """Of the text of a NO to LOGIN. Unavailable where the server says that it could not look at the password."""
    if _OUTAGE.search(said):
        return Unavailable("the IMAP server can sign nobody in just now", code="imap_login")
    if _EXPIRED.search(said):
        return no_password(EXPIRED)
    return no_password(OFF if _is_off(said) else REFUSED)


def greeting(said: str) -> TandemError:
    """Of the text of a greeting that isn't OK: it came before any password."""
    if _is_off(said):
        return no_password(OFF)
    return Unavailable("the IMAP server's greeting doesn't ask for a login", code="imap_greeting")


def _is_off(said: str) -> bool:
    return bool(_SERVICE.search(said) and _OFF.search(said))
