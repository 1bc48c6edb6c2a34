"""Which IMAP mailbox is which folder of the REST door. Pure.

The two doors share one store but no ids. Top-level folders with a role are known by their LIST marks (the server sends
them although it doesn't advertise SPECIAL-USE), else by their usual names; below them, and for a person's folders,
the path of display names is the mailbox name. A name is used only when LIST shows it and only one folder can mean it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.dingtalk.folders import name
from shared.model.errors import NotFound, Refused
from shared.model.mail import Folder
from shared.model.words import Role

MARKS: dict[Role, tuple[str, ...]] = {
    "inbox": ("\\inbox",),
    "sent": ("\\sent",),
    "junk": ("\\junk", "\\spam"),
    "drafts": ("\\drafts",),
    "trash": ("\\trash",),
}

ALL_MARKS = frozenset(mark for marks in MARKS.values() for mark in marks)

USUAL: dict[Role, tuple[str, ...]] = {
    "inbox": ("inbox",),
    "sent": ("已发送", "已发送邮件", "寄件備份", "sent", "sent items", "sent messages"),
    "junk": ("垃圾邮件", "垃圾郵件", "junk", "junk e-mail", "spam"),
    "drafts": ("草稿", "草稿箱", "drafts"),
    "trash": ("已删除邮件", "已删除", "已刪除郵件", "deleted messages", "deleted items", "trash"),
}
"""Names in lower case, as Chinese and English mailboxes show them."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A mailbox as LIST shows it: marks in lower case, the delimiter of levels, the decoded name as it is spelled."""

    marks: frozenset[str]
    delimiter: str
    name: str


def mailbox_name(id: str, tree: Sequence[Folder], listed: Sequence[Listed]) -> str:
    """The IMAP name of folder `id`. NotFound when the tree doesn't have it; Refused when LIST doesn't, or when
    another folder could be meant."""
    folder = next((folder for folder in tree if folder.id == id), None)
    if folder is None:
        raise NotFound(f"folder {id} is not among the mailbox's folders")
    top = next((other for other in tree if other.path == folder.path[:1]), folder)
    twins = sum(_joined(other.path) == _joined(folder.path) for other in tree)
    found = [
        mailbox for first in _tops(top, tree, listed) for mailbox in listed if _below(first, folder) == _as(mailbox)
    ]
    if len(found) != 1 or twins > 1:
        raise Refused(f"IMAP shows no mailbox that is folder {id} for certain: rename the folder", code="folder_name")
    return found[0].name


def _tops(top: Folder, tree: Sequence[Folder], listed: Sequence[Listed]) -> list[Listed]:
    """The mailboxes that can be this top-level folder. One with a role: by mark, else by a usual name that no person
    gave to another folder; any other, and what is left: by display name."""
    role = top.role
    marks, usual = (MARKS.get(role, ()), USUAL.get(role, ())) if role else ((), ())
    others = {other.path[0] for other in tree if len(other.path) == 1 and other.role not in MARKS}
    return (
        [mailbox for mailbox in listed if mailbox.marks.intersection(marks)]
        or [mailbox for mailbox in listed if _as(mailbox).lower() in usual and _as(mailbox) not in others]
        or [mailbox for mailbox in listed if _as(mailbox) == top.path[0] and not mailbox.marks & ALL_MARKS]
    )


def _below(first: Listed, folder: Folder) -> str:
    return _as(first) + "".join(first.delimiter + part for part in folder.path[1:])


def _as(mailbox: Listed) -> str:
    return name(mailbox.name)


def _joined(path: Sequence[str]) -> str:
    return "/".join(path)
