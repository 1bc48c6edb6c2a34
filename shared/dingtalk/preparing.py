"""What an original message needs before it may be put into DingTalk. Pure, and on bytes in pieces of any size.

The message is not parsed and written anew: signatures, odd charsets and broken headers must survive. Only the lines
named here change, and a part that is an invitation.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from shared.dingtalk.mime import (
    CALENDAR_TYPES,
    INVITE_NAME,
    INVITE_TYPE,
    KEY_HEADER,
    RECEIPT_HEADERS,
    below,
    boundary_of,
    decoded,
    described,
    fields,
    without_method,
)
from shared.model.errors import TooLarge
from shared.model.spooled import PIECE, Spooled

MOST = 4 << 20
"""Bytes of a part's header, or of an invitation, which are held in memory."""
TRAIL = 1000
"""Bytes that may follow the boundary in a line that separates; blanks, if any are there."""
_DEPTH = 50
_CONTENT = (b"content-type", b"content-disposition", b"content-transfer-encoding")
_RENAMED = {name.lower().encode(): b"X-Tandem-" + name.encode() for name in RECEIPT_HEADERS}
_RENAMED[KEY_HEADER.lower().encode()] = b"X-Tandem-Former-Key"
CRLF = b"\r\n"


def prepare(mime: bytes, key: str) -> bytes:
    return b"".join(prepared([mime], key))


def prepared(mime: Iterable[bytes], key: str) -> Iterator[bytes]:
    """`mime` with our key, without requests for receipts, with invitations as plain files, and with CRLF throughout.

    A header that could make another program answer keeps its text under a name that none acts on; so does the key of
    an earlier copy. Calendar parts are rewritten in place, also in a signed message: that no client offers an answer
    outweighs the signature. A message that is itself attached is left alone. TooLarge when a header or an invitation
    has more than MOST bytes."""
    yield f"{KEY_HEADER}: {key}\r\n".encode()
    rewriting = _Rewriting()
    for piece in _ended(mime):
        yield from rewriting.feed(piece)
    yield from rewriting.end()


@dataclass(frozen=True, slots=True)
class Prepared:
    """The same for a message in a file, made anew each time that it is read, so that it needs no room of its own."""

    mime: Spooled
    key: str
    size: int

    @classmethod
    def of(cls, mime: Spooled, key: str) -> Prepared:
        return cls(mime, key, sum(map(len, prepared(mime.pieces(), key))))

    def pieces(self, most: int = PIECE) -> Iterator[bytes]:
        held = bytearray()
        for piece in prepared(self.mime.pieces(), self.key):
            held += piece
            while len(held) >= most:
                yield bytes(held[:most])
                del held[:most]
        if held:
            yield bytes(held)


def _ended(mime: Iterable[bytes]) -> Iterator[bytes]:
    """With every bare LF made a CRLF."""
    before = b""
    for piece in mime:
        text = before + piece
        if text.count(b"\n") != text.count(CRLF):
            text = text.replace(CRLF, b"\n").replace(b"\n", CRLF)
        yield text[len(before) :]
        before = b"\r" if text.endswith(b"\r") else b""


class _Rewriting:
    """Takes a message line by line through its parts; what stands in them goes by in large pieces.

    A CRLF belongs to the line that follows it, as MIME has it for the lines that separate. So `_data` begins, from
    `_at` on, with the one before the next line, and the first line of the message is given one that isn't there.
    `_open`: how the lines begin that separate the parts of the multiparts which the present place is in. The outermost
    counts first, since it ends whatever is within."""

    def __init__(self) -> None:
        self._data, self._at = CRLF, 0
        self._open: list[bytes] = []
        self._sought = re.compile(b"")
        self._head, self._is_root = bytearray(), True
        self._calendar: tuple[bytes, bytearray] | None = None
        self._out: list[bytes] = []
        self._step: Callable[[bool], bool] = self._before_part

    def feed(self, piece: bytes, last: bool = False) -> list[bytes]:
        """-> what can go on its way."""
        self._data, self._at = self._data[self._at :] + piece, 0
        while self._step(last):
            pass
        out, self._out = self._out, []
        return out

    def end(self) -> list[bytes]:
        out = self.feed(b"", last=True)
        self._end_calendar()
        return out + self._out

    # ---- places. Each goes one step on; False when more must come.
    def _before_part(self, last: bool) -> bool:
        line = self._line(MOST, last)
        if line is None:
            return False
        if not self._separates(line):
            if not self._is_root:
                self._put(CRLF)
            self._begin(line)
            self._step = self._in_head
        return True

    def _in_head(self, last: bool) -> bool:
        """A blank line ends it, unless it only separates the part from the next one."""
        is_blank = not self._head or self._head.endswith(b"\n")
        line = self._line(self._reach() if is_blank else MOST, last)
        if line is None:
            if last:
                self._end_head(has_body=False)
            return False
        if self._separates(line):
            return True
        if is_blank:
            self._end_head(has_body=True)
        else:
            self._begin(CRLF + line)
        return True

    def _in_body(self, last: bool) -> bool:
        found = self._sought.search(self._data, self._at) if self._open else None
        if found is None:
            self._pass(len(self._data) if last or not self._open else self._sure())
            return False
        self._pass(found.start())
        line = self._line(self._reach(), last)
        if line is None:
            return False
        if not self._separates(line):
            self._pass(found.end())
        return True

    # ---- lines
    def _line(self, most: int, last: bool) -> bytes | None:
        """The next one without its CRLFs, or `most` bytes of it and more; None when it isn't there yet."""
        start = self._at + len(CRLF)
        end = self._data.find(CRLF, start)
        if end < 0:
            if len(self._data) < start or not (last or len(self._data) - start > most):
                return None
            end = len(self._data)
        return self._data[start:end]

    def _reach(self) -> int:
        """No line that is longer separates anything."""
        return max(map(len, self._open), default=0) + TRAIL

    def _sure(self) -> int:
        """Up to where no line can begin that separates, whatever comes."""
        line = self._data.rfind(CRLF, max(self._at, len(self._data) - self._reach() - len(CRLF)))
        if line >= 0:
            return line
        return len(self._data) - self._data.endswith(b"\r", self._at)

    def _separates(self, line: bytes) -> bool:
        """If it does, it is dealt with."""
        for level, dashes in enumerate(self._open):
            if line.startswith(dashes) and len(line) - len(dashes) <= TRAIL:
                rest = line[len(dashes) :].rstrip(b" \t")
                if rest in (b"", b"--"):
                    self._end_part(line, level, closes=rest != b"")
                    return True
        return False

    # ---- parts
    def _begin(self, head: bytes) -> None:
        self._head += head
        self._at += len(CRLF) + len(head.removeprefix(CRLF))
        _bound(self._head, "header")

    def _end_head(self, has_body: bool) -> None:
        head = bytes(self._head)
        self._head.clear()
        if self._is_root:
            head = b"".join(_RENAMED.get(name.lower(), name) + rest for name, rest in fields(head))
            self._is_root = False
        shown = described(head)
        kind, boundary = shown.get_content_type(), boundary_of(shown)
        if kind in CALENDAR_TYPES:
            self._calendar = head, bytearray()
        else:
            self._put(head)
            if kind.startswith("multipart/") and boundary and has_body and len(self._open) < _DEPTH:
                self._reopen([*self._open, b"--" + boundary])
        self._step = self._in_body

    def _end_part(self, line: bytes, level: int, closes: bool) -> None:
        if self._step == self._in_head:
            self._end_head(has_body=False)
        self._end_calendar()
        self._pass(self._at + len(CRLF) + len(line))
        self._reopen(self._open[: level if closes else level + 1])
        self._step = self._in_body if closes else self._before_part

    def _end_calendar(self) -> None:
        if self._calendar is not None:
            (head, body), self._calendar = self._calendar, None
            self._put(_as_file(head, bytes(body)))

    def _reopen(self, open: list[bytes]) -> None:
        self._open = open
        self._sought = re.compile(CRLF + b"(?:" + b"|".join(map(re.escape, open)) + b")")

    # ---- what leaves
    def _pass(self, end: int) -> None:
        self._put(self._data[self._at : end])
        self._at = end

    def _put(self, data: bytes) -> None:
        if self._calendar is not None:
            self._calendar[1].extend(data)
            _bound(self._calendar[1], "invitation")
        elif data:
            self._out.append(data)


def _bound(held: bytearray, what: str) -> None:
    if len(held) > MOST:
        raise TooLarge(f"the message has a part whose {what} is over {MOST} bytes", code="size")


def _as_file(head: bytes, body: bytes) -> bytes:
    content = decoded(described(head), below(body))
    encoded = base64.encodebytes(without_method(content)).rstrip(b"\n").replace(b"\n", CRLF)
    kept = b"".join(name + rest for name, rest in fields(head) if name.lower() not in _CONTENT)
    made = (
        f'Content-Type: {INVITE_TYPE}; name="{INVITE_NAME}"\r\n'
        f'Content-Disposition: attachment; filename="{INVITE_NAME}"\r\n'
        "Content-Transfer-Encoding: base64\r\n"
    )
    return kept + made.encode() + CRLF + encoded
