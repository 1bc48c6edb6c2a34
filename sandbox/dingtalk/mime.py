"""RFC 5322 bytes taken apart the way a mail server would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message as Mime
from email.parser import BytesParser
from email.policy import compat32
from email.utils import getaddresses, parsedate_to_datetime
from typing import Literal

from sandbox.dingtalk.records import Address, Parsed, Part

_BYTES = compat32.clone(linesep="\r\n", mangle_from_=False, max_line_length=None)
RECEIPT = ("disposition-notification-to", "return-receipt-to", "x-confirm-reading-to")


def parse(mime: bytes) -> Parsed:
    root = BytesParser(policy=compat32).parsebytes(mime)
    bodies, parts = _split(root)
    from_ = _addresses(root, "from")
    headers = tuple((name, _decoded(_unfolded(str(value)))) for name, value in root.raw_items())
    return Parsed(
        subject=_header(root, "subject"),
        from_=next(iter(from_), None),
        sender=next(iter(_addresses(root, "sender") or from_), None),
        to=_addresses(root, "to"),
        cc=_addresses(root, "cc"),
        bcc=_addresses(root, "bcc"),
        reply_to=_addresses(root, "reply-to"),
        date=_date(root),
        message_id=_header(root, "message-id").strip().strip("<>"),
        in_reply_to=_header(root, "in-reply-to").strip(),
        references=" ".join(_header(root, "references").split()),
        headers=headers,
        text=bodies.get("text/plain", ""),
        html=bodies.get("text/html", ""),
        parts=parts,
        wants_receipt=any(name.lower() in RECEIPT for name, _ in headers),
        priority=_priority(root),
    )


def _split(root: Mime) -> tuple[dict[str, str], tuple[Part, ...]]:
    """The first text and HTML bodies, and everything else as attachments."""
    bodies: dict[str, str] = {}
    parts: list[Part] = []
    for leaf in _leaves(root):
        kind = leaf.get_content_type()
        attached = leaf.get_content_disposition() == "attachment" or leaf.get_filename() is not None
        if kind in ("text/plain", "text/html") and not attached and kind not in bodies:
            bodies[kind] = _text(leaf)
        else:
            parts.append(_part(leaf, len(parts) + 1))
    return bodies, tuple(parts)


def _leaves(part: Mime) -> Iterator[Mime]:
    """`message/…` is one part, whatever is in it: an attached message, the report of a bounce."""
    if part.is_multipart() and part.get_content_maintype() != "message":
        for child in part.get_payload():
            yield from _leaves(child)  # type: ignore[arg-type]  # the payload of a multipart is parts
    else:
        yield part


def _part(leaf: Mime, number: int) -> Part:
    kind, content_id = leaf.get_content_type(), _header(leaf, "content-id").strip().strip("<>")
    return Part(
        id=f"A{number}",
        name=_decoded(leaf.get_filename() or "") or f"attachment{number}",
        content_type=kind,
        content=_inner(leaf) if leaf.is_multipart() else _payload(leaf),
        inline=bool(content_id) and leaf.get_content_disposition() != "attachment",
        content_id=content_id,
        whole=kind != "message/rfc822",
    )


def _payload(leaf: Mime) -> bytes:
    content = leaf.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _inner(leaf: Mime) -> bytes:
    """What stands below the headers of a `message/…` part."""
    whole = leaf.as_bytes(policy=_BYTES)
    return whole[2:] if whole.startswith(b"\r\n") else whole.partition(b"\r\n\r\n")[2]


def _text(leaf: Mime) -> str:
    return _guessed(_payload(leaf), leaf.get_content_charset() or "utf-8")


def _guessed(content: bytes, charset: str) -> str:
    """A charset that is wrong or not said is taken for Chinese."""
    for name in (charset, "gb18030"):
        try:
            return content.decode(name)
        except (LookupError, ValueError):
            continue
    return content.decode("utf-8", "replace")


def _unfolded(value: str) -> str:
    return re.sub(r"\r?\n[ \t]*", " ", value)


def _header(part: Mime, name: str) -> str:
    return next((_decoded(value) for value in _values(part, name)), "")


def _values(part: Mime, name: str) -> list[str]:
    """As they stand, unfolded; 8-bit bytes are surrogates."""
    return [_unfolded(str(value)) for known, value in part.raw_items() if known.lower() == name]


def _decoded(value: str) -> str:
    value = _guessed(value.encode("utf-8", "surrogateescape"), "utf-8")
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeDecodeError, ValueError):
        return value


def _addresses(part: Mime, name: str) -> tuple[Address, ...]:
    pairs = getaddresses(_values(part, name))
    return tuple(Address(_decoded(shown), _decoded(email)) for shown, email in pairs if email)


def _priority(root: Mime) -> Literal["PRY_LOW", "PRY_NORMAL", "PRY_HIGH"]:
    number, word = _header(root, "x-priority").strip()[:1], _header(root, "importance").strip().lower()
    if number in ("1", "2") or word == "high":
        return "PRY_HIGH"
    return "PRY_LOW" if number in ("4", "5") or word == "low" else "PRY_NORMAL"


def _date(part: Mime) -> float | None:
    """-0000 says nothing of a zone: then it is UTC. What is no time of the years 1 to 9999 in UTC is none."""
    try:
        moment = parsedate_to_datetime(_header(part, "date"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
