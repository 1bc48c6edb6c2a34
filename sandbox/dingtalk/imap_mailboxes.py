"""IMAP commands about mailboxes: list, open, count, make, rename, remove."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.dingtalk.errors import Refusal
from sandbox.dingtalk.imap_parts import (
    FLAGS,
    Bad,
    No,
    Reply,
    Selected,
    chosen,
    folder_named,
    folder_of,
    messages_in,
    named,
    plain,
    quoted,
    selected,
    shown_name,
    store_of,
)
from sandbox.dingtalk.records import ROLES, TOP, Folder
from sandbox.dingtalk.store import Store

if TYPE_CHECKING:
    from sandbox.dingtalk.imap_session import ImapSession

MARKS = {"1": r"\Sent", "3": r"\Junk", "5": r"\Drafts", "6": r"\Trash"}
"""Sent although SPECIAL-USE is not advertised."""


def list_(session: ImapSession, args: list[bytes]) -> Reply:
    return _listed(session, args, "LIST")


def xlist(session: ImapSession, args: list[bytes]) -> Reply:
    return _listed(session, args, "XLIST")


def lsub(session: ImapSession, args: list[bytes]) -> Reply:
    """Everybody is subscribed to everything."""
    return _listed(session, args, "LSUB")


def _listed(session: ImapSession, args: list[bytes], command: str) -> Reply:
    if len(args) != 2:
        raise Bad
    wanted, store = (plain(args[0]) + plain(args[1])).decode("ascii"), store_of(session)
    if not args[1]:
        return f'* {command} (\\Noselect) "/" ""\r\n'.encode(), f"{command} completed"
    pattern = re.compile(re.escape(wanted).replace(r"\*", ".*").replace("%", "[^/]*"))
    names = ((folder.id, shown_name(store, folder)) for folder in store.folders.values())
    lines = (
        f'* {command} ({MARKS.get(id, "")}) "/" {quoted(name)}\r\n'
        for id, name in names
        if pattern.fullmatch(name) or (name == "INBOX" and wanted.upper() == name)
    )
    return "".join(lines).encode(), f"{command} completed"


def select(session: ImapSession, args: list[bytes]) -> Reply:
    return _opened(session, args, True), "[READ-WRITE] SELECT completed"


def examine(session: ImapSession, args: list[bytes]) -> Reply:
    return _opened(session, args, False), "[READ-ONLY] EXAMINE completed"


def _opened(session: ImapSession, args: list[bytes], writable: bool) -> bytes:
    """No mailbox is open after a refusal."""
    session.selected = None
    store, folder = store_of(session), folder_of(session, args)
    known, flags = _uids(store, folder.id), " ".join(FLAGS.values())
    session.selected = Selected(folder.id, writable, known)
    return (
        f"* FLAGS ({flags})\r\n* {len(known)} EXISTS\r\n* 0 RECENT\r\n"
        f"* OK [PERMANENTFLAGS ({flags})]\r\n* OK [UIDVALIDITY {folder.uidvalidity}]\r\n"
        f"* OK [UIDNEXT {store.uid_next(folder.id)}]\r\n"
    ).encode()


def _uids(store: Store, folder: str) -> tuple[int, ...]:
    return tuple(message.uid for message in messages_in(store, folder))


def news(session: ImapSession) -> bytes:
    """What the client doesn't know of the open mailbox yet: messages gone, the last first, then EXISTS if any came."""
    if session.selected is None or session.store is None:
        return b""
    known, there = session.selected.known, _uids(session.store, session.selected.folder)
    session.selected = replace(session.selected, known=there)
    gone, came = set(known) - set(there), set(there) - set(known)
    lines = [f"* {number} EXPUNGE\r\n" for number, uid in reversed(list(enumerate(known, 1))) if uid in gone]
    return "".join((*lines, f"* {len(there)} EXISTS\r\n" if came else "")).encode()


def status(session: ImapSession, args: list[bytes]) -> Reply:
    """UIDVALIDITY is answered even if it was not asked for."""
    if len(args) != 2:
        raise Bad
    store, folder = store_of(session), folder_of(session, args[:1])
    messages = messages_in(store, folder.id)
    unseen = sum(not message.read for message in messages)
    shown = (
        f"UIDNEXT {store.uid_next(folder.id)} UIDVALIDITY {folder.uidvalidity} MESSAGES {len(messages)} UNSEEN {unseen}"
    )
    return f"* STATUS {quoted(shown_name(store, folder))} ({shown})\r\n".encode(), "STATUS completed"


def create(session: ImapSession, args: list[bytes]) -> Reply:
    if len(args) != 1:
        raise Bad
    parent, name = _place(session, args[0])
    _refusing(lambda: store_of(session).make_folder(name, parent))
    return b"", "CREATE completed"


def rename(session: ImapSession, args: list[bytes]) -> Reply:
    if len(args) != 2:
        raise Bad
    store, folder = store_of(session), _personal(session, args)
    parent, name = _place(session, args[1])
    if parent != TOP and folder in store.line(store.folders[parent]):
        raise No("a mailbox can't be put into itself")
    _refusing(lambda: store.move_folder(folder, parent, name))
    return b"", "RENAME completed"


def delete(session: ImapSession, args: list[bytes]) -> Reply:
    if len(args) != 1:
        raise Bad
    store, folder = store_of(session), _personal(session, args)
    _refusing(lambda: store.delete_folder(folder))
    if session.selected is not None and session.selected.folder == folder.id:
        session.selected = None
    return b"", "DELETE completed"


def _refusing(act: Callable[[], object]) -> None:
    try:
        act()
    except Refusal as refusal:
        raise No(refusal.message) from refusal


def _personal(session: ImapSession, args: list[bytes]) -> Folder:
    folder = folder_of(session, args[:1])
    if folder.id in ROLES:
        raise No("a system mailbox can't be changed")
    return folder


def _place(session: ImapSession, arg: bytes) -> tuple[str, str]:
    """-> parent's id and display name of a mailbox that isn't there yet."""
    store = store_of(session)
    above, _, name = arg.rpartition(b"/")
    parent = folder_named(store, above) if above else None
    if folder_named(store, arg) is not None:
        raise No("[ALREADYEXISTS] mailbox exists")
    if not name or (above and parent is None):
        raise No("no such parent")
    return (parent.id if parent else TOP), named(name)


def nothing(session: ImapSession, args: list[bytes]) -> Reply:
    """SUBSCRIBE and UNSUBSCRIBE: taken, and of no effect here."""
    folder_of(session, args)
    return b"", "completed"


def close(session: ImapSession, args: list[bytes]) -> Reply:
    """Removes what is marked deleted, and tells nothing of it."""
    if selected(session).writable:
        _remove(session, None)
    session.selected = None
    return b"", "CLOSE completed"


def expunge(session: ImapSession, args: list[bytes]) -> Reply:
    """Removes what is marked deleted."""
    if args:
        raise Bad
    selected(session, writable=True)
    _remove(session, None)
    return news(session), "EXPUNGE completed"


def uid_expunge(session: ImapSession, args: list[bytes]) -> Reply:
    """Of these UIDs only (UIDPLUS)."""
    if len(args) != 1:
        raise Bad
    selected(session, writable=True)
    _remove(session, args[0])
    return news(session), "UID EXPUNGE completed"


def _remove(session: ImapSession, uids: bytes | None) -> None:
    for _, message in list(chosen(session, uids or b"1:*", uids=True)):
        if "\\deleted" in message.marks:
            store_of(session).purge(message)
