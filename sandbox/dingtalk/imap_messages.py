"""IMAP commands that change messages: APPEND, STORE, and COPY, which moves here."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from sandbox.dingtalk.imap_parts import (
    FLAGS,
    Bad,
    Literal,
    No,
    Reply,
    chosen,
    flags_of,
    folder_of,
    selected,
    shown_flags,
    state_of,
    store_of,
)
from sandbox.dingtalk.records import Message
from sandbox.dingtalk.store import Store

if TYPE_CHECKING:
    from sandbox.dingtalk.imap_session import ImapSession


def append(session: ImapSession, args: list[bytes]) -> Reply:
    """APPEND mailbox [(flags)] ["date-time"] literal."""
    store, switches, now = store_of(session), session.world.switches, session.world.now()
    folder, rest, mime = folder_of(session, args[:1]), args[1:-1], args[-1]
    if not isinstance(mime, Literal) or len(rest) > 2:
        raise Bad
    flags = _flags(rest.pop(0)) if rest and rest[0].startswith(b"(") else frozenset[str]()
    received = _date(rest[0]) if rest else now
    _check_room(store, mime, switches.max_append)
    if switches.refuses_bare_lf and re.search(rb"(?<!\r)\n", mime):
        raise No("bare LF in message")
    at = received if switches.honours_internaldate else now
    message = store.add(folder.id, mime, received=at, by="client", **state_of(session, flags & FLAGS.keys()))
    session.world.sent_mail += switches.append_rules
    for other in [f for f in store.folders.values() if f.name == switches.append_files_into]:
        store.move(message, other.id)
    code = f"[APPENDUID {folder.uidvalidity} {message.uid}] " if switches.appenduid else ""
    return b"", f"{code}APPEND completed"


def _check_room(store: Store, mime: bytes, largest: int) -> None:
    if len(mime) > largest:
        raise No("message too large")
    if store.quota is not None and sum(len(m.mime) for m in store.items.values()) + len(mime) > store.quota:
        raise No("[OVERQUOTA] mailbox is full")


def _flags(arg: bytes) -> frozenset[str]:
    return frozenset(arg.decode("ascii", "replace").strip("()").lower().split())


def _date(text: bytes) -> float:
    try:
        return datetime.strptime(text.decode("ascii").strip(), "%d-%b-%Y %H:%M:%S %z").timestamp()
    except ValueError as exc:
        raise Bad from exc


def store_flags(session: ImapSession, args: list[bytes]) -> Reply:
    return _stored(session, args, uids=False), "STORE completed"


def uid_store(session: ImapSession, args: list[bytes]) -> Reply:
    return _stored(session, args, uids=True), "UID STORE completed"


def _stored(session: ImapSession, args: list[bytes], uids: bool) -> bytes:
    """No keywords: a flag the server doesn't know is refused."""
    how = re.fullmatch(r"([+-]?)FLAGS(\.SILENT)?", args[1].decode("ascii", "replace").upper()) if args[2:] else None
    if how is None:
        raise Bad
    selected(session, writable=True)
    flags, lines = _flags(b" ".join(args[2:])), ""
    if not flags <= FLAGS.keys():
        raise No("flag not permitted")
    for number, message in chosen(session, args[0], uids):
        before = flags_of(session, message)
        after = before | flags if how[1] == "+" else before - flags if how[1] == "-" else flags
        changed = _change(session, message, after)
        if not how[2]:
            uid = f"UID {message.uid} " if uids else ""
            lines += f"* {number} FETCH ({uid}FLAGS ({shown_flags(session, changed)}))\r\n"
    return lines.encode()


def _change(session: ImapSession, message: Message, flags: frozenset[str]) -> Message:
    fields, store = state_of(session, flags, message.tags), store_of(session)
    read = fields.pop("read")
    return store.mark_read(message, **fields) if read else store.change(message, read=False, **fields)


def copy(session: ImapSession, args: list[bytes]) -> Reply:
    return _copied(session, args, uids=False), "COPY completed"


def uid_copy(session: ImapSession, args: list[bytes]) -> Reply:
    return _copied(session, args, uids=True), "UID COPY completed"


def _copied(session: ImapSession, args: list[bytes], uids: bool) -> bytes:
    """The vendor's quirk: the source message disappears."""
    if len(args) != 2:
        raise Bad
    target = folder_of(session, args[1:])
    for _, message in chosen(session, args[0], uids):
        store_of(session).relocate(message, target.id)
    return b""
