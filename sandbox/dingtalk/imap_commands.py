"""The IMAP commands that the server knows, and those of them that are about the connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sandbox.dingtalk import imap_fetch as reading
from sandbox.dingtalk import imap_mailboxes as mailboxes
from sandbox.dingtalk import imap_messages as messages
from sandbox.dingtalk.imap_parts import Bad, Dropped, No, Reply

if TYPE_CHECKING:
    from sandbox.dingtalk.imap_session import ImapSession
    from sandbox.dingtalk.store import Store

CAPABILITY = b"* CAPABILITY IMAP4rev1 IDLE XLIST UIDPLUS ID SASL-IR AUTH=XOAUTH AUTH=XOAUTH2 AUTH=EXTERNAL\r\n"


def capability(session: ImapSession, args: list[bytes]) -> Reply:
    off = session.world.switches.imap_off == "disabled"
    return CAPABILITY.replace(b"\r\n", b" LOGINDISABLED\r\n") if off else CAPABILITY, "CAPABILITY completed"


def identify(session: ImapSession, args: list[bytes]) -> Reply:
    return b'* ID ("name" "AliYun")\r\n', "ID completed"


def noop(session: ImapSession, args: list[bytes]) -> Reply:
    return mailboxes.news(session), "NOOP completed"


def logout(session: ImapSession, args: list[bytes]) -> Reply:
    session.closed = True
    return b"* BYE AliYun IMAP Server signing off\r\n", "LOGOUT completed"


def login(session: ImapSession, args: list[bytes]) -> Reply:
    """The client password only; after too many refusals the account takes nothing more."""
    if len(args) != 2 or session.store is not None:
        raise Bad
    user, world = args[0].decode("utf-8", "replace").lower(), session.world
    world.logins.append((user, args[1].decode("utf-8", "replace")))
    store, limit = session.stores.get(user), world.switches.lockout_after
    locked = limit is not None and world.failed_logins[user] >= limit
    if store is None or locked or (refusal := _refusal(store, args[1].decode("utf-8", "replace"))):
        world.failed_logins[user] += 1
        raise No(refusal if store is not None and not locked and world.switches.tells_why else "LOGIN failed")
    session.store, session.password = store, args[1].decode("utf-8", "replace")
    return b"", "LOGIN completed"


def _refusal(store: Store, password: str) -> str:
    """Why this login is refused, "" when it isn't."""
    if store.imap_off or store.world.switches.imap_off != "no":
        return "IMAP service is disabled for this account"
    if store.password is None or password != store.password:
        return "LOGIN failed"
    return "[EXPIRED] the client password has expired" if store.password_expired else ""


Handler = Callable[["ImapSession", list[bytes]], Reply]
ANYONES: dict[str, Handler] = {
    "CAPABILITY": capability,
    "ID": identify,
    "NOOP": noop,
    "LOGOUT": logout,
    "LOGIN": login,
}
USERS: dict[str, Handler] = {
    "LIST": mailboxes.list_,
    "XLIST": mailboxes.xlist,
    "LSUB": mailboxes.lsub,
    "SELECT": mailboxes.select,
    "EXAMINE": mailboxes.examine,
    "STATUS": mailboxes.status,
    "CREATE": mailboxes.create,
    "RENAME": mailboxes.rename,
    "DELETE": mailboxes.delete,
    "SUBSCRIBE": mailboxes.nothing,
    "UNSUBSCRIBE": mailboxes.nothing,
    "CLOSE": mailboxes.close,
    "EXPUNGE": mailboxes.expunge,
    "UID EXPUNGE": mailboxes.uid_expunge,
    "APPEND": messages.append,
    "STORE": messages.store_flags,
    "UID STORE": messages.uid_store,
    "COPY": messages.copy,
    "UID COPY": messages.uid_copy,
    "FETCH": reading.fetch,
    "UID FETCH": reading.uid_fetch,
    "SEARCH": reading.search,
    "UID SEARCH": reading.uid_search,
}
"""Commands that need a login. IDLE, the only one with a second line, is the session's own."""


def handler(session: ImapSession, name: str) -> Handler:
    if name in ANYONES:
        return ANYONES[name]
    if name not in USERS:
        raise Bad
    if session.store is None:
        raise No("not logged in")
    if session.world.switches.ends_sessions and _refusal(session.store, session.password):
        raise Dropped
    return USERS[name]
