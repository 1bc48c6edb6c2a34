"""A large original taken apart from its file: what is large in it goes into files of its own, decoded on the way.

What is left, with a short token in the place of each such content, is an ordinary message, and is taken apart like one
(see parts.py)."""

from __future__ import annotations

import base64
from binascii import a2b_base64, a2b_qp
from collections.abc import Callable, Iterable, Iterator
from email.message import Message as Described
from itertools import chain
from string import ascii_letters, digits

from shared.dingtalk.mime import CALENDAR_TYPES, described
from shared.dingtalk.parts import DEPTH, Content, default_below, is_file, taken_apart
from shared.model.errors import Refused, TooLarge
from shared.model.spooled import Spooled
from shared.ports.world import Spool

SMALL = 1 << 16
"""Bytes of a part's content, as encoded, up to which it stays where it is."""
MOST = 8_000_000
"""Bytes that may be left once everything large is out: texts, headers and small files."""
TEXTS = ("text/plain", "text/html")
LONGEST = 1000
"""Bytes of a line that separates parts (RFC 2046: a boundary has 70), with blanks after it."""

Decoder = Callable[[Iterable[bytes]], Iterator[bytes]]

_NOT_BASE64 = bytes(set(range(256)) - set(f"{ascii_letters}{digits}+/=".encode()))


def taken_apart_large(mime: Spooled, spool: Spool) -> Content:
    """As `parts.taken_apart`. TooLarge when too much is left in memory; Refused when the parts can't be told apart."""
    skeleton = _Skeleton(mime.pieces(), spool)
    content = taken_apart(skeleton.build(), skeleton.kept)
    found = sorted(id(one.content) for one in content.attachments if not isinstance(one.content, bytes))
    if found != sorted(map(id, skeleton.kept.values())):
        raise Refused("the parts of a large message can't be told apart", code="parts")
    return content


class _Reader:
    """The bytes of a file, line by line, or up to the next line that separates parts."""

    def __init__(self, pieces: Iterator[bytes], is_delimiter: Callable[[bytes], bool]) -> None:
        self._pieces, self._is_delimiter = pieces, is_delimiter
        self._held, self._ended = b"", False

    def _more(self) -> None:
        piece = next(self._pieces, None)
        self._ended = piece is None
        self._held += piece or b""

    def _line(self, start: int = 0) -> int:
        """Where the line ends that holds the byte at `start`, its end included."""
        while (at := self._held.find(b"\n", start)) < 0 and not self._ended and len(self._held) <= MOST:
            self._more()
        return at + 1 if at >= 0 else len(self._held)

    def line(self) -> bytes | None:
        """The next one, with its end; None at a line that separates, and at the end of the file."""
        ends = self._line()
        line = self._held[:ends]
        if not line or self._is_delimiter(line):
            return None
        self._held = self._held[ends:]
        return line

    def body(self) -> Iterator[bytes]:
        """What comes before the next separating line and the line end before that; it has to be read to its end."""
        at_start = True
        while True:
            sure, found = self._search(at_start)
            if sure:
                part, self._held, at_start = self._held[:sure], self._held[sure:], False
                yield part
            if found or self._ended:
                return
            self._more()

    def _search(self, at_start: bool) -> tuple[int, bool]:
        """-> how many bytes surely come before the next separating line, and whether it begins right there."""
        held, at = self._held, -1
        if at_start and (held.startswith(b"--") or (len(held) < 2 and not self._ended)):
            if not (ends := self._complete(0)):
                return 0, False
            if self._is_delimiter(held[:ends]):
                return 0, True
        while (at := held.find(b"\n--", at + 1)) >= 0:
            begins = at - 1 if at and held[at - 1] == 13 else at
            if not (ends := self._complete(at + 1)):
                return begins, False
            if self._is_delimiter(held[at + 1 : ends]):
                return begins, True
        return len(held) if self._ended else max(0, len(held) - 4), False

    def _complete(self, start: int) -> int:
        """Where the line ends that begins at `start`; 0 while that isn't known. A long one separates nothing."""
        at = self._held.find(b"\n", start)
        known = at >= 0 or self._ended or len(self._held) - start > LONGEST
        return (at if at >= 0 else len(self._held)) if known else 0

    def delimiter(self) -> bytes:
        """The separating line at which a body ended, with the line end before it and its own; b"" at the end."""
        self._line(2)
        before = 2 if self._held.startswith(b"\r\n") else int(self._held.startswith(b"\n"))
        ends = self._line(before)
        line, self._held = self._held[:ends], self._held[ends:]
        return line


class _Skeleton:
    """What is left of a message. `kept`: what was taken out, by its token."""

    def __init__(self, pieces: Iterator[bytes], spool: Spool) -> None:
        self.kept: dict[bytes, Spooled] = {}
        self._reader, self._spool = _Reader(pieces, self._is_delimiter), spool
        self._left, self._size = list[bytes](), 0
        self._around: list[tuple[bytes, str]] = []
        """The multiparts around what is read now, outermost first: the line that separates their parts, and what
        those parts are that don't say it."""

    def build(self) -> bytes:
        self._part("text/plain")
        while line := self._reader.delimiter():
            self._keep(line)
            if (default := self._entered(line.strip())) is not None:
                self._part(default)
            else:
                for _ in self._reader.body():
                    """What comes after the last part is nobody's."""
        return b"".join(self._left)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MOST:
            raise TooLarge(f"the texts of the message are over the {MOST} bytes that can be carried", code="size")
        self._left.append(data)

    def _is_delimiter(self, line: bytes) -> bool:
        return self._level(line.rstrip()) is not None

    def _level(self, line: bytes) -> int | None:
        """Which multipart's line it is: the outermost's, if several."""
        return next((n for n, (dashes, _) in enumerate(self._around) if line in (dashes, dashes + b"--")), None)

    def _entered(self, line: bytes) -> str | None:
        """-> the default type of the part that begins after this line; None after a closing one."""
        level = self._level(line)
        if level is None:
            return None
        dashes, default = self._around[level]
        closes = line != dashes
        del self._around[level if closes else level + 1 :]
        return None if closes else default

    def _part(self, default: str) -> None:
        head = self._head()
        if head is None:
            return
        shown = described(head)
        shown.set_default_type(default)
        boundary = shown.get_boundary()
        if shown.get_content_maintype() == "multipart":
            if boundary and len(self._around) < DEPTH:
                self._around.append((b"--" + boundary.encode(), default_below(shown)))
        elif (decoder := _decoder(shown)) is not None:
            return self._take_out(shown, decoder)
        for piece in self._reader.body():
            self._keep(piece)
        return None

    def _head(self) -> bytes | None:
        """The header lines; None when the part ends in them."""
        lines = list[bytes]()
        while (line := self._reader.line()) is not None:
            self._keep(line)
            if not line.strip(b"\r\n"):
                return b"".join(lines)
            lines.append(line)
        return None

    def _take_out(self, shown: Described, decoder: Decoder) -> None:
        body, held, size = self._reader.body(), list[bytes](), 0
        for piece in body:
            held.append(piece)
            size += len(piece)
            if size > SMALL:
                token = f"taken out of a large message: {len(self.kept) + 1}".encode()
                self.kept[token] = self._spool.keep(decoder(chain(held, body)))
                return self._keep(base64.b64encode(token) if _coding(shown) == "base64" else token)
        return self._keep(b"".join(held))


def _coding(shown: Described) -> str:
    return [*str(shown.get("content-transfer-encoding") or "").split(), "7bit"][0].lower()


def _decoder(shown: Described) -> Decoder | None:
    """How the content of a part is read that may be taken out; None for texts, and what is read in another way."""
    kind = shown.get_content_type()
    if kind in CALENDAR_TYPES or (kind in TEXTS and not is_file(shown)):
        return None
    return DECODERS.get(_coding(shown))


def _from_base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What isn't of the alphabet doesn't count (RFC 2045); what comes after the padding neither."""
    rest = b""
    for piece in pieces:
        if b"=" in rest:
            continue
        rest += piece.translate(None, _NOT_BASE64)
        if b"=" in rest:
            continue
        ready = len(rest) // 4 * 4
        yield a2b_base64(rest[:ready])
        rest = rest[ready:]
    bare = rest.partition(b"=")[0]
    if len(bare) % 4 == 1:
        bare = bare[:-1]
    yield a2b_base64(bare + b"=" * (-len(bare) % 4))


def _from_quoted(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        rest += piece
        ready = rest.rfind(b"\n") + 1
        yield a2b_qp(rest[:ready])
        rest = rest[ready:]
    yield a2b_qp(rest)


DECODERS: dict[str, Decoder] = {
    "base64": _from_base64,
    "quoted-printable": _from_quoted,
    "7bit": iter,
    "8bit": iter,
    "binary": iter,
}
"""By Content-Transfer-Encoding. Any other is left for the one way in which small messages are read."""
