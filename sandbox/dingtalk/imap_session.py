"""One connection to the IMAP door, without a socket: bytes in, bytes out.

The observed server: no LITERAL+, no MOVE, no CONDSTORE, no keywords; COPY takes the source away; SEARCH knows dates and
UNSEEN only; a mailbox name with 8-bit bytes makes it drop the connection (Alimail: IMAP).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sandbox.dingtalk.imap_commands import ANYONES, USERS, handler
from sandbox.dingtalk.imap_mailboxes import news
from sandbox.dingtalk.imap_parts import Bad, Dropped, Literal, No, Selected
from sandbox.dingtalk.store import Store
from sandbox.dingtalk.world import World

KNOWN = {*ANYONES, *USERS, "IDLE"}
LITERAL = re.compile(rb"\{(\d+)\}$")
LITERAL_PLUS = re.compile(rb"\{\d+\+\}$")
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|\((?:[^()]|\([^()]*\))*\)|(?:[^\s"()\[]|\[[^\]]*\])+')
"""A quoted string, a list in brackets, or an atom."""
COMMAND = re.compile(rb"(?:%b)(?: +(?:%b))* *" % (TOKEN.pattern, TOKEN.pattern))
BAD = b" BAD invalid command or parameters\r\n"


class ImapSession:
    """`closed`: the server has ended the connection."""

    def __init__(self, world: World, stores: Mapping[str, Store]) -> None:
        self.world, self.stores = world, stores
        self.store: Store | None = None
        self.password = ""
        self.selected: Selected | None = None
        self.closed = False
        self._buffer, self._line, self._wanted = bytearray(), b"", 0
        self._literals: list[Literal] = []
        self._idle = b""

    def greeting(self) -> bytes:
        if self.world.switches.imap_off == "greeting":
            self.closed = True
            return b"* BYE IMAP service is disabled for this organization\r\n"
        return f"* OK AliYun IMAP Server Ready{self.world.switches.greeting_address}\r\n".encode()

    def feed(self, data: bytes) -> bytes:
        """All output that `data` causes; it may end in the middle of a line or literal."""
        self._buffer += data
        out = b""
        with self.world.lock:
            while not self.closed:
                more = self._literal() if self._wanted else self._command_line()
                if more is None:
                    break
                out += more
        return out

    def _literal(self) -> bytes | None:
        if len(self._buffer) < self._wanted:
            return None
        self._literals.append(Literal(self._buffer[: self._wanted]))
        del self._buffer[: self._wanted]
        self._wanted = 0
        return b""

    def _command_line(self) -> bytes | None:
        length = self._buffer.find(b"\r\n")
        if length < 0:
            return None
        line = bytes(self._buffer[:length])
        del self._buffer[: length + 2]
        if self._idle:
            tag, self._idle = self._idle, b""
            end = b" OK IDLE terminated" if line.upper() == b"DONE" else b" BAD expected DONE"
            return news(self) + tag + end + b"\r\n"
        if LITERAL_PLUS.search(line) or 0 in line:
            tag = (self._line + line).split(b" ", 1)[0]
            self._line, self._literals = b"", []
            return tag + BAD
        self._line += line
        if match := LITERAL.search(line):
            self._wanted, switches = int(match[1]), self.world.switches
            if switches.refuses_large_early and self._wanted > switches.max_append:
                tag = self._line.split(b" ", 1)[0]
                self._line, self._literals, self._wanted = b"", [], 0
                return tag + b" NO [TOOBIG] message too large\r\n"
            self._line = self._line[: -len(match[0])] + b'"\x00%d"' % len(self._literals)
            if self._wanted == 0:
                self._literals.append(Literal())
            return b"+ Ready for additional command text\r\n"
        whole, literals = self._line, self._literals
        self._line, self._literals = b"", []
        return self._command(whole, literals)

    def _command(self, line: bytes, literals: list[Literal]) -> bytes:
        if not COMMAND.fullmatch(line):
            return (line.split(b" ", 1)[0] or b"*") + BAD
        words = [_word(word, literals) for word in TOKEN.findall(line)]
        if len(words) < 2:
            return b"*" + BAD
        tag, name, args = words[0], words[1].decode("ascii", "replace").upper(), words[2:]
        if name == "UID" and args:
            name, args = "UID " + args[0].decode("ascii", "replace").upper(), args[1:]
        self.world.counts[f"IMAP {name}" if name in KNOWN else "IMAP other"] += 1
        if name == "IDLE" and self.selected:
            self._idle = tag
            return b"+ idling\r\n"
        return self._answer(tag, name, args)

    def _answer(self, tag: bytes, name: str, args: list[bytes]) -> bytes:
        try:
            untagged, text = handler(self, name)(self, args)
            return untagged + tag + b" OK " + text.encode() + b"\r\n"
        except No as no:
            return tag + b" NO " + str(no).encode() + b"\r\n"
        except Bad:
            return tag + BAD
        except Dropped:
            self.closed = True
            return b""


def _word(word: bytes, literals: list[Literal]) -> bytes:
    """An argument without its quotes; the stand-in of a literal gives the literal."""
    if word.startswith(b'"\x00'):
        return literals[int(word[2:-1])]
    if word.startswith(b'"') and word.endswith(b'"'):
        return re.sub(rb"\\(.)", rb"\1", word[1:-1])
    return word
