"""IMAP commands that read messages: FETCH and SEARCH, as far as this server knows them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandbox.dingtalk.imap_parts import Bad, Reply, chosen, messages_in, selected, shown_flags, store_of
from sandbox.dingtalk.records import Message

if TYPE_CHECKING:
    from sandbox.dingtalk.imap_session import ImapSession

ITEM = re.compile(r"[A-Za-z0-9.]+(?:\[[^\]]*\])?")
ITEMS = re.compile(rf"({ITEM.pattern})|\(({ITEM.pattern}(?: +{ITEM.pattern})*)\)")
FIELDS = re.compile(r"BODY(?:\.PEEK)?\[HEADER\.FIELDS \((.*)\)\]", re.IGNORECASE)
WHOLE = {"BODY[]": "BODY[]", "BODY.PEEK[]": "BODY[]", "RFC822": "RFC822"}
HEADER = {"BODY[HEADER]": "BODY[HEADER]", "BODY.PEEK[HEADER]": "BODY[HEADER]", "RFC822.HEADER": "RFC822.HEADER"}


def fetch(session: ImapSession, args: list[bytes]) -> Reply:
    return _fetched(session, args, uids=False), "FETCH completed"


def uid_fetch(session: ImapSession, args: list[bytes]) -> Reply:
    return _fetched(session, args, uids=True), "UID FETCH completed"


def _fetched(session: ImapSession, args: list[bytes], uids: bool) -> bytes:
    if len(args) < 2:
        raise Bad
    asked = ITEMS.fullmatch(b" ".join(args[1:]).decode("ascii", "replace"))
    if asked is None:
        raise Bad
    items = ITEM.findall(asked[1] or asked[2])
    if uids and "UID" not in map(str.upper, items):
        items.insert(0, "UID")
    marks = any(re.match(r"BODY\[|RFC822$", item, re.IGNORECASE) for item in items)
    lines = b""
    for number, message in chosen(session, args[0], uids):
        if marks and not message.read and selected(session).writable:
            message = store_of(session).mark_read(message)
        lines += b"* %d FETCH (" % number + b" ".join(_item(session, message, item) for item in items) + b")\r\n"
    return lines


def _item(session: ImapSession, message: Message, item: str) -> bytes:
    name = item.upper()
    simple: dict[str, Callable[[], str]] = {
        "UID": lambda: f"UID {message.uid}",
        "FLAGS": lambda: f"FLAGS ({shown_flags(session, message)})",
        "RFC822.SIZE": lambda: f"RFC822.SIZE {len(message.mime)}",
        "INTERNALDATE": lambda: f'INTERNALDATE "{_internal(message.received)}"',
    }
    if name in simple:
        return simple[name]().encode()
    if name in WHOLE:
        return _literal(WHOLE[name], message.mime)
    if name in HEADER:
        return _literal(HEADER[name], message.mime.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    if match := FIELDS.fullmatch(item):
        return _literal(f"BODY[HEADER.FIELDS ({match[1]})]", _lines(message.mime, match[1].split()))
    raise Bad


def _literal(name: str, content: bytes) -> bytes:
    return f"{name} {{{len(content)}}}\r\n".encode() + content


def _lines(mime: bytes, names: list[str]) -> bytes:
    """The header lines of these names as they are, and the blank line."""
    head = re.split(rb"\r?\n\r?\n", mime, maxsplit=1)[0] + b"\r\n"
    wanted = b"|".join(re.escape(name.encode()) for name in names)
    fields = rb"^(?:" + wanted + rb")[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*"
    return b"".join(re.findall(fields, head, re.IGNORECASE | re.MULTILINE)) + b"\r\n"


def _internal(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%d-%b-%Y %H:%M:%S +0000")


# ---- search
def search(session: ImapSession, args: list[bytes]) -> Reply:
    return _found(session, args, uids=False), "SEARCH completed"


def uid_search(session: ImapSession, args: list[bytes]) -> Reply:
    return _found(session, args, uids=True), "UID SEARCH completed"


DATES: dict[str, tuple[Callable[[Message], float | None], Callable[[float, float], bool]]] = {
    "SINCE": (lambda m: m.received, lambda day, asked: day >= asked),
    "BEFORE": (lambda m: m.received, lambda day, asked: day < asked),
    "ON": (lambda m: m.received, lambda day, asked: day == asked),
    "SENTSINCE": (lambda m: m.parsed.date, lambda day, asked: day >= asked),
    "SENTBEFORE": (lambda m: m.parsed.date, lambda day, asked: day < asked),
    "SENTON": (lambda m: m.parsed.date, lambda day, asked: day == asked),
}
"""Whole days in UTC."""
DAY = 86400


def _found(session: ImapSession, args: list[bytes], uids: bool) -> bytes:
    """UNSEEN, ALL and dates; the server takes nothing else (subjects, addresses, headers, OR, CHARSET)."""
    words = [arg.decode("ascii", "replace").upper() for arg in args]
    if not words:
        raise Bad
    tests: list[Callable[[Message], bool]] = []
    while words:
        word = words.pop(0)
        if word == "UNSEEN":
            tests.append(lambda m: not m.read)
        elif word in DATES and words:
            tests.append(_dated(word, words.pop(0)))
        elif word != "ALL":
            raise Bad
    rows = enumerate(messages_in(store_of(session), selected(session).folder), 1)
    hits = [message.uid if uids else number for number, message in rows if all(test(message) for test in tests)]
    return "".join(("* SEARCH", *(f" {hit}" for hit in hits), "\r\n")).encode()


def _dated(word: str, text: str) -> Callable[[Message], bool]:
    (moment, compare), asked = DATES[word], _day(text)

    def test(message: Message) -> bool:
        at = moment(message)
        return at is not None and compare(at // DAY * DAY, asked)

    return test


def _day(text: str) -> float:
    try:
        return datetime.strptime(text, "%d-%b-%Y").replace(tzinfo=UTC).timestamp()
    except ValueError as exc:
        raise Bad from exc
