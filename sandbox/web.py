"""HTTP for the simulated vendors: one request in, one response out, with or without a socket.

A vendor is anything with `handle(Request) -> Response`. The simulation calls `handle` directly; `serve` puts
the same object behind a real HTTP/1.1 server on the loopback interface.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit


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
    """A vendor behind a loopback HTTP/1.1 server; `url` has no trailing slash."""

    def __init__(self, vendor: Vendor, port: int = 0) -> None:
        self._httpd = _Httpd(("127.0.0.1", port), _handler(vendor))
        self.port: int = self._httpd.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
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


def _handler(vendor: Vendor) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                response = vendor.handle(Request(self.command, self.path, headers, self.rfile.read(length)))
            except Broken as broken:
                self.close_connection = True
                with suppress(OSError):  # the client had enough
                    for piece in broken.pieces:
                        self.wfile.write(piece)
                return
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
