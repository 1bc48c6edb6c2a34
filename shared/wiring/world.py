"""The real world behind the ports of `shared.ports.world`."""

from __future__ import annotations

import io
import ipaddress
import logging
import re
import secrets
import socket
import ssl
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import cached_property
from http.client import HTTPException, HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from shared.model.spooled import Spooled
from shared.ports.world import HttpRequest, HttpResponse, TooMuch, TransportError

T = TypeVar("T")

CONNECT_TIMEOUT = 10.0
MAX_BODY = 64 << 20
"""Bytes of an answer, once unpacked, and of an IMAP literal."""
MAX_LINE = 1 << 20
"""Bytes of an IMAP line."""
PIECE = 1 << 16
LENGTH = re.compile(r"[0-9]{1,15}")
SLOWEST = 100_000
"""Bytes a second that a large IMAP literal is given time for."""


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address, can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class SystemClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))


class SystemRandom:
    def uniform(self) -> float:
        return secrets.SystemRandom().random()

    def token(self) -> str:
        return secrets.token_hex(16)


class ThreadExecutor:
    """At most `width` calls of one `map` at a time. Threads live as long as their `map`, so that calls may use the
    executor themselves without waiting for each other's threads; each call has the caller's context variables."""

    def __init__(self, width: int) -> None:
        self._width = width

    def map(self, calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
        if len(calls) <= 1:
            return [_outcome(call) for call in calls]
        with ThreadPoolExecutor(min(self._width, len(calls))) as pool:
            futures = [pool.submit(copy_context().run, _outcome, call) for call in calls]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _outcome(call: Callable[[], T]) -> T | Exception:
    try:
        return call()
    except Exception as error:
        return error


SILENT, QUIET = ("imapclient", "msal", "urllib3"), ("azure.core", "azure.identity")
"""Libraries whose own logs are kept out of ours altogether (they say who has logged in, write answers that they can't
read whole, and tokens with them, or hold URLs, and so addresses), and those whose warnings may pass."""


def hush() -> None:
    """Keep the libraries' own logs of requests out of ours, whatever level is asked for."""
    for names, level in ((SILENT, logging.CRITICAL), (QUIET, logging.WARNING)):
        for name in names:
            logging.getLogger(name).setLevel(level)


class RequestsTransport:
    """HTTP by requests; connections are kept. A request that isn't answered wholly within its timeout has failed,
    however slowly its bytes come. Packed answers are unpacked as far as the bound, and a cut one is no answer.

    Certificates are verified. Proxies and certificate authorities come from the environment, except for loopback;
    passwords of a .netrc, cookies and redirects are ignored."""

    def __init__(self, max_body: int = MAX_BODY) -> None:
        self._max_body = max_body
        self._idle: deque[requests.Session] = deque()

    def send(self, request: HttpRequest) -> HttpResponse:
        deadline = time.monotonic() + request.timeout
        try:
            with self._session() as session:
                session.trust_env = not is_loopback(urlsplit(request.url).hostname or "")
                with session.request(
                    request.method,
                    request.url,
                    headers=dict(request.headers),
                    data=_Upload(request.body, deadline) if request.body else None,
                    timeout=Timeout(request.timeout, CONNECT_TIMEOUT, request.timeout),  # type: ignore[arg-type]
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    body, spooled = self._body(request, response, deadline)
        except (OSError, HTTPError, HTTPException, ValueError, zlib.error) as error:
            raise TransportError(f"no complete answer: {type(error).__name__}") from None  # its text holds the URL
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpResponse(response.status_code, headers, body, spooled)

    def close(self) -> None:
        """End the connections that are kept."""
        while self._idle:
            self._idle.pop().close()

    def _body(self, request: HttpRequest, response: requests.Response, deadline: float) -> tuple[bytes, Spooled | None]:
        if request.into and 200 <= response.status_code < 300:
            return b"", request.into.spool.keep(_pieces(response, deadline, request.into.most))
        body = bytearray()
        for piece in _pieces(response, deadline, self._max_body):
            body += piece
        return bytes(body), None

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        """One for the caller alone (a session is not safe among threads), given back with its connections."""
        try:
            session = self._idle.pop()
        except IndexError:
            session = _new_session()
        try:
            yield session
        except BaseException:
            session.close()
            raise
        self._idle.append(session)


def _pieces(response: requests.Response, deadline: float, most: int) -> Iterator[bytes]:
    """Of a whole body. Not by requests' own unpacking, which takes a cut answer for a whole one."""
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    length, size = response.headers.get("content-length", "0"), 0
    if coding not in ("identity", "gzip"):
        raise TransportError("an answer in a coding that wasn't asked for")
    if not LENGTH.fullmatch(length):
        raise TransportError("no complete answer: its length is no number")
    if int(length) > most:
        raise TooMuch(f"an answer of more than {most} bytes")
    came = _arriving(response)
    for piece in _unpacked(came) if coding == "gzip" else came:
        size += len(piece)
        if size > most:
            raise TooMuch(f"an answer of more than {most} bytes")
        _check(deadline)
        yield piece


def _arriving(response: requests.Response) -> Iterator[bytes]:
    while piece := response.raw.read1(PIECE, decode_content=False):  # what has come, unlike iter_content
        yield piece


def _unpacked(came: Iterable[bytes]) -> Iterator[bytes]:
    packed, empty = zlib.decompressobj(wbits=31), True
    for piece in came:
        empty = False
        while piece:
            if packed.eof:
                raise TransportError("no complete answer: more came than was packed")
            yield packed.decompress(piece, PIECE)
            piece = packed.unconsumed_tail or packed.unused_data
    if not empty and not packed.eof:
        raise TransportError("no complete answer: it is packed and cut short")


def _new_session() -> requests.Session:
    session = requests.Session()
    session.headers.update({"User-Agent": "Tandem", "Accept-Encoding": "gzip"})
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    session.auth = _as_it_is
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from putting a .netrc's password in the place of our token."""
    return request


class _Patient(io.RawIOBase):
    """Reads of a socket, all of which together have to be done by `deadline` (on the monotonic clock)."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._raw = connection, connection.makefile("rb", buffering=0)
        self.deadline = time.monotonic() + (connection.gettimeout() or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """Must come, head and all, within what is left of the timeout when the request has left. http.client and urllib3
    wait that long for each byte."""

    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp.close()
        self.fp = io.BufferedReader(_Patient(sock))


class _Http(HTTPConnection):
    response_class = _Response


class _Https(HTTPSConnection):
    response_class = _Response


class _Adapter(HTTPAdapter):
    def get_connection_with_tls_context(self, *args: Any, **more: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **more)
        pool.ConnectionCls = _Https if pool.scheme == "https" else _Http
        return pool


class _Upload(io.BytesIO):
    """A body that stops when the time is up: what leaves later than the timeout might land after we looked for it."""

    def __init__(self, body: bytes, deadline: float) -> None:
        super().__init__(body)
        self._deadline = deadline

    def read(self, size: int | None = -1) -> bytes:
        _check(self._deadline)
        return super().read(size)


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TransportError("no complete answer in time")


class SocketMailStreams:
    """IMAP connections over TCP; certificates are verified."""

    def connect(self, host: str, port: int, *, tls: bool, timeout: float) -> SocketMailStream:
        """`timeout` bounds the making of the connection, and each line, literal and write as a whole; a long literal
        has longer."""
        with _translated():
            connection = socket.create_connection((host, port), timeout)
            try:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if tls:
                    connection = self._context.wrap_socket(connection, server_hostname=host)
                return SocketMailStream(connection)
            except BaseException:
                connection.close()
                raise

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context()


class SocketMailStream:
    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._timeout = connection, connection.gettimeout() or 0.0
        self._patient = _Patient(connection)
        self._reader = io.BufferedReader(self._patient)

    def write(self, data: bytes) -> None:
        with _translated():
            self._connection.settimeout(self._timeout)
            self._connection.sendall(data)

    def readline(self, more: float = 0.0) -> bytes:
        self._patient.deadline = time.monotonic() + self._timeout + more
        with _translated():
            line = self._reader.readline(MAX_LINE)
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            raise TransportError(f"an IMAP line of more than {MAX_LINE} bytes")
        return line

    def read(self, size: int) -> bytes:
        if size > MAX_BODY:
            raise TransportError(f"an IMAP literal of more than {MAX_BODY} bytes")
        self._patient.deadline = time.monotonic() + self._timeout + size / SLOWEST
        with _translated():
            return self._reader.read(size)

    def close(self) -> None:
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._reader.close()
        self._connection.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: the stream was closed
        raise TransportError(f"the IMAP connection failed: {type(error).__name__}") from None
