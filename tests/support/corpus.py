"""Awkward messages, made by code: what real mailboxes hold beside plain text."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime

CALENDAR = (
    "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:e1\r\nSUMMARY:验货\r\nDTSTART:20260922T020000Z\r\n"
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
TNEF = bytes.fromhex("789f3e22010006900800040000000000")
SIGNATURE = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + bytes(range(200))
TRACE = (
    "Received: from mx.supplier.example (mx.supplier.example [192.0.2.7]) by mx.example with ESMTPS\r\n"
    "DKIM-Signature: v=1; a=rsa-sha256; d=supplier.example; s=s1; h=from:subject; bh=abc=; b=def=\r\n"
)


def corpus(to: str, at: float) -> Mapping[str, bytes]:
    """RFC 5322 with CRLF by a name that says what is special. `at`: their Date, in epoch seconds."""
    return {name: _message(name, to, at, *make()) for name, make in MESSAGES.items()}


def _message(name: str, to: str, at: float, head: str, body: bytes) -> bytes:
    """`head` may say Subject or Message-ID itself; empty ones are left out."""
    id = "-".join(name.split())
    fields = {
        "From": "Li Na <li.na@supplier.example>",
        "To": f"<{to}>",
        "Date": format_datetime(datetime.fromtimestamp(int(at), UTC)),
        "Subject": f"About {name}",
        "Message-ID": f"<{id}@mail.example>",
        "MIME-Version": "1.0",
    }
    given = {line.partition(":")[0].lower() for line in head.split("\r\n")}
    kept = "".join(f"{field}: {value}\r\n" for field, value in fields.items() if field.lower() not in given)
    shown = "".join(line + "\r\n" for line in head.split("\r\n") if line and not line.endswith(":!"))
    return (TRACE + kept + shown + "\r\n").encode("utf-8", "surrogateescape") + body


def _part(kind: str, content: bytes, *more: str) -> bytes:
    """A part whose bytes stand in base64."""
    fields = (f"Content-Type: {kind}", "Content-Transfer-Encoding: base64", *more)
    return "\r\n".join((*fields, "", "")).encode() + base64.encodebytes(content).replace(b"\n", b"\r\n")


def _text(text: str, kind: str = "plain", charset: str = "utf-8") -> bytes:
    return _part(f"text/{kind}; charset={charset}", text.encode(charset))


def _many(kind: str, *parts: bytes, boundary: str = "b0undary") -> tuple[str, bytes]:
    lines = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), part.rstrip(b"\r\n")) for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"', lines + b"--%s--\r\n" % boundary.encode()


def _inside(kind: str, *parts: bytes, boundary: str = "inner") -> bytes:
    head, body = _many(kind, *parts, boundary=boundary)
    return head.encode() + b"\r\n\r\n" + body


def _file(name: str, content: bytes, kind: str = "application/pdf") -> bytes:
    return _part(kind, content, f'Content-Disposition: attachment; filename="{name}"')


def _single(text: str, charset: str, subject: str) -> tuple[str, bytes]:
    head = f"Subject: {Header(subject, charset).encode()}\r\nContent-Type: text/plain; charset={charset}"
    return head + "\r\nContent-Transfer-Encoding: 8bit", text.encode(charset) + b"\r\n"


def _forwarded(subject: str) -> bytes:
    inner = f"From: <old@supplier.example>\r\nSubject: {subject}\r\nMessage-ID: <old@mail.example>\r\n\r\n旧信\r\n"
    return b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n" + inner.encode()


def _bounce() -> tuple[str, bytes]:
    report = (
        b"Reporting-MTA: dns; mx.supplier.example\r\n\r\n"
        b"Final-Recipient: rfc822; nobody@supplier.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    )
    head, body = _many(
        "report",
        _text("Your message could not be delivered.\r\n"),
        b"Content-Type: message/delivery-status\r\n\r\n" + report,
        b"Content-Type: text/rfc822-headers\r\n\r\nSubject: Lost\r\nMessage-ID: <lost@mail.example>\r\n",
    )
    return head.replace("multipart/report", "multipart/report; report-type=delivery-status"), body


def _signed() -> tuple[str, bytes]:
    head, body = _many(
        "signed",
        b"Content-Type: text/plain; charset=us-ascii\r\n\r\nSigned words.\r\n",
        _file("smime.p7s", SIGNATURE, "application/pkcs7-signature"),
    )
    return head.replace("signed;", 'signed; protocol="application/pkcs7-signature"; micalg=sha-256;'), body


def _names() -> tuple[str, bytes]:
    rfc2231 = "Content-Disposition: attachment; filename*=utf-8''%E6%8F%90%E5%8D%95%20%26%201.pdf"
    word = f'Content-Disposition: attachment; filename="{Header("装箱单.xlsx", "utf-8").encode()}"'
    return _many(
        "mixed",
        _text("names\r\n"),
        _part("application/pdf", b"one", rfc2231),
        _part("application/octet-stream", b"two", word),
        _part("application/pdf", b"three", 'Content-Disposition: attachment; filename="a/b:c?.pdf"'),
        _part("application/octet-stream", b"four", "Content-Disposition: attachment"),
    )


HTML = '<p>您好 <img src="cid:logo@x"></p>'
LOGO = ("Content-ID: <logo@x>", 'Content-Disposition: inline; filename="logo.png"')

MESSAGES: Mapping[str, Callable[[], tuple[str, bytes]]] = {
    "plain text": lambda: ("Content-Type: text/plain; charset=utf-8", "您好\r\n.\r\nFrom here\r\n".encode()),
    "HTML with a text beside it": lambda: _many("alternative", _text("您好\r\n"), _text("<p>您好</p>", "html")),
    "a picture in the text": lambda: _many(
        "related", _text(HTML, "html"), _part('image/png; name="logo.png"', PICTURE, *LOGO)
    ),
    "ten attachments": lambda: _many(
        "mixed", _text("ten\r\n"), *(_file(f"{n}.pdf", b"%PDF " + bytes([n]) * 999) for n in range(10))
    ),
    "odd file names": _names,
    "an attached message": lambda: _many("mixed", _text("see below\r\n"), _forwarded("Old")),
    "an attached message beside a file": lambda: _many(
        "mixed", _text("see below\r\n"), _file("a.pdf", b"%PDF"), _forwarded("Old " + "x" * 60)
    ),
    "TNEF": lambda: _many("mixed", _text("rich\r\n"), _file("winmail.dat", TNEF, "application/ms-tnef")),
    "an invitation": lambda: _many(
        "alternative", _text("meet\r\n"), _part("text/calendar; charset=utf-8; method=REQUEST", CALENDAR.encode())
    ),
    "a signed message": _signed,
    "an encrypted message": lambda: (
        "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\n"
        "Content-Disposition: attachment; filename=smime.p7m\r\nContent-Transfer-Encoding: base64",
        base64.encodebytes(SIGNATURE).replace(b"\n", b"\r\n"),
    ),
    "a bounce": _bounce,
    "GBK": lambda: _single("提单号码与装箱单不符，请修改。", "gbk", "提单"),
    "Big5": lambda: _single("報關資料補件，請於今日回覆。", "big5", "報關"),
    "GBK that calls itself GB 2312": lambda: (
        "Subject: 8-bit\r\nContent-Type: text/plain; charset=gb2312\r\nContent-Transfer-Encoding: 8bit",
        "镕基堃喆".encode("gbk") + b"\r\n",
    ),
    "no Message-ID": lambda: ("Message-ID:!\r\nContent-Type: text/plain", b"who am I\r\n"),
    "an empty subject": lambda: ("Subject:\r\nContent-Type: text/plain", b"nothing to say\r\n"),
    "a request for a receipt": lambda: (
        "Disposition-Notification-To: <li.na@supplier.example>\r\nReturn-Receipt-To: <li.na@supplier.example>\r\n"
        "Content-Type: text/plain",
        b"tell me\r\n",
    ),
    "an answer in a thread": lambda: (
        "In-Reply-To: <plain-text@mail.example>\r\nReferences: <plain-text@mail.example>\r\nContent-Type: text/plain",
        b"yes\r\n",
    ),
}
