"""Which rights in Microsoft 365 are enough, and which are too many (Graph: permissions; RBAC for Applications)."""

from __future__ import annotations

from collections.abc import Mapping, Set

from shared.ops.setup.facts import SCOPED, TENANT_WIDE
from shared.ops.setup.model import Verdict

MAIL, SETTINGS, PEOPLE = "Mail.ReadWrite", "MailboxSettings.Read", "User.Read.All"

ROLE_IDS: Mapping[str, str] = {
    "e2a3a72e-5f79-4c64-b1b1-878b674786c9": MAIL,
    "40f97065-369a-49f4-947c-6a255697ae91": SETTINGS,
    "df021288-bdef-4463-88db-98f22de89214": PEOPLE,
    "b633e1c5-b582-4048-a93e-9f11b44c7e96": "Mail.Send",
}
"""Application permissions of Microsoft Graph that are told apart by name; the others are shown by their ID."""
ID_OF = {name: id for id, name in ROLE_IDS.items()}

IN_ENTRA: Mapping[str, frozenset[str]] = {
    SCOPED: frozenset({PEOPLE}),
    TENANT_WIDE: frozenset({MAIL, SETTINGS, PEOPLE}),
}
"""What the app holds in Entra, where every grant reaches the whole organisation. `User.Read.All` reads names and
addresses of people and no mail; Exchange has no right of its own for it. Mail is read and written, and folders and
change notifications with it; `MailboxSettings.Read` shows shared mailboxes and forwarding rules when a pair is made."""

IN_EXCHANGE = tuple(f"Application {name}" for name in (MAIL, SETTINGS))
"""The same for mail where Exchange gives it, for the mailboxes of one group. These show in no token."""


def judged(held: Set[str], rights: str) -> Verdict | None:
    """What is wrong with the rights that the app holds in Entra; None when they are just right."""
    allowed = IN_ENTRA[rights]
    if sends := sorted(name for name in held if "Send" in name.split(".")):
        return Verdict(
            "wrong",
            f"the app may send mail ({', '.join(sends)}), which Tandem never does: remove it under Microsoft Entra ID →"
            " App registrations → Tandem → API permissions, and revoke the consent",
        )
    if wider := sorted(held - allowed):
        return Verdict(
            "wrong",
            f"the app holds in Entra, for the whole organisation, what Tandem {_must_not(rights)}: {', '.join(wider)}."
            " Remove it under App registrations → Tandem → API permissions, and revoke the consent",
        )
    if lacking := sorted(allowed - held):
        return Verdict("missing", f"not granted in Entra: {', '.join(lacking)}")
    return None


def _must_not(rights: str) -> str:
    return "must not have there when Exchange gives the rights to one group" if rights == SCOPED else "doesn't use"
