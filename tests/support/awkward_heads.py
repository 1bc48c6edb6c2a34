"""What can be awkward about a message's header."""

from __future__ import annotations

from collections.abc import Mapping
from email.header import Header


def word(text: str, charset: str) -> bytes:
    """Encoded words."""
    return Header(text, charset).encode(linesep="\r\n").encode()


HEADS: dict[str, Mapping[str, bytes]] = {
    "no From": {"From": b"!"},
    "no Date": {"Date": b"!"},
    "no Message-ID": {"Message-ID": b"!"},
    "no Subject": {"Subject": b"!"},
    "no recipients": {"To": b"!"},
    "an empty Message-ID": {"Message-ID": b""},
    "a Message-ID of two brackets": {"Message-ID": b"<>"},
    "a Message-ID without brackets": {"Message-ID": b"bare-id@mail.example"},
    "a Message-ID on the next line": {"Message-ID": b"\r\n <next-line@mail.example>"},
    "a Message-ID with a quote and a blank": {"Message-ID": b"<it's one@mail.example>"},
    "a Message-ID with 8-bit letters": {"Message-ID": "<编号@mail.example>".encode()},
    "a Message-ID of 900 letters": {"Message-ID": b"<" + b"x" * 900 + b"@mail.example>"},
    "the Message-ID of another message": {"Message-ID": b"<no-From@mail.example>"},
    "an empty subject": {"Subject": b""},
    "a subject in raw GBK": {"Subject": "提单确认".encode("gbk")},
    "a subject in raw UTF-8": {"Subject": "提单确认 📦".encode()},
    "a subject in Big5": {"Subject": word("報關資料", "big5")},
    "a subject in GB 18030": {"Subject": word("镕基堃喆㐀", "gb18030")},
    "a subject in ISO-2022-JP": {"Subject": word("船荷証券の件", "iso-2022-jp")},
    "a subject with an emoji": {"Subject": word("👩‍🏭 ready 🇨🇳", "utf-8")},
    "a subject from right to left": {"Subject": word("בדיקה \u202eabc\u202c مرحبا", "utf-8")},
    "a letter broken in two by encoded words": {"Subject": b"=?utf-8?B?5o8=?=\r\n =?utf-8?B?kOWNlQ==?="},
    "an encoded word without an end": {"Subject": b"=?utf-8?B?5o+Q5Y2V"},
    "an encoded word that isn't base64": {"Subject": b"=?utf-8?B?5o+Q5Y2?= x"},
    "an encoded word in an unknown charset": {"Subject": b"=?x-unknown?B?5o+Q5Y2V?="},
    "an encoded word with blanks in it": {"Subject": b"=?utf-8?Q?a b c?="},
    "a subject of 3000 letters": {"Subject": b"long " * 600},
    "a subject folded oddly": {"Subject": b"\r\n\t one\r\n\t\r\n two"},
    "a control character in the subject": {"Subject": b"bell\x07 and \x1b[0m"},
    "200 KB of headers": {f"X-Filler-{number}": b"y" * 990 for number in range(205)},
    "one header of 200 KB": {"X-Filler": b"\r\n ".join([b"z" * 900] * 225)},
    "a quoted name with a comma": {"From": b'"Li, Na \\"N\\"" <li.na@supplier.example>'},
    "a name in raw GBK": {"From": "李娜 <li.na@supplier.example>".encode("gbk")},
    "an encoded word in quotes": {"From": b'"=?utf-8?B?5p2O5aic?=" <li.na@supplier.example>'},
    "an encoded comma in the name": {"From": b"=?utf-8?Q?Li=2C_Na?= <li.na@supplier.example>"},
    "an old name in brackets": {"From": b"li.na@supplier.example (Li Na)"},
    "a From that is no address": {"From": b"the warehouse"},
    "an empty From": {"From": b"<>"},
    "two in From": {"From": b"a@supplier.example, b@supplier.example", "Sender": b"b@supplier.example"},
    "another in Sender": {"Sender": b"Robot <robot@supplier.example>"},
    "recipients that are undisclosed": {"To": b"undisclosed-recipients:;"},
    "a group of recipients": {"To": b"Team: a@factory.example, B <b@factory.example>;, c@factory.example"},
    "300 recipients": {"Cc": b",\r\n ".join(b"P%d <p%d@factory.example>" % (n, n) for n in range(300))},
    "a recipient that is no address": {"Cc": b"warehouse, ok@factory.example"},
    "an address with 8-bit letters": {"Cc": "质检 <质检@公司.example>".encode()},
    "blind copies": {"Bcc": b"boss@factory.example"},
    "several in Reply-To": {"Reply-To": b"a@supplier.example, b@supplier.example"},
    "a Date without a zone": {"Date": b"Tue, 22 Sep 2026 10:00:00"},
    "a Date in an old zone": {"Date": b"Tue, 22 Sep 2026 10:00:00 EST (somewhere)"},
    "a Date with a year of two digits": {"Date": b"22 Sep 26 10:00 +0800"},
    "a Date that is none": {"Date": b"yesterday"},
    "a Date before 1970": {"Date": b"Mon, 01 Jan 1968 10:00:00 +0000"},
    "a Date in the year 9999": {"Date": b"Fri, 31 Dec 9999 23:59:59 -1200"},
    "a request for a receipt, folded": {"disposition-NOTIFICATION-to": b"\r\n <li.na@supplier.example>"},
    "a request for a receipt, with a blank": {"Disposition-Notification-To ": b"<li.na@supplier.example>"},
    "requests of other kinds": {
        "Return-Receipt-To": b"<a@supplier.example>",
        "X-Confirm-Reading-To": b"<a@supplier.example>",
        "Generate-Delivery-Report": b"<a@supplier.example>",
    },
    "a line that is no header": {"X-Before": b"1\r\nno header at all", "X-After": b"2"},
    "the key of another Tandem": {"X-Tandem-Key": b"0123456789abcdef"},
    "a long thread": {"In-Reply-To": b"<t0@mail.example>", "References": b"\r\n ".join([b"<t0@mail.example>"] * 90)},
    "high importance": {"X-Priority": b"1 (Highest)", "Importance": b"high"},
    "no MIME-Version": {"MIME-Version": b"!"},
}
"""Fields as bytes, by what is awkward about them. "!" leaves a field out."""
