"""Are the two mailboxes of a pair the same? Told from what the vendors hold, without any knowledge of the product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields

from sandbox.truth import Mailbox, Stored, StoredFolder

Identity = tuple[str, bool]
"""Message-ID (or sender, date and subject), and whether it is the sent copy: mail to oneself is two items."""


@dataclass(frozen=True, slots=True, order=True)
class Shown:
    """What has to be equal. `place`: role or path of the folder; `received`: in whole epoch seconds; `attachments`:
    name and SHA-256 of each, sorted."""

    identity: Identity
    place: str
    read: bool
    flag: str
    subject: str
    sender: str
    received: int
    attachments: tuple[tuple[str, str], ...]


def places(mailbox: Mailbox) -> dict[str, str]:
    """Folder id -> the role of the folder, or its path below the topmost folder or a role."""
    folders = {folder.id: folder for folder in mailbox.folders()}
    return {id: _place(folder, folders) for id, folder in folders.items()}


def _place(folder: StoredFolder, folders: Mapping[str, StoredFolder]) -> str:
    if folder.role:
        return folder.role
    parent = folders.get(folder.parent or "")
    return f"{_place(parent, folders)}/{folder.name}" if parent else folder.name


def identity(message: Stored, place: str) -> Identity:
    name = message.message_id or f"{message.sender} {int(message.received_at)} {message.subject}"
    return name, place == "sent"


def shown(mailbox: Mailbox) -> list[Shown]:
    """Every message but drafts, trash included, sorted."""
    place = places(mailbox)
    kept = (m for m in mailbox.messages() if not m.draft and place[m.folder] != "drafts")
    return sorted(_shown(message, place[message.folder]) for message in kept)


def _shown(message: Stored, place: str) -> Shown:
    return Shown(
        identity(message, place),
        place,
        message.read,
        message.flag,
        message.subject,
        message.sender,
        int(message.received_at),
        tuple(sorted((a.name, a.sha256) for a in message.attachments)),
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """`what` differs ("missing", "doubled" or the names of fields), of the message with this subject."""

    what: str
    subject: str
    one: str
    two: str


def differences(one: Mailbox, two: Mailbox) -> list[Difference]:
    """What keeps the two mailboxes from being the same; empty when they are."""
    left, right = _grouped(shown(one)), _grouped(shown(two))
    found = (_differ(left.get(name, []), right.get(name, [])) for name in sorted(left.keys() | right.keys()))
    return [difference for difference in found if difference]


def _grouped(messages: list[Shown]) -> dict[Identity, list[Shown]]:
    groups: dict[Identity, list[Shown]] = {}
    for message in messages:
        groups.setdefault(message.identity, []).append(message)
    return groups


def _differ(one: list[Shown], two: list[Shown]) -> Difference | None:
    if one == two:
        return None
    any_of = (one or two)[0]
    if len(one) != len(two):
        what = "doubled" if one and two else "missing"
        return Difference(what, any_of.subject, f"{len(one)} of it", f"{len(two)} of it")
    names = [
        field.name
        for number, field in enumerate(fields(Shown))
        if any(astuple(a)[number] != astuple(b)[number] for a, b in zip(one, two, strict=True))
    ]
    values = ("; ".join(str(getattr(m, name)) for m in side for name in names) for side in (one, two))
    return Difference(", ".join(names), any_of.subject, *values)


@dataclass(frozen=True, slots=True)
class Census:
    """How many of the items that people made are missing from a mailbox, and how many are there beyond them."""

    lost: int
    duplicated: int


def census(mailbox: Mailbox, made: Counter[Identity]) -> Census:
    """`made`: how many items of each identity there should be in this mailbox."""
    there = Counter(message.identity for message in shown(mailbox))
    return Census((made - there).total(), (there - made).total())
