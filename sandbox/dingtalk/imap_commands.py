"""What each IMAP command does to the store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING

from sandbox.dingtalk import utf7
from sandbox.dingtalk.records import FLAGGED, INBOX, TOP, Folder, Message
from sandbox.dingtalk.store import Store

if TYPE_CHECKING:
    from sandbox.dingtalk.imap_session import ImapSession

CAPABILITY = b"* CAPABILITY IMAP4rev1 IDLE XLIST UIDPLUS ID SASL-IR AUTH=XOAUTH AUTH=XOAUTH2 AUTH=EXTERNAL\r\n"
FLAGS = r"(\Answered \Seen \Deleted \Draft \Flagged)"
MARKS = {"1": r"\Sent", "3": r"\Junk", "5": r"\Drafts", "6": r"\Trash"}
Reply = tuple[bytes, str]


class No(Exception):
    """The command is refused; nothing was done."""


class Bad(Exception):
    """The server doesn't know such a command or parameter."""


class Dropped(Exception):
    """The server ends the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Selected:
    folder: str
    writable: bool


def capability(session: ImapSession, args: list[bytes]) -> Reply:
    return CAPABILITY, "CAPABILITY completed"


def identify(session: ImapSession, args: list[bytes]) -> Reply:
    return b'* ID ("name" "AliYun")\r\n', "ID completed"


def noop(session: ImapSession, args: list[bytes]) -> Reply:
    return b"", "NOOP completed"


def logout(session: ImapSession, args: list[bytes]) -> Reply:
    session.closed = True
    return b"* BYE AliYun IMAP Server signing off\r\n", "LOGOUT completed"


def login(session: ImapSession, args: list[bytes]) -> Reply:
    """The client password only; after too many refusals the account takes nothing more."""
    if len(args) != 2:
        raise Bad
    user, world = args[0].decode("utf-8", "replace").lower(), session.world
    store, limit = session.stores.get(user), world.switches.lockout_after
    locked = limit is not None and world.failed_logins[user] >= limit
    if store is None or store.password is None or locked or args[1].decode("utf-8", "replace") != store.password:
        world.failed_logins[user] += 1
        raise No("LOGIN failed")
    session.store = store
    return b"", "LOGIN completed"


# ---- mailboxes
def list_mailboxes(session: ImapSession, args: list[bytes]) -> Reply:
    if len(args) != 2:
        raise Bad
    pattern = re.escape(args[1].decode("ascii", "replace")).replace(r"\*", ".*").replace("%", "[^/]*")
    lines = b""
    for folder in _store(session).folders.values():
        name = _name(_store(session), folder)
        if re.fullmatch(pattern, name):
            lines += f'* LIST ({MARKS.get(folder.id, "")}) "/" "{name}"\r\n'.encode()
    return lines, "LIST completed"


def select(session: ImapSession, args: list[bytes]) -> Reply:
    return _open(session, args, True)


def examine(session: ImapSession, args: list[bytes]) -> Reply:
    return _open(session, args, False)


def _open(session: ImapSession, args: list[bytes], writable: bool) -> Reply:
    store, folder = _store(session), _folder(session, args)
    session.selected = Selected(folder.id, writable)
    messages = _messages(store, folder.id)
    lines = (
        f"* FLAGS {FLAGS}\r\n* {len(messages)} EXISTS\r\n* 0 RECENT\r\n"
        f"* OK [PERMANENTFLAGS {FLAGS}]\r\n* OK [UIDVALIDITY {folder.uidvalidity}]\r\n"
        f"* OK [UIDNEXT {store.uid_next(folder.id)}]\r\n"
    )
    return lines.encode(), "[READ-WRITE] SELECT completed" if writable else "[READ-ONLY] EXAMINE completed"


def status(session: ImapSession, args: list[bytes]) -> Reply:
    """UIDVALIDITY is answered even if it was not asked for."""
    store, folder = _store(session), _folder(session, args[:1])
    messages = _messages(store, folder.id)
    unseen = sum(not message.read for message in messages)
    shown = (
        f"UIDNEXT {store.uid_next(folder.id)} UIDVALIDITY {folder.uidvalidity} MESSAGES {len(messages)} UNSEEN {unseen}"
    )
    return f'* STATUS "{_name(store, folder)}" ({shown})\r\n'.encode(), "STATUS completed"


def create(session: ImapSession, args: list[bytes]) -> Reply:
    store, names = _store(session), _decoded(args).split("/")
    parent = TOP
    for name in names[:-1]:
        parent = next((f.id for f in store.children(parent) if f.name == name), "")
        if not parent:
            raise No("no such parent")
    if any(f.name == names[-1] for f in store.children(parent)):
        raise No("mailbox exists")
    store.make_folder(names[-1], parent)
    return b"", "CREATE completed"


def nothing(session: ImapSession, args: list[bytes]) -> Reply:
    """SUBSCRIBE and its like: taken, and of no effect here."""
    return b"", "completed"


# ---- messages
def append(session: ImapSession, args: list[bytes]) -> Reply:
    """APPEND mailbox [(flags)] ["date-time"] literal."""
    store, folder, switches = _store(session), _folder(session, args[:1]), session.world.switches
    rest, mime = args[1:-1], args[-1]
    if len(args) < 2 or len(rest) > 2:
        raise Bad
    flags = rest.pop(0).decode().lower() if rest and rest[0].startswith(b"(") else "()"
    received = _date(rest[0]) if rest else session.world.now()
    if len(mime) > switches.max_append:
        raise No("message too large")
    if store.quota is not None and sum(len(m.mime) for m in store.items.values()) + len(mime) > store.quota:
        raise No("[OVERQUOTA] mailbox is full")
    if switches.refuses_bare_lf and re.search(rb"(?<!\r)\n", mime):
        raise No("bare LF in message")
    tag = switches.flagged_maps_to
    tags = frozenset({tag}) if tag != "none" and "\\flagged" in flags else frozenset()
    message = store.add(
        folder.id, mime, received=received if switches.honours_internaldate else session.world.now(),
        read="\\seen" in flags, tags=tags, answered="\\answered" in flags, by="client",
    )  # fmt: skip
    if switches.append_rules:
        session.world.sent_mail += 1
    code = f"[APPENDUID {folder.uidvalidity} {message.uid}] " if switches.appenduid else ""
    return b"", f"{code}APPEND completed"


def _date(text: bytes) -> float:
    try:
        return datetime.strptime(text.decode().strip(), "%d-%b-%Y %H:%M:%S %z").timestamp()
    except ValueError as exc:
        raise Bad from exc


def fetch(session: ImapSession, args: list[bytes]) -> Reply:
    return _fetched(session, args, uids=False), "FETCH completed"


def uid_fetch(session: ImapSession, args: list[bytes]) -> Reply:
    return _fetched(session, args, uids=True), "UID FETCH completed"


def _fetched(session: ImapSession, args: list[bytes], uids: bool) -> bytes:
    if len(args) < 2:
        raise Bad
    asked = b" ".join(args[1:]).decode("ascii", "replace").strip("()")
    items = re.findall(r"[A-Za-z0-9.]+(?:\[[^\]]*\])?", asked)
    lines = b""
    for number, message in _chosen(session, args[0], uids):
        shown = [_item(session, message, item) for item in items]
        if uids and not any(item.upper() == "UID" for item in items):
            shown.insert(0, f"UID {message.uid}".encode())
        lines += b"* %d FETCH (" % number + b" ".join(shown) + b")\r\n"
    return lines


def _item(session: ImapSession, message: Message, item: str) -> bytes:
    name = item.upper()
    simple = {
        "UID": lambda: f"UID {message.uid}",
        "FLAGS": lambda: f"FLAGS ({_flags(session, message)})",
        "RFC822.SIZE": lambda: f"RFC822.SIZE {len(message.mime)}",
        "INTERNALDATE": lambda: f'INTERNALDATE "{_internal(message.received)}"',
    }
    if name in simple:
        return simple[name]().encode()
    if name in ("BODY[]", "BODY.PEEK[]", "RFC822"):
        if name != "BODY.PEEK[]" and not message.read:
            _store(session).change(message, read=True)
        return _literal("RFC822" if name == "RFC822" else "BODY[]", message.mime)
    if match := re.fullmatch(r"BODY(?:\.PEEK)?\[HEADER\.FIELDS \((.*)\)\]", item, re.IGNORECASE):
        return _literal(f"BODY[HEADER.FIELDS ({match[1]})]", _header_lines(message.mime, match[1].split()))
    raise Bad


def _literal(name: str, content: bytes) -> bytes:
    return f"{name} {{{len(content)}}}\r\n".encode() + content


def _header_lines(mime: bytes, names: list[str]) -> bytes:
    parsed = BytesHeaderParser().parsebytes(mime)
    wanted = {name.lower() for name in names}
    lines = [f"{name}: {value}\r\n" for name, value in parsed.raw_items() if name.lower() in wanted]
    return "".join(lines).encode("utf-8", "surrogateescape") + b"\r\n"


def _internal(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%d-%b-%Y %H:%M:%S +0000")


def _flags(session: ImapSession, message: Message) -> str:
    tag = session.world.switches.flagged_maps_to
    marks = {
        r"\Seen": message.read,
        r"\Answered": message.answered,
        r"\Flagged": tag in message.tags or (tag == "none" and FLAGGED in message.tags),
        r"\Deleted": message.deleted_mark,
    }
    return " ".join(mark for mark, there in marks.items() if there)


def store_flags(session: ImapSession, args: list[bytes]) -> Reply:
    return _stored(session, args, uids=False), "STORE completed"


def uid_store(session: ImapSession, args: list[bytes]) -> Reply:
    return _stored(session, args, uids=True), "UID STORE completed"


def _stored(session: ImapSession, args: list[bytes], uids: bool) -> bytes:
    """No keywords: a flag the server doesn't know is refused."""
    if len(args) < 3:
        raise Bad
    how, flags = args[1].decode().upper(), args[2].decode().strip("()").lower().split()
    if not set(flags) <= {"\\seen", "\\answered", "\\flagged", "\\deleted", "\\draft"} or how[0] not in "+-":
        raise No("flag not permitted")
    on, lines = how[0] == "+", b""
    for number, message in _chosen(session, args[0], uids):
        fields: dict[str, object] = {}
        for flag, name in (("\\seen", "read"), ("\\answered", "answered"), ("\\deleted", "deleted_mark")):
            if flag in flags:
                fields[name] = on
        tag = session.world.switches.flagged_maps_to
        if "\\flagged" in flags and tag != "none":
            fields["tags"] = message.tags | {tag} if on else message.tags - {tag}
        changed = _store(session).change(message, **fields)
        lines += f"* {number} FETCH (FLAGS ({_flags(session, changed)}))\r\n".encode()
    return lines


def copy(session: ImapSession, args: list[bytes]) -> Reply:
    return _copied(session, args, uids=False), "COPY completed"


def uid_copy(session: ImapSession, args: list[bytes]) -> Reply:
    return _copied(session, args, uids=True), "UID COPY completed"


def _copied(session: ImapSession, args: list[bytes], uids: bool) -> bytes:
    """The vendor's quirk: the source message disappears."""
    target = _folder(session, args[1:2])
    for _, message in _chosen(session, args[0], uids):
        _store(session).move(message, target.id)
    return b""


def expunge(session: ImapSession, args: list[bytes]) -> Reply:
    store, lines = _store(session), b""
    for number, message in reversed(list(enumerate(_messages(store, _selected(session).folder), 1))):
        if message.deleted_mark:
            store.purge(message)
            lines += f"* {number} EXPUNGE\r\n".encode()
    return lines, "EXPUNGE completed"


def search(session: ImapSession, args: list[bytes]) -> Reply:
    return _found(session, args, uids=False), "SEARCH completed"


def uid_search(session: ImapSession, args: list[bytes]) -> Reply:
    return _found(session, args, uids=True), "UID SEARCH completed"


def _found(session: ImapSession, args: list[bytes], uids: bool) -> bytes:
    words = [arg.decode("ascii", "replace").upper() for arg in args]
    tests: list[Callable[[Message], bool]] = []
    while words:
        word = words.pop(0)
        if word == "UNSEEN":
            tests.append(lambda m: not m.read)
        elif word in ("SINCE", "BEFORE") and words:
            day = _day(words.pop(0))
            tests.append(_on_or_after(day) if word == "SINCE" else _before(day))
        elif word != "ALL":
            raise Bad
    rows = enumerate(_messages(_store(session), _selected(session).folder), 1)
    hits = [message.uid if uids else number for number, message in rows if all(test(message) for test in tests)]
    return "".join(("* SEARCH", *(f" {hit}" for hit in hits), "\r\n")).encode()


def _on_or_after(day: float) -> Callable[[Message], bool]:
    return lambda message: message.received >= day


def _before(day: float) -> Callable[[Message], bool]:
    return lambda message: message.received < day


def _day(text: str) -> float:
    try:
        return datetime.strptime(text, "%d-%b-%Y").replace(tzinfo=UTC).timestamp()
    except ValueError as exc:
        raise Bad from exc


# ---- shared
def _store(session: ImapSession) -> Store:
    assert session.store is not None
    return session.store


def _selected(session: ImapSession) -> Selected:
    if session.selected is None:
        raise No("no mailbox selected")
    return session.selected


def _messages(store: Store, folder: str) -> list[Message]:
    return sorted((m for m in store.items.values() if m.folder == folder), key=lambda m: m.uid)


def _chosen(session: ImapSession, ranges: bytes, uids: bool) -> Iterator[tuple[int, Message]]:
    """-> sequence number and message, in order. A range that ends in `*` always has the last one."""
    messages = _messages(_store(session), _selected(session).folder)
    last = (messages[-1].uid if uids else len(messages)) if messages else 0
    spans: list[tuple[int, int]] = []
    for part in ranges.decode("ascii", "replace").split(","):
        if not re.fullmatch(r"(\d+|\*)(:(\d+|\*))?", part):
            raise Bad
        ends = [last if end == "*" else int(end) for end in part.split(":")]
        spans.append((min(ends), max(ends)))
    for number, message in enumerate(messages, 1):
        place = message.uid if uids else number
        if any(low <= place <= high for low, high in spans):
            yield number, message


def _name(store: Store, folder: Folder) -> str:
    return "INBOX" if folder.id == INBOX else utf7.encode("/".join(store.path(folder)))


def _decoded(args: list[bytes]) -> str:
    if not args:
        raise Bad
    if any(byte > 0x7E for byte in args[0]):
        raise Dropped
    return utf7.decode(args[0].decode("ascii"))


def _folder(session: ImapSession, args: list[bytes]) -> Folder:
    name, store = _decoded(args), _store(session)
    for folder in store.folders.values():
        if utf7.decode(_name(store, folder)) == name or (folder.id == INBOX and name.upper() == "INBOX"):
            return folder
    raise No("[NONEXISTENT] no such mailbox")


Handler = Callable[["ImapSession", list[bytes]], Reply]
COMMANDS: dict[str, tuple[Handler, bool]] = {
    "CAPABILITY": (capability, False),
    "ID": (identify, False),
    "NOOP": (noop, False),
    "LOGOUT": (logout, False),
    "LOGIN": (login, False),
    "LIST": (list_mailboxes, True),
    "XLIST": (list_mailboxes, True),
    "LSUB": (list_mailboxes, True),
    "SELECT": (select, True),
    "EXAMINE": (examine, True),
    "STATUS": (status, True),
    "CREATE": (create, True),
    "SUBSCRIBE": (nothing, True),
    "UNSUBSCRIBE": (nothing, True),
    "CLOSE": (expunge, True),
    "APPEND": (append, True),
    "FETCH": (fetch, True),
    "UID FETCH": (uid_fetch, True),
    "STORE": (store_flags, True),
    "UID STORE": (uid_store, True),
    "COPY": (copy, True),
    "UID COPY": (uid_copy, True),
    "EXPUNGE": (expunge, True),
    "SEARCH": (search, True),
    "UID SEARCH": (uid_search, True),
    "IDLE": (nothing, True),
}
"""Each command, and whether it needs a login."""
