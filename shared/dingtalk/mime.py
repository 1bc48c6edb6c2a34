"""What an original message needs before it may be put into DingTalk. Pure, and on bytes.

The message is not parsed and written anew: signatures, odd charsets and broken headers must survive. Only the lines
named here change, and a part that is an invitation.
"""

from __future__ import annotations

import base64
import email
import re
from collections.abc import Iterator
from email.message import Message as Parsed

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
_MAYBE_CALENDAR = re.compile("|".join(CALENDAR_TYPES).encode(), re.IGNORECASE)
_BLANK = re.compile(rb"(?:\A|(?<=\n))\r?\n")
_METHOD = re.compile(rb"^METHOD[:;][^\r\n]*(?:\r?\n[ \t][^\r\n]*)*(?:\r?\n|\Z)", re.IGNORECASE | re.MULTILINE)
_CONTENT = (b"content-type", b"content-disposition", b"content-transfer-encoding")
_DEPTH = 50


def prepare(mime: bytes, key: str) -> bytes:
    """`mime` with our key, without requests for receipts, with invitations as plain files, and with CRLF throughout.

    A header that could make another program answer keeps its text under a name that none acts on; so does the key of
    an earlier copy."""
    head, body = split(_BARE_LF.sub(b"\r\n", mime))
    renamed = {name.lower().encode(): b"X-Tandem-" + name.encode() for name in RECEIPT_HEADERS}
    renamed[KEY_HEADER.lower().encode()] = b"X-Tandem-Former-Key"
    fields = [renamed.get(name.lower(), name) + rest for name, rest in _fields(head)]
    message = b"".join(fields) + body
    if _MAYBE_CALENDAR.search(message):
        message = _without_invitations(message)
    return f"{KEY_HEADER}: {key}\r\n".encode() + message


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


def _fields(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each field as (name, rest); what is no field is handed on as it is, as a rest without a name."""
    position = 0
    for match in _FIELD.finditer(head):
        if match.start() > position:
            yield b"", head[position : match.start()]
        yield match["name"], match["rest"]
        position = match.end()
    if position < len(head):
        yield b"", head[position:]


def _without_invitations(part: bytes, depth: int = 0) -> bytes:
    """The part with every calendar part below it rewritten in place, also inside a signed one: that no client offers
    an answer outweighs the signature. A message that is itself attached is left alone."""
    head, body = split(part)
    shown = described(head)
    kind, boundary = shown.get_content_type(), shown.get_boundary()
    if kind in CALENDAR_TYPES:
        return _as_file(head, body)
    if not kind.startswith("multipart/") or not boundary or depth == _DEPTH:
        return part
    parts = pieces(body, boundary)
    rest = body[sum(map(len, parts)) :]
    parts[2::2] = [piece[:2] + _without_invitations(piece[2:], depth + 1) for piece in parts[2::2]]
    return head + b"".join(parts) + rest


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
    fields = (
        name + rest for name, rest in _fields(_BARE_LF.sub(b"\r\n", head)) if name.lower().startswith(b"content-")
    )
    return email.message_from_string(readable(b"".join(fields)))


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


def _is_content(name: bytes) -> bool:
    return name.lower() in _CONTENT


def _as_file(head: bytes, body: bytes) -> bytes:
    content = decoded(described(head), below(body))
    encoded = base64.encodebytes(without_method(content)).rstrip(b"\n").replace(b"\n", b"\r\n")
    kept = b"".join(name + rest for name, rest in _fields(head) if not _is_content(name))
    fields = (
        f'Content-Type: {INVITE_TYPE}; name="{INVITE_NAME}"\r\n'
        f'Content-Disposition: attachment; filename="{INVITE_NAME}"\r\n'
        "Content-Transfer-Encoding: base64\r\n"
    )
    return kept + fields.encode() + b"\r\n" + encoded
