"""Small stand-ins for the world around the DingTalk replica: what it asked for is kept, what it gets is said."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from shared.dingtalk.alimail import Alimail
from shared.dingtalk.bucket import Bucket
from shared.ports.world import HttpRequest, HttpResponse, TransportError

Json = Any
T = TypeVar("T")
Answer = HttpResponse | Exception
BASE = "https://alimail-cn.aliyuncs.com"


class StillClock:
    """Stands still except while somebody sleeps."""

    def __init__(self, now: float = 1_750_000_000.0) -> None:
        self.time = now
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


class InTurn:
    """An Executor without threads."""

    def map(self, calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
        return [_outcome(call) for call in calls]


def _outcome(call: Callable[[], T]) -> T | Exception:
    try:
        return call()
    except Exception as error:
        return error


class OneToken:
    """Tokens that are refused as often as a test says so."""

    def __init__(self) -> None:
        self.given = 0

    def token(self, refused: str = "") -> str:
        self.given += bool(refused) or not self.given
        return f"token-{self.given}"


class Wire:
    """A Transport that answers with what `answer` returns and keeps what was asked."""

    def __init__(self, answer: Callable[[HttpRequest], Answer]) -> None:
        self.answer = answer
        self.requests: list[HttpRequest] = []

    def send(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        answer = self.answer(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def asked(self) -> list[str]:
        """Method and decoded path of each request."""
        return [f"{request.method} {unquote(urlsplit(request.url).path)}" for request in self.requests]


def ok(value: Json, status: int = 200, **headers: str) -> HttpResponse:
    return HttpResponse(
        status, {name.replace("_", "-"): text for name, text in headers.items()}, json.dumps(value).encode()
    )


def query(request: HttpRequest) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))


def alimail(wire: Wire, clock: StillClock | None = None, base: str = BASE) -> Alimail:
    return Alimail(wire, OneToken(), Bucket(clock or StillClock(), nullcontext()), base)


class Folder:
    """A folder of ShownMailbox: rows as Alimail shows them, and counters that a test may set apart from them."""

    def __init__(self, name: str, parent: str = "0") -> None:
        self.name = name
        self.parent = parent
        self.rows: list[dict[str, Json]] = []
        self.counters: tuple[int, int] | None = None


class ShownMailbox:
    """A mailbox by its REST face: folder lists, pages newest first, reads by id, state and moves."""

    def __init__(self) -> None:
        names = {"1": "已发送", "2": "收件箱", "3": "垃圾邮件", "5": "草稿", "6": "已删除邮件"}
        self.folders = {id: Folder(name) for id, name in names.items()}
        self.broken: dict[str, Answer] = {}

    def put(self, folder: str, id: str, received: float, **members: Json) -> dict[str, Json]:
        stamp = _iso(received)
        row = {"id": id, "folderId": folder, "isRead": False, "tags": [], "receivedDateTime": stamp, **members}
        self.folders[folder].rows.append(row)
        return row

    def answer(self, request: HttpRequest) -> Answer:
        parts = [unquote(part) for part in urlsplit(request.url).path.split("/")[4:]]
        if parts[-1] in self.broken:
            return self.broken[parts[-1]]
        if parts[0] == "mailFolders" and len(parts) == 1:
            return ok({"folders": self._children(query(request).get("folderId", "0"))})
        if parts[0] == "mailFolders":
            return self._page(parts[1], query(request))
        if parts[1:] == ["batchUpdate"] or parts[1:] == ["move"]:
            return self._change(json.loads(request.body))
        row = self.row(parts[1])
        return ok({"message": row}) if row else ok({"detailErrorCode": "message.notFound"}, 404)

    def row(self, id: str) -> dict[str, Json] | None:
        return next((row for folder in self.folders.values() for row in folder.rows if row["id"] == id), None)

    def _children(self, parent: str) -> list[Json]:
        return [
            {
                "id": id,
                "displayName": folder.name,
                "parentFolderId": folder.parent,
                "childFolderCount": sum(other.parent == id for other in self.folders.values()),
                "totalItemCount": (folder.counters or (len(folder.rows), 0))[0],
                "unreadItemCount": (folder.counters or (0, sum(not row["isRead"] for row in folder.rows)))[1],
            }
            for id, folder in self.folders.items()
            if folder.parent == parent
        ]

    def _page(self, folder: str, asked: dict[str, str]) -> Answer:
        if folder not in self.folders:
            return ok({"detailErrorCode": "folder.notFound"}, 404)
        rows = sorted(self.folders[folder].rows, key=lambda row: row["receivedDateTime"], reverse=True)
        if "startTime" in asked:
            rows = [row for row in rows if asked["startTime"] <= row["receivedDateTime"] <= asked["endTime"]]
        start, size = int(asked["cursor"] or 0), int(asked["size"])
        shown = rows[start : start + size]
        return ok({"messages": shown, "nextCursor": str(start + size), "hasMore": start + size < len(rows)})

    def _change(self, body: Json) -> Answer:
        for row in filter(None, map(self.row, body["ids"])):
            if folder := body.get("destinationFolderId"):
                self.folders[row["folderId"]].rows.remove(row)
                self.folders[folder].rows.append(row)
                row["folderId"] = folder
            elif body["action"] in ("markRead", "markUnread"):
                row["isRead"] = body["action"] == "markRead"
            else:
                kept = [tag for tag in row["tags"] if tag not in body["tags"]]
                row["tags"] = kept + (body["tags"] if body["action"] == "addTags" else [])
        return HttpResponse(200, {}, b"")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class ImapServer:
    """MailStreams to one scripted server. `refuse` answers a command (by its name) with NO; `die` breaks the
    connection at a command, or at "literal", when the message has been sent."""

    def __init__(self, password: str = "right") -> None:
        self.password = password
        self.commands: list[str] = []
        self.appended: list[tuple[str, bytes]] = []
        self.headers: dict[int, bytes] = {}
        self.validity = 7
        self.uidnext: int | None = 1
        self.list_rows = [
            b'(\\HasNoChildren) "/" "INBOX"',
            b'(\\Sent) "/" "&XfJT0ZAB-"',
            b'(\\Trash) "/" "&XfJSIJZkkK5O9g-"',
            b'() "/" "&V4NXPpCuTvY-"',
        ]
        self.refuse: dict[str, str] = {}
        self.die: list[str] = []
        self.streams = 0
        self.patience: list[float] = []
        """What each line was given beyond the usual time."""
        self.capabilities = "IMAP4rev1 IDLE XLIST UIDPLUS ID SASL-IR"
        self.reachable = True
        self.wrote: Callable[[bytes], object] = lambda data: None
        self.landed: Callable[[str, bytes], object] = lambda command, message: None

    def connect(self, host: str, port: int, *, tls: bool, timeout: float) -> ImapStream:
        if not self.reachable:
            raise TransportError("refused")
        self.streams += 1
        return ImapStream(self)

    def count(self, command: str) -> int:
        return sum(line.startswith(command) for line in self.commands)


class ImapStream:
    def __init__(self, server: ImapServer) -> None:
        self._server = server
        self._out = b"* OK AliYun IMAP Server Ready(10.0.0.1)\r\n"
        self._literal: tuple[bytes, str, int] | None = None
        self._held = b""
        self._dead = False

    def write(self, data: bytes) -> None:
        self._server.wrote(data)
        if self._dead:
            raise TransportError("closed")
        if self._literal is None:
            first, _, line = data.rstrip(b"\r\n").partition(b" ")
            self._command(first, line.decode("ascii"))
            return
        self._held += data
        tag, command, size = self._literal
        if len(self._held) >= size + 2:
            assert self._held[size:] == b"\r\n"
            self._append(tag, command, self._held[:size])

    def _append(self, tag: bytes, command: str, message: bytes) -> None:
        self._literal, self._held = None, b""
        self._server.appended.append((command, message))
        self._server.landed(command, message)
        if self._dies("literal"):
            return
        uid = self._server.uidnext or 0
        self._server.uidnext = uid + 1
        self._say(tag + f" OK [APPENDUID {self._server.validity} {uid}] done".encode())

    def _command(self, tag: bytes, command: str) -> None:
        server, name = self._server, command.split()[0].upper()
        server.commands.append(command)
        if self._dies(name):
            return
        if name in server.refuse:
            return self._say(tag + f" NO {server.refuse[name]}".encode())
        if name == "LOGIN" and not command.endswith(f'"{server.password}"'):
            return self._say(tag + b" NO LOGIN failed")
        if match := re.search(r"\{(\d+)\}$", command):
            self._literal = (tag, command, int(match[1]))
            return self._say(b"+ go")
        self._say(*self._untagged(name, command), tag + b" OK done")

    def _untagged(self, name: str, command: str) -> list[bytes]:
        server = self._server
        match name:
            case "CAPABILITY":
                return [f"* CAPABILITY {server.capabilities}".encode()]
            case "LOGOUT":
                return [b"* BYE see you"]
            case "LIST":
                return [b"* LIST " + row for row in server.list_rows]
            case "STATUS":
                mailbox = command.split('"')[1]
                uidnext = f"UIDNEXT {server.uidnext} " if server.uidnext else ""
                return [f'* STATUS "{mailbox}" ({uidnext}UIDVALIDITY {server.validity})'.encode()]
            case "SELECT":
                return [b"* 1 EXISTS", b"* FLAGS (\\Seen)", f"* OK [UIDVALIDITY {server.validity}] ok".encode()]
            case "UID" if command.split()[1] == "SEARCH":
                return [" ".join(("* SEARCH", *map(str, server.headers))).encode()]
            case "UID":
                return [
                    f"* {n} FETCH (UID {uid} BODY[HEADER.FIELDS (X-TANDEM-KEY MESSAGE-ID)] {{{len(text)}}}\r\n".encode()
                    + text
                    + b")"
                    for n, (uid, text) in enumerate(server.headers.items(), 1)
                ]
        return []

    def _dies(self, at: str) -> bool:
        self._dead = at in self._server.die
        if self._dead:
            self._server.die.remove(at)
        return self._dead

    def _say(self, *lines: bytes) -> None:
        self._out += b"".join(line + b"\r\n" for line in lines)

    def readline(self, more: float = 0.0) -> bytes:
        self._server.patience.append(more)
        return self.read(self._out.find(b"\n") + 1)

    def read(self, size: int) -> bytes:
        data, self._out = self._out[:size], self._out[size:]
        return b"" if self._dead else data

    def close(self) -> None:
        self._dead = True
