"""The IMAP door behind a loopback socket."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
from contextlib import suppress
from typing import Any, Protocol


class Session(Protocol):
    """What `ImapSession` is to a socket."""

    @property
    def closed(self) -> bool: ...
    def greeting(self) -> bytes: ...
    def feed(self, data: bytes) -> bytes: ...


class ImapVendor(Protocol):
    def imap(self) -> Session: ...


class ImapServer:
    """A thread for each connection; `close` ends them all."""

    def __init__(self, vendor: ImapVendor, port: int = 0) -> None:
        self._server = _Server(("127.0.0.1", port), _handler(vendor))
        self.host: str = "127.0.0.1"
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._thread.join()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[socketserver.BaseRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no news."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        for request in tuple(self._open):
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)


def _handler(vendor: ImapVendor) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            session = vendor.imap()
            self.request.sendall(session.greeting())
            while not session.closed:
                data = self.request.recv(1 << 20)
                if not data:
                    return
                self.request.sendall(session.feed(data))

    return Handler
