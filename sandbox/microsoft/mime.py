"""Between RFC 5322 and a message's fields, both ways."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import Header, decode_header
from email.message import EmailMessage
from email.message import Message as Part
from email.parser import BytesParser
from email.policy import SMTP, compat32
from email.utils import format_datetime, formataddr, getaddresses, parsedate_to_datetime
from typing import Any

from sandbox.microsoft import ids
from sandbox.microsoft.records import Address, Attachment, Message

CRLF = "\r\n"
_BYTES = compat32.clone(linesep=CRLF, mangle_from_=False, max_line_length=None)
_AS_IT_IS = SMTP.clone(refold_source="none")
_RECEIPT_HEADERS = ("disposition-notification-to", "return-receipt-to", "x-confirm-reading-to")
_IMPORTANCE = {
    "high": "high",
    "urgent": "high",
    "1": "high",
    "2": "high",
    "low": "low",
    "non-urgent": "low",
    "5": "low",
}


def parse(mime: bytes, now: float) -> dict[str, Any]:
    """The fields of Message that the MIME says, `mime` itself included."""
    root = BytesParser(policy=compat32).parsebytes(mime)
    text, html, attachments = _Walk(root, now).result()
    sender = _addresses(root, "from")
    receipt = any(_raw(root, name) for name in _RECEIPT_HEADERS)
    return {
        "subject": _header(root, "subject"),
        "from_": sender[0] if sender else None,
        "sender": next(iter(_addresses(root, "sender") or sender), None),
        "to": _addresses(root, "to"),
        "cc": _addresses(root, "cc"),
        "bcc": _addresses(root, "bcc"),
        "reply_to": _addresses(root, "reply-to"),
        "sent": _date(root),
        "message_id": _header(root, "message-id").strip(),
        "in_reply_to": _header(root, "in-reply-to").strip(),
        "references": " ".join(_header(root, "references").split()),
        "importance": _importance(root),
        "headers": tuple((name, _decoded(re.sub(r"\r?\n[ \t]*", " ", value))) for name, value in root.raw_items()),
        "text": text,
        "html": html,
        "attachments": attachments,
        "receipt": receipt,
        "receipt_due": receipt,
        "meeting": any(p.get_content_type() == "text/calendar" and p.get_param("method") for p in root.walk()),
        "mime": mime,
    }


def header_block(mime: bytes) -> str:
    """The header lines as they came (PR_TRANSPORT_MESSAGE_HEADERS)."""
    return re.split(rb"\r?\n\r?\n", mime, maxsplit=1)[0].decode("utf-8", "replace") + "\r\n\r\n"


class _Walk:
    """Splits a message into the two bodies and the attachments."""

    def __init__(self, root: Part, now: float) -> None:
        self._now = now
        self._bodies: dict[str, str] = {}
        self._parts: list[Part] = []
        self._take(root)

    def _take(self, part: Part) -> None:
        kind, named = part.get_content_type(), part.get_filename() is not None
        attached = part.get_content_disposition() == "attachment" or named
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            for child in part.get_payload():
                self._take(child)  # type: ignore[arg-type]  # the payload of a multipart is parts
        elif kind in ("text/plain", "text/html") and not attached and kind not in self._bodies:
            self._bodies[kind] = _text(part)
        elif kind != "text/calendar" or attached:
            self._parts.append(part)

    def result(self) -> tuple[str, str, tuple[Attachment, ...]]:
        html = self._bodies.get("text/html", "")
        made = tuple(self._attachment(part, html, number) for number, part in enumerate(self._parts))
        return self._bodies.get("text/plain", ""), html, made

    def _attachment(self, part: Part, html: str, number: int) -> Attachment:
        content_id = _header(part, "content-id").strip().strip("<>")
        inline = bool(content_id) and (part.get_content_disposition() == "inline" or f"cid:{content_id}" in html)
        item = part.get_content_type() == "message/rfc822"
        return Attachment(
            id="",
            name=_decoded(part.get_filename() or "") or _name(part, number),
            content_type=part.get_content_type(),
            content=_inner(part) if part.is_multipart() else _payload(part),
            inline=inline,
            content_id=content_id,
            kind="item" if item else "file",
            modified=self._now,
        )


def _name(part: Part, number: int) -> str:
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        return _header(inner[0], "subject") if isinstance(inner, list) and inner else ""  # type: ignore[arg-type]
    return f"ATT{number:05}"


def _inner(part: Part) -> bytes:
    """What stands below the headers of a `message/…` part, as it came: an attached message, the report of a bounce."""
    whole = part.as_bytes(policy=_BYTES)
    return whole[2:] if whole.startswith(b"\r\n") else whole.partition(b"\r\n\r\n")[2]


def _payload(part: Part) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _text(part: Part) -> str:
    return _bytes(_payload(part), part.get_content_charset())


def _charsets(declared: str | None) -> Iterator[str]:
    """GB 18030 holds all of GB 2312 and GBK, which mail declares more often than it keeps to."""
    if declared:
        yield "gb18030" if declared.lower() in ("gb2312", "gbk", "x-gbk", "hz-gb-2312") else declared
    yield from ("utf-8", "gb18030", "big5")


def _raw(part: Part, name: str) -> list[str]:
    """The values of a header, unfolded; bytes beyond ASCII stand in them as surrogates."""
    return [re.sub(r"\r?\n[ \t]*", " ", value) for key, value in part.raw_items() if key.lower() == name]


def _header(part: Part, name: str) -> str:
    return next((_decoded(value) for value in _raw(part, name)), "")


def _decoded(value: str) -> str:
    """Encoded words decoded; raw 8-bit text is taken as UTF-8, else as GB 18030."""
    text = _bytes(value.encode("utf-8", "surrogateescape"), None)
    try:
        pieces = decode_header(text)
    except HeaderParseError:
        return text
    return "".join(piece if isinstance(piece, str) else _bytes(piece, charset, words=True) for piece, charset in pieces)


def _bytes(piece: bytes, declared: str | None, *, words: bool = False) -> str:
    """`words`: the piece comes from decode_header, which writes what stood between encoded words in its own way."""
    if words and declared is None:
        return piece.decode("raw-unicode-escape", "replace")
    for charset in _charsets(declared):
        try:
            return piece.decode(charset)
        except (LookupError, UnicodeDecodeError):
            continue
    return piece.decode("utf-8", "replace")


def _addresses(part: Part, name: str) -> tuple[Address, ...]:
    values = [_bytes(value.encode("utf-8", "surrogateescape"), None) for value in _raw(part, name)]
    return tuple(Address(_decoded(shown), address) for shown, address in getaddresses(values) if address or shown)


def _date(part: Part) -> float | None:
    """A time without a zone is UTC; what is no time of the years 1 to 9999 in UTC is none."""
    try:
        moment = parsedate_to_datetime(_header(part, "date"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _importance(part: Part) -> str:
    values = [_header(part, name).split(" ")[0].lower() for name in ("importance", "x-priority", "priority")]
    return next((_IMPORTANCE[value] for value in values if value in _IMPORTANCE), "normal")


# ------------------------------------------------------------------------------------------------------------ compose
def compose(message: Message) -> bytes:
    """The MIME of a message that has none of its own; the same bytes each time."""
    mail = EmailMessage(policy=_AS_IT_IS)
    mail.set_content(message.text if message.text or not message.html else plain(message.html))
    inline = [a for a in message.attachments if a.inline]
    if message.html:
        mail.make_alternative(boundary=_boundary(message, "alternative"))
        mail.add_alternative(message.html, subtype="html")
        _attach(mail.get_payload()[1], inline, _boundary(message, "related"))  # type: ignore[index, arg-type]
    others = [a for a in message.attachments if not (a.inline and message.html)]
    if others:
        mail.make_mixed(boundary=_boundary(message, "mixed"))
        for attachment in others:
            _add(mail.add_attachment, attachment, "attachment")
    lines = [_line(name, re.sub(r"[\r\n]+", " ", value)) for name, value in _header_lines(message) if value]
    return "".join(lines).encode() + mail.as_bytes()


def _line(name: str, value: str) -> str:
    """A header, encoded and folded. EmailMessage would do that too, but before Python 3.13 it loses spaces."""
    charset = "us-ascii" if value.isascii() else "utf-8"
    return f"{name}: {Header(value, charset, header_name=name).encode(linesep=CRLF)}{CRLF}"


def _attach(body: EmailMessage, inline: list[Attachment], boundary: str) -> None:
    if inline:
        body.make_related(boundary=boundary)
        for attachment in inline:
            _add(body.add_related, attachment, "inline")


def _add(add: Any, attachment: Attachment, disposition: str) -> None:
    more: dict[str, Any] = {"filename": attachment.name, "disposition": disposition}
    if attachment.content_id:
        more["cid"] = f"<{attachment.content_id}>"
    if attachment.kind == "item":
        add(BytesParser(policy=_AS_IT_IS).parsebytes(attachment.content), **more)
        return
    main, _, sub = attachment.content_type.partition("/")
    if not sub or main in ("multipart", "message"):
        main, sub = "application", "octet-stream"
    add(attachment.content, maintype=main, subtype=sub.partition(";")[0].strip(), **more)


def _header_lines(message: Message) -> Iterator[tuple[str, str]]:
    yield "From", _written((message.from_,) if message.from_ else ())
    if message.sender and message.sender != message.from_:
        yield "Sender", _written((message.sender,))
    yield "To", _written(message.to)
    yield "Cc", _written(message.cc)
    yield "Reply-To", _written(message.reply_to)
    yield "Subject", message.subject
    yield "Date", "" if message.sent is None else format_datetime(datetime.fromtimestamp(int(message.sent), UTC))
    yield "Message-ID", message.message_id
    yield "In-Reply-To", message.in_reply_to
    yield "References", message.references
    yield "Importance", message.importance if message.importance != "normal" else ""
    if message.receipt and message.from_:
        yield "Disposition-Notification-To", _written((message.from_,))
    yield from (header for header in message.headers if header[0].lower().startswith("x-"))


def _written(addresses: tuple[Address, ...]) -> str:
    return ", ".join(formataddr((a.name, a.address)) for a in addresses)


def _boundary(message: Message, part: str) -> str:
    return f"_{part}_{ids.guid(message.id, part)}_"


def plain(html: str) -> str:
    return re.sub(r"<[^>]+>", "", re.sub(r"(?is)<(script|style).*?</\1>", "", html))


def preview(message: Message) -> str:
    text = message.text or plain(message.html)
    return " ".join(text.split())[:255]
