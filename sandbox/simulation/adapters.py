"""The product's ports on the simulated world."""

from __future__ import annotations

import json
import marshal
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from sandbox.simulation.world import Kind, NoAnswer, Refusal, World
from sandbox.web import Request, Response, Vendor
from shared.model.errors import Conflict, StoreUnavailable, Unavailable
from shared.ports.state import ANY, Entity, Op, Poisoned, Received
from shared.ports.world import HttpRequest, HttpResponse, TooMuch, TransportError
from shared.state.limits import check_transaction

T = TypeVar("T")


class SimClock:
    """A worker's own clock: off by `skew` seconds. Monotonic time is the world's."""

    def __init__(self, world: World, skew: float = 0.0) -> None:
        self._world, self._skew = world, skew

    def now(self) -> float:
        return self._world.now + self._skew

    def monotonic(self) -> float:
        return self._world.now

    def sleep(self, seconds: float) -> None:
        self._world.run_until(self._world.now + seconds)


class SimRandom:
    def __init__(self, world: World) -> None:
        self._world = world

    def uniform(self) -> float:
        return self._world.rng.random()

    def token(self) -> str:
        return f"{self._world.rng.getrandbits(128):032x}"


class SimExecutor:
    """One after the other, in an order drawn from the seed."""

    def __init__(self, world: World) -> None:
        self._world = world

    def map(self, calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
        results: dict[int, T | Exception] = {}
        order = list(range(len(calls)))
        self._world.rng.shuffle(order)
        for number in order:
            try:
                results[number] = calls[number]()
            except Exception as exc:
                results[number] = exc
        return [results[number] for number in range(len(calls))]


class SimTransport:
    """HTTP straight into the simulated vendors, by host."""

    def __init__(self, world: World, vendors: Mapping[str, Vendor]) -> None:
        self._world, self._vendors = world, vendors

    def send(self, request: HttpRequest) -> HttpResponse:
        _, _, rest = request.url.partition("://")
        host, _, target = rest.partition("/")
        vendor = self._vendors[host]
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers.setdefault("host", host)
        sent = Request(request.method, "/" + target, headers, request.body)
        name = f"{request.method} {host} {_digest(sent)}"
        try:
            answer = self._world.call(
                "effect" if request.effect else "read", name, lambda: vendor.handle(sent), request.timeout
            )
        except NoAnswer as exc:
            raise TransportError("no answer") from exc
        except Refusal as exc:
            return HttpResponse(exc.status, {"retry-after": "2", "content-type": "application/json"}, REFUSED)
        return answered(request, answer)


def answered(request: HttpRequest, answer: Response) -> HttpResponse:
    """Where the request wants its answer."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if request.into is None or not 200 <= answer.status < 300:
        return HttpResponse(answer.status, headers, answer.body)
    if len(answer.body) > request.into.most:
        raise TooMuch("an answer of more than the request takes")
    return HttpResponse(answer.status, headers, b"", request.into.spool.keep([answer.body]))


REFUSED = json.dumps(
    {
        "error": {"code": "ApplicationThrottled", "message": "Application is over its limit."},
        "detailErrorCode": "system.busy",
        "message": "too many requests",
    }
).encode()
"""A refusal in both vendors' shapes at once."""


def _digest(request: Request) -> str:
    """Path and size: bodies and tokens differ by nothing that matters to the order of calls."""
    return f"{request.target[:200]} {len(request.body)}"


class ImapSession(Protocol):
    closed: bool

    def greeting(self) -> bytes: ...
    def feed(self, data: bytes) -> bytes: ...


class SimStreams:
    def __init__(self, world: World, session: Callable[[], ImapSession]) -> None:
        self._world, self._session = world, session

    def connect(self, host: str, port: int, *, tls: bool, timeout: float) -> SimStream:
        return SimStream(self._world, self._session(), timeout)


class SimStream:
    """What is written goes out with the next read: one exchange is one outside call. The end of a literal is what has
    an effect; everything else only asks."""

    def __init__(self, world: World, session: ImapSession, timeout: float) -> None:
        self._world, self._session, self._timeout = world, session, timeout
        self._out, self._in, self._literal = b"", session.greeting(), False

    def write(self, data: bytes) -> None:
        self._out += data

    def readline(self, more: float = 0.0) -> bytes:
        while b"\r\n" not in self._in:
            self._exchange()
        line, _, self._in = self._in.partition(b"\r\n")
        return line + b"\r\n"

    def read(self, size: int) -> bytes:
        while len(self._in) < size:
            self._exchange()
        data, self._in = self._in[:size], self._in[size:]
        return data

    def close(self) -> None:
        self._session.closed = True

    def _exchange(self) -> None:
        if not self._out:
            raise TransportError("the connection is silent")
        data, self._out = self._out, b""
        effect = self._literal
        self._literal = data.endswith(b"}\r\n") and b"APPEND" in data.split(b"\r\n")[-2].upper()
        name = f"imap {'literal' if effect else data.split(b' ', 2)[1][:12].decode('ascii', 'replace')} {len(data)}"
        try:
            kind: Kind = "effect" if effect else "read"
            self._in += self._world.call(kind, name, lambda: self._session.feed(data), self._timeout)
        except (NoAnswer, Refusal) as exc:
            self._session.closed = True
            raise TransportError("no answer") from exc


class Stored:
    """A table's rows, outliving every worker: the etag of each, and what JSON makes of its value, as bytes (marshal,
    since it reads three times as fast and nearly everything that happens reads rows)."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, tuple[str, bytes]]] = {}
        self.order: dict[str, list[str]] = {}
        self.version = 0


class SimTable:
    """The Table port on memory. A commit may fail before or after it was written."""

    def __init__(self, world: World, stored: Stored) -> None:
        self._world, self._stored = world, stored

    def now(self) -> float:
        return self._world.now

    def _call(self, name: str, effect: Callable[[], T]) -> T:
        try:
            return self._world.call("ledger", name, effect, 5.0)
        except NoAnswer as exc:
            raise StoreUnavailable("the store did not answer; the write may have happened") from exc

    def get(self, partition: str, keys: Sequence[str]) -> dict[str, Entity]:
        wanted = list(dict.fromkeys(keys))
        return self._call(f"get {len(wanted)}", lambda: self._get(partition, wanted)) if wanted else {}

    def _get(self, partition: str, keys: Sequence[str]) -> dict[str, Entity]:
        rows = self._stored.rows.get(partition, {})
        return {key: _entity(key, rows[key]) for key in keys if key in rows}

    def scan(self, partition: str, start: str, end: str, limit: int | None = None) -> Iterator[Entity]:
        return iter(self._call(f"scan {start[:12]}", lambda: self._scan(partition, start, end, limit)))

    def _scan(self, partition: str, start: str, end: str, limit: int | None) -> list[Entity]:
        rows, order = self._stored.rows.get(partition, {}), self._stored.order.get(partition, [])
        keys = order[bisect_left(order, start) : bisect_left(order, end)]
        return [_entity(key, rows[key]) for key in keys[:limit]]

    def all(self, partition: str) -> dict[str, Entity]:
        """Every row, for those who look at the end."""
        rows = self._stored.rows.get(partition, {})
        return {key: _entity(key, rows[key]) for key in self._stored.order.get(partition, [])}

    def partitions(self, prefix: str) -> list[str]:
        return sorted(name for name, rows in self._stored.rows.items() if name.startswith(prefix) and rows)

    def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        check_transaction(ops)
        names = ",".join(f"{op.kind[0]}{op.key[:14]}" for op in ops[:4])
        return self._call(f"transact {len(ops)} {names}", lambda: self._transact(partition, ops))

    def _transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        rows = self._stored.rows.setdefault(partition, {})
        for op in ops:
            held = rows.get(op.key)
            missing = op.if_match == "" and held is not None
            other = op.if_match not in (None, "") and (held is None or op.if_match not in (ANY, held[0]))
            if missing or other:
                raise Conflict(f"row {op.key[:20]} has another version")
        etags: dict[str, str] = {}
        order = self._stored.order.setdefault(partition, [])
        for op in ops:
            if op.kind == "delete":
                if rows.pop(op.key, None) is not None:
                    del order[bisect_left(order, op.key)]
                continue
            self._stored.version += 1
            if op.key not in rows:
                insort(order, op.key)
            etags[op.key] = str(self._stored.version)
            rows[op.key] = (etags[op.key], marshal.dumps(json.loads(json.dumps(op.value))))
        return etags


def _entity(key: str, row: tuple[str, bytes]) -> Entity:
    return Entity(key, marshal.loads(row[1]), row[0])


class SimQueue:
    """Messages become visible after their delay; delivery is the story's, so there is never one to receive here."""

    def __init__(self, world: World, deliver: Callable[[str, Mapping[str, Any]], None]) -> None:
        self._world, self._deliver = world, deliver
        self._depths = Counter[str]()

    def send(self, queue: str, message: Mapping[str, Any], delay: float = 0.0) -> None:
        text = json.dumps(message)
        try:
            self._world.call("queue", f"send {queue}", lambda: self._visible(queue, text, delay), 5.0)
        except NoAnswer as exc:
            raise StoreUnavailable("the queue did not answer; the message may be in it") from exc

    def _visible(self, queue: str, text: str, delay: float) -> None:
        self._depths[queue] += 1
        self._world.after(delay, lambda: self._hand_out(queue, text))

    def _hand_out(self, queue: str, text: str) -> None:
        self._depths[queue] -= 1
        self._deliver(queue, json.loads(text))

    def receive(self, queue: str, count: int, visibility: float) -> list[Received]:
        return []

    def delete(self, queue: str, received: Received) -> None:
        raise Conflict(NOT_HERE)

    def release(self, queue: str, received: Received, delay: float) -> None:
        raise Conflict(NOT_HERE)

    def poison(self, queue: str, received: Received) -> None:
        raise Conflict(NOT_HERE)

    def depth(self, queue: str) -> int:
        return self._depths[queue]

    def poisoned(self, queue: str) -> list[Poisoned]:
        return []

    def replay(self, queue: str, id: str) -> None:
        raise Conflict(NOT_HERE)


NOT_HERE = "the message is not in this queue: the story has it, or gave it up"


class SimBlobs:
    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def get(self, name: str) -> bytes | None:
        return self._blobs.get(name)

    def put(self, name: str, content: bytes) -> None:
        self._blobs[name] = content

    def delete(self, name: str) -> None:
        self._blobs.pop(name, None)


class SimTokens:
    """An app token for the simulated Graph, without the library's own clock and caches."""

    def __init__(self, transport: SimTransport, clock: SimClock) -> None:
        self._transport, self._clock, self._token, self._until = transport, clock, "", 0.0

    def token(self) -> str:
        if not self._token or self._clock.now() > self._until:
            body = b"grant_type=client_credentials&client_id=client&client_secret=secret"
            body += b"&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"
            url = "https://login.test/tenant/oauth2/v2.0/token"
            try:
                answer = json.loads(self._transport.send(HttpRequest("POST", url, {}, body)).body)
                self._token = answer["access_token"]
            except (TransportError, KeyError) as exc:
                raise Unavailable("no token", code="login") from exc
            self._until = self._clock.now() + 3000.0
        return self._token

    def renew(self) -> str:
        self._token = ""
        return self.token()


class SimSecrets:
    def __init__(self) -> None:
        self._secrets: dict[str, str] = {}

    def get(self, name: str, fresh: bool = False) -> str | None:
        return self._secrets.get(name)

    def set(self, name: str, value: str) -> None:
        self._secrets[name] = value

    def add(self, name: str, value: str) -> str:
        return self._secrets.setdefault(name, value)

    def delete(self, name: str) -> None:
        self._secrets.pop(name, None)
