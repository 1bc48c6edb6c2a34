"""A pair: one person's DingTalk account and Outlook mailbox."""

from __future__ import annotations

from dataclasses import dataclass

from shared.model.words import Side


@dataclass(frozen=True, slots=True)
class Pair:
    """`id` is opaque and appears in logs; `name`, `outlook` and `dingtalk` (mail addresses) never do. `since`: epoch
    seconds; an unlinked message received earlier is never copied. Aliases are further own addresses per side.
    `union_id` and `user_id`: the person in DingTalk's directory, within one developer's apps and within the
    organisation; "" while unknown. `paused_why`: a word for the reason when it wasn't the administrator's wish.
    `language`: a tag (zh-CN, zh-TW, en) for what Tandem names in the mailboxes. `exclude_folders`: folders left alone,
    with their twins and everything below, as "outlook/<id>" or "dingtalk/<id>". `schema`: the version that all rows of
    its ledger are known to be in."""

    id: str
    name: str
    outlook: str
    dingtalk: str
    since: float
    union_id: str = ""
    outlook_aliases: tuple[str, ...] = ()
    dingtalk_aliases: tuple[str, ...] = ()
    paused: bool = False
    user_id: str = ""
    paused_why: str = ""
    language: str = "zh-CN"
    exclude_folders: tuple[str, ...] = ()
    schema: int = 1

    @property
    def mail_domain(self) -> str:
        """Of the DingTalk side: its requests are limited for the domain as a whole."""
        return mail_domain(self.dingtalk)

    def address(self, side: Side) -> str:
        return self.outlook if side == "outlook" else self.dingtalk

    def addresses(self, side: Side) -> frozenset[str]:
        own, aliases = (
            (self.outlook, self.outlook_aliases) if side == "outlook" else (self.dingtalk, self.dingtalk_aliases)
        )
        return frozenset(address.lower() for address in (own, *aliases))


def mail_domain(address: str) -> str:
    """In lower case."""
    return address.rpartition("@")[2].lower()
