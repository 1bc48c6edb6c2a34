"""Original bytes taken apart into bodies and attachments. Pure; the bytes of an attached message stay as they are."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message as Described

from shared.dingtalk.mime import (
    CALENDAR_TYPES,
    INVITE_NAME,
    INVITE_TYPE,
    below,
    decoded,
    described,
    opened,
    pieces,
    readable,
    without_method,
)
from shared.model.mail import Attachment

_DEPTH = 50
_MEANT = dict.fromkeys(("gb2312", "gbk", "x-gbk", "cp936", "hz-gb-2312"), "gb18030")
_MEANT |= dict.fromkeys(("iso-8859-1", "latin1", "latin-1"), "cp1252")
"""Charsets that mail names more often than it keeps to, and those that hold what is meant."""
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Content:
    text: str
    html: str
    attachments: tuple[Attachment, ...]


def taken_apart(mime: bytes) -> Content:
    """The first plain and the first HTML text, and every other part as an attachment."""
    texts: dict[str, str] = {}
    rest: list[tuple[Described, bytes]] = []
    for head, content in _leaves(mime, 0):
        kind = head.get_content_type()
        if kind in ("text/plain", "text/html") and kind not in texts and not _is_file(head):
            texts[kind] = _text(head, content)
        else:
            rest.append((head, content))
    html = texts.get("text/html", "")
    made = tuple(_attachment(head, content, html, number) for number, (head, content) in enumerate(rest, 1))
    return Content(texts.get("text/plain", ""), html, made)


def _leaves(part: bytes, depth: int, default: str = "text/plain") -> Iterator[tuple[Described, bytes]]:
    """The head and the decoded content of each part that holds no others. An attached message is one part; what a
    digest holds is one unless it says otherwise. A multipart without any part is the text that stands there."""
    head, body = opened(part)
    shown = described(head)
    shown.set_default_type(default)
    boundary = shown.get_boundary()
    if shown.get_content_maintype() == "multipart" and depth < _DEPTH:
        inner = "message/rfc822" if shown.get_content_type() == "multipart/digest" else "text/plain"
        found = pieces(body, boundary) if boundary else []
        for piece in found[2::2]:
            yield from _leaves(below(piece), depth + 1, inner)
        if len(found) < 2 and (text := found[0] if found else body).strip():
            yield described(b""), text
    else:
        yield shown, decoded(shown, body)


def _is_file(head: Described) -> bool:
    return head.get_content_disposition() == "attachment" or head.get_filename() is not None


def _text(head: Described, content: bytes) -> str:
    declared = head.get_content_charset() or "utf-8"
    for charset in (_MEANT.get(declared, declared), declared, "utf-8", "gb18030", "big5hkscs"):
        try:
            return content.decode(charset)
        except (LookupError, ValueError):
            continue
    return content.decode("utf-8", "replace")


def _attachment(head: Described, content: bytes, html: str, number: int) -> Attachment:
    kind, content_id = head.get_content_type(), _word(head.get("content-id")).strip("<> ")
    if kind in CALENDAR_TYPES:
        return Attachment(INVITE_NAME, INVITE_TYPE, without_method(content))
    shown = head.get_content_disposition() != "attachment" or f"cid:{content_id}" in html
    return Attachment(_name(head, kind, content, number), kind, content, bool(content_id) and shown, content_id)


def _name(head: Described, kind: str, content: bytes, number: int) -> str:
    """Its own, or, for an attached message, its subject."""
    if own := _word(head.get_filename()):
        return own
    if kind == "message/rfc822":
        return (_word(email.message_from_bytes(content).get("subject"))[:100] or "message") + ".eml"
    return {"text/plain": f"part{number}.txt", "text/html": f"part{number}.html"}.get(kind, f"part{number}")


def _word(value: object) -> str:
    """Encoded words decoded, raw 8-bit text read, no control characters."""
    text = readable(str(value or "").encode("utf-8", "surrogateescape"))
    with suppress(HeaderParseError, LookupError, ValueError):
        text = str(make_header(decode_header(text)))
    return _FORBIDDEN.sub(" ", text).strip()
