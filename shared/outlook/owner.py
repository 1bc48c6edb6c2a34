"""Whose mailbox it is (Graph: user, mailboxSettings, messageRule)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from shared.model.errors import NotPermitted
from shared.model.owners import Owner
from shared.outlook.transport import Answer, Graph, Part, failure

FORWARDING = ("forwardTo", "forwardAsAttachmentTo", "redirectTo")


def owner(graph: Graph, address: str) -> Owner:
    """One request. NotPermitted when the app has no rights to the mailbox, or there is none; name and rules are left
    out where the app may not read them (User.Read.All, MailboxSettings.Read)."""
    user = f"/users/{quote(address, safe='@')}"
    inbox, about, settings, rules = graph.batch(
        [
            Part(f"{user}/mailFolders/inbox?$select=id"),
            Part(f"{user}?$select=displayName,mail,proxyAddresses"),
            Part(f"{user}/mailboxSettings?$select=userPurpose"),
            Part(f"{user}/mailFolders/inbox/messageRules"),
        ],
        "the owner of the Outlook mailbox",
    )
    if inbox.status != 200:
        error = failure("the Outlook mailbox", inbox)
        if isinstance(error, NotPermitted) or inbox.status == 404:
            raise NotPermitted(
                "the Outlook mailbox can't be opened: check the address, and that the app registration has"
                f" Mail.ReadWrite for it ({error.code})",
                code=error.code,
            )
        raise error
    known = _body(about)
    primary = _text(known.get("mail")).lower() or address.lower()
    proxies = (_text(p) for p in _list(known.get("proxyAddresses")))
    aliases = {p.partition(":")[2].lower() for p in proxies if p.lower().startswith("smtp:")}
    return Owner(
        _text(known.get("displayName")),
        primary,
        frozenset(aliases | {primary, address.lower()}),
        None if rules.status != 200 else frozenset(_forwards(_list(_body(rules).get("value")))),
        _body(settings).get("userPurpose") == "shared",
    )


def _forwards(rules: Iterable[Any]) -> Iterable[str]:
    """Where rules of this mailbox send everything or some of its mail on to."""
    for rule in rules:
        actions = rule.get("actions") if isinstance(rule, dict) and rule.get("isEnabled") else None
        for name in FORWARDING:
            for recipient in _list(actions.get(name)) if isinstance(actions, dict) else ():
                inner = recipient.get("emailAddress") if isinstance(recipient, dict) else None
                if isinstance(inner, dict):
                    yield _text(inner.get("address")).lower()


def _body(answer: Answer) -> Mapping[str, Any]:
    return answer.body if answer.status == 200 and isinstance(answer.body, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
