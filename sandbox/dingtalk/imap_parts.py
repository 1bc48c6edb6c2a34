"""What the IMAP commands share: their replies, and mailboxes and messages as a client names them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.dingtalk import utf7
from sandbox.dingtalk.records import INBOX, Folder, Message
from sandbox.dingtalk.store import Store

if TYPE_CHECKING:
    from sandbox.dingtalk.imap_session import ImapSession

Reply = tuple[bytes, str]
"""Untagged lines, and the text after the tagged OK."""


class No(Exception):
    """The command is refused; nothing was done."""


class Bad(Exception):
    """The server doesn't know such a command or parameter."""


class Dropped(Exception):
    """The server ends the connection without an answer."""


class Literal(bytes):
    """An argument that came as a literal."""


@dataclass(frozen=True, slots=True)
class Selected:
    """The mailbox in use. `known`: the UIDs that the client knows of, in order."""

    folder: str
    writable: bool
    known: tuple[int, ...]


def store_of(session: ImapSession) -> Store:
    assert session.store is not None
    return session.store


def selected(session: ImapSession, *, writable: bool = False) -> Selected:
    if session.selected is None:
        raise No("no mailbox selected")
    if writable and not session.selected.writable:
        raise No("mailbox is read-only")
    return session.selected


# ---- names
def shown_name(store: Store, folder: Folder) -> str:
    """As LIST shows it, in modified UTF-7."""
    top, *below = store.line(folder)
    return utf7.encode("/".join(("INBOX" if top.id == INBOX else top.name, *(one.name for one in below))))


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def plain(arg: bytes) -> bytes:
    """A mailbox name or pattern as sent; with 8-bit bytes in it the server hangs up."""
    if any(byte > 0x7E for byte in arg):
        raise Dropped
    return arg


def named(arg: bytes) -> str:
    """The decoded name of a mailbox."""
    try:
        name = utf7.decode(plain(arg).decode("ascii"))
    except ValueError as exc:
        raise No("the mailbox name is no modified UTF-7") from exc
    return "INBOX" if name.upper() == "INBOX" else name


def folder_named(store: Store, arg: bytes) -> Folder | None:
    name = named(arg)
    return next((one for one in store.folders.values() if utf7.decode(shown_name(store, one)) == name), None)


def folder_of(session: ImapSession, args: list[bytes]) -> Folder:
    """The mailbox that the only argument names."""
    if len(args) != 1:
        raise Bad
    folder = folder_named(store_of(session), args[0])
    if folder is None:
        raise No("[NONEXISTENT] no such mailbox")
    return folder


# ---- messages
def messages_in(store: Store, folder: str) -> list[Message]:
    return sorted((m for m in store.items.values() if m.folder == folder), key=lambda m: m.uid)


def chosen(session: ImapSession, ranges: bytes, uids: bool) -> Iterator[tuple[int, Message]]:
    """-> sequence number and message, in order. A range that ends in `*` always has the last one."""
    messages = messages_in(store_of(session), selected(session).folder)
    last = (messages[-1].uid if uids else len(messages)) if messages else 0
    spans: list[tuple[int, int]] = []
    for part in ranges.decode("ascii", "replace").split(","):
        if not re.fullmatch(r"([1-9]\d*|\*)(:([1-9]\d*|\*))?", part, re.ASCII):
            raise Bad
        ends = [last if end == "*" else int(end) for end in part.split(":")]
        spans.append((min(ends), max(ends)))
    for number, message in enumerate(messages, 1):
        place = message.uid if uids else number
        if any(low <= place <= high for low, high in spans):
            yield number, message


# ---- flags
FLAGS = {flag.lower(): flag for flag in (r"\Answered", r"\Seen", r"\Deleted", r"\Draft", r"\Flagged")}
"""There are no keywords."""


def flags_of(session: ImapSession, message: Message) -> frozenset[str]:
    """In lower case."""
    there = {
        "\\seen": message.read,
        "\\answered": message.answered,
        "\\flagged": session.world.switches.flagged_maps_to in message.tags,
    }
    return message.marks | {flag for flag, is_there in there.items() if is_there}


def shown_flags(session: ImapSession, message: Message) -> str:
    flags = flags_of(session, message)
    return " ".join(shown for flag, shown in FLAGS.items() if flag in flags)


def state_of(session: ImapSession, flags: frozenset[str], tags: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The fields of a message with these flags, which had `tags`."""
    tag = session.world.switches.flagged_maps_to
    rest = flags - {"\\seen", "\\answered"}
    if tag != "none":
        rest -= {"\\flagged"}
        tags = tags | {tag} if "\\flagged" in flags else tags - {tag}
    return {"read": "\\seen" in flags, "answered": "\\answered" in flags, "tags": tags, "marks": rest}
