"""Messages that are awkward in several ways at once, made from a seed.

Every feature of `awkward_heads` and `awkward_parts` comes once alone, in an otherwise plain message, and then in
mixtures that chance picks.
"""

from __future__ import annotations

import random
import re
import sysconfig
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from tests.support.awkward_heads import HEADS
from tests.support.awkward_parts import BODIES, FILES, WIRES, Body, File

SEED = 20_261_124
MIXTURES = 70
UNMIXED = ("a line that is no header", "a request for a receipt, with a blank")
"""The simulated vendors take the rest of the header, the content's type too, for the text."""
TRACE = b"Received: from mx.supplier.example (mx.supplier.example [192.0.2.7]) by mx.example with ESMTPS\r\n"


@dataclass(frozen=True, slots=True)
class Letter:
    """`text`, `html` and `files` are what was put into it; None for a message that somebody else made."""

    name: str
    features: tuple[str, ...]
    mime: bytes
    text: str | None = None
    html: str | None = None
    files: tuple[File, ...] | None = None


def singles(to: str, at: float) -> list[Letter]:
    """A letter for each feature, named after it."""
    made = [_letter(name, to, at, head=name) for name in HEADS]
    made += [_letter(name, to, at, body=name) for name in BODIES]
    made += [_letter(name, to, at, files=(name,)) for name in FILES]
    return made + [_letter(name, to, at, wire=name, files=("a file",)) for name in WIRES]


def mixtures(to: str, at: float, seed: int = SEED, many: int = MIXTURES) -> list[Letter]:
    dice = random.Random(seed)
    return [
        _letter(
            f"mixture {number}",
            to,
            at,
            head=dice.choice([name for name in HEADS if name not in UNMIXED]),
            body=dice.choice(list(BODIES)),
            files=tuple(dice.sample(list(FILES), dice.choice((0, 1, 1, 2, 3)))),
            wire=dice.choice((*WIRES, "", "", "")),
        )
        for number in range(many)
    ]


def library() -> list[Letter]:
    """The test messages of Python's own email package, where the interpreter has brought them; as a server would have
    taken them: with the line that it writes on top, and without a mailbox file's separator."""
    folder = Path(sysconfig.get_path("stdlib")) / "test" / "test_email" / "data"
    made = []
    for path in sorted(folder.glob("msg_*.txt")):
        content = path.read_bytes()
        if content.startswith(b"From "):
            content = content.partition(b"\n")[2]
        made.append(Letter(path.stem, (), TRACE + crlf(content)))
    return made


def crlf(content: bytes) -> bytes:
    return re.sub(rb"(?<!\r)\n", b"\r\n", content)


def _lf(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")


def _letter(
    name: str, to: str, at: float, head: str = "", body: str = "", files: tuple[str, ...] = (), wire: str = ""
) -> Letter:
    features = tuple(filter(None, (head, body, *files, wire)))
    fields: dict[str, bytes] = {
        "From": b"Li Na <li.na@supplier.example>",
        "To": f"<{to}>".encode(),
        "Date": format_datetime(datetime.fromtimestamp(int(at), UTC)).encode(),
        "Subject": f"About {name}".encode(),
        "Message-ID": f"<{'-'.join(name.split())}@mail.example>".encode(),
        "MIME-Version": b"1.0",
    }
    lines = fields | dict(HEADS[head] if head else {})
    top = TRACE + b"".join(b"%s: %s\r\n" % (key.encode(), value) for key, value in lines.items() if value != b"!")
    shown = BODIES[body or "text only"]
    attached = [FILES[one] for one in files]
    content = _content(shown, attached)
    change = WIRES[wire] if wire else bytes
    every = (*shown.files, *attached)
    if wire.startswith("bare LF"):
        every = tuple(one if b"base64" in one.part else replace(one, content=_lf(one.content)) for one in every)
    return Letter(name, features, change(top + content), shown.text, shown.html, every)


def _content(body: Body, files: list[File]) -> bytes:
    if not files:
        return body.part
    parts = [body.part, *(one.part for one in files)]
    lines = b"".join(b"--=_o/u't(e)r+,-.:=?\r\n%s\r\n" % part for part in parts)
    return b'Content-Type: multipart/mixed;\r\n\tboundary="=_o/u\'t(e)r+,-.:=?"\r\n\r\nfor old readers\r\n' + (
        lines + b"--=_o/u't(e)r+,-.:=?--\r\n"
    )
