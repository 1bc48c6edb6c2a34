"""What can be awkward about a message below its header: its text, its files, its bytes. Written out, since a library
would not write what is wrong."""

from __future__ import annotations

import base64
import quopri
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.support.awkward_heads import word

PICTURE = bytes.fromhex("89504e470d0a1a0a") + bytes(range(256))
BINARY = b"\x00\r\n\n\r\r\n--b0undary\r\n.\r\nFrom \xff\xfe" + bytes(range(256))


@dataclass(frozen=True, slots=True)
class File:
    """A part as it stands, and what a person gets who saves it. `name` None: whatever it is called."""

    part: bytes
    content: bytes
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """The part that holds the texts, which texts, and the files that came with them."""

    part: bytes
    text: str = ""
    html: str = ""
    files: tuple[File, ...] = ()


# ---- texts
def _part(kind: str, content: bytes, *more: str) -> bytes:
    fields = (f"Content-Type: {kind}", "Content-Transfer-Encoding: base64", *more)
    return "\r\n".join((*fields, "", "")).encode() + base64.encodebytes(content).rstrip(b"\n").replace(b"\n", b"\r\n")


def _raw(kind: str, content: bytes, coding: str = "8bit") -> bytes:
    return f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {coding}\r\n\r\n".encode() + content


def _many(kind: str, boundary: str, *parts: bytes) -> bytes:
    mark = boundary.encode()
    lines = b"".join(b"--%s\r\n%s\r\n" % (mark, part) for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode() + lines + b"--%s--" % mark


def _said(text: str, charset: str, declared: str | None = None, coding: str = "8bit") -> Body:
    kind = f"text/plain; charset={charset if declared is None else declared}" if declared != "" else "text/plain"
    content = (text + "\r\n").encode(charset)
    return Body(_part(kind, content) if coding == "base64" else _raw(kind, content, coding), text)


def _quoted(text: str) -> bytes:
    return quopri.encodestring(text.encode())


TEXT = "您好 Grüße\r\n.\r\nFrom here"
HTML = '<p dir="auto">您好 &amp; <b>Grüße</b></p>'
SHOWING = '<p>您好 <img src="cid:logo@x"></p>'
LOGO = File(
    _part("image/png", PICTURE, "Content-ID: <logo@x>", 'Content-Disposition: inline; filename="logo.png"'),
    PICTURE,
    "logo.png",
)
UNNAMED = File(_part("image/png", PICTURE, "Content-ID: <logo@x>"), PICTURE)
_PLAIN, _HTML = _part("text/plain; charset=utf-8", TEXT.encode()), _part("text/html; charset=utf-8", HTML.encode())
_SHOWING = _part("text/html; charset=utf-8", SHOWING.encode())
_LATER = b"second words"

BODIES: dict[str, Body] = {
    "text only": _said(TEXT, "utf-8"),
    "HTML only": Body(_HTML, html=HTML),
    "a text beside the HTML": Body(_many("alternative", "alt", _PLAIN, _HTML), TEXT, HTML),
    "a picture by cid": Body(_many("related", "rel", _SHOWING, LOGO.part), html=SHOWING, files=(LOGO,)),
    "a picture without a name": Body(_many("related", "rel", _SHOWING, UNNAMED.part), html=SHOWING, files=(UNNAMED,)),
    "nested": Body(
        _many("mixed", "n1", _many("alternative", "n2", _PLAIN, _many("related", "n3", _SHOWING, LOGO.part))),
        TEXT,
        SHOWING,
        (LOGO,),
    ),
    "nested forty deep": Body(
        b"".join(b'Content-Type: multipart/mixed; boundary="d%d"\r\n\r\n--d%d\r\n' % (n, n) for n in range(40))
        + _PLAIN
        + b"".join(b"\r\n--d%d--" % n for n in reversed(range(40))),
        TEXT,
    ),
    "a boundary that begins another": Body(
        _many("mixed", "bb", _many("alternative", "bb-1", _PLAIN, _HTML)), TEXT, HTML
    ),
    "two texts": Body(
        _many("mixed", "two", _PLAIN, _part("text/plain; charset=utf-8", _LATER)),
        TEXT,
        files=(File(b"", _LATER),),
    ),
    "no text at all": Body(b"\r\n"),
    "an empty multipart": Body(b'Content-Type: multipart/mixed; boundary="none"\r\n\r\n--none--\r\n'),
    "quoted-printable": Body(_raw("text/plain; charset=utf-8", _quoted(TEXT), "quoted-printable"), TEXT),
    "an emoji": _said("👩‍🏭 ready 🇨🇳", "utf-8"),
    "right to left": _said("בדיקה \u202eabc\u202c مرحبا", "utf-8"),
    "GBK": _said("提单号码与装箱单不符，请修改。", "gbk"),
    "GBK in base64": _said("提单号码与装箱单不符，请修改。", "gbk", coding="base64"),
    "Big5": _said("報關資料補件，請於今日回覆。", "big5"),
    "GB 18030": _said("镕基堃喆㐀𠀀", "gb18030"),
    "GBK that calls itself GB 2312": _said("镕基堃喆", "gbk", "gb2312"),
    "ISO-2022-JP": _said("船荷証券の件、よろしく。", "iso-2022-jp", coding="7bit"),
    "Shift JIS": _said("船荷証券の件、よろしく。", "shift_jis"),
    "Windows 1252 that calls itself Latin 1": _said("“ready” – 5 €", "cp1252", "iso-8859-1"),
    "UTF-16": _said("提单 ready", "utf-16", coding="base64"),
    "UTF-8 that isn't declared": _said("提单号码 📦", "utf-8", ""),
    "GBK that isn't declared": _said("提单号码与装箱单不符，请修改。", "gbk", ""),
    "GBK that calls itself ASCII": _said("提单号码与装箱单不符，请修改。", "gbk", "us-ascii"),
    "an unknown charset": _said("提单号码", "utf-8", "x-unknown"),
    "a charset that is no text": _said("hello", "utf-8", "base64"),
    "UTF-8 with a mark at the start": Body(_raw("text/plain; charset=utf-8", b"\xef\xbb\xbfhello"), "\ufeffhello"),
    "an unknown coding": Body(_raw("text/plain; charset=utf-8", TEXT.encode(), "x-unknown"), TEXT),
    "a coding with a comment": Body(
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64 (ours)\r\n\r\n"
        + base64.b64encode(TEXT.encode()),
        TEXT,
    ),
    "a type in capitals": Body(_raw('TEXT/HTML; CHARSET="UTF-8"', HTML.encode()), html=HTML),
    "a type that is none": Body(_raw("text", TEXT.encode()), TEXT),
    "lines of 5000 letters": _said("m" * 5000 + "\r\n" + "n" * 5000, "utf-8"),
    "a bare CR in the text": Body(_raw("text/plain; charset=utf-8", b"one\rtwo\r\n"), "one\rtwo"),
    "an old list of texts": Body(
        _many("digest", "dig", b"\r\nFrom: <a@mail.example>\r\nSubject: one\r\n\r\nOne."),
        files=(File(b"", b"From: <a@mail.example>\r\nSubject: one\r\n\r\nOne."),),
    ),
}


# ---- files
def _named(disposition: bytes, name: str | None, kind: bytes = b"application/pdf") -> File:
    content = b"%PDF " + disposition
    head = b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: " + disposition
    return File(head + b"\r\n\r\n" + base64.b64encode(content), content, name)


def _file(kind: str, content: bytes, name: str = "", coding: str = "base64") -> File:
    shown = f'attachment; filename="{name}"' if name else "attachment"
    if coding == "base64":
        return File(_part(kind, content, f"Content-Disposition: {shown}"), content, name or None)
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {coding}\r\nContent-Disposition: {shown}\r\n\r\n"
    return File(head.encode() + content, content, name or None)


OLD = "From: <old@mail.example>\r\nSubject: =?utf-8?B?5pen5L+h?=\r\n\r\n旧信\r\n".encode()
DEEP = (
    b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\nhi\r\n--in\r\nContent-Type: "
    + (b"message/rfc822\r\n\r\nSubject: inner\r\n\r\ndeep\r\n--in--\r\n")
)
CALENDAR = (
    "BEGIN:VCALENDAR\r\n{}VERSION:2.0\r\nBEGIN:VEVENT\r\nUID:e1\r\nSUMMARY:验货\r\nDTSTART:20260922T020000Z\r\n"
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)
_INVITE, _KEPT = CALENDAR.format("METHOD:REQUEST\r\n").encode(), CALENDAR.format("").encode()
SIGNATURE = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + bytes(range(200))
ARMOUR = b"-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA0x=\r\n=abcd\r\n-----END PGP MESSAGE-----\r\n"
STATUS = b"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; no@mail.example\r\nAction: failed\r\n"

FILES: dict[str, File] = {
    "a file": _file("application/pdf", b"%PDF-1.7 one", "one.pdf"),
    "a file of every byte": _file("application/octet-stream", BINARY, "every.bin"),
    "an empty file": _file("application/octet-stream", b"", "empty.bin"),
    "a name in RFC 2231": _named(b"attachment; filename*=utf-8''%E6%8F%90%E5%8D%95%20%26%201.pdf", "提单 & 1.pdf"),
    "a name in pieces": _named(
        b"attachment;\r\n filename*0*=utf-8''%E6%8F%90;\r\n filename*1*=%E5%8D%95;\r\n filename*2=\".pdf\"", "提单.pdf"
    ),
    "a name in GBK by RFC 2231": _named(b"attachment; filename*=gbk''%CC%E1%B5%A5.pdf", "提单.pdf"),
    "a name whose RFC 2231 is broken": _named(b"attachment; filename*=%E6%8F%90%ZZ.pdf", None),
    "a name in an unknown charset": _named(b"attachment; filename*=x-no''%E6%8F%90.pdf", None),
    "a name in encoded words": _named(b'attachment; filename="' + word("装箱单.xlsx", "utf-8") + b'"', "装箱单.xlsx"),
    "a name in raw GBK": _named('attachment; filename="装箱单.xlsx"'.encode("gbk"), "装箱单.xlsx"),
    "a name in raw UTF-8": _named('attachment; filename="装箱单📦.xlsx"'.encode(), "装箱单📦.xlsx"),
    "a name in the type alone": _named(b"attachment", "only.pdf", b'application/pdf; name="only.pdf"'),
    "a name of 400 letters": _named(b'attachment; filename="' + b"n" * 400 + b'.pdf"', "n" * 400 + ".pdf"),
    "a name with slashes": _named(b'attachment; filename="../a/b:c?.pdf"', "../a/b:c?.pdf"),
    "a name with a line end": _named(b"attachment; filename*=utf-8''a%0D%0Ab%00.pdf", None),
    "a name from right to left": _named(b"attachment; filename*=utf-8''%E2%80%AEfdp.exe", "\u202efdp.exe"),
    "no name": _file("application/octet-stream", b"anonymous"),
    "a type that is no type": _file("pdf", b"%PDF strange", "strange.pdf"),
    "a type with odd letters": _file('application/x;y="\\"z"', b"odd", "odd.bin"),
    "a text as a file": _file("text/plain; charset=gbk", "提单\r\n".encode("gbk"), "note.txt"),
    "a text as a file, as it is": _file("text/plain; charset=gbk", "提单\r\nzwei".encode("gbk"), "note8.txt", "8bit"),
    "a page as a file": _file("text/html; charset=utf-8", b"<p>page</p>\n", "page.html"),
    "a file in quoted-printable": File(
        b"Content-Type: text/csv\r\nContent-Transfer-Encoding: Quoted-Printable\r\nContent-Disposition: attachment; "
        b"filename=qp.csv\r\n\r\na;b=20\r\n=3D;=00=\r\n=0a=e6=8f=90",
        b"a;b \r\n=;\x00\n\xe6\x8f\x90",
        "qp.csv",
    ),
    "base64 with rubbish in it": File(
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; "
        b'filename="r.pdf"\r\n\r\nJVBE*!\r\n Rg==\r\n\r\n',
        b"%PDF",
        "r.pdf",
    ),
    "base64 without its end": File(
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: BASE64\r\nContent-Disposition: attachment; "
        b'filename="t.pdf"\r\n\r\nJVBERg',
        b"%PDF",
        "t.pdf",
    ),
    "uuencoded": File(
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: x-uuencode\r\nContent-Disposition: attachment; "
        b'filename="u.pdf"\r\n\r\nbegin 644 u.pdf\r\n$)5!$1@  \r\n \r\nend\r\n',
        b"%PDF",
        "u.pdf",
    ),
    "an attached message": File(b"Content-Type: message/rfc822\r\n\r\n" + OLD, OLD, "旧信.eml"),
    "an attached message with messages": File(b"Content-Type: message/rfc822\r\n\r\n" + DEEP, DEEP, "outer.eml"),
    "an attached message with a name": File(
        b'Content-Type: message/rfc822; name="m.eml"\r\nContent-Disposition: attachment\r\n\r\n' + OLD, OLD, "m.eml"
    ),
    "an attached message in base64": File(_part("message/rfc822", OLD), OLD, "旧信.eml"),
    "TNEF": _file("application/ms-tnef", bytes.fromhex("789f3e22010006900800040000000000"), "winmail.dat"),
    "an invitation": File(_part("text/calendar; charset=utf-8; method=REQUEST", _INVITE), _KEPT, "invite.ics"),
    "an invitation as it is": File(_raw("text/calendar; method=REQUEST", _INVITE), _KEPT, "invite.ics"),
    "an invitation as a file": _named(b"attachment; filename=i.ics", "invite.ics", b"application/ics"),
    "signed": File(
        _many(
            "signed",
            "sig",
            _raw("text/plain", b"Signed.", "7bit"),
            _file("application/pkcs7-signature", SIGNATURE, "smime.p7s").part,
        ),
        SIGNATURE,
        "smime.p7s",
    ),
    "encrypted by S/MIME": _file("application/pkcs7-mime; smime-type=enveloped-data", SIGNATURE, "smime.p7m"),
    "encrypted by PGP": File(
        _many(
            "encrypted",
            "pgp",
            _raw("application/pgp-encrypted", b"Version: 1", "7bit"),
            _raw("application/octet-stream", ARMOUR, "7bit"),
        ),
        ARMOUR,
    ),
    "a delivery report": File(b"Content-Type: message/delivery-status\r\n\r\n" + STATUS, STATUS),
    "headers of what was lost": File(b"Content-Type: text/rfc822-headers\r\n\r\nSubject: Lost", b"Subject: Lost"),
    "a part of a message": File(b'Content-Type: message/partial; id="x"; number=1\r\n\r\nhalf', b"half"),
    "an external file": File(
        b"Content-Type: message/external-body; access-type=x\r\n\r\nContent-Type: a/b\r\n\r\n",
        b"Content-Type: a/b\r\n\r\n",
    ),
    "a picture that no text shows": File(LOGO.part.replace(b"logo@x", b"else@x"), PICTURE, "logo.png"),
}


# ---- messages that are one file; they may stand in a multipart too
def _alone(file: File) -> Body:
    return Body(file.part, files=(file,))


_FOLDED = _INVITE.replace(b"METHOD:REQUEST", b"method;x=y:REQ\r\n UEST")
_REPLY = _INVITE.replace(b"REQUEST", b"REPLY")
FILES |= {
    "an invitation in quoted-printable": File(
        _raw("text/calendar; method=REQUEST", quopri.encodestring(_INVITE), "quoted-printable"), _KEPT, "invite.ics"
    ),
    "an invitation with a folded METHOD": File(_part("text/calendar", _FOLDED), _KEPT, "invite.ics"),
    "an answer to an invitation": File(_part("Text/Calendar; METHOD=REPLY", _REPLY), _KEPT, "invite.ics"),
    "an invitation inside an attached message": File(
        b"Content-Type: message/rfc822\r\n\r\nSubject: asked\r\n" + _raw("text/calendar; method=REQUEST", _INVITE),
        b"Subject: asked\r\n" + _raw("text/calendar; method=REQUEST", _INVITE),
        "asked.eml",
    ),
    "a visiting card": _file(
        "text/x-vcard; charset=utf-8", "BEGIN:VCARD\r\nFN:李娜\r\nEND:VCARD\r\n".encode(), "l.vcf"
    ),
}
BODIES |= {
    "nothing but a file": _alone(FILES["a file"]),
    "nothing but a picture": _alone(LOGO),
    "nothing but an attached message": _alone(FILES["an attached message"]),
    "nothing but an invitation": _alone(FILES["an invitation"]),
    "nothing but TNEF": _alone(FILES["TNEF"]),
    "nothing but an encrypted file": _alone(FILES["encrypted by S/MIME"]),
    "nothing but a text as a file": _alone(FILES["a text as a file"]),
    "an invitation beside the text": Body(
        _many("alternative", "inv", _PLAIN, FILES["an invitation"].part), TEXT, files=(FILES["an invitation"],)
    ),
    "a signed invitation": Body(
        _many("signed", "sgi", _many("alternative", "inv", _PLAIN, FILES["an invitation"].part), FILES["signed"].part),
        TEXT,
        files=(FILES["an invitation"],),
    ),
    "a text above and below a picture": Body(
        _many("mixed", "abv", _PLAIN, LOGO.part, _part("text/plain; charset=utf-8", _LATER)),
        TEXT,
        files=(LOGO, File(b"base64", _LATER)),
    ),
    "HTML beside a file inside": Body(
        _many("alternative", "alf", _PLAIN, _many("mixed", "mxd", _HTML, FILES["a file"].part)),
        TEXT,
        HTML,
        (FILES["a file"],),
    ),
    "a boundary that is never there": Body(
        b"Content-Type: multipart/mixed; boundary=never\r\n\r\n" + b"plain words", "plain words"
    ),
    "a multipart without a boundary": Body(b"Content-Type: multipart/mixed\r\n\r\n" + b"plain words", "plain words"),
}


# ---- bytes
def _more_after(mime: bytes) -> bytes:
    """Below the last boundary of all; what has none would have it in its content."""
    return mime + b"\r\nadvertisement\r\n" * 50 if mime.rstrip().endswith(b"--") else mime


def _lf_below(mime: bytes) -> bytes:
    head, blank, rest = mime.partition(b"\r\n\r\n")
    return head + blank + rest.replace(b"\r\n", b"\n") if blank else mime.replace(b"\r\n", b"\n")


def _no_end(mime: bytes) -> bytes:
    """Without the line that closes the message."""
    return mime[: mime.rstrip().rfind(b"\r\n")] if mime.rstrip().endswith(b"--") else mime


WIRES: Mapping[str, Callable[[bytes], bytes]] = {
    "bare LF": lambda mime: mime.replace(b"\r\n", b"\n"),
    "bare LF below the header": _lf_below,
    "a NUL": lambda mime: mime.replace(b"for old readers", b"for\x00old readers"),
    "no last boundary": _no_end,
    "no line end at the end": lambda mime: mime.rstrip() if mime.rstrip().endswith(b"--") else mime,
    "blanks after the boundaries": lambda mime: mime.replace(b"?\r\n", b"? \t\r\n"),
    "much after the end": _more_after,
}
