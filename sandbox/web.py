"""HTTP for the simulated vendors: one request in, one response out, with or without a socket.

A vendor is anything with `handle(Request) -> Response`. The simulation calls `handle` directly; `serve` puts
the same object behind a real HTTP/1.1 server on the loopback interface.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_BODY = 100 * 1024 * 1024
"""Bytes of a request, as Azure's host has it. A buffer is made for what is announced, so more is refused unread."""
PATIENCE = 60.0
"""Seconds that a connection may be silent."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """`target` is the request target as sent (path and query, percent-encoded); header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def segments(self) -> tuple[str, ...]:
        """The decoded parts of the path, without empty ones."""
        return tuple(unquote(part) for part in self.path.split("/") if part)

    @property
    def query(self) -> dict[str, str]:
        """The decoded query, last value wins, blanks kept."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def json(self) -> Any:
        """The body as JSON; ValueError when it isn't."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of_json(cls, status: int, value: Any, headers: Mapping[str, str] | None = None) -> Response:
        body = json.dumps(value, ensure_ascii=False).encode()
        return cls(status, {"content-type": "application/json", **(headers or {})}, body)


class Broken(Exception):
    """Raised in the place of an answer: behind a server these bytes go out as they are, and the connection ends."""

    def __init__(self, pieces: Iterable[bytes] = ()) -> None:
        super().__init__()
        self.pieces = pieces


class Vendor(Protocol):
    def handle(self, request: Request) -> Response: ...


class Server:
    """A vendor behind a loopback HTTP/1.1 server, over TLS where `tls` is given; `url` has no trailing slash."""

    def __init__(self, vendor: Vendor, port: int = 0, *, tls: SSLContext | None = None) -> None:
        self._httpd = _Httpd(("127.0.0.1", port), _handler(vendor))
        if tls:  # the handshake is left to the connection's own thread
            self._httpd.socket = tls.wrap_socket(self._httpd.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._httpd.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._httpd.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._httpd.shutdown()
        self._thread.join()
        self._httpd.server_close()


class _Httpd(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Where it happened and no more: what is raised, and the library's own print of it, may hold content."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            (*_, frame) = traceback.extract_tb(error.__traceback__)
            logger.error("a request failed: %s at %s:%s", type(error).__name__, frame.filename, frame.lineno)


def _handler(vendor: Vendor) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = PATIENCE

        def answer(self) -> None:
            length = self.headers.get("content-length") or "0"
            if status := _refusal(self.path, length, self.headers.get("transfer-encoding")):
                self.close_connection = True  # where the next request begins is not known
                return self.send(Response(status, {"connection": "close"}))
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(length))
            if len(body) < int(length):
                self.close_connection = True  # the rest will never come; nobody waits for an answer
                return
            try:
                response = vendor.handle(Request(self.command, self.path, headers, body))
            except Broken as broken:
                self.close_connection = True
                with suppress(OSError):  # the client had enough
                    for piece in broken.pieces:
                        self.wfile.write(piece)
                return
            self.send(response)

        def send(self, response: Response) -> None:
            self.send_response_only(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            if response.status != 204:
                self.send_header("content-length", str(len(response.body)))
            self.end_headers()
            if self.command != "HEAD" and response.status != 204:
                self.wfile.write(response.body)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = answer

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: request lines may hold addresses."""

    return Handler


def _refusal(target: str, length: str, encoding: str | None) -> int | None:
    """The status for a request that can't be read: bad target or length, chunks, or more than MAX_BODY."""
    try:
        urlsplit(target)
    except ValueError:
        return 400
    if encoding is not None:
        return 411
    if not (length.isascii() and length.isdigit()) or len(length) > 18:
        return 400
    return 413 if int(length) > MAX_BODY else None
