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
    """The header lines, and everything from the blank line on."""
    if part.startswith(b"\r\n"):
        return b"", part
    end = part.find(b"\r\n\r\n")
    return (part[: end + 2], part[end + 2 :]) if end >= 0 else (part, b"")


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
    dashes = b"--" + boundary.encode("latin-1", "replace")
    found = re.split(rb"((?:\A|\r\n)" + re.escape(dashes) + rb"(?:--)?[ \t]*(?=\r\n|\Z))", body)
    for at in range(1, len(found), 2):
        if found[at].strip() == dashes + b"--":
            return found[:at]
    return found


def described(head: bytes, body: bytes = b"") -> Parsed:
    """The part as its Content- fields describe it."""
    fields = (name + rest for name, rest in _fields(head) if name.lower().startswith(b"content-"))
    return email.message_from_bytes(b"".join(fields) + body)


def _is_content(name: bytes) -> bool:
    return name.lower() in _CONTENT


def _as_file(head: bytes, body: bytes) -> bytes:
    content = described(head, body).get_payload(decode=True)
    assert isinstance(content, bytes)
    encoded = base64.encodebytes(without_method(content)).rstrip(b"\n").replace(b"\n", b"\r\n")
    kept = b"".join(name + rest for name, rest in _fields(head) if not _is_content(name))
    fields = (
        f'Content-Type: {INVITE_TYPE}; name="{INVITE_NAME}"\r\n'
        f'Content-Disposition: attachment; filename="{INVITE_NAME}"\r\n'
        "Content-Transfer-Encoding: base64\r\n"
    )
    return kept + fields.encode() + b"\r\n" + encoded
