"""Genuine answers of the simulated vendors, each spoilt in one place, drawn from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from shared.ports.world import HttpRequest, HttpResponse, MailStream, MailStreams, Transport, TransportError

DEEP = 100_000
JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 7, 10**30, 1.5, float("inf"), float("nan"), "", "x", "\ud800", "9" * 5000, "\r\nX: y",
    "\0", "²", "https://evil.example/v1.0/x", "2026-13-45", "0001-01-01T00:00:00+14:00", [], [None], [[]], {}, {"a": 1},
    [{"id": 7}], {"id": None}, {"id": []},
)  # fmt: skip
STATUSES = (100, 204, 206, 301, 302, 307, 400, 403, 404, 409, 410, 412, 413, 418, 429, 500, 503, 507, 599)
HEADERS: tuple[tuple[str, str], ...] = (
    ("retry-after", "9" * 400),
    ("retry-after", "-1"),
    ("retry-after", "²"),
    ("location", "https://[bad"),
    ("location", "https://evil.example/x"),
    ("location", "//evil.example:99999/x"),
    ("content-type", "text/html"),
)
BODIES: tuple[bytes, ...] = (
    b"", b"null", b"[]", b"{}", b"7", b'"text"', b"\xff\xfe\0", b"<html><body>Sign in</body></html>", b"[" * DEEP,
    b'{"a":' * DEEP, b"9" * 5000, b"\xef\xbb\xbf{}", b'{"value": {}}', b'{"error": "no"}', b'{"error": {"code": {}}}',
    b'{"detailErrorCode": ["li.na@supplier.example"]}', b'{"detailErrorCode": {"a": 1}}', b"NaN",
)  # fmt: skip


def spoil(chance: random.Random, answer: HttpResponse) -> HttpResponse:
    """The answer with one thing wrong: its status, a header, its bytes, or a value somewhere in its JSON."""
    kind = chance.random()
    if kind < 0.06:
        return HttpResponse(chance.choice(STATUSES), answer.headers, answer.body)
    if kind < 0.12:
        name, value = chance.choice(HEADERS)
        return HttpResponse(answer.status, {**answer.headers, name: value}, answer.body)
    if kind < 0.2:
        return HttpResponse(answer.status, answer.headers, chance.choice(BODIES))
    if kind < 0.3 and answer.body:
        return HttpResponse(answer.status, answer.headers, bytes_spoilt(chance, answer.body))
    try:
        value = json.loads(answer.body)
    except ValueError:
        return HttpResponse(answer.status, answer.headers, chance.choice(BODIES))
    return HttpResponse(answer.status, answer.headers, json.dumps(value_spoilt(chance, value)).encode())


def bytes_spoilt(chance: random.Random, data: bytes) -> bytes:
    """Cut at either end, or with another byte, or one more, somewhere."""
    at = chance.randrange(len(data))
    one = bytes([chance.randrange(256)])
    return chance.choice((data[:at], data[at:], data[:at] + one + data[at + 1 :], data[:at] + b"\0" + data[at:]))


def value_spoilt(chance: random.Random, value: Any) -> Any:
    """Another value, a missing or a doubled one, somewhere in it."""
    places = list(_places(value))
    if not places:
        return chance.choice(JUNK)
    holder, at = chance.choice(places)
    act = chance.random()
    if act < 0.2:
        del holder[at]
    elif act < 0.3 and isinstance(holder, list):
        holder.append(holder[at])
    else:
        holder[at] = chance.choice(JUNK)
    return value


def _places(value: Any) -> Any:
    names = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for name in list(names):
        yield value, name
        yield from _places(value[name])


class SpoiltTransport:
    """Spoils each answer with the chance `share`; `spoilt` counts, `effects` those to requests with an effect."""

    def __init__(self, whole: Transport, chance: random.Random) -> None:
        self._whole, self._chance = whole, chance
        self.share = 0.0
        self.spoilt = 0
        self.spoil: Callable[[random.Random, HttpResponse], HttpResponse] = spoil
        self.only: Callable[[HttpRequest], bool] = lambda request: True

    def send(self, request: HttpRequest) -> HttpResponse:
        try:
            request.url.encode("ascii")  # what a real one refuses before it leaves
            [value.encode("latin-1") for value in request.headers.values()]
        except ValueError:
            raise TransportError("can't be sent") from None
        answer = self._whole.send(request)
        if self._chance.random() >= self.share or not self.only(request):
            return answer
        self.spoilt += 1
        return self.spoil(self._chance, answer)


class SpoiltStreams:
    """Spoils each line and literal with the chance `share`."""

    def __init__(self, whole: MailStreams, chance: random.Random) -> None:
        self._whole, self._chance = whole, chance
        self.share = 0.0
        self.spoilt = 0

    def connect(self, host: str, port: int, *, tls: bool, timeout: float) -> MailStream:
        return _Stream(self, self._whole.connect(host, port, tls=tls, timeout=timeout))

    def maybe(self, data: bytes) -> bytes:
        if not data or self._chance.random() >= self.share:
            return data
        self.spoilt += 1
        return self._chance.choice((*LINES, bytes_spoilt(self._chance, data), bytes_spoilt(self._chance, data)))


LINES: tuple[bytes, ...] = (
    b"", b"\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"* BYE\r\n", b"* OK [UIDVALIDITY x] ok\r\n", b"A1 OK\r\n",
    b"* LIST\r\n", b"* LIST (\\Sent 7 NIL) {-5}\r\n", b"* LIST () NIL (\r\n", b"* STATUS INBOX (UIDNEXT)\r\n",
    b"* STATUS (\r\n", b"* 1 FETCH (UID\r\n", b"* 1 FETCH (UID x BODY {2}\r\n", b"* 1 FETCH (UID 1 BODY[] NIL)\r\n",
    b"* 99999999999999999999 FETCH ()\r\n", b"+ \r\n", b"* PREAUTH hi\r\n", b"\0\0\0\r\n", b"* NO [ALERT\r\n",
    b"* 1 FETCH (UID 1 BODY[HEADER] {" + b"9" * 5000 + b"}\r\n", b"* OK [UIDVALIDITY " + b"9" * 5000 + b"]\r\n",
)  # fmt: skip


class _Stream:
    def __init__(self, streams: SpoiltStreams, whole: MailStream) -> None:
        self._streams, self._whole = streams, whole

    def write(self, data: bytes) -> None:
        self._whole.write(data)

    def readline(self, more: float = 0.0) -> bytes:
        return self._streams.maybe(self._whole.readline(more))

    def read(self, size: int) -> bytes:
        return self._streams.maybe(self._whole.read(size))

    def close(self) -> None:
        self._whole.close()
