"""Original messages (RFC 5322, MIME) as the bytes that they are, which no parser takes apart and puts together again
without loss. Pure."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from email.message import Message as Parsed
from email.parser import HeaderParser

KEY_HEADER = "X-Tandem-Key"

RECEIPT_HEADERS = (
    "Disposition-Notification-To",
    "Disposition-Notification-Options",
    "Return-Receipt-To",
    "Return-Receipt-Requested",
    "Read-Receipt-To",
    "X-Read-Receipt-To",
    "X-Confirm-Reading-To",
    "Registered-Mail-Reply-Requested-By",
    "Generate-Delivery-Report",
)
"""Headers that make a reader's program or a server send a receipt; copies carry them under `X-Tandem-` names."""

CALENDAR_TYPES = ("text/calendar", "application/ics", "text/x-vcalendar")
INVITE_NAME = "invite.ics"
INVITE_TYPE = "application/ics"

_BARE_LF = re.compile(rb"(?<!\r)\n")
_LINE = rb"(?:[^\r\n]|\r(?!\n))*(?:\r\n|\Z)"
_FIELD = re.compile(rb"^(?P<name>[!-9;-~]+)(?P<rest>[ \t]*:" + _LINE + rb"(?:[ \t]" + _LINE + rb")*)", re.MULTILINE)
_BLANK = re.compile(rb"(?:\A|(?<=\n))\r?\n")
_METHOD = re.compile(rb"^METHOD[:;][^\r\n]*(?:\r?\n[ \t][^\r\n]*)*(?:\r?\n|\Z)", re.IGNORECASE | re.MULTILINE)


def without_method(calendar: bytes) -> bytes:
    """iCalendar text without METHOD: a file that shows a meeting, not one that asks for an answer."""
    return _METHOD.sub(b"", calendar)


def split(part: bytes) -> tuple[bytes, bytes]:
    """The header lines, and everything from the blank line on. Lines may end with a bare LF."""
    blank = _BLANK.search(part)
    return (part[: blank.start()], part[blank.start() :]) if blank else (part, b"")


def opened(part: bytes) -> tuple[bytes, bytes]:
    """The header lines and the body. Without a blank line between them, the body begins at the first line that is no
    field."""
    head, body = split(part)
    if body:
        return head, below(body)
    end = 0
    while field := _FIELD.match(part, end):
        end = field.end()
    return part[:end], part[end:]


def fields(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each field as (name, rest), where lines end with CRLF; what is no field is handed on as it is, as a rest without
    a name."""
    position = 0
    for match in _FIELD.finditer(head):
        if match.start() > position:
            yield b"", head[position : match.start()]
        yield match["name"], match["rest"]
        position = match.end()
    if position < len(head):
        yield b"", head[position:]


def pieces(body: bytes, boundary: str) -> list[bytes]:
    """What a multipart's body holds up to its closing line: what comes before the first part, then by turns a line that
    separates and a part, which begins with the end of that line."""
    dashes = b"--" + boundary.encode()
    found = re.split(rb"((?:\A|\r?\n)" + re.escape(dashes) + rb"(?:--)?[ \t]*(?=\r?\n|\Z))", body)
    for at in range(1, len(found), 2):
        if found[at].strip() == dashes + b"--":
            return found[:at]
    return found


def described(head: bytes) -> Parsed:
    """The part as its Content- fields describe it, whose raw 8-bit text is read (see `readable`)."""
    content = (
        name + rest for name, rest in fields(_BARE_LF.sub(b"\r\n", head)) if name.lower().startswith(b"content-")
    )
    return HeaderParser().parsestr(readable(b"".join(content)))


def boundary_of(head: Parsed) -> bytes:
    """What separates the parts; b"" when nothing is said, or nothing that a line can hold."""
    try:
        boundary = (head.get_boundary() or "").replace("\r\n", "")
    except (LookupError, ValueError):  # a charset that is none
        return b""
    return b"" if "\r" in boundary or "\n" in boundary else boundary.encode(errors="replace")


def readable(raw: bytes) -> str:
    """Text of a header: UTF-8, else GB 18030, which holds what the Chinese programs write that encode nothing."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("gb18030", "replace")


def decoded(head: Parsed, body: bytes) -> bytes:
    """The content that the body below this head stands for."""
    coding = [*str(head.get("content-transfer-encoding") or "").split(), "7bit"][0].encode("ascii", "replace")
    content = email.message_from_bytes(b"Content-Transfer-Encoding: " + coding + b"\r\n\r\n" + body)
    value = content.get_payload(decode=True)
    return value if isinstance(value, bytes) else body


def below(body: bytes) -> bytes:
    """What comes after the line end that a body or a piece begins with."""
    return body[1:] if body.startswith(b"\n") else body.removeprefix(b"\r\n")
