"""What an IMAP server says when it lets nobody in (RFC 3501: greetings, LOGIN; RFC 5530: response codes).

Which words Alimail uses is not documented. So only what is plainly said counts as more than a refusal, and everything
else is one: a password that was refused is not tried again."""

from __future__ import annotations

import re

from shared.model.errors import NoClientPassword, TandemError, Unavailable
from shared.model.shut import EXPIRED, OFF, REFUSED, REMEDIES, TEXTS, Why

_OUTAGE = re.compile(r"\[(?:UNAVAILABLE|INUSE|SERVERBUG)\]", re.IGNORECASE)
_BLAME = re.compile(r"lock|attempt|password|credential|锁|密码", re.IGNORECASE)
_EXPIRED = re.compile(r"\[EXPIRED\]|\bexpired\b|过期|失效", re.IGNORECASE)
_SERVICE = re.compile(r"imap|third.?party|client access|三方|客户端", re.IGNORECASE)
_OFF = re.compile(
    r"disabled|switched off|turned off|not (?:enabled|allowed|open)|未(?:开启|启用|开通)|关闭|禁用", re.IGNORECASE
)


def said(error: BaseException | None) -> str:
    """The server's words in an error of imaplib's. They are looked at, and never told."""
    text = error.args[0] if error is not None and error.args else ""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


def no_password(why: Why) -> NoClientPassword:
    return NoClientPassword(f"{TEXTS[why]}: {REMEDIES[why]}", code=why)


def refusal(words: str) -> TandemError:
    """Of the text of a NO to LOGIN. Unavailable where the server says that it could not look at the password."""
    if _OUTAGE.search(words) and not _BLAME.search(words):
        return Unavailable("the IMAP server can sign nobody in just now", code="imap_login")
    if _EXPIRED.search(words):
        return no_password(EXPIRED)
    return no_password(OFF if _is_off(words) else REFUSED)


def greeting(words: str) -> TandemError:
    """Of the text of a greeting that isn't OK: it came before any password."""
    if _is_off(words):
        return no_password(OFF)
    return Unavailable("the IMAP server's greeting doesn't ask for a login", code="imap_greeting")


def _is_off(words: str) -> bool:
    return bool(_SERVICE.search(words) and _OFF.search(words))
