"""Whose mailbox it is (Alimail: users)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from shared.dingtalk.alimail import Alimail
from shared.model.errors import NotFound, NotPermitted, Refused
from shared.model.owners import Owner

ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")


def owner(alimail: Alimail, address: str) -> Owner:
    """Two requests. NotPermitted when there is no such mailbox in the mail domain, or the app may not see it."""
    path = f"/v2/users/{quote(address, safe='@')}"
    try:
        answer = alimail.get("the owner of the DingTalk mailbox", path)
    except (NotFound, NotPermitted) as exc:
        raise NotPermitted(
            "the DingTalk mailbox can't be opened: check the address, and that the app in the Alimail console has"
            f" User.Read.All and Mail.ReadWrite.All ({exc.code})",
            code=exc.code,
        ) from exc
    user = answer.get("user") if isinstance(answer.get("user"), dict) else answer
    aliases = user.get("emailAliases")
    own = [address, user.get("email"), *(aliases if isinstance(aliases, list) else ())]
    name = user.get("name")
    return Owner(
        name if isinstance(name, str) else "",
        address.lower(),
        frozenset(text.lower() for text in own if isinstance(text, str) and text),
        _forwards(alimail, path),
    )


def _forwards(alimail: Alimail, path: str) -> frozenset[str] | None:
    """The shape of the settings is not documented: every address under a name with "forward" in it counts."""
    try:
        settings = alimail.get("the settings of the DingTalk mailbox", f"{path}/mailboxSettings")
    except Refused:
        return None
    return frozenset(_addresses(settings, False, 0))


DEEPEST = 10


def _addresses(value: Any, under: bool, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _addresses(inner, under or "forward" in str(name).lower(), depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _addresses(inner, under, depth + 1)
    elif under and isinstance(value, str) and ADDRESS.fullmatch(value):
        yield value.lower()
